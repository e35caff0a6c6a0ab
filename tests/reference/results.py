"""Results of every part of the package, as they were before it was rearranged: what a change of place must not change.

Run from the repository root with `python tests/reference/results.py`; it writes
`tests/data/results_reference.json`, a list of numbers under every name. Rewrite the file only together with a
change that is meant to change these numbers, and say so.
"""

import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import jax
import numpy as np
import xarray as xr

import geomem as gm

OUTPUT = Path(__file__).parents[1] / "data" / "results_reference.json"

Results = Iterator[tuple[str, object]]

DEFAULT = ([1.0, 0.09, 1e-4], [2, 5, 23])
SPECTRA = {
    "default": DEFAULT,
    "flat": ([1.0], [4]),
    "with_zeros": ([2.0, 0.3, 0.0], [1, 3, 6]),
    "many": (np.geomspace(3.0, 1e-3, 9).tolist(), [1, 1, 2, 2, 3, 4, 5, 6, 7]),
}
PROBES = {
    "origin": lambda: gm.Probe.origin(),
    "along": lambda: gm.Probe.along(),
    "along_3": lambda: gm.Probe.along(3.0),
    "random_direction": lambda: gm.Probe.random_direction(1.5),
    "data_point": lambda: gm.Probe.data_point(),
    "typical": lambda: gm.Probe.typical(),
}
EXPLICIT = (
    ("gaussian_rem", "condensation"),
    ("gaussian_rem", "participation"),
    ("rem", "condensation"),
    ("rem", "participation"),
    ("rem", "signal_to_noise"),
)
EXACT = (("finite_n", "participation"), ("finite_n", "signal_to_noise"))
SIZES = [10.0, 300.0, 1e4, 1e9]
TIMES = [0.01, 0.05, 0.3, 2.0]


def explicit() -> Results:
    """Critical times and sizes at the levels whose critical size is explicit."""
    for spectrum, probe in (("default", kind) for kind in PROBES):
        yield from _critical(EXPLICIT, spectrum, probe, [0, 1])
    for spectrum in ("flat", "with_zeros", "many"):
        yield from _critical(EXPLICIT, spectrum, "along", [0])
    sphere = gm.Manifold(*DEFAULT, normalized=True)
    for probe in ("origin", "along", "typical"):
        for criterion in ("condensation", "participation"):
            asked = {"criterion": criterion, "theory": "gaussian_rem", "probe": PROBES[probe]()}
            name = f"normalized {criterion} {probe}"
            yield f"{name} time", gm.critical_time(sphere, 1, num_samples=SIZES, **asked).log_value
            yield f"{name} size", gm.critical_size(sphere, 1, noise_variance=TIMES, **asked).log_value
    mixture = _mixture()
    for _, criterion in EXPLICIT[2:]:
        for probe in ("origin", "along", "random_direction"):
            asked = {"criterion": criterion, "theory": "rem", "probe": PROBES[probe]()}
            found = gm.critical_time(mixture, 0, num_samples=SIZES, **asked)
            yield f"mixture {criterion} {probe} time", found.log_value
            yield f"mixture {criterion} {probe} status", found.status
            found = gm.critical_size(mixture, 1, noise_variance=TIMES, **asked)
            yield f"mixture {criterion} {probe} size", found.log_value


def _critical(combinations, spectrum: str, probe: str, blocks: list[int]) -> Results:
    manifold = gm.Manifold(*SPECTRA[spectrum])
    for level, criterion in combinations:
        for block in blocks:
            asked = {"criterion": criterion, "theory": level, "probe": PROBES[probe]()}
            name = f"{level} {criterion} {spectrum} {probe} block {block}"
            found = gm.critical_time(manifold, block, num_samples=SIZES, **asked)
            yield f"{name} time", found.log_value
            yield f"{name} status", found.status
            yield f"{name} size", gm.critical_size(manifold, block, noise_variance=TIMES, **asked).log_value


