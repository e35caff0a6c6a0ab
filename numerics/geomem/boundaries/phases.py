"""Phases of a direction at a noise variance and a data-set size, and the dimension that is resolved there."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from geomem.core.arguments import Numbers, as_log_sizes, as_noise_variances
from geomem.core.progress import bar
from geomem.laws.manifold import Manifold, opening_time
from geomem.laws.probe import Probe
from geomem.levels.criteria import Criterion, find_criterion, setting
from geomem.levels.quenched import quenched

PHASES = ("unresolved", "generalizing", "memorized", "unknown")


def phase(
    manifold: Manifold,
    block: int | np.integer,
    *,
    noise_variance: Numbers,
    num_samples: Numbers | None = None,
    log_num_samples: Numbers | None = None,
    theory: str,
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
    rule = find_criterion(theory, "signal_to_noise", manifold.normalized)
    flat = np.asarray(times).ravel()
    open_ = flat < float(opening_time(jnp.dot(manifold.indicator(block), manifold.variances)))
    balance = np.full(flat.shape + log_sizes.shape, np.nan)
    if open_.any():  # elsewhere it does not matter
        balance[open_] = _log_signal_to_noise(manifold, block, flat[open_], log_sizes, rule, probe)
    words = np.where(balance > 0, PHASES[1], np.where(np.isnan(balance), PHASES[3], PHASES[2]))
    words[(flat > 0) & ~open_] = PHASES[0]
    return words.reshape(times.shape + log_sizes.shape)


def resolved_dimension(
    manifold: Manifold,
    *,
    noise_variance: Numbers,
    num_samples: Numbers | None = None,
    log_num_samples: Numbers | None = None,
    theory: str,
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


def _log_signal_to_noise(
    manifold: Manifold, block: int | np.integer, times: np.ndarray, log_sizes: Array | np.ndarray, rule: Criterion,
    probe: Probe,
) -> np.ndarray:  # fmt: skip
    """ln R of shape noise variances + sizes."""
    if rule.level == "finite_n":
        ratio = quenched(manifold, block, noise_variance=times, log_num_samples=log_sizes, probe=probe)
        with np.errstate(divide="ignore"):
            return np.log(np.asarray(ratio.signal_to_noise))
    at = setting(manifold, manifold.indicator(block), probe)
    grid = jax.vmap(lambda t: jax.vmap(partial(rule.balance, at, t))(jnp.ravel(log_sizes)))(jnp.asarray(times))
    return np.asarray(grid).reshape(times.shape + log_sizes.shape)
