"""Phases of a direction at a noise variance and a data-set size, and the dimension that is resolved there."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from numerics.criteria import find_criterion, opening_time, setting
from numerics.critical import as_log_sizes, as_noise_variances
from numerics.finite_n import quenched
from numerics.manifold import Manifold
from numerics.probe import Probe
from numerics.solution import Numbers

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
    balance = _log_signal_to_noise(manifold, block, times, log_sizes, theory, probe)
    opening = float(opening_time(jnp.dot(manifold.indicator(block), manifold.variances)))
    open_ = np.broadcast_to(_outer(np.asarray(times) < opening, log_sizes), balance.shape)
    words = np.where(balance > 0, PHASES[1], np.where(np.isnan(balance), PHASES[3], PHASES[2]))
    known = _outer(np.asarray(times) > 0, log_sizes)
    return np.where(open_ | ~known, words, PHASES[0])


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
    for block, count in enumerate(np.asarray(manifold.multiplicities)):
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
    return np.asarray(total)


def _log_signal_to_noise(
    manifold: Manifold, block: int | np.integer, times: Array | np.ndarray, log_sizes: Array | np.ndarray, theory: str,
    probe: Probe,
) -> np.ndarray:  # fmt: skip
    """ln R of shape noise variances + sizes."""
    rule = find_criterion(theory, "signal_to_noise", manifold.normalized)
    if theory == "finite_n":
        ratio = quenched(manifold, block, noise_variance=times, log_num_samples=log_sizes, probe=probe)
        with np.errstate(divide="ignore"):
            return np.log(np.asarray(ratio.signal_to_noise))
    at = setting(manifold, manifold.indicator(block), probe)
    grid = jax.vmap(lambda t: jax.vmap(partial(rule.balance, at, t))(jnp.ravel(log_sizes)))(jnp.ravel(times))
    return np.asarray(grid).reshape(np.shape(times) + np.shape(log_sizes))


def _outer(of_times: np.ndarray, log_sizes: Array | np.ndarray) -> np.ndarray:
    """An array over noise variances with an axis of length one for every axis of the sizes."""
    return of_times.reshape(of_times.shape + (1,) * np.ndim(log_sizes))
