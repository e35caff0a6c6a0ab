"""Networks of random features: tabulated and independent numbers, limits, derivatives, and as a level."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from geomem.boundaries.critical import critical_size, critical_time
from geomem.boundaries.memorization import memorization_time
from geomem.boundaries.phases import phase
from geomem.core.status import InputError, Status
from geomem.laws.manifold import Manifold
from geomem.laws.mixture import GaussianMixture
from geomem.levels.activations import constants
from geomem.levels.feature_networks import random_features
from geomem.levels.level import level_of, level_with
from geomem.levels.random_features import RandomFeatures
from tests.geomem.cli.commands import run
from tests.reference.random_features import erf_constants, resolvent

# The spectrum of the numbers that are checked, per ten dimensions.
LAW = Manifold([4.0, 0.25, 0.01], [1, 3, 6])
# Two networks, and what was found for them before: independently, and by simulation within half a percent.
NETWORKS = {
    "noise_variance": np.array([0.3, 0.05]),
    "num_samples": np.array([20.0, 40.0]),
    "width": np.array([40.0, 10]),
}
RESPONSE = [[-0.27603, -1.79629, -2.77413], [-0.25523, -2.09310, -3.88224]]
SECOND = [[0.36600, 1.92624, 2.52233], [0.28470, 1.72613, 2.10269]]
RATIO = [[8.5385, 11.7074, 17.4598], [12.6422, 3.1915, 0.75461]]
IN_TIME = {  # at training times 3, 30 and 1000
    0: [[10.22, 11.14, 10.09], [6.96, 10.30, 17.93], [3.82, 6.44, 16.36]],
    1: [[16.82, 2.067, 0.419], [9.46, 3.278, 0.801], [5.94, 2.874, 0.890]],
}


def test_tabulated_networks_with_a_ridge():
    found = random_features(LAW, **NETWORKS, ridge=0.05)
    np.testing.assert_allclose(found.response, RESPONSE, atol=6e-6)
    np.testing.assert_allclose(found.second_moment, SECOND, atol=6e-6)
    np.testing.assert_allclose(found.signal_to_noise, RATIO, atol=6e-5)
    exact = 1 / (np.asarray(LAW.variances) + NETWORKS["noise_variance"][:, None])
    np.testing.assert_allclose(found.excess_loss, found.second_moment + 2 * found.response + exact, rtol=1e-12)
    assert (found.status == Status.CONVERGED).all()
    assert found.residual.max() < 1e-14


def test_tabulated_networks_in_training_time():
    numbers = {name: values[:, None] for name, values in NETWORKS.items()}
    found = random_features(LAW, **numbers, training_time=[3.0, 30.0, 1000.0])
    for place, rows in IN_TIME.items():
        # To the digits that are there, three or four.
        np.testing.assert_allclose(found.signal_to_noise[place], rows, rtol=1e-3, atol=6e-4)
    # The widest direction falls while the narrow one rises.
    assert found.signal_to_noise[0, 0, 0] > found.signal_to_noise[0, 1, 0]
    assert found.signal_to_noise[0, 0, 2] < found.signal_to_noise[0, 1, 2]


def test_tabulated_constants():
    found = constants("tanh", jnp.array(0.481), jnp.array(0.3))
    np.testing.assert_allclose(found, [0.65018821, 0.00407526, 0.12682341, 0.01557292], atol=6e-9)


@pytest.mark.parametrize(
    ("name", "function"), [("erf", lambda x: jax.scipy.special.erf(x)), ("tanh", lambda x: jnp.tanh(x))]
)
def test_constants_of_a_function_are_those_of_its_name(name, function):
    for mean_variance, time in ((0.5, 0.1), (0.05, 1e-3), (1.0, 3.0)):
        given = jnp.array(mean_variance), jnp.array(time)
        np.testing.assert_allclose(constants(function, *given), constants(name, *given), rtol=1e-9)


def test_constants_are_moments_of_features(rng):
    """Slope, memory and floor of the rectifier from drawn inputs of two copies: of its mean nothing is remembered."""
    mean_variance, time, count = 0.5, 0.2, 4_000_000
    sample = rng.normal(size=count) * np.sqrt(mean_variance)
    first, second = (sample + rng.normal(size=count) * np.sqrt(time) for _ in range(2))
    features = np.maximum(first, 0), np.maximum(second, 0)
    slope, memory, blur, floor = constants("relu", jnp.array(mean_variance), jnp.array(time))
    shared = np.cov(*features)
    np.testing.assert_allclose(np.mean(features[0] * first) / (mean_variance + time), slope, atol=2e-3)
    np.testing.assert_allclose(shared[0, 1] - slope**2 * mean_variance, memory, atol=1e-3)
    np.testing.assert_allclose(shared[0, 0] - shared[0, 1] - blur, floor, atol=1e-3)


def test_random_networks_solve_the_published_equations(rng):
    cells = 200
    time = np.exp(rng.uniform(-4, 2, cells))
    width, size = np.exp(rng.uniform(-2, 2.5, (2, cells)))
    ridge = np.exp(rng.uniform(-6, 0, cells))
    kinds = erf_constants(np.full(cells, 0.481), time)
    rows = zip(width, size, ridge, *kinds, strict=True)
    spectrum = (np.asarray(LAW.variances), np.array([0.1, 0.3, 0.6]))
    forms = np.array([resolvent(*row[:3], row[3:], *spectrum) for row in rows])
    found = random_features(
        LAW, noise_variance=time, num_samples=10 * size, width=10 * width, ridge=ridge, activation="erf"
    )
    np.testing.assert_allclose(found.response, -(kinds[0][:, None] ** 2) * forms, rtol=1e-9)


def test_limits():
    """Of a long training the ridge of zero, of many samples and hidden units the exact score, of width alone -1/t."""
    given = {"noise_variance": 0.3, "num_samples": 20.0, "width": 40.0}
    late = random_features(LAW, **given, training_time=[3.0, 30.0, 1e5])
    end = random_features(LAW, **given, ridge=[0.0, 0.0])
    np.testing.assert_allclose(late.second_moment[-1], end.second_moment[-1], rtol=1e-9)
    exact = -1 / (np.asarray(LAW.variances) + 0.3)
    many = random_features(LAW, noise_variance=0.3, num_samples=[np.inf, 20.0], width=1e9, ridge=1e-3)
    np.testing.assert_allclose(many.response[0], exact, rtol=1e-6)
    assert (many.excess_loss[0] < 1e-6).all()
    np.testing.assert_allclose(many.response[1], -1 / 0.3, rtol=1e-5)


def test_a_direction_without_variance_is_the_limit_of_a_narrow_one():
    given = {
        "noise_variance": np.array([0.3, 0.05]),
        "num_samples": np.array([20.0, 40.0]),
        "width": 40.0,
        "ridge": 0.05,
    }
    found = [random_features(Manifold([4.0, 0.25, s], [1, 3, 6]), **given) for s in (0.0, 1e-12)]
    np.testing.assert_allclose(found[0].signal_to_noise, found[1].signal_to_noise, rtol=1e-9)


def _log_ratio(log_variance, log_time, log_size, log_amount, in_time):
    law = Manifold(jnp.exp(log_variance) * jnp.array([4.0, 0.25, 0.01]), [1.0, 3.0, 6.0])
    amount = {"training_time" if in_time else "ridge": jnp.exp(log_amount)}
    found = random_features(law, noise_variance=jnp.exp(log_time), num_samples=jnp.exp(log_size), width=40.0, **amount)
    return jnp.log(found.signal_to_noise)


@pytest.mark.parametrize(
    "in_time", [False, pytest.param(True, marks=pytest.mark.slow(reason="derivatives through a contour compile long"))]
)
def test_derivatives_are_those_of_finite_differences(in_time):
    place, step = np.array([0.1, -1.2, 3.0, 3.0 if in_time else -3.0]), 1e-4
    function = jax.jit(lambda numbers: _log_ratio(*numbers, in_time))
    slopes = jax.jit(jax.jacfwd(lambda numbers: _log_ratio(*numbers, in_time)))(jnp.asarray(place))
    for index, along in enumerate(step * np.eye(4)):
        difference = (function(place + along) - function(place - along)) / (2 * step)
        np.testing.assert_allclose(slopes[:, index], difference, rtol=1e-6, atol=1e-8)


def test_a_critical_time_and_size_are_where_the_ratio_is_one():
    network = RandomFeatures(width=10, ridge=0.01)
    asked = {"criterion": "signal_to_noise", "theory": network}
    time = critical_time(LAW, 2, num_samples=10.0, **asked)
    assert time.status == Status.CONVERGED
    known = {"width": 10, "ridge": 0.01}
    found = random_features(LAW, noise_variance=[float(time.value), 0.1], num_samples=10.0, **known)
    assert float(found.signal_to_noise[0, 2]) == pytest.approx(1, abs=1e-7)
    words = phase(LAW, 0, noise_variance=[10.0, 0.1], num_samples=10.0, theory=network)
    assert list(words) == ["unresolved", "generalizing"]
    size = critical_size(LAW, 2, noise_variance=float(time.value), **asked)
    assert float(size.value) == pytest.approx(10, rel=1e-6)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"width": 0.5}, "width is 0.5; it must be finite and at least 1"),
        ({"num_samples": 0.0}, "num_samples is 0; it must be at least 1"),
        ({"ridge": -1.0}, "ridge is -1; it must be finite and not negative"),
        ({"training_time": 0.0}, "training_time is 0; it must be positive and finite"),
        ({"ridge": 0.1, "training_time": 3.0}, "both a ridge and a training time"),
        ({"activation": "sigmoid"}, "there is no activation 'sigmoid'; choose one of tanh, erf, relu, gelu, silu"),
        ({"activation": lambda x: x.sum()}, "is no function of JAX arrays that keeps their shape"),
        ({"width": [1.0, 2.0, 3.0], "ridge": [0.1, 0.2]}, "the numbers do not broadcast"),
        ({"width": []}, "width is empty"),
    ],
)
def test_bad_input_of_a_function_is_one_sentence(given, sentence):
    with pytest.raises(InputError, match=sentence):
        random_features(LAW, **({"noise_variance": 0.3, "num_samples": 20.0, "width": 40.0} | given))


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"width": 0}, "width is 0; it must be one finite number, at least 1"),
        ({"width": float("inf")}, "width is inf; it must be one finite number"),
        ({"width": 3, "ridge": -0.1}, "ridge is -0.1"),
        ({"width": 3, "training_time": 0}, "training_time is 0; it must be one finite number, positive"),
        ({"width": 3, "ridge": 0.1, "training_time": 1.0}, "both a ridge and a training time"),
        ({"width": 3, "activation": "step"}, "there is no activation 'step'"),
    ],
)
def test_bad_input_of_a_level_is_one_sentence(given, sentence):
    with pytest.raises(InputError, match=sentence):
        RandomFeatures(**given)


def test_by_name_its_settings_are_asked_for():
    assert level_with("random-features", {"width": 3.0}) == RandomFeatures(width=3.0)
    assert level_with("rem", {}).name == "rem"
    with pytest.raises(
        InputError, match=r"theory 'random_features' has settings; give .* RandomFeatures\(width=\.\.\.\)"
    ):
        level_of("random_features")
    with pytest.raises(InputError, match="theory 'random-features' is a network, and needs its width"):
        level_with("random-features", {"ridge": 0.1})
    with pytest.raises(InputError, match="theory 'rem' has no training time; use theory random_features"):
        level_with("rem", {"training_time": 3.0})


def test_the_command_asks_a_network(capsys, tmp_path):
    words = ["--theory", "random-features", "--width", 10, "--ridge", 0.01, "--variances", 4, 0.25, 0.01]
    words += ["--multiplicities", 1, 3, 6, "--noise-variance", 0.1, "--block", 2, "--json", "--out", tmp_path]
    row = json.loads(run(capsys, "critical-size", *words)[0])[0]
    asked = {"noise_variance": 0.1, "criterion": "signal_to_noise", "theory": RandomFeatures(width=10, ridge=0.01)}
    assert row["log_critical_size"] == pytest.approx(float(critical_size(LAW, 2, **asked).log_value))
    inputs = json.loads((tmp_path / "critical_size.json").read_text())["provenance"]["inputs"]
    assert (inputs["theory"], inputs["width"], inputs["ridge"]) == ("random_features", 10, 0.01)


@pytest.mark.long(reason="compiles derivatives of contour integrals, 20 s")
def test_memorization_is_where_the_ratio_is_largest_in_training_time():
    time, size, width = 0.3, 20.0, 40.0
    turn = memorization_time(LAW, noise_variance=time, num_samples=size, width=width)
    network = RandomFeatures(width=width, training_time=float(turn.value[1]))
    found = critical_size(LAW, 1, noise_variance=time, criterion="memorization", theory=network)
    assert found.status == Status.CONVERGED
    np.testing.assert_allclose(found.value, size, rtol=1e-6)
    # Of fewer samples it has memorized the direction by then.
    earlier = memorization_time(LAW, noise_variance=time, num_samples=size / 2, width=width)
    assert earlier.value[1] < turn.value[1]
    with pytest.raises(InputError, match="give it a training time"):
        critical_size(LAW, 1, noise_variance=time, criterion="memorization", theory=RandomFeatures(width=width))


def test_other_laws_and_criteria_are_refused():
    network = RandomFeatures(width=10)
    mixture = GaussianMixture.two_classes(4.0, LAW)
    with pytest.raises(InputError, match="random_features"):
        random_features(mixture, noise_variance=0.3, num_samples=20.0, width=10.0)
    with pytest.raises(InputError, match="has no condensation: a network has no Gibbs weights"):
        critical_time(LAW, 0, num_samples=10, criterion="condensation", theory=network)


def test_a_bad_lane_of_a_batch_is_marked():
    found = random_features(LAW, noise_variance=[0.3, -1.0], num_samples=20.0, width=40.0, ridge=0.05)
    np.testing.assert_array_equal(found.status[:, 0], [Status.CONVERGED, Status.INVALID])
    assert np.isnan(found.response[1]).all()
    np.testing.assert_allclose(found.response[0], RESPONSE[0], atol=6e-6)
