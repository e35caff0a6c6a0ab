"""A sweep over sizes and seeds: what it measures, how it goes on, and when blocks count as lost."""

import dataclasses
import json
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr
from jax.tree_util import Partial

from geomem import MLP, InputError, Manifold, TrainConfig, critical_time, measure_spectrum, score_of, trajectory_times
from geomem.figures.networks import study_figures
from geomem.networks import measures, sweep
from geomem.networks.data_sets import TrainingSets, training_sets
from geomem.networks.experiment import Data, Experiment, Measures
from geomem.networks.fates import loss_rows, memorization_rows, memorized_over_seeds
from geomem.networks.sweep import train_study

SPECTRUM = {"variances": (1.0, 0.01), "multiplicities": (2.0, 2.0)}
TINY = Experiment(
    data=Data(num_samples=(8, 60), num_held_out=20, **SPECTRUM),
    training=TrainConfig(
        network=MLP(width=16, embedding=8, embedding_width=16), num_steps=40, learning_rate=1e-3, ema_decay=0.9
    ),
    measures=Measures(
        first=1e-3, count=6, num_points=3, noised=False, num_generated=10, num_sampling_steps=20, steps=(15,)
    ),
    seeds=(0, 1),
)


pytestmark = pytest.mark.slow  # compiles a training, its measures and the exact theory


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    return train_study(TINY, folder, progress=False), folder


def test_of_the_empirical_score_it_measures_what_the_engine_does(study):
    found, _ = study
    sets = training_sets(TINY.data, TINY.seeds, 4)
    rows = sets.of_seed[1][:8]
    spectra = [
        measure_spectrum(score_of(rows), x0, found.noise_variance.values, protocol="jacobian", key=jax.random.key(0))
        for x0 in rows[:3]
    ]
    values = np.mean([one.singular_value.values[..., 0] for one in spectra], axis=0)
    measured = found.sel(num_samples=8, seed=1)
    np.testing.assert_allclose(measured.empirical_singular_value, values, atol=1e-9)
    # The trace does not depend on the axes.
    np.testing.assert_allclose(measured.empirical_block_mean.values @ [2, 2], values.sum(axis=1), atol=1e-9)


def test_theory_stands_beside_it(study):
    found, _ = study
    law = Manifold(*SPECTRUM.values())
    times = critical_time(law, 1, num_samples=[8, 60], criterion="signal_to_noise", theory="finite_n").value
    np.testing.assert_allclose(found.critical_time.isel(block=1), times)
    at = found.noise_variance.values
    np.testing.assert_allclose(found.population_block_mean.isel(block=0), at / (at + 1.0))
    np.testing.assert_allclose(found.opening_time, [1.0, 0.01])


def test_everything_is_over_sizes_seeds_and_steps(study):
    found, _ = study
    assert dict(found.sizes) | {"flow_noise_variance": 0} == {
        "num_samples": 2, "seed": 2, "step": 2, "noise_variance": 6, "index": 4, "block": 2, "history_step": 1,
        "flow_noise_variance": 0,
    }  # fmt: skip
    for name in ("block_mean", "dimension", "distance_to_empirical", "distance_to_population", "memorization_ratio"):
        assert np.isfinite(found[name]).all()
        assert {"step", "num_samples", "seed"} <= set(found[name].dims)
    # Trained on, a network changes; its data do not.
    assert (found.block_mean.isel(step=0) != found.block_mean.isel(step=1)).any()
    assert "step" not in found.empirical_block_mean.dims


def test_everything_says_what_it_is(study):
    found, _ = study
    for variable in found.variables.values():
        assert variable.attrs["long_name"]
        assert "units" in variable.attrs or "flag_meanings" in variable.attrs


def test_rows_and_figures_of_every_block_and_size(study):
    found, _ = study
    rows = loss_rows(found)
    assert [(row["num_samples"], row["local_variance"]) for row in rows] == [(8, 1), (8, 0.01), (60, 1), (60, 0.01)]
    for prefix in ("", "empirical_"):
        fates = [[row[f"{prefix}seeds_{fate}"] for fate in ("lost", "kept", "never_open", "unlearned")] for row in rows]
        assert [sum(counts) for counts in fates] == [2] * 4
    assert [row["num_samples"] for row in memorization_rows(found)] == [8, 60]
    figures = study_figures(found)
    assert set(figures) == {"spectra", "dimension", "sizes", "losses", "memorization", "training"}
    # Without a theory, and with nothing lost, every figure can still be drawn.
    bare = found.drop_vars(["critical_time", "typical_collapse_time", "population_block_mean", "resolved_dimension"])
    for name in ("loss_time", "empirical_loss_time"):
        bare[name] = xr.full_like(bare[name], np.nan)
    for figure in study_figures(bare).values():
        figure.canvas.draw()


def test_a_second_call_reads_what_the_first_one_made(study, monkeypatch):
    found, folder = study
    monkeypatch.setattr("geomem.networks.sweep.train_group", None)
    xr.testing.assert_identical(train_study(TINY, folder, progress=False), found)


def test_more_steps_go_on_from_the_last_ones(study, tmp_path):
    found, folder = study
    longer = dataclasses.replace(
        TINY,
        training=dataclasses.replace(TINY.training, num_steps=60),
        measures=dataclasses.replace(TINY.measures, steps=(15, 40)),
    )
    at_once = train_study(longer, tmp_path, progress=False)
    gone_on = train_study(longer, folder, progress=False)
    xr.testing.assert_identical(gone_on, at_once)
    np.testing.assert_array_equal(gone_on.block_mean.sel(step=[15, 40]), found.block_mean)


