"""When a network of random features, in training, passes from learning a direction to memorizing it."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from numpy.polynomial import chebyshev
from scipy.optimize import elementwise

from geomem.core.arguments import Numbers
from geomem.core.kinds import concrete_array
from geomem.core.results import Transition, transition
from geomem.core.status import Status
from geomem.laws.law import Law, check_law
from geomem.levels.activations import Activation, check_activation
from geomem.levels.feature_networks import compiled, concrete_numbers, constants_of, network_of, random_features
from geomem.levels.feature_resolvent import eigenvalue_bounds

# Points in ln tau from where nothing is learned to where all is, and of a polynomial in the two cells at the maximum.
_SCAN, _NODES = 96, 16
_BEFORE, _AFTER = 0.1, 30.0
_STEP, _RESIDUAL, _FLAT = 1e-4, 1e-6, 1e-8


def memorization_time(
    manifold: Law,
    *,
    noise_variance: Numbers,
    num_samples: Numbers,
    width: Numbers,
    activation: Activation = "tanh",
) -> Transition:
    """Training time at which a direction's signal-to-noise ratio is largest: later on the network memorizes it.

    Arguments as for `random_features`; here bad numbers are refused in batches, too.

    Returns:
        A `Transition` in training time, of the shape that the given numbers broadcast to, and blocks as last axis.
        NO_TRANSITION where the ratio rises to the end or falls from the start. `residual` is d ln R/d ln tau.

    Raises:
        InputError: as `random_features`.
    """
    check_law(manifold)
    check_activation(activation)
    given = {"noise variance": noise_variance, "num_samples": num_samples, "width": width}
    numbers = concrete_numbers(given)
    shape = np.broadcast_shapes(*(values.shape for values in numbers))
    cells = [np.broadcast_to(values, shape).ravel() for values in numbers]

    def log_ratios(log_times: np.ndarray) -> np.ndarray:
        """ln R of every block, (cells, times, blocks), at times of every cell."""
        time, size, units = (column[:, None] for column in cells)
        found = random_features(
            manifold,
            noise_variance=time,
            num_samples=size,
            width=units,
            training_time=np.exp(log_times),
            activation=activation,
        )
        return np.log(found.signal_to_noise)

    spectrum = (manifold.variances, manifold.multiplicities)
    slowest, fastest = map(np.asarray, compiled(_rates, activation)(spectrum, *cells))
    scans = np.linspace(np.log(_BEFORE / fastest), np.log(_AFTER / slowest), _SCAN, axis=1)
    rows = log_ratios(scans)
    places = np.argmax(np.where(np.isnan(rows), -np.inf, rows), axis=1)
    # A ratio that has risen to its end stays there, up to rounding.
    inside = (places > 0) & (rows.max(axis=1) > rows[:, -1] + _FLAT)
    known = ~np.isnan(rows).any(axis=1)
    cell, blocks = np.arange(len(scans))[:, None], manifold.num_blocks
    lower, upper = (scans[cell, np.clip(places + by, 0, _SCAN - 1)] for by in (-1, 1))
    nodes = np.cos(np.pi * np.arange(_NODES) / (_NODES - 1))
    inner = ((lower + upper) / 2)[..., None] + ((upper - lower) / 2)[..., None] * nodes

    def own(log_times: np.ndarray) -> np.ndarray:
        """ln R of every block at times of its own, (cells, blocks, times)."""
        found = log_ratios(log_times.reshape(len(scans), -1)).reshape(*log_times.shape, blocks)
        return np.einsum("cbtb->cbt", found)

    fits = np.linalg.solve(chebyshev.chebvander(nodes, _NODES - 1), own(inner)[..., None])[..., 0]
    slopes = chebyshev.chebder(np.moveaxis(fits, -1, 0))
    # Of every lane its own polynomial.
    found = elementwise.find_root(
        lambda x, *slope: chebyshev.chebval(x, np.array(slope), tensor=False),
        (-np.ones(places.shape), np.ones(places.shape)),
        args=tuple(slopes),
    )
    log_time = (lower + upper) / 2 + (upper - lower) / 2 * found.x
    beside = own(log_time[..., None] + _STEP * np.array([-1.0, 1.0]))
    residual = (beside[..., 1] - beside[..., 0]) / (2 * _STEP)
    solved = np.where(np.abs(residual) <= _RESIDUAL, Status.CONVERGED, Status.NOT_CONVERGED)
    status = np.where(known, np.where(inside, solved, Status.NO_TRANSITION), Status.NOT_CONVERGED).astype(np.int8)
    fields = (log_time, status, residual, np.exp(lower), np.exp(upper), found.nit)
    return transition(*(jnp.asarray(field).reshape(*shape, blocks) for field in fields))


def training_phase(
    manifold: Law,
    *,
    noise_variance: Numbers,
    num_samples: Numbers,
    width: Numbers,
    training_time: Numbers,
    activation: Activation = "tanh",
) -> np.ndarray:
    """What a network of random features has made of every direction by a training time, in one word.

    `unlearned` while the response is below half of the exact score's, 1/(s + t); after that `learned` up to the time at
    which the direction's signal-to-noise ratio is largest, and then `memorized`; `unknown` where the numerics have no
    answer. Shape: that of the given numbers, and blocks as last axis.

    Raises:
        InputError: as `memorization_time`.
    """
    given = {"training_time": training_time, "noise_variance": noise_variance, "num_samples": num_samples}
    given["width"] = width
    found = random_features(manifold, **given, activation=activation)
    shape = found.status.shape[:-1]
    times, *network = (np.broadcast_to(concrete_array(one, name), shape).ravel() for name, one in given.items())
    networks, places = np.unique(np.stack(network), axis=1, return_inverse=True)
    names = ("noise_variance", "num_samples", "width")
    turns = memorization_time(manifold, **dict(zip(names, networks, strict=True)), activation=activation)
    turn, status = (np.asarray(one)[places].reshape(found.status.shape) for one in (turns.value, turns.status))
    # A ratio that has no largest value inside rises to the end.
    past = (status == Status.CONVERGED) & (times.reshape(shape)[..., None] >= turn)
    exact = 1.0 / (np.asarray(manifold.block_variances()) + network[0].reshape(shape)[..., None])
    words = np.where(-found.response < exact / 2, "unlearned", np.where(past, "memorized", "learned"))
    known = (found.status == Status.CONVERGED) & np.isin(status, (Status.CONVERGED, Status.NO_TRANSITION))
    return np.where(known, words, "unknown")


def _rates(
    activation: Activation, spectrum: tuple[Array, Array], *cells: Float[Array, " cells"]
) -> tuple[Float[Array, " cells"], Float[Array, " cells"]]:
    """Rates of learning: the slowest and the fastest that there may be."""

    def of_cell(time: Array, size: Array, width: Array) -> tuple[Array, Array]:
        kind = constants_of(activation, spectrum, time)
        return eigenvalue_bounds(network_of(spectrum, kind, time, size, width))

    return jax.vmap(of_cell)(*cells)
