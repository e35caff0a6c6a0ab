"""Scores from trained models of any library, whatever they predict and whichever clock they have.

Equations: `geomem_theory`, chapter `predictions`.
"""

import sys
from collections.abc import Callable
from functools import partial
from math import prod
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from geomem.core.arguments import Numbers, check_columns, positive_noise_variances, refuse_unless, whole_number
from geomem.core.derivatives import is_traced
from geomem.core.kinds import one_number, refuse_other
from geomem.core.status import InputError
from geomem.lowering import lower
from geomem.schedules.continuous import Schedule

Model = Callable[..., Any]
Clock = Callable[[Array], Array]

PREDICTIONS = ("epsilon", "v", "x0", "flow", "score")
_EQUATIONS = {name: jnp.vectorize(lower(f"score_from_{name}")) for name in PREDICTIONS}
_NEEDS = {
    "epsilon": ("time",), "v": ("x", "time", "scale"), "x0": ("x", "time"), "flow": ("x", "time"), "score": ("scale",)
}  # fmt: skip
# Of a central difference, in noise standard deviations: its error and that of float32 are both about 1e-5 then.
_STEP = 5e-3
# Noise variances, one of which a schedule has: there the model's shape is looked at where JAX traces the true one.
_USUAL = (1.0, 0.1, 10.0, 1e-2, 1e2, 1e-3, 1e3)


def score_from(
    model: Model,
    schedule: Schedule,
    *,
    prediction: str,
    model_time: Clock | None = None,
    sample_shape: tuple[int, ...] | None = None,
    batch_size: int | np.integer = 256,
) -> Callable[..., Array]:
    """The score of a trained model, as a function of points and a noise variance: for `measure_spectrum` and others.

    The model is called with points on its own schedule, a x, and its own time, and what it predicts becomes the
    variance-exploding score at x.

    Args:
        model: takes points (n, ...) and a time to predictions (n, ...): a function of JAX or NumPy arrays and one
            number, or a module of PyTorch, which gets tensors of its own type on its own device, in evaluation mode
            and without gradients, and a time for each point. An attribute `sample` of what it returns is taken, as of
            models of diffusers, or the first of a tuple.
        schedule: how the model was trained; `schedule_from_json` reads those of diffusers, whose clock is the step.
        prediction: `epsilon`, the noise; `v`; `x0`, the sample; `flow`, the noise less the sample; or `score`, that of
            the schedule's variable.
        model_time: the model's time at a noise variance, if it is not the schedule's: a function that JAX can trace.
        sample_shape: shape of one point as the model wants it, such as (3, 32, 32); flat by default.
        batch_size: points that the model is called with at once, at most.

    Returns:
        A function of points (n, dims) and one noise variance to scores (n, dims). Of functions of JAX it is traceable
        and differentiable; others are called back, one at a time, and their derivatives are central differences,
        right to about 1e-5. Source: `geomem_theory`, chapter `predictions`.

    Raises:
        InputError: for an unknown prediction, what is no model or no schedule, a shape that is none; and when it is
            called, for a noise variance that is not on the schedule, or predictions of another shape or that are not
            finite, with the noise variance at which they are.

    Example: a network that has learned the noise of a standard normal law.

        >>> from geomem import Discrete, score_from
        >>> schedule = Discrete.linear()
        >>> score = score_from(lambda x, step: x * (1 - schedule.alphabar[int(step)])**0.5, schedule,
        ...                    prediction="epsilon")
        >>> t = float(schedule.noise_variance(500))
        >>> print(score([[1.0, -2.0]], t) * (1 + t))
        [[-1.  2.]]
    """
    if not callable(model):
        raise InputError(f"the model is of type {type(model).__name__}; it must be a function of points and a time")
    refuse_other(schedule, Schedule, "the schedule", "one of geomem's, such as Discrete.linear()")
    if not isinstance(prediction, str) or prediction not in PREDICTIONS:
        raise InputError(f"there is no prediction {prediction!r}; choose one of {', '.join(PREDICTIONS)}")
    if model_time is not None and not callable(model_time):
        raise InputError("model_time must be a function of a noise variance to the model's time")
    if sample_shape is not None:
        sample_shape = tuple(whole_number(one, "a side of sample_shape", 1) for one in sample_shape)
    together = whole_number(batch_size, "batch_size", 1)
    torch = _torch_of(model)
    call = partial(_called, partial(_of_module, torch, model) if torch else model, together, sample_shape)

    def time_of(variance: Array) -> tuple[Array, Array]:
        time, scale = schedule.traced_clock(variance)
        return (time if model_time is None else jnp.asarray(model_time(variance), dtype=float)), scale

    usual = next((one for one in _USUAL if schedule.reaches(one)), _USUAL[0])
    usual_time = float(time_of(jnp.asarray(usual))[0])

    def score(x: Numbers, noise_variance: Numbers) -> Array:
        x, variance = jnp.asarray(x, dtype=float), jnp.asarray(noise_variance, dtype=float)
        check_columns(x, x.shape[-1] if sample_shape is None else prod(sample_shape))
        if not is_traced(variance):
            found = positive_noise_variances(one_number(variance, "the noise variance"))
            refuse_unless(found, schedule.reaches(found), "noise variance", "the schedule has no such time")
        time, scale = time_of(variance)
        beyond, time = jnp.isnan(time), jnp.where(jnp.isnan(time), usual_time, time)
        if not is_traced((x, time)):
            given = np.asarray(scale * x), float(time)
            predicted = jnp.asarray(_checked(call(*given), x.shape, float(variance)))
        elif torch is None and _is_of_jax(call, x, time):
            predicted = call(scale * x, time)
        else:
            # What a callback raises has no sentence: a wrong shape is found here.
            call(np.zeros((1, x.shape[1])), usual_time)
            predicted = _on_host(call, scale * x, time, scale * jnp.sqrt(variance))
        predicted = jnp.where(beyond, jnp.nan, predicted)  # where JAX traces it, that is all that can be said
        numbers = {"x": x, "time": variance, "scale": scale}
        return _EQUATIONS[prediction](predicted, *(numbers[name] for name in _NEEDS[prediction]))

    return score


