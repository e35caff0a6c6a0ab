"""Where the score is evaluated, relative to a probed direction: a point known by its squared coordinates."""

from dataclasses import dataclass, field, replace
from typing import Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float

from geomem.core.arguments import Numbers, check_key
from geomem.core.kinds import concrete_array, refuse_other
from geomem.core.provenance import digest
from geomem.core.pytrees import pytree
from geomem.core.status import InputError
from geomem.lowering import lower
from geomem_theory.probe import PROBES
from geomem_theory.symbols import a

KINDS = tuple(PROBES)
WITH_AMPLITUDE = tuple(kind for kind, probe in PROBES.items() if a in probe[1:])
_coordinate = lower("probe_coordinate")
_rest = lower("probe_rest")
_squared_length = lower("probe_squared_length")
_NOTHING = (np.float64(0.0),) * 4  # of the numbers that make the other probes


@runtime_checkable
class Spectrum(Protocol):
    """Blocks of directions of one variance: what a probe needs of a law."""

    @property
    def multiplicities(self) -> Float[Array, " blocks"]: ...

    def block_variances(self) -> Float[Array, " blocks"]: ...

    def indicator(self, block: int | np.integer) -> Float[Array, " blocks"]: ...


@pytree
@dataclass(frozen=True)
class Probe:
    """A probe point, known to the theory by its squared coordinates.

    Make one with `origin`, `along`, `random_direction`, `data_point` or `typical`; or, of given places, with `point`
    or `noised`. It is data: `along_v` and `spread` are amplitudes, along the probed direction and over all directions,
    in units of sqrt(t); `noise` and `data` the squared coordinate along every direction, in noise variances t and in
    the direction's local variance. So what is compiled for one probe serves all. Source: `geomem_theory`, chapter
    `probe`.
    """

    along_v: float | np.floating | Float[Array | np.ndarray, "..."]
    spread: float | np.floating | Float[Array | np.ndarray, "..."]
    noise: float | np.floating | Float[Array | np.ndarray, "..."]
    data: float | np.floating | Float[Array | np.ndarray, "..."]

    @classmethod
    def of_kind(cls, kind: str, amplitude: Numbers = 1.0) -> "Probe":
        """A probe by its name, one of `KINDS`; the amplitude counts for those of `WITH_AMPLITUDE`."""
        checked = _checked_amplitude(amplitude)
        return cls(*(checked if term == a else np.float64(int(term)) for term in PROBES[kind][1:]))

    @classmethod
    def origin(cls) -> "Probe":
        """The mean of the data, Q = 0."""
        return cls.of_kind("origin")

    @classmethod
    def along(cls, amplitude: Numbers = 1.0) -> "Probe":
        """The point a sqrt(t) v on the probed direction v."""
        return cls.of_kind("along", amplitude)

    @classmethod
    def random_direction(cls, amplitude: Numbers = 1.0) -> "Probe":
        """Distance a sqrt(t) in a uniformly random direction, Q_b = a^2 t d_b/d."""
        return cls.of_kind("random_direction", amplitude)

    @classmethod
    def data_point(cls) -> "Probe":
        """A fresh point of the data's law, Q_b = d_b s_b (no sample is planted there)."""
        return cls.of_kind("data_point")

    @classmethod
    def typical(cls) -> "Probe":
        """A noised point of the data's law, Q_b = d_b (s_b + t)."""
        return cls.of_kind("typical")

    @classmethod
    def point(cls, x: Numbers) -> "PointProbe":
        """This point, (dims,), or several of them, (points, dims), in units of the data.

        Raises:
            InputError: if they are not finite.
        """
        points = _checked_points(x)
        several = np.atleast_2d(points)
        return PointProbe(*_NOTHING, several, np.zeros_like(several), single=points.ndim == 1)

    @classmethod
    def noised(cls, points: Numbers, *, key: Array) -> "PointProbe":
        """The points of the data, (points, dims), with noise: x = y + sqrt(t) omega, with one omega for each at all t.

        A signal-to-noise ratio at several points is the mean over them of squared means over that of variances.

        Raises:
            InputError: if they are not finite, or for a key that is none.
        """
        check_key(key)
        places = np.atleast_2d(_checked_points(points))
        return PointProbe(*_NOTHING, places, np.asarray(jax.random.normal(key, places.shape)), single=False)

    @property
    def of_data(self) -> bool:
        """Whether it is a point of the data's law, noised or not, and no fixed place."""
        return bool(self.noise or self.data)

    def squared_lengths(
        self, manifold: Spectrum, noise_variance: Numbers, block: int | np.integer
    ) -> Float[Array, " blocks"]:
        """Squared length Q_b of the probe inside every block, for one noise variance.

        `block` holds the probed direction. Units: squared units of the data.

        Raises:
            InputError: if the manifold has no such block.
        """
        return _squared_length(
            jnp.asarray(noise_variance, dtype=float),
            manifold.block_variances(),
            manifold.multiplicities,
            manifold.indicator(block),
            *self._numbers,
        )

    @property
    def kind(self) -> str:
        """Its name, one of `KINDS`; at amplitude 0 it is `origin`."""
        given = [bool(number) for number in self._numbers]
        return next(kind for kind, probe in PROBES.items() if [bool(term) for term in probe[1:]] == given)

    @property
    def amplitude(self) -> float:
        """What it was made with, in units of sqrt(t); 1 where there is none."""
        return float(max(self.along_v, self.spread)) or 1.0

    def record(self) -> dict[str, object]:
        """What the provenance of a result says of the probe."""
        return {"kind": self.kind, "amplitude": self.amplitude}

    def coordinate(self, noise_variance: Array, probed_variance: Array, multiplicities: Array) -> Float[Array, ""]:
        """Squared coordinate along the probed direction."""
        return _coordinate(noise_variance, probed_variance, multiplicities, *self._numbers)

    def rest(
        self, noise_variance: Array, variances: Array, multiplicities: Array, indicator: Array
    ) -> Float[Array, " blocks"]:
        """Squared length in every block, the probed direction left out."""
        return _rest(noise_variance, variances, multiplicities, indicator, *self._numbers[1:])

    @property
    def _numbers(self) -> tuple[Array | np.ndarray | np.floating | float, ...]:
        return self.along_v, self.spread, self.noise, self.data


