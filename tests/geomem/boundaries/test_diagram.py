"""The phase diagram against single solves and finite differences."""

import json

import numpy as np
import pytest
import xarray as xr

from geomem import InputError, Manifold, Probe, Status, critical_time, phase_diagram

SIZES, VARIANCES = np.geomspace(10, 1e8, 5), np.geomspace(1e-3, 10, 6)
S, D = np.array([1.0, 0.09, 1e-4]), np.array([2, 5, 23])


def diagram(**changes) -> xr.Dataset:
    arguments = {
        "num_samples": SIZES, "local_variance": VARIANCES, "criterion": "signal_to_noise", "theory": "rem",
    } | changes  # fmt: skip
    return phase_diagram(Manifold(S, D), **arguments)


def log_time(variances, block, log_size, criterion, level, probe=None):
    return float(
        critical_time(
            Manifold(variances, D), block, log_num_samples=np.atleast_1d(log_size), criterion=criterion, theory=level,
            probe=probe or Probe.along(),
        ).log_value[0]
    )  # fmt: skip


def test_dimensions_and_coordinates():
    found = diagram(block=1)
    assert dict(found.sizes) == {"block": 3, "num_samples": 5, "local_variance": 6}
    assert found.critical_time.dims == found.status.dims == ("block", "num_samples")
    for name in ("critical_time_map", "status_map", "sensitivity_swept", "sensitivity_probe", "lost_first"):
        assert found[name].dims == ("num_samples", "local_variance")
    assert found.opening_time.dims == ("block",)
    np.testing.assert_allclose(found.log_num_samples, np.log(SIZES))
    np.testing.assert_allclose(found.num_samples, SIZES)
    np.testing.assert_array_equal(found.opening_time, S)
    np.testing.assert_array_equal(found.opening_time_map, VARIANCES)
    np.testing.assert_array_equal(found.multiplicity, D)
    assert found.critical_time.sel(num_samples=SIZES[1]).dims == ("block",)
    for name in (*found.data_vars, "block", "num_samples", "log_num_samples", "local_variance"):
        assert found[name].attrs["long_name"]
        assert "units" in found[name].attrs or "flag_meanings" in found[name].attrs
    assert found.status.dtype == found.status_map.dtype == found.lost_first.dtype == np.int8


@pytest.mark.parametrize(("level", "criterion"), [("rem", "signal_to_noise"), ("gaussian_rem", "participation")])
def test_values_equal_single_solves(level, criterion):
    found = diagram(block=1, criterion=criterion, theory=level)
    for block in range(3):
        single = critical_time(Manifold(S, D), block, num_samples=SIZES, criterion=criterion, theory=level)
        np.testing.assert_allclose(found.critical_time[block], single.value, rtol=1e-12)
        np.testing.assert_array_equal(found.status[block], single.status)
    for index, variance in enumerate(VARIANCES):
        swept = Manifold([1.0, variance, 1e-4], D)
        single = critical_time(swept, 1, num_samples=SIZES, criterion=criterion, theory=level)
        np.testing.assert_allclose(found.critical_time_map[:, index], single.value, rtol=1e-12)
        np.testing.assert_array_equal(found.status_map[:, index], single.status)


@pytest.mark.parametrize(
    ("level", "criterion"),
    [
        ("gaussian_rem", "participation"),
        pytest.param("rem", "condensation", marks=pytest.mark.slow),  # the same
        pytest.param("finite_n", "signal_to_noise", marks=pytest.mark.slow),  # tables with derivatives
    ],
)
def test_directions_are_lost_between_single_solves_at_the_ends_of_their_block(level, criterion):
    law, variances = Manifold([1.0, 0.1, 0.0], [1, 3, 2]), np.array([1.0, 0.18, 0.1, 0.02, 0.0, 0.0])
    asked = {"num_samples": [100, 1e4], "criterion": criterion, "theory": level}
    found = phase_diagram(law, local_variance=[1.0], direction_variances=variances, **asked)
    ends = np.stack([critical_time(law, 1, local_variance=one, **asked).value for one in (0.02, 0.18)])
    rtol = 1e-5 if level == "finite_n" else 1e-9
    np.testing.assert_allclose(found.critical_time_lower[1], ends.min(axis=0), rtol=rtol)
    np.testing.assert_allclose(found.critical_time_upper[1], ends.max(axis=0), rtol=rtol)
    for name in ("critical_time_lower", "critical_time_upper"):
        # One direction, or none with a variance, has no others.
        np.testing.assert_array_equal(found[name][[0, 2]], found.critical_time[[0, 2]])
        assert found[name].attrs["long_name"]
    assert "critical_time_lower" not in phase_diagram(law, local_variance=[1.0], **asked)


