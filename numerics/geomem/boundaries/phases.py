"""Phases of a direction at a noise variance and a data-set size, and the dimension that is resolved there."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from geomem.core.arguments import Numbers, as_log_sizes, as_noise_variances
from geomem.core.progress import bar
from geomem.laws.law import Law
from geomem.laws.probe import Probe
from geomem.laws.setting import opening_time
from geomem.levels.question import Level, question

PHASES = ("unresolved", "generalizing", "memorized", "unknown")


def phase(
    manifold: Law,
    block: int | np.integer,
    *,
    noise_variance: Numbers,
    num_samples: Numbers | None = None,
    log_num_samples: Numbers | None = None,
    theory: str | Level,
    probe: Probe = Probe.along(),
) -> np.ndarray:
    """The phase of a direction of `block`, one word for every noise variance and size.

    `unresolved` above its opening time t = s_b, else `generalizing` where the
    signal-to-noise ratio exceeds one and `memorized` where it does not; `unknown` where
    the level has no answer. Shape: noise variances + sizes. Source: arXiv:2410.08727,
    section 5.

    Raises:
        InputError: as `quenched` and `critical_time`.
    """
    times = as_noise_variances(noise_variance)
    log_sizes = as_log_sizes(num_samples, log_num_samples)
    asked = question("signal_to_noise", theory, probe)
    at = asked.setting(manifold, block)
    flat = np.asarray(times).ravel()
    open_ = flat < float(opening_time(jnp.dot(manifold.indicator(block), manifold.variances)))
    balance = np.full(flat.shape + log_sizes.shape, np.nan)
    if open_.any():  # elsewhere it does not matter
        found = asked.level.balances(asked.criterion, at, flat[open_], np.ravel(log_sizes))
        balance[open_] = found.reshape(-1, *log_sizes.shape)
    words = np.where(balance > 0, PHASES[1], np.where(np.isnan(balance), PHASES[3], PHASES[2]))
    words[(flat > 0) & ~open_] = PHASES[0]
    return words.reshape(times.shape + log_sizes.shape)


def resolved_dimension(
    manifold: Law,
    *,
    noise_variance: Numbers,
    num_samples: Numbers | None = None,
    log_num_samples: Numbers | None = None,
    theory: str | Level,
    probe: Probe = Probe.along(),
) -> Float[np.ndarray, "..."]:
    """D(t, N), the number of directions that are open and whose signal-to-noise ratio exceeds one.

    Shape: noise variances + sizes; NaN where the phase of some block is unknown.

    Raises:
        InputError: as `phase`.
    """
    total = 0.0
    counts = np.asarray(manifold.multiplicities)
    with bar("resolved dimension", len(counts)) as report:
        for block, count in enumerate(counts):
            words = phase(
                manifold,
                block,
                noise_variance=noise_variance,
                num_samples=num_samples,
                log_num_samples=log_num_samples,
                theory=theory,
                probe=probe,
            )
            total = total + np.where(words == "unknown", np.nan, count * (words == "generalizing"))
            report(block + 1)
    return np.asarray(total)