def exact() -> Results:
    """Level finite_n: averages over data sets, and critical times and sizes."""
    for spectrum in SPECTRA:
        for probe in PROBES if spectrum == "default" else ("along",):
            manifold = gm.Manifold(*SPECTRA[spectrum])
            found = gm.quenched(manifold, 0, noise_variance=TIMES, num_samples=SIZES, probe=PROBES[probe]())
            for field in ("log_partition", "participation", "score_mean", "score_variance", "second_moment", "status"):
                yield f"quenched {spectrum} {probe} {field}", getattr(found, field)
    manifold = gm.Manifold(*DEFAULT)
    planted = gm.quenched(manifold, 1, noise_variance=TIMES, num_samples=SIZES, log_planted=-2.0)
    yield "quenched planted weight", planted.planted_weight
    yield "quenched planted signal_to_noise", planted.signal_to_noise
    yield from _critical(EXACT, "default", "along", [0, 1])
    yield from _critical(EXACT[1:], "default", "typical", [0])
    yield from _critical(EXACT[1:], "with_zeros", "along", [0])
    times = np.geomspace(1e-3, 3.0, 7)
    yield (
        "resolved dimension finite_n",
        gm.resolved_dimension(manifold, noise_variance=times, num_samples=SIZES, theory="finite_n"),
    )
    words = ["unresolved", "generalizing", "memorized", "unknown"]
    phases = gm.phase(manifold, 0, noise_variance=times, num_samples=SIZES, theory="finite_n")
    yield "phase finite_n", [words.index(word) for word in phases.ravel()]


def diagrams() -> Results:
    """Phase diagrams, with their sensitivities, and resolved dimensions."""
    manifold = gm.Manifold(*DEFAULT)
    for level, criterion in (*EXPLICIT, EXACT[1]):
        count = 2 if level == "finite_n" else 5
        diagram = gm.phase_diagram(
            manifold,
            num_samples=SIZES,
            local_variance=np.geomspace(0.01, 2.0, count),
            block=1,
            criterion=criterion,
            theory=level,
        )
        for name, values in diagram.data_vars.items():
            yield f"diagram {level} {criterion} {name}", values.values
    for probe in PROBES:
        diagram = gm.phase_diagram(
            manifold,
            num_samples=SIZES,
            local_variance=[0.01, 0.5],
            criterion="signal_to_noise",
            theory="rem",
            probe=PROBES[probe](),
        )
        yield f"diagram rem {probe} sensitivity", diagram.sensitivity_probe.values
    for theory in ("rem", "finite_n"):
        yield (
            f"resolved dimension {theory}",
            gm.resolved_dimension(manifold, noise_variance=TIMES, num_samples=1000, theory=theory),
        )


def spectra() -> Results:
    """Spectra: predicted, measured, of data; and the empirical score."""
    manifold = gm.Manifold(*DEFAULT)
    for theory in ("population", "root_mean_square", "published"):
        found = gm.predicted_spectrum(manifold, noise_variance=TIMES, num_samples=1000, theory=theory)
        yield f"predicted {theory}", found.singular_value.values
        yield f"predicted {theory} gap_dimension", found.gap_dimension.values
    rows = _rows()
    for protocol in ("jacobian", "orthogonal_frame", "central_difference"):
        found = gm.measure_spectrum(
            gm.EmpiricalScore(rows), rows.mean(axis=0), TIMES, protocol=protocol, key=jax.random.key(3)
        )
        yield f"measured {protocol}", found.singular_value.values
        yield f"measured {protocol} participation", found.participation.values
    found = gm.measure_spectrum(gm.score_of(rows), rows[0], TIMES, protocol="jacobian", key=jax.random.key(3))
    yield "measured traceable jacobian", found.singular_value.values
    weights = gm.gibbs(rows[:5], rows, TIMES, directions=np.ones(rows.shape[1]))
    for field in ("log_partition", "participation", "nearest_distance", "nearest_index"):
        yield f"gibbs {field}", getattr(weights, field)
    yield "score", gm.score(rows[:3], rows, TIMES, chunk_size=7)
    yield "jacobian", gm.jacobian(rows[0], rows, TIMES)
    for num_blocks in (None, 3):
        law = gm.Manifold.from_data(rows, num_blocks=num_blocks)
        yield f"spectrum of data, blocks {num_blocks}", law.variances
    yield "local spectrum", gm.local_spectrum(rows, rows[0], 30).variances
    found = gm.critical_times_of_data(
        rows, num_blocks=3, criterion="condensation", theory="rem", num_resamples=40, key=jax.random.key(5)
    )
    for name in ("critical_time", "bias", "error", "lower", "upper"):
        yield f"critical times of data {name}", found[name].values
    measured = xr.Dataset(
        {"value": ("noise_variance", [0.3, 0.5, 0.9, 1.1]), "error": ("noise_variance", [0.1] * 4)},
        {"noise_variance": [0.1, 0.2, 0.4, 0.8]},
    )
    found = gm.compare(measured, measured.assign(value=measured.value + np.array([0.05, -0.1, 0.02, 0.01])))
    for name in ("reduced_chi_square", "max_abs_z", "log_time_shift", "log_time_shift_error"):
        yield f"compare {name}", found.attrs[name]
    found = gm.measure_resolved_dimension(
        manifold, noise_variance=TIMES, num_samples=50, num_replicates=8, key=jax.random.key(6)
    )
    yield "measured dimension", found.value.values
    yield "measured signal_to_noise", found.signal_to_noise.values
    found = gm.theory_versus_simulation(
        manifold, 0, noise_variance=0.1, num_samples=100, num_datasets=50, key=jax.random.key(7)
    )
    yield "simulation", found["value"].values
    yield "simulation z", found.z.values


