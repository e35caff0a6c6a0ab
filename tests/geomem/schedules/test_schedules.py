"""Every schedule against its definition and its own inverse."""

import math

import numpy as np
import pytest

from geomem import Discrete, FlowMatching, InputError, OrnsteinUhlenbeck, VarianceExploding

CLOCKS = [VarianceExploding(), VarianceExploding("sigma"), OrnsteinUhlenbeck(), FlowMatching(), FlowMatching(500)]
STEPS = [
    Discrete.linear(),
    Discrete.scaled_linear(0.00085, 0.012),
    Discrete.cosine(),
    Discrete.linear(num_steps=2),
    Discrete([0.9, 0.5, 1e-9]),
]


def coefficients(schedule, time):
    """a and b at a time, by the definitions."""
    if isinstance(schedule, VarianceExploding):
        return np.ones_like(time), time if schedule.clock == "sigma" else np.sqrt(time)
    if isinstance(schedule, OrnsteinUhlenbeck):
        return np.exp(-time), np.sqrt(-np.expm1(-2 * time))
    if isinstance(schedule, FlowMatching):
        tau = time / (schedule.num_steps or 1)
        return 1 - tau, tau
    kept = schedule.alphabar[np.asarray(time, dtype=int)]
    return np.sqrt(kept), np.sqrt(1 - kept)


def times_of(schedule):
    if isinstance(schedule, Discrete):
        return np.arange(float(schedule.num_steps))
    if isinstance(schedule, FlowMatching):
        return np.linspace(0.001, 0.999, 41) * (schedule.num_steps or 1)
    return np.geomspace(1e-6, 20, 41)


@pytest.mark.parametrize("schedule", CLOCKS)
def test_the_time_of_a_noise_variance_has_that_noise_variance(schedule):
    t = np.geomspace(1e-12, 1e12, 97).reshape(1, 97)
    times = schedule.time(t)
    assert times.shape == t.shape
    assert times.dtype == float
    assert (np.diff(times) > 0).all()
    # Near its end at 1 a time of flow matching knows t no better than 1 - tau is resolved.
    resolved = 1e-12 + (4e-16 * np.sqrt(t) if isinstance(schedule, FlowMatching) else 0)
    assert (np.abs(schedule.noise_variance(times) / t - 1) < resolved).all()


