"""What trained networks of random features keep of every direction, for many networks at once.

Equations: `geomem_theory`, chapter `random_features`.
"""

import math
from collections.abc import Callable, Mapping
from functools import cache, partial
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from geomem.core.arguments import Numbers, float_array, refuse_unless
from geomem.core.compilation import quick_options
from geomem.core.derivatives import is_traced
from geomem.core.kinds import concrete_array
from geomem.core.status import InputError, Status
from geomem.laws.law import Law, check_law
from geomem.levels.activations import Activation, Constants, check_activation, constants
from geomem.levels.feature_resolvent import Network
from geomem.levels.feature_response import POINTS, NetworkResponse, answers, kept_at_ridge, kept_in_time

# How many times as many points are taken on contours where integrals do not converge.
_FINER = 3
# Lanes that are solved at once: so many stay in a processor's cache, and wait for the slowest of them only.
_AT_ONCE = 256

Spectrum = tuple[Float[Array, " blocks"], Float[Array, " blocks"]]


def random_features(
    manifold: Law,
    *,
    noise_variance: Numbers,
    num_samples: Numbers,
    width: Numbers,
    ridge: Numbers | None = None,
    training_time: Numbers | None = None,
    activation: Activation = "tanh",
) -> NetworkResponse:
    """What a network of random features, trained to denoise N samples, keeps of every direction.

    The network is A sigma(W x/sqrt(d)) with W of `width` rows, standard normal and frozen; A minimizes the mean of
    |A sigma + xi/sqrt(t)|^2 over samples and noise xi, plus ridge |A|^2, or follows gradient flow from zero at unit
    rate, dA = -(A U + V^T) d tau. Averages for many dimensions d at fixed width/d and N/d; at d = 200 they are within
    a few percent of a drawn network's.

    Args:
        manifold: the data's law, a `Manifold`. The activation's arguments have the variance tr(s)/d + t;
            data in other units are another network.
        noise_variance: noise variances t, in squared units of the data.
        num_samples: numbers of training samples N, from 1; infinite for the law itself.
        width: numbers of hidden units, from 1.
        ridge: ridges, not negative; by default 0.
        training_time: times of gradient flow, in place of a ridge.
        activation: tanh, erf, relu, gelu, silu, or a function of JAX arrays.

    Returns:
        `NetworkResponse`, of the shape that the given numbers broadcast to, and blocks as last axis. Differentiable in
        the variances and in all numbers that are given; `jax.jit` and `jax.vmap` apply. Many training times of one
        network cost little more than one. Source: arXiv:2505.17638 for the spectrum of training; per direction derived
        in `geomem_theory`, chapter `random_features`.

    Raises:
        InputError: for a law that is not one Gaussian, both a ridge and a training time, an unknown activation,
            numbers that do not broadcast, or a single one that is not valid. In a batch a bad one gives NaN with status
            INVALID.

    Example: a wide network trained for long has memorized the wide direction, and only learned the narrow ones.

        >>> from geomem import Manifold, random_features
        >>> network = random_features(
        ...     Manifold([4.0, 0.25, 0.01], [30, 90, 180]),
        ...     noise_variance=0.3, num_samples=600, width=1200, training_time=[3, 30, 1000],
        ... )
        >>> print(network.signal_to_noise.round(2))
        [[10.22 11.14 10.09]
         [ 6.96 10.29 17.93]
         [ 3.82  6.44 16.36]]
    """
    check_law(manifold)
    manifold.require("one_gaussian", "theory 'random_features'")
    refuse_both(ridge, training_time)
    check_activation(activation)
    amount = 0.0 if ridge is None else ridge
    given = {
        "the noise variance": (noise_variance, lambda t: (t > 0) & (t < math.inf), "positive and finite"),
        "num_samples": (num_samples, lambda n: n >= 1, "at least 1"),
        "width": (width, lambda p: (p >= 1) & (p < math.inf), "finite and at least 1"),
        "ridge": (amount, lambda zeta: (zeta >= 0) & (zeta < math.inf), "finite and not negative"),
    }
    if training_time is not None:
        given.pop("ridge")
        given["training_time"] = (training_time, lambda tau: (tau > 0) & (tau < math.inf), "positive and finite")
    numbers, allowed = zip(*(_checked(name, *row) for name, row in given.items()), strict=True)
    try:
        shape = np.broadcast_shapes(*(one.shape for one in numbers))
    except ValueError as error:
        shapes = ", ".join(f"{name} {one.shape}" for name, one in zip(given, numbers, strict=True))
        raise InputError(f"the numbers do not broadcast: {shapes}") from error
    library: ModuleType = jnp if is_traced((manifold, numbers)) else np
    valid = library.ones(shape, dtype=bool)
    for one in allowed:
        valid = valid & one
    lanes = [library.where(valid, one, 1.0).ravel() for one in numbers]
    spectrum = (manifold.variances, manifold.multiplicities)
    in_time = training_time is not None
    if library is jnp:
        rows = _each(spectrum, lanes, activation, in_time)
    else:
        rows = _grouped(spectrum, lanes, activation, in_time)
    rows = jax.tree.map(lambda field: field.reshape(*shape, -1), rows)
    marks = NetworkResponse(*[np.array(math.nan)] * 4, np.array(Status.INVALID, dtype=np.int8), np.array(math.nan))
    return jax.tree.map(lambda field, mark: library.where(valid[..., None], field, mark), rows, marks)


def constants_of(activation: Activation, spectrum: Spectrum, time: Array) -> Constants:
    variances, multiplicities = spectrum
    return constants(activation, jnp.dot(variances, multiplicities / jnp.sum(multiplicities)), time)


