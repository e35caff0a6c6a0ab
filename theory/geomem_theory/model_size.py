r"""How large a model must be for learning samples by heart to pay: a count of what it can hold.

A denoiser that knows the law has the posterior variance left as its error. One that holds M of N samples has none at
these, and at the others that of taking one sample for another, between once and twice the law's variance.
"""

import sympy as sp

from geomem_theory.derivation import Chapter, Equation, Step
from geomem_theory.partition import tilted_variance
from geomem_theory.symbols import B, b, crossover_share, d, lam, learned_loss, miss_factor, missed_loss, s, s_v, t

_SOURCE = "arXiv:2508.17689"


def _posterior_variance(variance: sp.Expr) -> sp.Expr:
    return sp.factor(tilted_variance.right.subs({lam: 1, s_v: variance}))


law_denoising_loss = Equation(
    name="law_denoising_loss",
    left=learned_loss,
    right=sp.Sum(d[b] * s[b] * t / (t + s[b]), (b, 1, B)),
    arguments=(t, s, d),
    meaning="Squared error of the exact denoiser of the law, over the training points.",
    source=_SOURCE,
    steps=(
        Step(
            "The posterior variance of y given x, along one direction.",
            lambda: _posterior_variance(s_v),
        ),
        Step(
            "Sum over directions.",
            lambda: sp.Sum(d[b] * _posterior_variance(s[b]), (b, 1, B)),
        ),
    ),
)

missed_denoising_loss = Equation(
    name="missed_denoising_loss",
    left=missed_loss,
    right=sp.Sum(d[b] * s[b], (b, 1, B)),
    arguments=(s, d),
    meaning="Variance of the law: the squared error at a sample that is not held is $C_M$ times that, from 1, of the "
    "mean in its place, to 2, of another sample.",
    source=_SOURCE,
    steps=(
        Step("Independent samples differ by twice the variance, a sample and the mean by once."),
        Step(
            "Once, as where the noise hides everything.",
            lambda: sp.Sum(d[b] * sp.limit(_posterior_variance(s[b]), t, sp.oo), (b, 1, B)),
        ),
    ),
)

model_size_share = Equation(
    name="model_size_share",
    left=crossover_share,
    right=1 - learned_loss / (miss_factor * missed_loss),
    arguments=(learned_loss, missed_loss, miss_factor),
    meaning="Share of the samples from which on holding them has the smaller loss; both losses may be means over noise "
    "levels, weighted as in training.",
    source=_SOURCE,
    steps=(
        Step(
            "The loss of holding M samples, $C_M (1 - M/N)$ times the variance, is that of the law there.",
            lambda: sp.solve(miss_factor * (1 - crossover_share) * missed_loss - learned_loss, crossover_share)[0],
        ),
    ),
)

CHAPTER = Chapter(
    name="model_size",
    title="Size of a model that memorizes",
    introduction="A model that holds samples one by one memorizes once it can hold so many that it gains by it.",
    equations=(law_denoising_loss, missed_denoising_loss, model_size_share),
)
