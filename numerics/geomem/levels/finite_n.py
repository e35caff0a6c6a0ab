"""Level finite_n: averages over data sets, exact at every N."""

from collections.abc import Callable, Mapping
from functools import cache, partial
from operator import itemgetter
from types import MappingProxyType, ModuleType
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from geomem.core.compilation import quick_options
from geomem.core.programs import Kept
from geomem.core.progress import bar
from geomem.laws.law import Law
from geomem.laws.points import PointSetting
from geomem.laws.setting import SampleEnergy, Setting
from geomem.laws.sphere import SphereSetting
from geomem.levels import exact_gaps
from geomem.levels.lanes import SIZES, TIMES, filled, in_threads, refined
from geomem.levels.level import Implicit, register
from geomem.levels.pool import averages_at
from geomem.levels.quenched import energies_of, padded, quenched_by_size
from geomem.levels.rem import REM_LEVEL
from geomem.levels.seen import balances_at_points, each_direction, own_log_weights
from geomem.levels.sums import Quenched, log_ratio
from geomem.levels.typical_points import TypicalAverages, scramble_error, typical_averages
from geomem.lowering import lower

_participation_balance = lower("participation_balance")
_signal_balance = jnp.vectorize(lower("sphere_signal_balance"))
# Of data divided by their norm R vanishes where the mean score changes its sign: so it is followed by its root.
_INWARD = "inward"
_excess = jnp.vectorize(lower("excess_entropy"))
_SAMPLES = 64  # with noise, over which the excess entropy is averaged