def trajectories() -> Results:
    """Times of trajectories, excess entropies, samples of a score and basins."""
    manifold = gm.Manifold(*DEFAULT)
    random = gm.RandomManifold([0.4, 0.036], [0.5, 0.5], latent_ratio=0.4)
    for name, law, sizes in (
        ("manifold", manifold, {"num_samples": SIZES}),
        ("mixture", _mixture(), {"num_samples": SIZES}),
        ("three classes", _three_classes(), {"num_samples": SIZES}),
        ("random manifold", random, {"log_num_samples": [0.05, 0.2, 0.5]}),
    ):
        times = gm.trajectory_times(law, **sizes)
        for field, found in zip(times._fields, times, strict=True):
            yield f"trajectories {name} {field}", found.log_value
        if "classes" in name or name == "mixture":
            continue
        yield f"radius {name}", gm.dominance_radius(law, noise_variance=[0.1, 0.5], **sizes)
    yield "flow basin radius", gm.flow_basin_radius(manifold, noise_variance=[0.1, 0.5], num_samples=SIZES)
    yield "bulk edges", random.bulk_edges()
    yield "jacobian edges", random.jacobian_edges(TIMES)
    for theory in ("rem", "finite_n"):
        for name, law in (("manifold", manifold), ("mixture", _mixture())):
            found = gm.expected_excess_entropy(law, noise_variance=[0.2, 1.0], num_samples=200, theory=theory)
            yield f"excess entropy {name} {theory}", found.value.values
    found = gm.expected_collapse_probability(manifold, noise_variance=[0.2], num_samples=200)
    yield "collapse probability", found.value.values
    yield "cloning", gm.cloning_curve(_mixture(), noise_variance=TIMES).value.values
    found = gm.generalization_time(manifold, num_samples=1e4, method="asymptotic")
    yield "generalization time", found.value.values
    rows, key = _rows(), jax.random.key(11)
    found = gm.excess_entropy(rows, TIMES, num_probes=60, key=key)
    yield "measured excess entropy", found.value.values
    yield "measured excess entropy error", found.error.values
    found = gm.collapse_time(rows, num_probes=60, key=key)
    yield "collapse time", [found[name].item() for name in ("value", "lower", "upper")]
    found = gm.generalization_time(rows, num_probes=60, key=key)
    yield "cross-validated time", [found[name].item() for name in ("value", "lower", "upper")]
    grid = np.geomspace(9.0, 1e-3, 21)
    for method in ("sde", "ode"):
        found = gm.generate(
            gm.score_of(rows), key, num_samples=5, dims=rows.shape[1], noise_variance=grid, method=method, keep_every=10
        )
        yield f"generated {method}", found.x.values
    for name, law in (("manifold", manifold), ("mixture", _mixture())):
        dims = int(np.sum(np.asarray(gm.Manifold(*DEFAULT).multiplicities)))
        x = np.linspace(-1.0, 1.0, 2 * dims).reshape(2, dims)
        yield f"population score {name}", gm.score_of(law)(x, 0.3)
    found = gm.generate(gm.score_of(rows), key, num_samples=40, dims=rows.shape[1], noise_variance=grid, method="ode")
    yield "memorization ratio", gm.memorization_ratio(found.x.values[-1], rows)
    basins = gm.measure_basin(rows, [0.05], radius=[0.5, 1.0, 2.0, 4.0], num_probes=20, key=key)
    for name, values in basins.data_vars.items():
        yield f"basin {name}", values.values