def _is_of_jax(call: Callable[..., Any], points: Array, time: Array) -> bool:
    """Whether JAX can trace it."""
    try:
        found = jax.eval_shape(call, points, time)
    except Exception:
        return False
    return isinstance(found, jax.ShapeDtypeStruct)


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def _on_host(call: Callable[..., Any], points: Array, time: Array, step: Array) -> Array:
    def host(points: Array | np.ndarray, time: Array | np.ndarray) -> np.ndarray:
        return _flat(call, np.asarray(points), np.asarray(time))

    form = jax.ShapeDtypeStruct(points.shape, points.dtype)
    return jax.pure_callback(host, form, points, time, vmap_method="expand_dims")


@_on_host.defjvp
def _on_host_jvp(call: Callable[..., Any], primals: tuple, tangents: tuple) -> tuple[Array, Array]:
    """Central differences in the points; nothing is differentiated with respect to the time."""
    points, time, step = primals
    along = tangents[0]
    length = jnp.sqrt(jnp.sum(along**2, axis=-1, keepdims=True))
    unit = along / jnp.where(length > 0, length, 1.0) * (_STEP * step)
    ends = [_on_host(call, points + sign * unit, time, step) for sign in (1.0, -1.0)]
    return _on_host(call, points, time, step), (ends[0] - ends[1]) * length / (2.0 * _STEP * step)


def _flat(call: Callable[..., Any], points: np.ndarray, time: np.ndarray) -> np.ndarray:
    """The model at points with more axes in front, all of one time."""
    shape = np.broadcast_shapes(points.shape, (*time.shape, 1, 1) if time.ndim else ())
    rows = np.broadcast_to(points, shape)
    if time.size == 1:
        values = np.asarray(call(rows.reshape(-1, shape[-1]), float(time.ravel()[0])), dtype=float)
        return values.reshape(shape)
    times = np.broadcast_to(time, shape[:-2])
    return np.stack([_flat(call, part, one) for part, one in zip(rows, times, strict=True)])


def _called(
    model: Model,
    together: int,
    sample_shape: tuple[int, ...] | None,
    points: Any,  # noqa: ANN401 (of the library that the model is of)
    time: Any,  # noqa: ANN401
) -> Any:  # noqa: ANN401 (arrays of any library)
    """Predictions, flat again, of at most so many points at once."""
    shape = (-1, *(sample_shape or points.shape[1:]))
    library: ModuleType = np if isinstance(points, np.ndarray) else jnp
    together = len(points) if is_traced(points) else together  # JAX would compile the model for every part
    parts = [points[first : first + together] for first in range(0, max(1, len(points)), max(1, together))]
    found = []
    for part in parts:
        output = _first_of(model(part.reshape(shape), time))
        sized = getattr(output, "shape", ())
        if len(sized) < 2 or sized[0] != len(part) or prod(sized) != prod(part.shape):
            raise InputError(
                f"of points {part.reshape(shape).shape} the model returns "
                f"{f'shape {tuple(sized)}' if sized else type(output).__name__}; it must be as many numbers for each"
            )
        found.append(output.reshape(part.shape))
    return library.concatenate([library.asarray(one) for one in found])


def _first_of(output: Any) -> Any:  # noqa: ANN401
    """The prediction among what models return."""
    if hasattr(output, "sample") and not callable(output.sample):
        return output.sample
    return output[0] if isinstance(output, tuple) else output


def _checked(values: np.ndarray, shape: tuple[int, ...], variance: float) -> np.ndarray:
    found = np.asarray(values, dtype=float).reshape(shape)
    if not np.isfinite(found).all():
        raise InputError(f"the model's prediction is not finite at noise variance {variance:g}")
    return found


def _torch_of(model: Model) -> ModuleType | None:
    """PyTorch, which has been imported, if the model is a module of it."""
    kinds = {f"{kind.__module__}.{kind.__qualname__}" for kind in type(model).__mro__}
    return sys.modules.get("torch") if "torch.nn.modules.module.Module" in kinds else None


def _of_module(torch: ModuleType, model: Any, points: np.ndarray, time: float) -> np.ndarray:  # noqa: ANN401
    """A module's output as NumPy has it."""
    weight = next(iter(model.parameters()), None)
    kind = {} if weight is None else {"dtype": weight.dtype, "device": weight.device}
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            given = torch.as_tensor(np.ascontiguousarray(points), **kind)
            times = torch.full((len(points),), time, **kind)
            return _first_of(model(given, times)).detach().cpu().numpy()
    finally:
        model.train(training)
