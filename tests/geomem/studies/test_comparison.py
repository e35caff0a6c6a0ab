"""Residuals, z-scores and shifts of curves that are known."""

import numpy as np
import pytest
import xarray as xr

from geomem import InputError, compare

TIMES = np.geomspace(0.01, 10, 40)


def smooth(times):
    return 1 / (1 + np.exp(-2 * np.log(times)))


def data(value, error=None, times=TIMES, dim="noise_variance"):
    fields = {"value": (dim, value)} | ({} if error is None else {"error": (dim, np.broadcast_to(error, value.shape))})
    return xr.Dataset(fields, {dim: times})


def test_residuals_are_in_error_bars():
    measured = data(smooth(TIMES) + np.where(np.arange(40) == 7, 0.3, 0.0), 0.1)
    found = compare(measured, data(smooth(TIMES)))
    assert found.residual.values[7] == pytest.approx(0.3)
    assert found.z.values[7] == pytest.approx(3.0)
    assert found.attrs["max_abs_z"] == pytest.approx(3.0)
    assert found.attrs["reduced_chi_square"] == pytest.approx(9 / 40)


def test_the_shift_and_its_error_are_those_of_least_squares(rng):
    """The pull of many noisy curves: shifts over their errors have unit variance about the truth."""
    shift, error, fine = 0.25, 0.02, np.geomspace(1e-3, 100, 4000)
    pulls = []
    for _ in range(60):
        value = smooth(TIMES * np.exp(-shift)) + error * rng.normal(size=40)
        found = compare(data(value, error), data(smooth(fine), times=fine))
        pulls.append((found.attrs["log_time_shift"] - shift) / found.attrs["log_time_shift_error"])
    assert abs(np.mean(pulls)) < 4 / np.sqrt(60)
    assert np.var(pulls) == pytest.approx(1, abs=4 * np.sqrt(2 / 59))


def test_steps_shift_too():
    fine = np.geomspace(1e-3, 100, 4000)
    found = compare(data(1.0 * (TIMES > 1.5), 0.1), data(1.0 * (fine > 1.0), times=fine))
    spacing = np.log(TIMES[1] / TIMES[0])
    assert found.attrs["log_time_shift"] == pytest.approx(np.log(1.5), abs=spacing)
    assert 0 < found.attrs["log_time_shift_error"] < spacing


def test_no_error_bars_no_z():
    found = compare(data(smooth(TIMES / 2)), data(smooth(TIMES)))
    assert np.isnan(found.z).all()
    assert np.isnan([found.attrs[name] for name in ("reduced_chi_square", "max_abs_z", "log_time_shift_error")]).all()
    assert found.attrs["log_time_shift"] == pytest.approx(np.log(2), abs=0.01)


def test_what_is_not_predicted_is_not_judged():
    """Left of t = 0.5 the prediction is unknown: neither the shift nor its error look there."""
    fine = np.geomspace(1e-3, 100, 4000)
    prediction = np.where(fine > 0.5, smooth(fine), np.nan)
    found = compare(data(smooth(TIMES * np.exp(-0.3)), 0.01), data(prediction, times=fine))
    assert np.isnan(found.z.values[TIMES < 0.5]).all()
    assert found.attrs["log_time_shift"] == pytest.approx(0.3, abs=1e-3)
    nothing = compare(data(smooth(TIMES), 0.01), data(np.full(40, np.nan)))
    flat = compare(data(np.ones(40), 0.1), data(np.ones(40)))
    assert np.isnan([nothing.attrs["log_time_shift"], flat.attrs["log_time_shift"]]).all()


def test_nothing_is_predicted_beyond_the_predicted_times():
    """A curve that ends on either side inside the measured one is judged where it is, though not at its shifts."""
    inner = TIMES[5:-5]
    value = smooth(TIMES * np.exp(-0.3)) + np.where(np.arange(40) < 5, 1e3, 0.0)
    found = compare(data(value, 0.01), data(smooth(inner), times=inner))
    assert np.flatnonzero(np.isnan(found.z)).tolist() == [*range(5), *range(35, 40)]
    assert np.isnan(found.residual.values[[0, -1]]).all()
    assert found.attrs["max_abs_z"] < 50
    assert found.attrs["log_time_shift"] == pytest.approx(0.3, abs=0.01)
    rounded = compare(data(smooth(TIMES), 0.1), data(smooth(TIMES), times=TIMES * (1 + 1e-15 * np.sign(5.0 - TIMES))))
    assert np.isfinite(rounded.z).all()


def test_one_error_bar_for_all():
    found = compare(data(smooth(TIMES)).assign(error=0.1), data(smooth(TIMES) + 0.1))
    np.testing.assert_allclose(found.z, -1.0)


def test_what_is_known_exactly_agrees_or_does_not():
    value = smooth(TIMES)
    found = compare(data(value + np.where(np.arange(40) == 3, 1e-3, 0.0), 0.0), data(value))
    assert found.attrs["max_abs_z"] == np.inf
    assert (np.delete(found.z.values, 3) == 0).all()


def test_singular_values_are_refused():
    """They are sorted in every data set; values that are none of a law are no prediction of them."""
    spectrum = xr.Dataset(
        {"singular_value": (("noise_variance", "index"), np.ones((40, 3)))}, {"noise_variance": TIMES}
    )
    with pytest.raises(InputError, match="no law of sorted values"):
        compare(spectrum, spectrum)
    with pytest.raises(InputError, match="what was measured is no spectrum"):
        compare(data(smooth(TIMES)), spectrum)


def test_who_has_a_covariance_says_so():
    plain = data(smooth(TIMES), 0.1)
    found = compare(plain, data(smooth(TIMES)))
    assert found.attrs["points"] == "assumed independent"
    assert np.isnan(found.attrs["p_value"])
    stated = compare(plain.assign_attrs(points="independent"), data(smooth(TIMES)))
    assert stated.attrs["points"] == "independent"
    assert stated.attrs["p_value"] == pytest.approx(1.0)
    few = plain.assign(replicates=(("replicate", "noise_variance"), np.tile(smooth(TIMES), (7, 1))))
    assert compare(few, data(smooth(TIMES))).attrs["points"] == "assumed independent"


def test_other_clocks_and_other_orders():
    found = compare(data(smooth(TIMES), 0.1, dim="time"), data(smooth(TIMES)[::-1], times=TIMES[::-1], dim="time"))
    assert found.attrs["max_abs_z"] == 0


@pytest.mark.parametrize(
    ("measured", "predicted", "message"),
    [
        (data(smooth(TIMES)), data(smooth(TIMES), dim="time"), "must share a dimension"),
        (data(smooth(TIMES), dim="epoch"), data(smooth(TIMES), dim="epoch"), "must share a dimension"),
        (data(smooth(TIMES)).rename(value="score"), data(smooth(TIMES)), "neither 'value' nor 'singular_value'"),
        (data(smooth(TIMES)), data(smooth(TIMES)).expand_dims(num_samples=[3]), "all but noise_variance"),
        (data(smooth(TIMES), times=TIMES - 1), data(smooth(TIMES)), "must be positive"),
    ],
)
def test_bad_input(measured, predicted, message):
    with pytest.raises(InputError, match=message):
        compare(measured, predicted)
