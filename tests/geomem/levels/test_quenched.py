"""Averages over data sets at finite N: against mpmath, published digits, limits, and drawn data sets."""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr
from scipy.special import logsumexp

from geomem import InputError, Manifold, Probe, Status, quenched, theory_versus_simulation

REFERENCE = Path(__file__).parents[2] / "data" / "finite_n_reference.json"


def test_ratios_and_participation_of_the_default_manifold(default_manifold):
    """The values of simulations of 2000 data sets, N = 1000."""
    times = [0.3, 0.1, 0.05, 0.02]
    of_0 = quenched(default_manifold, 0, noise_variance=times, num_samples=1000)
    of_1 = quenched(default_manifold, 1, noise_variance=times, num_samples=1000)
    assert of_0.signal_to_noise.shape == (4,)
    assert (np.abs(of_0.signal_to_noise - np.array([38.56, 1.528, 0.1146, 0.0029])) < [5e-3, 5e-4, 5e-5, 5e-5]).all()
    assert (np.abs(of_1.signal_to_noise - np.array([876.3, 61.8, 6.870, 0.2649])) < [0.05, 0.05, 5e-4, 5e-5]).all()
    assert abs(float(of_0.participation[3]) - 0.2417) < 5e-5


def test_deep_condensation_of_a_flat_spectrum():
    """Where a step that is too coarse gives -1570 while the weights still sum to one."""
    probes = (Probe.origin(), Probe.along())
    found = [quenched(Manifold([1.0], [30]), 0, noise_variance=0.002, num_samples=100, probe=one) for one in probes]
    assert all(one.status == Status.CONVERGED for one in found)
    assert abs(float(found[1].log_partition) + 3549.468) < 1e-3


@pytest.mark.slow  # compiles for some seconds
def test_mpmath_at_30_digits():
    rows = json.loads(REFERENCE.read_text())
    assert len(rows) >= 120
    assert sum("quadrature" in row for row in rows) >= 20
    for row in rows:
        found = quenched(
            Manifold(row["variances"], row["multiplicities"]),
            row["block"],
            noise_variance=row["noise_variance"],
            num_samples=row["num_samples"],
            probe=Probe.of_kind(*row["probe"]),
            log_planted=row["log_planted"],
        )
        assert found.status == Status.CONVERGED, row
        # Below these an average is zero by symmetry. A variance or a participation may be far below 1 and is not.
        spread = np.sqrt(row["variances"][row["block"]]) / row["noise_variance"]
        floors = {"log_partition": 1e-14, "score_mean": 1e-14 * spread}
        largest = 0.0
        for name in ("log_partition", "participation", "score_mean", "score_variance", "second_moment"):
            expected = float(row[name])
            excess = abs(float(getattr(found, name)) - expected) - floors.get(name, 0.0)
            assert excess <= 1e-8 * abs(expected), (name, row)
            largest = max(largest, excess / abs(expected) if expected else 0.0)
        assert largest < 1e-11 or found.error >= largest / 100, row


def test_large_n_tends_to_the_population(default_manifold):
    found = quenched(default_manifold, 0, noise_variance=0.1, log_num_samples=[20.0, 30.0, 34.0])
    error = np.abs(np.asarray(found.score_mean) / (-np.sqrt(0.1) / 1.1) - 1)
    assert (error < [1e-5, 1e-9, 1e-9]).all()


def test_two_samples_keep_participation_above_one_half(default_manifold):
    found = quenched(default_manifold, 0, noise_variance=[1e3, 1.0], num_samples=2)
    assert (found.participation > 0.5).all()


def test_a_planted_sample_takes_its_weight(default_manifold):
    """At a size where the others weigh nothing; and vanishing weight changes nothing."""
    heavy = quenched(default_manifold, 0, noise_variance=1e-3, num_samples=10, log_planted=-1e-3)
    assert float(heavy.planted_weight) > 0.9
    without = quenched(default_manifold, 0, noise_variance=0.1, num_samples=1000)
    light = quenched(default_manifold, 0, noise_variance=0.1, num_samples=1000, log_planted=-200.0)
    np.testing.assert_allclose(light.score_variance, without.score_variance, rtol=1e-9)