def test_another_experiment_needs_another_folder(study):
    _, folder = study
    other = dataclasses.replace(TINY, seeds=(0, 2))
    with pytest.raises(InputError, match="holds the results of another experiment, with another seeds; choose"):
        train_study(other, folder, progress=False)


def test_a_damaged_part_is_named(study, tmp_path):
    (tmp_path / "empirical.nc").write_bytes(b"nothing")
    with pytest.raises(InputError, match="cannot be read; remove it to have it made again"):
        train_study(TINY, tmp_path, progress=False)


@pytest.mark.parametrize("protocol", ["orthogonal_frame", "central_difference"])
def test_other_protocols(protocol):
    law, key = Manifold([1.0], [4]), jax.random.key(0)
    rows = np.asarray(law.sample(key, 8))
    sets = TrainingSets((rows,), rows, law, np.eye(4), True)
    asked = dataclasses.replace(TINY.measures, protocol=protocol)
    found = measures.measure_spectra(score_of(rows), rows, sets, asked, key)
    assert (found.singular_value >= 0).all()
    assert (found.singular_value.diff("index") <= 0).all()


def test_a_part_that_is_removed_is_made_again(study, tmp_path):
    """Also that of an earlier training step, whose training is kept."""
    found, folder = study
    copied = shutil.copytree(folder, tmp_path / "copy")
    (copied / "step_15.nc").unlink()
    xr.testing.assert_identical(train_study(TINY, copied, progress=False), found)


def test_a_study_by_the_empirical_score():
    """It copies all, is as far from itself as nothing is, and collapses where the theory has it."""
    law, key = Manifold([1.0], [30]), jax.random.key(3)
    rows = np.asarray(law.sample(key, 300))
    wide = dataclasses.replace(TINY.training, sigma_max=10.0)
    more = dataclasses.replace(TINY.measures, num_generated=200, num_sampling_steps=100)
    experiment = dataclasses.replace(TINY, training=wide, measures=more)
    sets = TrainingSets((rows,), rows, law, np.eye(30), True)
    found = measures.measure_flow(score_of(rows), score_of(rows), rows, sets, experiment, key)
    assert found.memorization_ratio == 1
    assert (found.distance_to_empirical == 0).all()
    assert (found.distance_to_population > 0.1).any()
    predicted = float(trajectory_times(law, num_samples=300).collapse.value)
    assert 0.8 < float(found.collapse_time) / predicted < 1.6


def test_slices_of_a_jacobian_are_it(monkeypatch):
    data, points = np.asarray(Manifold([1.0], [5]).sample(jax.random.key(0), 20)), np.zeros((1, 4, 5))
    asked = (score_of(data), jnp.asarray(points), jnp.ones(1), jnp.eye(5))
    at_once = measures._eigenvalues(*asked)
    monkeypatch.setattr(measures, "_TANGENTS_AT_ONCE", 2)
    for sliced, whole in zip(measures._eigenvalues.__wrapped__(*asked), at_once, strict=True):
        np.testing.assert_allclose(sliced, whole, rtol=1e-12)


def test_a_score_that_is_not_finite_is_named():
    rows = np.asarray(Manifold([1.0], [4]).sample(jax.random.key(0), 8))
    sets = TrainingSets((rows,), rows, Manifold([1.0], [4]), np.eye(4), True)
    with pytest.raises(InputError, match="a score is not finite at noise variance"):
        measures.measure_spectra(Partial(lambda x, t: x * jnp.nan), rows, sets, TINY.measures, jax.random.key(0))


def test_a_part_of_other_versions_is_read_and_of_other_data_is_not(tmp_path):
    def make():
        return xr.Dataset({"value": 1.0})

    def not_made():
        raise AssertionError

    record = {"inputs": {"experiment": {"seeds": [0]}, "samples_sha256": ["a"]}, "versions": {"jax": "1"}}
    file = tmp_path / "part.nc"
    sweep._kept(file, json.dumps(record), make)
    read = sweep._kept(file, json.dumps(record | {"versions": {"jax": "2"}}), not_made)
    assert json.loads(read.provenance)["versions"] == {"jax": "1"}
    for other, named in (
        ({"experiment": {"seeds": [0]}, "samples_sha256": ["b"]}, "another samples_sha256"),
        ({"experiment": {"seeds": [1]}, "samples_sha256": ["a"]}, "another seeds"),
    ):
        with pytest.raises(InputError, match=f"results of another experiment, with {named}"):
            sweep._kept(file, json.dumps(record | {"inputs": other}), not_made)


def test_other_images_are_another_experiment(tmp_path):
    data = dataclasses.replace(TINY.data, source=str(tmp_path / "images.npz"), num_samples=(3,), num_held_out=2)
    experiment = dataclasses.replace(TINY, data=data)
    records = []
    for seed in range(2):
        np.savez(tmp_path / "images.npz", images=np.random.default_rng(seed).normal(size=(9, 2, 2)))
        records.append(sweep._record(experiment, training_sets(data, (0,), 2)))
    assert records[0] != records[1]


def test_errors_of_the_memorized_fraction():
    """The larger one of what the seeds' scatter and the numbers of samples say."""
    dims = ("num_samples", "seed")
    ratio = xr.DataArray([[0.0, 0.0], [0.2, 0.4]], dims=dims)
    given = xr.Dataset({"memorization_ratio": ratio, "memorization_ratio_error": xr.full_like(ratio, 0.02)})
    mean, error = memorized_over_seeds(given)
    np.testing.assert_allclose(mean, [0.0, 0.3])
    np.testing.assert_allclose(error, [0.02 / np.sqrt(2), 0.1])
    np.testing.assert_allclose(memorized_over_seeds(given.isel(seed=[0]))[1], [0.02, 0.02])