class FiniteN(Implicit):
    """The exact level: one table of single-sample averages at a noise variance serves all sizes."""

    name = "finite_n"
    criteria = ("participation", "signal_to_noise", "gap")
    needs = "energy"
    needs_of: ClassVar[Mapping[str, str]] = REM_LEVEL.needs_of
    needs_from_points = "views"
    averages_over_directions = True
    instead: ClassVar[Mapping[str, str]] = MappingProxyType(
        {
            "condensation": "has no sharp condensation; use criterion 'signal_to_noise' or 'participation', or theory "
            "'rem'",
        }
    )
    leading = REM_LEVEL
    supported = (1e-8, 1e6)

    def balances(
        self,
        criterion: str,
        at: Setting,
        times: Float[np.ndarray, " times"],
        log_sizes: Float[np.ndarray, " sizes"] | Float[np.ndarray, "times sizes"],
    ) -> Float[np.ndarray, "times sizes"]:
        if criterion == "gap":
            return _gaps(at).balances(self, at, times, log_sizes)
        rows = np.broadcast_to(log_sizes, (len(times), log_sizes.shape[-1]))
        if isinstance(at, PointSetting):
            one = at.along(0)
            return balances_at_points(criterion, one, times, rows, each_direction(one))[0]
        pairs = list(zip(energies_of(at, times), rows, strict=True))
        return np.stack(in_threads(lambda pair: _balances(*pair, criterion), pairs))

    def followed(self, criterion: str, at: Setting) -> str:
        return _INWARD if criterion == "signal_to_noise" and isinstance(at, SphereSetting) else criterion

    def balances_along(
        self,
        criterion: str,
        at: PointSetting,
        times: Float[np.ndarray, " times"],
        log_sizes: Float[np.ndarray, " sizes"],
    ) -> Float[np.ndarray, "directions times sizes"]:
        return self.balances_of_groups(criterion, at, times, log_sizes, each_direction(at))

    def balances_of_groups(
        self,
        criterion: str,
        at: PointSetting,
        times: Float[np.ndarray, " times"],
        log_sizes: Float[np.ndarray, " sizes"],
        members: Bool[np.ndarray, "groups points directions"],
    ) -> Float[np.ndarray, "groups times sizes"]:
        rows = np.broadcast_to(log_sizes, (len(times), len(log_sizes)))
        return balances_at_points(criterion, at, times, rows, members)

    def balance(
        self, criterion: str, at: Setting, time: Float[Array, ""], log_sizes: Float[Array, " sizes"]
    ) -> Float[Array, " sizes"]:
        if criterion == "gap":
            return _gaps(at).balance(self, at, time, log_sizes)
        return _balance(averages_at(at.energy(time), log_sizes, jnp.array(-jnp.inf), jnp.array(1.0)), criterion)

    def balances_with_slopes(
        self,
        criterion: str,
        at: Setting,
        tangents: Setting,
        times: Float[np.ndarray, " times"],
        log_sizes: Float[np.ndarray, " sizes"] | Float[np.ndarray, "times sizes"],
    ) -> tuple[Float[np.ndarray, "times sizes"], Float[np.ndarray, "slopes times sizes"]]:
        if criterion == "gap":
            return _gaps(at).balances_with_slopes(self, at, tangents, times, log_sizes)
        energies = energies_of(at, times)
        shaped = jnp.asarray(filled(np.asarray(times), TIMES))
        along = jax.tree.map(np.asarray, _energy_tangents(padded(at), padded(tangents), shaped))
        rows = np.broadcast_to(log_sizes, (len(times), log_sizes.shape[-1]))
        asked = [
            (energy, jax.tree.map(itemgetter(place), along), filled(row, SIZES))
            for place, (energy, row) in enumerate(zip(energies, rows, strict=True))
        ]

        def at_energy(one: tuple[SampleEnergy, SampleEnergy, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
            # Waits for the values, so that threads share the processor's cores.
            kernel = partial(_balances_with_slopes(criterion), *one)
            values, slopes = refined(kernel, lambda found: np.isnan(found[0]))
            return np.asarray(values), np.asarray(slopes)

        values, slopes = map(np.stack, zip(*in_threads(at_energy, asked), strict=True))
        return values[:, : rows.shape[1]], np.moveaxis(slopes, 0, 1)[:, :, : rows.shape[1]]

    def has_transition(self, criterion: str, at: Setting) -> bool:
        if criterion == "gap":
            return _gaps(at).exist(at)
        return super().has_transition(criterion, at)

    def holds(self, criterion: str, at: Setting, times: Float[np.ndarray, " times"]) -> Bool[np.ndarray, " times"]:
        return _gaps(at).hold(at, times) if criterion == "gap" else super().holds(criterion, at, times)

    def excess_entropy(
        self, law: Law, times: Float[np.ndarray, " times"], log_size: float
    ) -> tuple[Float[np.ndarray, " times"], Float[np.ndarray, " times"]]:
        if "classes" not in law.knows:
            law.require("views", f"the excess entropy of theory {self.name!r}")
            values = np.asarray(_excess(-own_log_weights(law, times, log_size, _SAMPLES), float(law.dimension)))
            return values.mean(axis=0), values.std(axis=0, ddof=1) / np.sqrt(_SAMPLES)
        log_own = planted_averages(law, times, log_size).log_partition
        values = np.asarray(_excess(-log_own, float(law.dimension)))
        return values.mean(axis=1), scramble_error(values)


register(FiniteN())


def _gaps(at: Setting) -> ModuleType:
    """What knows when gaps close."""
    if not isinstance(at, SphereSetting):
        return exact_gaps
    from geomem.levels import sphere_gaps  # a tenth of a second that hardly a run needs

    return sphere_gaps


def planted_averages(law: Law, times: Float[np.ndarray, " times"], log_size: float) -> TypicalAverages:
    """`typical_averages` at noised training points, a row of scrambles for every noise variance."""
    rows = []
    with bar("noise variances", len(times)) as report:
        for time in times:
            rows.append(typical_averages(law, float(time), log_size, planted=True))
            report(len(rows))
    return jax.tree.map(lambda *columns: np.stack(columns), *rows)


def _balances(
    energy: SampleEnergy, log_sizes: Float[np.ndarray, " sizes"], criterion: str
) -> Float[np.ndarray, " sizes"]:
    """ln R, or -ln(2 Y_2)."""
    return np.asarray(_balance(quenched_by_size(energy, log_sizes), criterion))


@cache
def _balances_with_slopes(
    criterion: str,
) -> Callable[[SampleEnergy, SampleEnergy, np.ndarray, np.float64], tuple[Array, Array]]:
    def kernel(energy: SampleEnergy, tangents: SampleEnergy, sizes: Array, fineness: Array) -> tuple[Array, Array]:
        def balance(energy: SampleEnergy) -> Array:
            return _balance(averages_at(energy, sizes, jnp.array(-jnp.inf), fineness), criterion)

        # The values do not depend on the tangent, and are not computed twice.
        return jax.vmap(lambda tangent: jax.jvp(balance, (energy,), (tangent,)), out_axes=(None, 0))(tangents)

    return Kept(kernel, f"balances-with-slopes-{criterion}", quick_options())


@partial(jax.jit, static_argnames="criterion")
def _balance(rows: Quenched, criterion: str) -> Array:
    if criterion == "participation":
        return jax.vmap(_participation_balance)(rows.participation)
    if criterion == _INWARD:
        quiet = rows.score_variance == 0
        return jnp.where(quiet, jnp.inf, _signal_balance(rows.score_mean, jnp.where(quiet, 1.0, rows.score_variance)))
    return jax.vmap(log_ratio)(rows.score_mean, rows.score_variance)


@jax.jit
def _energy_tangents(at: Setting, tangents: Setting, times: Float[Array, " times"]) -> SampleEnergy:
    """Derivatives of the energies, (times, slopes), in ln t and along tangents to the setting."""

    def at_time(time: Array) -> SampleEnergy:
        of_time = jax.jvp(at.energy, (time,), (time,))[1]
        of_setting = jax.vmap(lambda tangent: jax.jvp(lambda one: one.energy(time), (at,), (tangent,))[1])(tangents)
        return jax.tree.map(lambda one, others: jnp.concatenate([one[None], others]), of_time, of_setting)

    return jax.vmap(at_time)(times)