@pytest.mark.parametrize("schedule", [*CLOCKS, *STEPS])
def test_a_time_is_that_of_its_noise_variance(schedule):
    times = times_of(schedule)
    np.testing.assert_allclose(schedule.time(schedule.noise_variance(times)), times, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("schedule", STEPS)
def test_between_steps_too(schedule):
    last = schedule.num_steps - 1
    steps = np.linspace(0, last, 4 * last + 3)
    t = schedule.noise_variance(steps)
    assert (np.diff(t) > 0).all()
    np.testing.assert_allclose(schedule.time(t), steps, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(schedule.noise_variance(schedule.time(t)), t, rtol=1e-12)
    np.testing.assert_array_equal(schedule.step(t), np.rint(schedule.time(t)))
    middle = schedule.noise_variance(0.5) ** 2
    assert middle == pytest.approx(np.prod(schedule.noise_variance([0, 1])), rel=1e-13)


@pytest.mark.parametrize("schedule", [*CLOCKS, *STEPS])
def test_factors_turn_the_population_score_into_that_of_the_schedule(schedule):
    """Along a direction of variance s, a y + b omega is a Gaussian of variance a^2 s + b^2."""
    time, s, x = times_of(schedule), 0.3, 1.7
    a, b = coefficients(schedule, time)
    t = schedule.noise_variance(time)
    np.testing.assert_allclose(t, (b / a) ** 2, rtol=1e-12)
    factor, slope = schedule.score_factor(time), schedule.jacobian_factor(time)
    np.testing.assert_allclose(factor * -(x / a) / (t + s), -x / (a**2 * s + b**2), rtol=1e-12)
    np.testing.assert_allclose(slope * -1 / (t + s), -1 / (a**2 * s + b**2), rtol=1e-12)


@pytest.mark.parametrize("schedule", [*CLOCKS, *STEPS])
def test_what_a_schedule_reaches_has_a_time(schedule):
    ends = schedule.noise_variance(times_of(schedule))[[0, -1]]
    asked = np.array([np.nan, -1.0, 0.0, np.inf, *ends, *(ends * 0.9), *(ends * 1.1)])
    found = schedule.reaches(asked)
    assert found.dtype == bool
    for t, reached in zip(asked, found, strict=True):
        if reached:
            schedule.time(t)
        else:
            with pytest.raises(InputError):
                schedule.time(t)
    assert found.tolist() == 4 * [False] + 2 * [True] + [not isinstance(schedule, Discrete), True, True] + [
        not isinstance(schedule, Discrete)
    ]


def test_known_values():
    assert VarianceExploding().time(0.3) == 0.3
    assert VarianceExploding("sigma").noise_variance(80) == 6400
    assert OrnsteinUhlenbeck().noise_variance(math.log(2)) == pytest.approx(3, rel=1e-15)
    assert OrnsteinUhlenbeck().noise_variance(1e-20) == 2e-20
    assert FlowMatching().noise_variance(0.75) == pytest.approx(9, rel=1e-15)
    assert FlowMatching().time(1) == 0.5
    assert FlowMatching().jacobian_factor([0.5, 0.75]).tolist() == [4, 16]
    assert Discrete.linear().score_factor(999) == pytest.approx(157.41, abs=0.01)


def test_float32_products_as_diffusers_makes_them_find_their_steps():
    betas = np.linspace(1e-4, 2e-2, 1000, dtype=np.float32)
    kept = np.cumprod(1 - betas, dtype=np.float32)
    np.testing.assert_array_equal(Discrete.linear().step((1 - kept) / kept), np.arange(1000))


@pytest.mark.parametrize(
    ("ask", "sentence"),
    [
        (lambda: VarianceExploding("time"), "there is no clock 'time'"),
        (lambda: VarianceExploding().noise_variance(0.0), "the time is 0; the schedule has times between 0 and inf"),
        (lambda: VarianceExploding("sigma").noise_variance([1, 1e200]), "time 1 is 1e\\+200; its noise variance is"),
        (lambda: OrnsteinUhlenbeck().score_factor([1.0, np.nan]), "time 1 is nan"),
        (lambda: OrnsteinUhlenbeck().noise_variance(400), "the time is 400; its noise variance is beyond float64"),
        (lambda: FlowMatching().noise_variance([[0.5, 1.0]]), "time 1 is 1; the schedule has times between 0 and 1"),
        (lambda: FlowMatching().noise_variance([]), "time is empty"),
        (lambda: FlowMatching().time(-1.0), "the noise variance is -1; it must be positive and finite"),
        (lambda: FlowMatching().time([1.0, np.inf]), "noise variance 1 is inf"),
        (lambda: Discrete([0.5, 0.6]), "the noise does not grow from step 0 to 1; alphabar must fall"),
        (lambda: Discrete([0.5, 0.0]), "alphabar 1 is 0; it must be between 0 and 1"),
        (lambda: Discrete([0.5]), r"alphabar has shape \(1,\)"),
        (lambda: Discrete(["x", 0.5]), "is not a number or a list of numbers"),
        (lambda: Discrete.from_betas([[0.1, 0.2]]), r"beta has shape \(1, 2\)"),
        (lambda: Discrete.cosine(True), "the number of steps is True"),
        (lambda: Discrete.linear().noise_variance(1000), "the step is 1000; the schedule has steps 0 to 999"),
        (lambda: Discrete.linear().score_factor([5, -1]), "step 1 is -1"),
        (lambda: Discrete.linear().time(1e-5), "the noise variance is 1e-05; the steps have 0.00010001 to 24777"),
        (lambda: Discrete.linear().step([1.0, 1e9]), "noise variance 1 is 1e\\+09"),
    ],
)
def test_bad_input_is_one_sentence(ask, sentence):
    with pytest.raises(InputError, match=sentence) as error:
        ask()
    assert "\n" not in str(error.value)


def test_alphabar_is_kept_as_it_was_given():
    given = np.array([0.9, 0.5])
    schedule = Discrete(given)
    given[1] = 0.95
    assert schedule.alphabar.tolist() == [0.9, 0.5]
    with pytest.raises(ValueError, match="read-only"):
        schedule.alphabar[0] = 0.1