@pytest.mark.parametrize(("time", "amplitude"), [(0.02, 1.0), (0.3, 2.0), (5.0, 0.0)])
@pytest.mark.parametrize("log_planted", [-6.0, -0.7])
def test_planted_weight_of_two_others_is_a_double_integral(time, amplitude, log_planted):
    """The mean of a/(a + e^(-E_1/t) + e^(-E_2/t)) over two samples of one direction, point by point."""
    variance, nodes = 0.8, np.linspace(-9.0, 9.0, 2001)
    density = np.exp(-(nodes**2) / 2)
    density /= density.sum()
    weights = np.exp(-((np.sqrt(variance) * nodes - amplitude * np.sqrt(time)) ** 2) / (2 * time))
    own = np.exp(log_planted)
    expected = density @ (own / (own + weights[:, None] + weights)) @ density
    question = {"noise_variance": time, "num_samples": 2, "probe": Probe.along(amplitude), "log_planted": log_planted}
    found = float(quenched(Manifold([variance], [1]), 0, **question).planted_weight)
    assert found == pytest.approx(expected, rel=1e-9)


def test_planted_weight_is_the_slope_of_the_log_partition(default_manifold):
    """E a/(a + Z) is the derivative of E ln(a + Z) in ln a."""
    shift, question = 1e-3, {"noise_variance": [0.02, 0.3, 3.0], "num_samples": [3, 100, 1e6]}
    for planted in (-9.0, -0.5):
        logarithms = [
            quenched(default_manifold, 1, **question, log_planted=planted + step * shift).log_partition
            for step in (-2, -1, 1, 2)
        ]
        slope = np.tensordot([1 / 12, -8 / 12, 8 / 12, -1 / 12], np.array(logarithms), axes=1) / shift
        found = quenched(default_manifold, 1, **question, log_planted=planted).planted_weight
        assert np.ptp(np.asarray(found)) > 0.5
        np.testing.assert_allclose(found, slope, atol=1e-9)


@pytest.mark.parametrize(("size", "time", "log_planted"), [(5, 0.05, -9.0), (3, 1.5, -0.5), (300, 0.03, -3.0)])
def test_planted_weight_is_its_mean_over_drawn_data_sets(default_manifold, size, time, log_planted):
    sets, rng = 4000, np.random.default_rng(11)
    deviations = np.repeat([1.0, 0.3, 0.01], [2, 5, 23])
    squared = np.zeros((sets, size))
    for place, deviation in enumerate(deviations):
        squared += (deviation * rng.normal(size=(sets, size)) - np.sqrt(time) * (place == 0)) ** 2
    others = logsumexp(-squared / (2 * time), axis=1)
    own = 1 / (1 + np.exp(others - log_planted))
    question = {"noise_variance": time, "num_samples": size, "log_planted": log_planted}
    found = float(quenched(default_manifold, 0, **question).planted_weight)
    assert 0.05 < found < 0.95
    assert abs(own.mean() - found) < 4 * own.std() / np.sqrt(sets)


@pytest.mark.slow  # compiles derivatives of every average in every argument
def test_derivatives_are_those_of_finite_differences():
    """In every variance, t, ln N and the amplitude; reverse mode, compiled and batched."""

    def values(point):
        manifold = Manifold(jnp.exp(point[:3]), jnp.asarray([2.0, 5.0, 23.0]))
        probe = Probe.along(point[5])
        found = quenched(manifold, 0, noise_variance=jnp.exp(point[3]), log_num_samples=point[4], probe=probe)
        return jnp.stack([found.signal_to_noise, found.participation, found.log_partition])

    point, step = jnp.asarray([0.0, np.log(0.09), np.log(1e-2), np.log(0.05), 7.0, 1.3]), 1e-4
    jacobian = jax.jit(jax.jacrev(values))(point)
    shifts = step * jnp.concatenate([jnp.eye(6), -jnp.eye(6)])
    above, below = np.asarray(jax.vmap(values)(point[None] + shifts)).reshape(2, 6, 3)
    np.testing.assert_allclose(jacobian, (above - below).T / (2 * step), rtol=1e-6)
    np.testing.assert_allclose(jax.jit(values)(point), values(point), rtol=1e-12)