@pytest.mark.parametrize(
    ("level", "criterion"),
    [("rem", "condensation"), ("rem", "participation"), ("rem", "signal_to_noise"), ("gaussian_rem", "condensation")],
)
def test_swept_sensitivity_equals_finite_differences(level, criterion):
    found = diagram(criterion=criterion, theory=level)
    step = 1e-5
    for size, variance in ((0, 1), (2, 3), (4, 5)):
        forward, backward = (
            log_time([VARIANCES[variance] * np.exp(sign * step), *S[1:]], 0, np.log(SIZES[size]), criterion, level)
            for sign in (1, -1)
        )
        expected = (forward - backward) / (2 * step)
        assert float(found.sensitivity_swept[size, variance]) == pytest.approx(expected, rel=1e-6, abs=1e-8)


def probes(amplitude):
    return [
        Probe.along(amplitude), Probe.random_direction(amplitude), Probe.data_point(), Probe.typical(),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("level", "criterion"),
    [
        ("rem", "condensation"),
        ("rem", "participation"),
        ("rem", "signal_to_noise"),
        ("gaussian_rem", "condensation"),
        ("gaussian_rem", "participation"),
        pytest.param("finite_n", "participation", marks=pytest.mark.slow),  # tables with derivatives
        pytest.param("finite_n", "signal_to_noise", marks=pytest.mark.slow),  # tables with derivatives
    ],
)
def test_probe_sensitivity_is_the_difference_of_two_directions_of_one_spectrum(level, criterion):
    """At random cells, from central differences of two lengths; none at a point common to all by weights alone."""
    rng, known = np.random.default_rng(7), 0
    for probe in probes(1.5) + probes(0.7):
        variance, other = 10 ** rng.uniform(-1.5, 0.5, 2)
        counts, log_size = rng.integers(1, 6, 2), rng.uniform(5.0, 16.0)
        arguments = {"log_num_samples": [log_size], "criterion": criterion, "theory": level, "probe": probe}
        spectrum = Manifold([variance, other], [2, *counts[:1]])
        found = phase_diagram(spectrum, local_variance=[variance], **arguments)
        known += int((found.status_map == Status.CONVERGED).sum())

        def difference(step, variance=variance, other=other, counts=counts, arguments=arguments):
            pair = Manifold([variance * np.exp(step), variance * np.exp(-step), other], [1, 1, *counts[:1]])
            upper, lower = (critical_time(pair, block, **arguments).log_value[0] for block in (0, 1))
            return float(upper - lower) / (2 * step)

        expected = (4 * difference(0.02) - difference(0.04)) / 3
        sensitivity = float(found.sensitivity_probe[0, 0])
        assert sensitivity == pytest.approx(expected, rel=1e-3 if level == "finite_n" else 1e-4, abs=1e-5, nan_ok=True)
        assert int(found.lost_first[0, 0]) == (0 if np.isnan(expected) or abs(expected) < 1e-6 else np.sign(expected))
        if criterion != "signal_to_noise" and probe.kind != "along":
            assert sensitivity == 0 or np.isnan(sensitivity)
    assert known >= 4


