"""Results of this package are curves again: their times, error bars, covariance and names."""

import jax
import numpy as np
import pytest
import xarray as xr

from geomem import InputError, compare, excess_entropy, load_curve
from geomem.core.provenance import provenance
from geomem.schedules.clock import clock_of
from geomem.studies.curve import on_noise_variance

TIMES = np.array([0.1, 0.5, 2.0])
OVER = "noise_variance"


def saved(file, variables, coordinates=None, **attributes):
    data = xr.Dataset(variables, {OVER: TIMES} | (coordinates or {}), attributes)
    data.to_netcdf(file, engine="h5netcdf")
    return data


def test_a_measured_excess_entropy_with_its_covariance(tmp_path, rng):
    measured = excess_entropy(rng.normal(size=(60, 3)), [0.9, 0.5, 2.0], num_probes=60, key=jax.random.key(0))
    measured.to_netcdf(tmp_path / "f.nc", engine="h5netcdf")
    order = np.argsort(measured.noise_variance.values)
    found = load_curve(tmp_path / "f.nc")
    np.testing.assert_array_equal(found.time, [0.5, 0.9, 2.0])
    np.testing.assert_array_equal(found.value, measured.value.values[order])
    np.testing.assert_array_equal(found.error, measured.error.values[order])
    np.testing.assert_array_equal(found.covariance, measured.covariance.values[np.ix_(order, order)])
    names = ("observable", "schedule", "num_samples", "dimension", "provenance")
    assert [found.attrs[name] for name in names] == ["excess-entropy", "ve", 60, 3, measured.attrs["provenance"]]
    found.to_netcdf(tmp_path / "again.nc", engine="h5netcdf")
    xr.testing.assert_identical(load_curve(tmp_path / "again.nc"), found)
    known = measured.sortby([OVER, f"{OVER}_again"])
    predicted = known.drop_vars(["error", "covariance"]) + 0.01
    again, direct = (compare(one, predicted) for one in (on_noise_variance(found, clock_of("ve")), known))
    assert again.attrs == direct.attrs
    assert again.attrs["points"] == "correlated"


def test_replicates_and_points_without_an_error_bar(tmp_path):
    values = np.array([[1.0, 2.0, np.nan], [1.5, 2.5, 3.0], [2.0, 2.0, 3.0]])
    saved(tmp_path / "spectrum.nc", {
        "gap_dimension": (("replicate", OVER), values),
        "participation": (OVER, [0.1, 0.2, 0.3]),
        "population_gap_dimension": (OVER, [1.0, 1.0, 1.0]),
    }, provenance=provenance({"num_samples": 50}))  # fmt: skip
    found = load_curve(tmp_path / "spectrum.nc")
    xr.testing.assert_identical(load_curve(f"{tmp_path / 'spectrum.nc'}:gap_dimension"), found)
    np.testing.assert_array_equal(found.time, TIMES[:2])
    np.testing.assert_array_equal(found.replicates, values[:, :2])
    np.testing.assert_allclose(found.error, values[:, :2].std(axis=0, ddof=1) / 3**0.5)
    assert (found.attrs["observable"], found.attrs["num_samples"]) == ("dimension", 50)
    with pytest.raises(InputError, match="participation has no error bars, of one data set; with error bars it holds"):
        load_curve(f"{tmp_path / 'spectrum.nc'}:participation")
    with pytest.raises(InputError, match="there is no curve 'other' in it; with error bars it holds gap_dimension"):
        load_curve(f"{tmp_path / 'spectrum.nc'}:other")


def test_one_of_several_sizes(tmp_path):
    value = np.arange(6.0).reshape(3, 2)
    error = np.where(value == 4, np.nan, 0.1)
    variables = {"value": ((OVER, "num_samples"), value), "error": ((OVER, "num_samples"), error)}
    saved(tmp_path / "d.nc", variables, {"num_samples": [20, 40]}, observable="dimension")
    found = load_curve(f"{tmp_path / 'd.nc'}:value,num_samples=20")
    np.testing.assert_array_equal(found.time, TIMES[:2])
    np.testing.assert_array_equal(found.value, [0, 2])
    assert (found.attrs["num_samples"], found.attrs["observable"]) == (20, "dimension")
    with pytest.raises(InputError, match=r"num_samples too; choose by FILE.nc:value,num_samples=VALUE, one of 20, 40"):
        load_curve(tmp_path / "d.nc")
    with pytest.raises(InputError, match="there is no num_samples '30' to choose; there are 20, 40"):
        load_curve(f"{tmp_path / 'd.nc'}:value,num_samples=30")


def test_the_measured_curve_of_a_comparison(tmp_path):
    variables = {name: (OVER, [0.3, 0.2, 0.1]) for name in ("measured", "error", "predicted", "residual", "z")}
    record = provenance({"observable": "participation", "num_samples": 100.0})
    saved(tmp_path / "compare.nc", variables, points="correlated", schedule="ddpm", provenance=record)
    found = load_curve(tmp_path / "compare.nc")
    np.testing.assert_array_equal(found.value, [0.3, 0.2, 0.1])
    assert {name: found.attrs[name] for name in ("observable", "num_samples", "schedule")} == {
        "observable": "participation", "num_samples": 100, "schedule": "ve",
    }  # fmt: skip
    assert "points" not in found.attrs


def test_results_without_a_curve(tmp_path):
    diagram = xr.Dataset({"critical_time": ("block", [1.0])}, attrs={"provenance": provenance({})})
    diagram.to_netcdf(tmp_path / "phase_diagram.nc", engine="h5netcdf")
    with pytest.raises(InputError, match="these results are over block, not over noise variances, so hold no curve"):
        load_curve(tmp_path / "phase_diagram.nc")
    saved(tmp_path / "bare.nc", {"value": (OVER, TIMES)})
    with pytest.raises(InputError, match=r"choose a curve by FILE\.nc:NAME; it holds none with error bars"):
        load_curve(tmp_path / "bare.nc")
