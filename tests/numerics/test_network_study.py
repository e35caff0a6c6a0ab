"""A sweep over sizes and seeds: what it measures, how it goes on, and when blocks count as lost."""

import dataclasses

import jax
import numpy as np
import pytest
import xarray as xr

from numerics import MLP, InputError, Manifold, TrainConfig, critical_time, measure_spectrum, score_of
from numerics.experiment import Data, Experiment, Measures
from numerics.network_figures import study_figures
from numerics.network_study import Loss, loss_rows, loss_times, memorization_rows, train_study
from numerics.training_sets import training_sets

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
        assert all(sum(row[f"{prefix}seeds_{one.name.lower()}"] for one in Loss) == 2 for row in rows)
    assert [row["num_samples"] for row in memorization_rows(found)] == [8, 60]
    figures = study_figures(found)
    assert set(figures) == {"spectra", "dimension", "losses", "memorization", "training"}
    # Without a theory, and with nothing lost, every figure can still be drawn.
    bare = found.drop_vars(["critical_time", "typical_collapse_time", "population_block_mean", "resolved_dimension"])
    for name in ("loss_time", "empirical_loss_time"):
        bare[name] = xr.full_like(bare[name], np.nan)
    for figure in study_figures(bare).values():
        figure.canvas.draw()


def test_a_second_call_reads_what_the_first_one_made(study, monkeypatch):
    found, folder = study
    monkeypatch.setattr("numerics.network_study.train_group", None)
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
    with pytest.raises(InputError, match="holds the results of another experiment; choose another folder"):
        train_study(other, folder, progress=False)


def test_a_damaged_part_is_named(study, tmp_path):
    (tmp_path / "empirical.nc").write_bytes(b"nothing")
    with pytest.raises(InputError, match="cannot be read; remove it to have it made again"):
        train_study(TINY, tmp_path, progress=False)


@pytest.mark.parametrize("protocol", ["orthogonal_frame", "central_difference"])
def test_other_protocols(tmp_path, protocol):
    measures = dataclasses.replace(TINY.measures, protocol=protocol, steps=())
    found = train_study(dataclasses.replace(TINY, measures=measures), tmp_path, progress=False)
    assert (found.singular_value >= 0).all()
    assert (found.singular_value.diff("index") <= 0).all()


TIMES = np.array([0.01, 0.1, 1.0, 10.0])


@pytest.mark.parametrize(
    ("values", "time", "fate"),
    [
        ([1.0, 0.0, 0.0, 1.0], 0.1**1.5, Loss.LOST),  # halfway in ln t
        ([0.0, 0.0, 0.0, 1.0], np.nan, Loss.KEPT),
        ([1.0, 0.9, 0.6, 1.0], np.nan, Loss.NEVER_OPEN),
        ([0.2, 1.0, 0.4, 0.9], 10 ** (-1 / 6), Loss.LOST),  # lost where it is first lost
    ],
)
def test_loss_times(values, time, fate):
    found, status = loss_times(TIMES, xr.DataArray([values], dims=("block", "noise_variance")))
    np.testing.assert_allclose(found, [time])
    assert status.values.tolist() == [fate]