def schedules() -> Results:
    """Noise schedules on their own clocks."""
    for name, schedule in (
        ("ve", gm.VarianceExploding()),
        ("sigma", gm.VarianceExploding("sigma")),
        ("ou", gm.OrnsteinUhlenbeck()),
        ("flow", gm.FlowMatching()),
        ("flow steps", gm.FlowMatching(1000)),
        ("ddpm", gm.Discrete.linear()),
        ("scaled linear", gm.Discrete.scaled_linear(num_steps=100)),
        ("sigmoid", gm.Discrete.sigmoid(num_steps=100)),
        ("cosine", gm.Discrete.cosine()),
    ):
        reached = np.array(TIMES)[schedule.reaches(TIMES)]
        times = schedule.time(reached)
        yield f"schedule {name} time", times
        yield f"schedule {name} noise_variance", schedule.noise_variance(times)
        yield f"schedule {name} score_factor", schedule.score_factor(times)
        yield f"schedule {name} jacobian_factor", schedule.jacobian_factor(times)
        if schedule.has_steps:
            yield f"schedule {name} step", schedule.step(reached)
    yield "sampling grid ddpm", gm.sampling_grid(gm.Discrete.linear(), 20)
    yield "sampling grid ou", gm.sampling_grid(gm.OrnsteinUhlenbeck(), 20, highest=80.0, lowest=1e-4)


def training() -> Results:
    """Losses of a short training; in float32, so compiled otherwise they differ by its rounding."""
    config = gm.TrainConfig(
        network=gm.MLP(width=16, num_blocks=1, embedding=8, embedding_width=16), num_steps=60, batch_size=16
    )
    keys = jax.random.split(jax.random.key(1), 2)
    rows = [_rows()[:20], _rows()[:50]]
    with tempfile.TemporaryDirectory() as directory:
        trained = gm.train_group(config, rows, keys, directory=directory, held_out=[_rows()[50:]] * 2, progress=False)
    for place, one in enumerate(trained):
        for name, values in one.history.data_vars.items():
            yield f"training {place} {name}", values.values
        yield f"training {place} score", one.score(rows[0][:3], 0.5)


def _rows() -> np.ndarray:
    scale = np.sqrt(np.repeat([1.0, 0.09, 1e-3], [2, 4, 2]))
    return np.random.default_rng(20241008).normal(size=(120, 8)) * scale


def _mixture():
    return gm.GaussianMixture.two_classes(4.0, gm.Manifold(*DEFAULT))


def _three_classes():
    centers = np.zeros((3, 4))
    centers[:, 0], centers[:, 3] = [1.5, -1.0, 0.2], [0.0, 0.7, -0.9]
    return gm.GaussianMixture([0.5, 0.3, 0.2], centers, gm.Manifold([1.0, 0.2], [2, 2]))


GROUPS: dict[str, Callable[[], Results]] = {
    each.__name__: each for each in (explicit, exact, diagrams, spectra, trajectories, schedules, training)
}


def results(group: str) -> dict[str, list[float]]:
    """The results of a group by name, as flat lists of numbers."""
    return {name: np.ravel(np.asarray(values, dtype=float)).tolist() for name, values in GROUPS[group]()}


def main() -> None:
    stored = {}
    for group in GROUPS:
        start = time.monotonic()
        stored[group] = results(group)
        print(f"{group}: {len(stored[group])} results, {time.monotonic() - start:.0f} s", file=sys.stderr)
    OUTPUT.write_text(json.dumps(stored, indent=0) + "\n")


if __name__ == "__main__":
    main()