@pytest.mark.slow  # compiles for some seconds
def test_traced_lanes_have_their_status(default_manifold):
    def status(times):
        return quenched(default_manifold, 0, noise_variance=times, num_samples=jnp.asarray([10.0, 1.0])).status

    found = jax.jit(status)(jnp.asarray([0.1, -1.0]))
    assert found.tolist() == [[Status.CONVERGED, Status.INVALID], [Status.INVALID, Status.INVALID]]


def test_shapes_and_bad_lanes(default_manifold):
    found = quenched(default_manifold, 0, noise_variance=[[0.1, -1.0], [np.nan, 1.0]], num_samples=[10.0, np.inf, 1.0])
    assert found.participation.shape == (2, 2, 3)
    status = np.asarray(found.status)
    assert (status[0, 1] == Status.INVALID).all()
    assert status[0, 0].tolist() == [Status.CONVERGED, Status.INVALID, Status.INVALID]
    assert np.isnan(np.asarray(found.participation)[status != 0]).all()


@pytest.mark.parametrize("size", [2.0, 1e3])
def test_deep_condensation_is_one_sample(size):
    """Far below every variance the nearest sample alone counts: of its coordinate, R is that of one sample."""
    directions, time = 1000, 1e-6
    found = quenched(Manifold([1.0], [directions]), 0, noise_variance=time, num_samples=size, probe=Probe.data_point())
    assert found.status == Status.CONVERGED
    assert abs(float(found.participation) - 1) < 1e-4
    # The nearest of two in many directions is a random one: mean of y_v 0 and variance 1, at x_v = 1. Of more samples
    # it is nearer than that.
    assert abs(float(found.signal_to_noise) - 1) < (0.05 if size == 2 else 0.1)


def test_a_direction_far_narrower_than_the_noise_is_its_population():
    found = quenched(Manifold([1.0, 1e-9], [3, 2]), 1, noise_variance=1e-3, num_samples=100)
    assert found.status == Status.CONVERGED
    # The score is -x_v/t whatever the sample, and fluctuates by no more than the direction's variance.
    np.testing.assert_allclose(found.score_mean, -1 / np.sqrt(1e-3), rtol=1e-5)
    assert 0 < float(found.score_variance) < 1e-9 / 1e-3**2


@pytest.mark.parametrize("probe", [Probe.along(), Probe.typical()], ids=["along", "typical"])
def test_a_direction_of_its_own_variance_is_that_of_a_block_of_it(probe):
    law, asked = Manifold([1.0, 0.4], [3, 2]), {"noise_variance": [0.3, 0.05], "num_samples": [100, 1e4]}
    own = quenched(law, 0, local_variance=0.4, probe=probe, **asked)
    for found, expected in zip(own, quenched(law, 1, probe=probe, **asked), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"noise_variance": 0.0}, "noise variance is 0; it must be positive"),
        ({"noise_variance": 0.1, "log_planted": 0.5}, "planted weight must be above 0 and at most 1"),
        ({"noise_variance": 0.1, "num_samples": 1}, "at least 2"),
        ({"noise_variance": 0.1, "block": 7}, "no block 7"),
        ({"noise_variance": 0.1, "local_variance": 0.0}, "local variance is 0; it must be positive"),
    ],
)
def test_bad_input_is_one_sentence(default_manifold, arguments, message):
    arguments = {"num_samples": 10, "block": 0} | arguments
    with pytest.raises(InputError, match=message):
        quenched(default_manifold, arguments.pop("block"), **arguments)


def test_simulation_of_one_cell_agrees(default_manifold):
    table = theory_versus_simulation(
        default_manifold, 1, noise_variance=0.1, num_samples=50, num_datasets=2000, key=jax.random.key(5)
    )
    assert (abs(table.z) < 4.5).all()
    with pytest.raises(InputError, match="one whole number"):
        theory_versus_simulation(
            default_manifold, 1, noise_variance=0.1, num_samples=10.5, num_datasets=20, key=jax.random.key(5)
        )


