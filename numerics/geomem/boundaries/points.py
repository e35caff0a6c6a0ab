"""Critical times and sizes of directions that are seen from given points; one walk serves all of them."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from geomem.boundaries import explicit, implicit
from geomem.boundaries.walk import walk_to_roots
from geomem.core.derivatives import is_traced
from geomem.core.results import Transition, transition
from geomem.core.status import InputError, Status
from geomem.laws.points import PointSetting
from geomem.levels.level import Explicit, Implicit, Level
from geomem.levels.question import Question
from geomem.levels.seen import each_direction

# Error of a root in ln t up to which polynomials are refined, and beyond which a root is none.
_TOLERANCE, _WORST = 1e-5, 1e-3


def critical_times(
    question: Question[Level],
    at: PointSetting,
    log_sizes: Float[Array | np.ndarray, " sizes"],
    window: tuple[float | int, float | int] | None,
) -> Transition:
    """Critical times along every direction, (directions, sizes)."""
    _refuse_traced(at, log_sizes)
    if isinstance(question.level, Explicit):
        of_level = Question(question.criterion, question.level, question.probe)
        return _of_directions(at, lambda one: explicit.times(of_level, one, log_sizes, window))
    return group_times(question, at, log_sizes, each_direction(at), window, (_TOLERANCE, _WORST))


def group_times(
    question: Question[Level],
    at: PointSetting,
    log_sizes: Float[Array | np.ndarray, " sizes"],
    members: Bool[np.ndarray, "groups points directions"],
    window: tuple[float | int, float | int] | None,
    errors: tuple[float, float],
    step: float | None = None,
) -> Transition:
    """Critical times of means over groups of directions seen from points, (groups, sizes).

    Polynomials are refined up to the first of the errors of a root in ln t; beyond the second a root is none. `step`
    is that of the walk, if another is enough.
    """
    valid, sizes = implicit.walked_sizes(np.asarray(log_sizes, dtype=float))
    count = len(members)
    start, limits = implicit.start_of_walk(question, at.along(0), sizes, window)  # ty: ignore[invalid-argument-type]
    if at.law.finest > 0:
        limits = (max(limits[0], float(np.log(at.law.finest))), limits[1])

    def evaluate(log_times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        found = question.level.balances_of_groups(question.criterion, at, np.exp(log_times), sizes, members)
        values = found.swapaxes(0, 1).reshape(len(log_times), count * len(sizes))
        return values, np.zeros((0, *values.shape))

    roots = walk_to_roots(evaluate, start, limits, errors[0], step)
    missed = (roots.status == Status.CONVERGED) & ~(roots.error <= errors[1])
    status = np.where(missed, Status.NOT_CONVERGED, roots.status)
    status = np.where(np.tile(valid, count), status, Status.INVALID).astype(np.int8)
    # What the balance may be off where the polynomial has its root.
    residual = roots.error * np.abs(roots.slope)
    fields = (roots.log_time, status, residual, np.exp(roots.lower), np.exp(roots.upper), np.zeros(len(status), int))
    shape = (count, len(sizes))
    return jax.tree.map(lambda field: field.reshape(shape), transition(*map(jnp.asarray, fields)))


def critical_sizes(
    question: Question[Level], at: PointSetting, noise_variances: Float[Array | np.ndarray, " times"]
) -> Transition:
    """Critical sizes along every direction, (directions, times)."""
    _refuse_traced(at, noise_variances)
    solver = implicit if isinstance(question.level, Implicit) else explicit
    return _of_directions(at, lambda one: solver.sizes(question, one, noise_variances))  # ty: ignore[invalid-argument-type]


def _of_directions(at: PointSetting, solve: Callable[[PointSetting], Transition]) -> Transition:
    rows = [solve(at.along(place)) for place in range(len(at.directions))]
    return jax.tree.map(lambda *fields: jnp.stack(fields), *rows)


def _refuse_traced(at: PointSetting, values: Array | np.ndarray) -> None:
    if is_traced((at, values)):
        raise InputError("directions seen from given points are not traced by JAX; ask outside of jit, grad and vmap")
