"""What the words on the page mean, where its numbers come from, and how to cite it."""

from importlib.metadata import version
from shlex import quote

from markupsafe import Markup

from geomem.reports.page import Section, code, heading, joined, paragraph
from geomem.reports.study import MOST_BLOCKS, Study

_WORDS = {
    "noise variance t": "the variance of the noise in x = y + sqrt(t) omega, in squared units of the data",
    "score": "the gradient of the logarithm of the density of noised data, which a diffusion model learns",
    "empirical score": "the score of the training samples themselves, with noise: the one that fits them perfectly",
    "direction": "a principal direction of the law of the data, along which they vary by its variance",
    "block": "a group of directions of similar variance, which the theory answers for together",
    "opens": "a direction opens at the noise variance that equals its own variance: below, the score can show it",
    "signal to noise, R": "the score's mean along a direction over its scatter over data sets of this size",
    "resolved": "open, and the score's mean along the direction is larger than its scatter over data sets of this size",
    "lost": "resolved no more, since the scatter over data sets is larger: single samples decide",
    "N and d": "the number of samples, and the number of columns",
    "D(t)": "the number of directions that are open and not lost at noise variance t",
    "law": "the probability distribution that the samples are taken to be drawn from, fitted to them",
    "mixture": "a law made of several Gaussians",
    "nat": "a unit of information; one nat is a factor e in likelihood",
    "95 % interval": "holds the true value in 95 of 100 repetitions, as far as its own scatter tells; a dash: unknown",
    "collapse": "the noise variance below which a noised training sample is drawn to itself alone",
    "onset": "the noise variance at which a training sample begins to outweigh all others where it lies",
    "held-out time": "the noise variance below which a new sample sees one training sample alone",
    "generalization time": "the noise variance at which the noised training set is closest to the law of the data",
    "speciation": "the noise variance at which a sampler's trajectories choose one of the classes of the data",
    "excess entropy": "minus the mean logarithm of the weight of a noised sample's own sample, per dimension",
    "local score": "a score of every pixel from the patch of the picture around it alone",
    "copy": "a generated sample that is three times nearer to one training sample than to any other",
    "memorization ratio": "the fraction of generated samples that are copies",
    "schedule, step": "the noise variances that a sampler goes through, and their number in its order",
}


def glossary(study: Study) -> Section:
    """Words, lines that make every part, and how to cite."""
    words = Markup("<dl>{}</dl>").format(
        joined(Markup("<dt>{}</dt><dd>{}.</dd>").format(word, text) for word, text in _WORDS.items())
    )
    cite = (
        "Cite the paper whose theory this computes, B. Achilli et al., Losing dimensions: Geometric memorization in "
        f"generative diffusion, arXiv:2410.08727, and geomem {version('geomem')}. Excess entropy: arXiv:2402.18491; "
        "copies: arXiv:2310.02664; local scores: arXiv:2412.20292."
    )
    parts = [words, heading("The lines that make it"), code(_commands(study)), code(_python(study))]
    return Section("Words, lines and sources", joined([*parts, heading("How to cite"), paragraph(cite)]), {})


def _commands(study: Study) -> str:
    source = study.subject.source
    if source is None:
        return "# the data came from Python; see the lines below"
    clock = "" if study.clock is None else f" --schedule {quote(study.clock.name)}"
    blocks = "" if study.num_blocks is None else f" --num-blocks {MOST_BLOCKS}"
    given = f"--data {quote(source)}{blocks}{clock} --num-points {study.num_points}"
    lines = (
        "# the diagram and the fates of the blocks",
        f"geomem phase-diagram {given} --out diagram",
        "# samples that keep them down to a noise variance T",
        f"geomem critical-size {given} --noise-variance T --out sizes",
    )
    return "\n".join(lines)


def _python(study: Study) -> str:
    source = study.subject.source
    blocks = "" if study.num_blocks is None else f", num_blocks={MOST_BLOCKS}"
    first = f"data = geomem.load_data({source!r})" if source is not None else "data = ...  # (samples, dims)"
    return f"""import geomem, jax

{first}
key = jax.random.key(0)
geomem.data_warnings(data)                                    # the data
fitted = geomem.fit_law(data, key=key)                        # its law, and how far to trust it
probe = geomem.Probe.noised(data[:{study.num_points}], key=key)                    # points at which it is seen
geomem.phase_diagram(fitted.law, num_samples=[len(data)], criterion="signal_to_noise",
                     theory="finite_n", probe=probe{blocks})     # the answer and the diagram
geomem.collapse_time(data, key=key), geomem.generalization_time(data, key=key)
geomem.trajectory_times(fitted.law, num_samples=len(data))    # the times
geomem.memorization_ratio(samples, data)                      # copies, of generated samples"""