@pytest.mark.slow  # compiles for some seconds
@pytest.mark.parametrize(
    ("law", "time", "num_samples", "num_datasets"),
    [
        (([1.0], [2]), 0.5, 20, 8),
        *(
            pytest.param(*cell, marks=pytest.mark.slow)  # the same at other cells
            for cell in (
                (([1.0, 0.09, 1e-4], [2, 5, 23]), 0.3, 100, 8),
                (([1.0, 0.09, 1e-4], [2, 5, 23]), 0.02, 300, 20),
                (([1.0], [30]), 0.02, 100, 8),
                (([1.0, 0.09], [4, 20]), 0.01, 50, 20),
            )
        ),
    ],
)
def test_scores_of_few_data_sets_are_exceeded_as_often_as_they_say(law, time, num_samples, num_datasets):
    """Over 200 fresh sets of data sets: of means and variance one in 20 beyond 1.96, next to none beyond 4."""
    z = xr.concat(
        [
            theory_versus_simulation(
                Manifold(*law), 0, noise_variance=time, num_samples=num_samples, num_datasets=num_datasets,
                key=jax.random.key(draw),
            ).z
            for draw in range(200)
        ],
        "draw",
    )  # fmt: skip
    beyond = (abs(z) > 1.96).mean("draw")
    several = beyond.sel(observable=["log_partition", "score_mean", "score_variance"])
    # Of a share of 0.05 of 200; the participation's error bar only has to cover.
    assert (abs(several - 0.05) < 4 * np.sqrt(0.05 * 0.95 / 200)).all()
    assert float(beyond.sel(observable="participation")) < 0.05 + 5 * np.sqrt(0.05 * 0.95 / 200)
    assert int((abs(z) > 4).sum()) <= 2


@pytest.mark.long  # draws 108 000 data sets
def test_z_scores_of_many_cells(default_manifold):
    """216 cells where many samples are active: the score's fourth moment, which is its variance's error bar, exists.

    Where few are, it is carried by single data sets and the error bar of any number of them is too small.
    """
    times, scores = (0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0), []
    for size in (30, 100, 300):
        for block in (0, 1):
            for time in times:
                key = jax.random.key(1000 + len(scores))
                table = theory_versus_simulation(
                    default_manifold, block, noise_variance=time, num_samples=size, num_datasets=2000, key=key
                )
                scores.append(table.z.values)
    z = np.concatenate(scores)
    assert len(z) == 216
    assert np.abs(z).max() < 4.5
    assert 0.6 < np.mean(z**2) < 1.5


@pytest.mark.slow  # draws 240 000 data sets
def test_z_scores_deep_in_condensation():
    """60 cells where one sample dominates, down to t five orders below the variances."""
    laws = (([1.0, 0.09, 1e-4], [2, 5, 23]), ([1.0], [30]), ([1.0, 0.01], [3, 40]))
    places = [(law, block) for law in laws for block in range(min(2, len(law[0])))]
    scores = []
    for (variances, multiplicities), block in places:
        for time in (1e-2, 1e-3, 1e-4, 1e-5):
            for size in (3, 10, 30):
                table = theory_versus_simulation(
                    Manifold(variances, multiplicities),
                    block,
                    noise_variance=time,
                    num_samples=size,
                    num_datasets=4000,
                    key=jax.random.key(len(scores)),
                )
                scores.append(table.z)
    z = xr.concat(scores, "cell")
    assert z.sizes["cell"] == 60
    assert (abs(z) < 4).all()
    # Of participation, almost one, hardly any data set tells: its error bar only has to cover.
    normal = z.sel(observable=["log_partition", "score_mean", "score_variance"])
    assert (abs((normal**2).mean("cell") - 1) < 4 * np.sqrt(2 / 60)).all()
    assert (abs(normal.mean("cell")) < 4 / np.sqrt(60)).all()