def test_condensation_along_a_direction_loses_lower_variance_first_below_its_opening():
    """The probe adds a^2 s t/(2 (t+s)^2) to ln N_c, largest at s = t."""
    found = diagram(criterion="condensation", num_samples=np.geomspace(3, 1e9, 20), local_variance=VARIANCES)
    lower_first = found.critical_time_map.values < VARIANCES
    assert lower_first.any()
    assert not lower_first.all()
    np.testing.assert_array_equal(found.lost_first.values, np.where(lower_first, -1, 1))
    assert (found.sensitivity_swept > 0).all()


@pytest.mark.parametrize(
    "probe", [Probe.along(), Probe.along(4.0), Probe.random_direction(), Probe.data_point(), Probe.typical()], ids=str
)
def test_signal_to_noise_loses_higher_variance_first(probe):
    found = diagram(probe=probe)
    valid = found.status_map.values == Status.CONVERGED
    assert valid.any()
    assert (found.lost_first.values[valid] == 1).all()


def test_no_transition_keeps_its_place():
    found = diagram(probe=Probe.origin())
    assert (found.status == Status.NO_TRANSITION).all()
    assert np.isnan(found.critical_time).all()
    assert (found.lost_first == 0).all()
    zero = diagram(local_variance=[0.0, 1.0])
    assert (zero.status_map[:, 0] == Status.NO_TRANSITION).all()
    assert (zero.status_map[:, 1] != Status.NO_TRANSITION).all()


def test_normalized_data():
    manifold = Manifold(S, D, normalized=True)
    found = phase_diagram(
        manifold, num_samples=SIZES, local_variance=VARIANCES, criterion="condensation", theory="gaussian_rem"
    )
    trace = np.sum(S * D)
    np.testing.assert_allclose(found.opening_time, S / trace)
    np.testing.assert_allclose(found.critical_time, (S / trace)[:, None] / (2 * np.log(SIZES)), rtol=1e-12)
    swept = VARIANCES / (trace + 2 * (VARIANCES - 1))
    np.testing.assert_allclose(found.opening_time_map, swept)
    # Only the direction's own variance enters t_c, so its logarithmic slope is one, and less when the trace follows.
    np.testing.assert_allclose(found.sensitivity_probe, 1.0, rtol=1e-12)
    np.testing.assert_allclose(found.sensitivity_swept, np.tile(1 - 2 * swept, (5, 1)), rtol=1e-10)


def test_sizes_that_overflow_keep_their_logarithm():
    found = diagram(num_samples=None, log_num_samples=[10.0, 800.0, 900.0], criterion="condensation")
    assert np.isinf(found.num_samples[1:]).all()
    np.testing.assert_array_equal(found.log_num_samples, [10.0, 800.0, 900.0])


def test_provenance_and_round_trip(tmp_path):
    found = diagram(block=2)
    record = json.loads(found.attrs["provenance"])
    assert record["inputs"]["variances"] == S.tolist()
    assert record["inputs"]["criterion"] == "signal_to_noise"
    assert {"jax", "numpy", "sympy", "geomem"} <= set(record["versions"])
    assert len(record["theory_sha256"]) == 64
    found.to_netcdf(tmp_path / "diagram.nc", engine="h5netcdf")
    with xr.open_dataset(tmp_path / "diagram.nc", engine="h5netcdf") as read:
        xr.testing.assert_identical(read.load(), found)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_samples": []}, "num_samples is empty"),
        ({"num_samples": np.ones((2, 2)) * 9}, "the data-set sizes have shape"),
        ({"local_variance": [-1.0]}, "the local variances must be finite and not negative"),
        ({"local_variance": [np.nan]}, "the local variances must be finite and not negative"),
        ({"local_variance": []}, "the local variances have shape"),
        ({"local_variance": ["a"]}, "local_variance: .* is not a number or a list of numbers"),
        ({"num_samples": ["a"]}, "num_samples: .* is not a number or a list of numbers"),
        ({"block": 5}, "there is no block 5"),
        ({"theory": "finite_n", "criterion": "condensation"}, "no sharp condensation"),
    ],
)
def test_bad_input(change, message):
    with pytest.raises(InputError, match=message):
        diagram(**change)