@pytree
@dataclass(frozen=True)
class PointProbe(Probe):
    """Points base + sqrt(t) offset, (points, dims); made by `Probe.point` and `Probe.noised`."""

    base: Float[Array | np.ndarray, "points dims"]
    offset: Float[Array | np.ndarray, "points dims"]
    single: bool = field(metadata={"static": True})

    @property
    def kind(self) -> str:
        return "noised" if np.any(self.offset) else "point"

    def stretched(self, center: Float[np.ndarray, " dims"], matrix: Float[np.ndarray, "dims dims"]) -> "PointProbe":
        """The points times a matrix, about a center, with the same noise."""
        return replace(self, base=center + (np.asarray(self.base) - center) @ matrix.T)

    def record(self) -> dict[str, object]:
        """What the provenance of a result says of the probe."""
        return {"kind": self.kind, "points": len(self.base), "points_sha256": digest(np.asarray(self.base))}


def _checked_points(x: Numbers) -> Float[np.ndarray, "*points dims"]:
    points = concrete_array(x, "the points")
    if points.ndim not in (1, 2) or not points.size or not np.isfinite(points).all():
        raise InputError(
            f"the points have shape {points.shape}; they must be one point, or a row for each, of finite numbers"
        )
    return points


def _checked_amplitude(amplitude: Numbers) -> np.floating | Array:
    if isinstance(amplitude, Tracer):
        return amplitude
    value = concrete_array(amplitude, "the probe's amplitude")
    if value.ndim or not 0 <= value < np.inf:
        raise InputError(f"the probe's amplitude is {amplitude}; it must be finite and not negative")
    return np.float64(value)


def check_probe(probe: object) -> None:
    """Refuse what is no probe.

    Raises:
        InputError: if it is none.
    """
    refuse_other(probe, Probe, "the probe", f"a Probe, such as Probe.along(); the kinds are {', '.join(KINDS)}")