def network_of(spectrum: Spectrum, kind: Constants, time: Array, size: Array, width: Array) -> Network:
    variances, multiplicities = spectrum
    dimension = jnp.sum(multiplicities)
    return Network(width / dimension, size / dimension, time, kind, variances, multiplicities / dimension)


def _each(spectrum: Spectrum, lanes: list, activation: Activation, in_time: bool) -> NetworkResponse:
    """Every lane by itself, by JAX alone: for `jit`, `vmap` and derivatives."""

    def of_lane(lane: list[Array]) -> NetworkResponse:
        time, size, width, amount = lane
        network = network_of(spectrum, constants_of(activation, spectrum, time), time, size, width)
        if not in_time:
            return answers(kept_at_ridge(network, amount, spectrum[0]), spectrum[0], time)
        found = answers(kept_in_time(network, amount[None], spectrum[0], POINTS), spectrum[0], time)
        return jax.tree.map(lambda field: field[0], found)

    lanes = [jnp.asarray(lane) for lane in lanes]
    return jax.lax.map(of_lane, lanes) if in_time else jax.vmap(of_lane)(lanes)


def _grouped(spectrum: Spectrum, lanes: list, activation: Activation, in_time: bool) -> NetworkResponse:
    """What lanes share is computed once: constants at a noise variance, and integrals for all times of one network."""
    times, kinds = np.unique(lanes[0], return_inverse=True)
    if not in_time:
        return jax.tree.map(np.asarray, compiled(_at_ridges, activation)(spectrum, times, kinds, *lanes))
    networks, cells = np.unique(np.stack(lanes[:3]), axis=1, return_inverse=True)
    order = np.argsort(cells, kind="stable")
    first = np.searchsorted(cells[order], np.arange(networks.shape[1]))
    places = np.empty(len(cells), dtype=int)
    places[order] = np.arange(len(cells)) - first[cells[order]]
    table = np.ones((networks.shape[1], places.max() + 1))
    table[cells, places] = lanes[3]
    kinds = np.searchsorted(times, networks[0])
    for num_points in (POINTS, _FINER * POINTS):
        rows = compiled(_in_times, activation, num_points)(spectrum, times, kinds, *networks, table)
        rows = jax.tree.map(lambda field: np.asarray(field)[cells, places], rows)
        if (rows.status == Status.CONVERGED).all():
            break
    return rows


def _at_ridges(
    activation: Activation,
    spectrum: Spectrum,
    times: Float[Array, " times"],
    kinds: Int[Array, " lanes"],
    *lanes: Float[Array, " lanes"],
) -> NetworkResponse:
    """Lanes of noise variance, size, width and ridge; the noise variances are also `times[kinds]`."""
    of_times = jax.vmap(partial(constants_of, activation, spectrum))(times)
    of_lanes = jax.tree.map(lambda one: one[kinds], of_times)

    def of_lane(lane: tuple[Constants, Array, Array, Array, Array]) -> NetworkResponse:
        kind, time, size, width, ridge = lane
        kept = kept_at_ridge(network_of(spectrum, kind, time, size, width), ridge, spectrum[0])
        return answers(kept, spectrum[0], time)

    return jax.lax.map(of_lane, (of_lanes, *lanes), batch_size=_AT_ONCE)


@cache
def compiled(function: Callable[..., Any], *static: object) -> Callable[..., Any]:
    """The function with its first arguments fixed: compiled once, which here takes longer than it runs."""
    return jax.jit(partial(function, *static), compiler_options=quick_options())


def _in_times(
    activation: Activation,
    num_points: int,
    spectrum: Spectrum,
    times: Float[Array, " times"],
    kinds: Int[Array, " cells"],
    *cells: Float[Array, "..."],
) -> NetworkResponse:
    """The same of noise variance, size and width, and a row of training times for each, (cells, times, blocks)."""
    of_times = jax.vmap(partial(constants_of, activation, spectrum))(times)

    def of_cell(cell: tuple[Array, ...]) -> NetworkResponse:
        kind, time, size, width, training_times = cell
        network = network_of(spectrum, jax.tree.map(lambda one: one[kind], of_times), time, size, width)
        return answers(kept_in_time(network, training_times, spectrum[0], num_points), spectrum[0], time)

    return jax.lax.map(of_cell, (kinds, *cells))


def concrete_numbers(given: Mapping[str, Numbers]) -> list[Float[np.ndarray, "..."]]:
    """Numbers of networks by their names, for what works on the numbers themselves.

    Raises:
        InputError: naming the first that is not finite or too small, also in a batch; or if JAX traces them.
    """
    numbers = [concrete_array(values, name) for name, values in given.items()]
    for name, values in zip(given, numbers, strict=True):
        least = 1.0 if name in ("num_samples", "width") else 0.0
        good = np.isfinite(values) & (values >= least) & ((values > 0) | (name == "ridge"))
        wanted = f"at least {least:g}" if least else "not negative" if name == "ridge" else "positive"
        refuse_unless(values, good, name, f"it must be finite and {wanted}")
    return numbers


def refuse_both(ridge: object, training_time: object) -> None:
    if ridge is not None and training_time is not None:
        raise InputError("both a ridge and a training time are given; give one of them, or neither for a ridge of 0")


def _checked(
    name: str, values: Numbers, allowed: Callable[[Any], Any], requirement: str
) -> tuple[Float[Array | np.ndarray, "..."], Bool[Array | np.ndarray, "..."] | np.bool]:
    """The values as float64, and which of them are allowed; a single one that is not is an error."""
    array = float_array(values, name)
    if array.size == 0:
        raise InputError(f"{name} is empty; give at least one value")
    good = allowed(array)
    if array.ndim == 0 and not is_traced(array) and not good:
        raise InputError(f"{name} is {float(array):g}; it must be {requirement}")
    return array, good
