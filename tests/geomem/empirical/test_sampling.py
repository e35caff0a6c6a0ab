"""Samplers against closed forms, an adaptive solver, and themselves at other steps and batches; traced scores."""

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from geomem import (
    Discrete,
    EmpiricalScore,
    FlowMatching,
    GaussianMixture,
    InputError,
    Manifold,
    OrnsteinUhlenbeck,
    VarianceExploding,
    denoiser,
    generate,
    sampling_grid,
    score,
    score_of,
)
from geomem.empirical.scores import TILE_WEIGHTS

KEY = jax.random.key(0)
LAW = Manifold([1.0, 0.09, 0.0], [1, 1, 1])
VARIANCES = np.array([1.0, 0.09, 0.0])


def sampled(source, **changed):
    asked = {"num_samples": 64, "dims": 3, "noise_variance": np.geomspace(20.0, 0.01, 41), "method": "ode"}
    return generate(source, **({"key": KEY} | asked | changed))


@pytest.mark.parametrize("num_points", [7, 2500])
def test_the_traced_empirical_score_is_that_of_the_pass(num_points):
    """In one tile and in several, also far from the origin."""
    data = 100.0 + np.asarray(Manifold([1.0, 0.01], [2, 3]).sample(KEY, 500))
    assert 7 < TILE_WEIGHTS // 500 < 2500
    x = 100.0 + jax.random.normal(jax.random.key(1), (num_points, 5))
    traced = jax.jit(lambda function, time: function(x, time))
    for time in (1e-3, 0.3, 50.0):
        np.testing.assert_allclose(traced(score_of(data), time), score(x, data, time), rtol=1e-9, atol=1e-10 / time)


def test_the_score_of_a_law_is_the_slope_of_its_log_density():
    mixture = GaussianMixture([0.3, 0.7], [[1.0, 0.5, 0.0], [-1.0, 0.0, 0.2]], LAW)
    x = jax.random.normal(KEY, (6, 3))
    for time in (0.05, 1.0):

        def log_density(point, law=mixture, time=time):
            spread = jnp.asarray(VARIANCES) + time
            offsets = point[None, :] - law.centers
            logs = -jnp.sum(offsets**2 / (2 * spread)[None, :], axis=1)
            return jax.scipy.special.logsumexp(logs + jnp.log(law.weights))

        np.testing.assert_allclose(score_of(mixture)(x, time), jax.vmap(jax.grad(log_density))(x), rtol=1e-11)
        np.testing.assert_allclose(score_of(LAW)(x, time), -np.asarray(x) / (VARIANCES + time), rtol=1e-14)
    one = GaussianMixture([1.0], [[0.1, 0.2, 0.3]], LAW)
    np.testing.assert_allclose(score_of(one)(x, 0.5), score_of(LAW)(x - one.centers, 0.5), rtol=1e-14)


def test_a_score_differentiates_to_the_jacobian():
    data = np.asarray(LAW.sample(KEY, 50))
    x = np.array([0.3, 0.1, 0.02])
    slope = jax.jacfwd(lambda point: score_of(data)(point[None, :], 0.2)[0])(jnp.asarray(x))
    h = 1e-5
    differences = [(score(x + h * e, data, 0.2) - score(x - h * e, data, 0.2)) / (2 * h) for e in np.eye(3)]
    np.testing.assert_allclose(slope, np.stack(differences, axis=1), atol=1e-8)


def test_the_flow_of_a_gaussian_is_followed_to_second_order():
    x = np.asarray(jax.random.normal(KEY, (64, 3))) * np.sqrt(20.0)
    exact = x * np.sqrt((VARIANCES + 0.01) / (VARIANCES + 20.0))
    errors = [
        np.abs(sampled(score_of(LAW), start=x, noise_variance=np.geomspace(20.0, 0.01, steps + 1)).x[-1] - exact).max()
        for steps in (40, 80, 160)
    ]
    assert errors[-1] < 1e-3
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    assert (np.abs(orders - 2) < 0.15).all()


def test_the_flow_of_an_empirical_score_is_that_of_an_adaptive_solver():
    """Away from the surfaces where samples part, by the closed equation dx/dt = -score/2."""
    data, x = np.asarray(LAW.sample(KEY, 20)), 3.0 * np.asarray(jax.random.normal(jax.random.key(1), (64, 3)))

    def rate(log_time, point, _):
        time = jnp.exp(log_time)
        return -0.5 * time * score_of(data)(point[None, :], time)[0]

    @jax.jit
    @jax.vmap
    def reference(point):
        controller = diffrax.PIDController(rtol=1e-9, atol=1e-11)
        ends = (float(np.log(9.0)), float(np.log(0.02)))
        solved = diffrax.diffeqsolve(
            diffrax.ODETerm(rate), diffrax.Dopri8(), *ends, -0.01, point, stepsize_controller=controller
        )
        return solved.ys[0]

    ours = sampled(score_of(data), start=x, noise_variance=np.geomspace(9.0, 0.02, 1201)).x[-1]
    errors = np.abs(ours.values - np.asarray(reference(jnp.asarray(x)))).max(axis=1)
    assert np.quantile(errors, 0.9) < 1e-4
    assert errors.max() < 1e-2


def test_the_stochastic_process_ends_at_the_noised_law():
    """From the exact law at the start: variances s + t at every noise variance, in units of the error bar."""
    count = 40_000
    start = np.sqrt(VARIANCES + 20.0) * np.asarray(jax.random.normal(jax.random.key(1), (count, 3)))
    grid = np.geomspace(20.0, 0.01, 101)
    drawn = sampled(
        score_of(LAW), num_samples=count, start=start, noise_variance=grid, method="sde", keep_every=25, batch_size=8192
    )
    expected = VARIANCES[None, :] + drawn.noise_variance.values[:, None]
    z = ((drawn.x**2).mean("sample").values / expected - 1) / np.sqrt(2 / count)
    assert np.abs(z).max() < 4.5
    # Correlated as the process is: the start is forgotten where t falls below s, but for a factor.
    between = (drawn.x[0] * drawn.x[-1]).mean("sample").values
    z = (between - expected[-1]) / np.sqrt((expected[-1] * expected[0] + expected[-1] ** 2) / count)
    assert np.abs(z).max() < 4.5


def test_the_stochastic_process_is_of_weak_order_two():
    """Few steps, whose bias is many error bars. Halved, they take it to a fifth; of a first-order step, to a half."""
    count, biases = 200_000, []
    law = Manifold([1.0], [1])
    start = np.sqrt(21.0) * np.asarray(jax.random.normal(jax.random.key(1), (count, 1)))
    for steps in (4, 8):
        grid = np.geomspace(20.0, 0.3, steps + 1)
        drawn = sampled(
            score_of(law), num_samples=count, dims=1, start=start, noise_variance=grid, method="sde", batch_size=50_000
        )
        biases.append(abs(float((drawn.x[-1] ** 2).mean()) / 1.3 - 1))
    error = np.sqrt(2 / count)
    assert biases[0] > 20 * error
    assert biases[1] < biases[0] / 4 + 3 * error


@pytest.mark.parametrize("method", ["ode", "sde"])
def test_samples_do_not_depend_on_batches_or_on_how_many_there_are(method):
    data = score_of(np.asarray(LAW.sample(KEY, 20)))
    whole = sampled(data, method=method)
    for changed in ({"batch_size": 10}, {"num_samples": 11}, {"keep_every": 7}):
        other = sampled(data, method=method, **changed)
        number = other.sizes["sample"]
        np.testing.assert_allclose(other.x[-1], whole.x[-1, :number], rtol=1e-9, atol=1e-10)
    assert not np.allclose(sampled(data, method=method, key=jax.random.key(5)).x, whole.x)


def test_what_is_kept():
    grid = np.geomspace(20.0, 0.01, 12)
    drawn = sampled(score_of(LAW), noise_variance=grid, keep_every=4)
    assert drawn.x.dims == ("noise_variance", "sample", "dim")
    np.testing.assert_array_equal(drawn.noise_variance, grid[[0, 4, 8, 11]])
    assert float((drawn.x[0] ** 2).mean()) / 20 == pytest.approx(1, abs=4.5 * np.sqrt(2 / 192))
    np.testing.assert_array_equal(sampled(score_of(LAW), noise_variance=grid).noise_variance, grid[-1:])


def test_any_traceable_function_is_a_score():
    """A plain one, as good as a compiled pytree; once t is far below the data's distances, at a training point."""
    plain = sampled(lambda x, time: score_of(LAW)(x, time))
    np.testing.assert_allclose(plain.x, sampled(score_of(LAW)).x, rtol=1e-12)
    data = np.asarray(LAW.sample(KEY, 20))
    end = sampled(score_of(data), noise_variance=np.geomspace(20.0, 1e-8, 200), method="sde").x[-1].values
    np.testing.assert_allclose(end, denoiser(end, data, 1e-8), atol=1e-3)


def test_grids_of_schedules():
    ddpm = Discrete.linear()
    own = sampling_grid(ddpm)
    np.testing.assert_allclose(own, ddpm.noise_variance(np.arange(999, -1, -1)), rtol=1e-12)
    part = sampling_grid(ddpm, highest=2.0, lowest=0.5)
    assert (part[0], part[-1]) == (2.0, 0.5)
    np.testing.assert_allclose(part[1:-1], own[(own < 2.0) & (own > 0.5)], rtol=1e-12)
    np.testing.assert_allclose(np.diff(ddpm.time(sampling_grid(ddpm, 37))), -27.0, rtol=1e-9)
    for schedule in (VarianceExploding(), VarianceExploding("sigma"), OrnsteinUhlenbeck(), FlowMatching()):
        grid = sampling_grid(schedule, 10, highest=50.0, lowest=0.01)
        assert (grid[0], grid[-1], len(grid)) == (50.0, 0.01, 11)
        steps = np.diff(schedule.time(grid))
        np.testing.assert_allclose(steps, steps[0], rtol=1e-9)
    np.testing.assert_array_equal(sampling_grid(ddpm, 1), own[[0, -1]])


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"noise_variance": [1.0, 2.0]}, "must fall"),
        ({"noise_variance": [1.0]}, "must fall"),
        ({"noise_variance": [1.0, 0.0]}, "must be positive"),
        ({"method": "euler"}, "no method 'euler'"),
        ({"num_samples": 0}, "num_samples is 0"),
        ({"batch_size": -1}, "batch_size is -1"),
        ({"keep_every": 0}, "keep_every is 0"),
        ({"start": np.zeros((3, 3))}, r"start has the shape \(3, 3\); it must be a table of 64 by 3"),
        ({"start": np.full((64, 3), np.nan)}, "start holds NaN"),
        ({"dims": 4}, "a table of 3 columns"),
        ({"score": EmpiricalScore(np.zeros((3, 3)))}, r"use score_of\(data\)"),
        ({"score": lambda x, time: x / 0.0}, "not finite between t = 20 and 0.01"),
    ],
)
def test_bad_input(changed, message):
    with pytest.raises(InputError, match=message):
        sampled(**({"source": changed.pop("score", score_of(LAW))} | changed))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: score_of(Manifold([1.0], [3], normalized=True)), "normalized"),
        (lambda: score_of([[1.0, np.nan], [0.0, 0.0]]), "row 0 of the data"),
        (lambda: sampling_grid(OrnsteinUhlenbeck(), 10, highest=1.0), "no ends"),
        (lambda: sampling_grid(Discrete.linear(), 0), "num_steps is 0"),
        (lambda: sampling_grid(Discrete.linear(), highest=0.1, lowest=1.0), "must exceed"),
        (lambda: sampling_grid(Discrete.linear(), highest=1e9), "the steps have"),
    ],
)
def test_bad_sources_and_grids(call, message):
    with pytest.raises(InputError, match=message):
        call()


@pytest.mark.parametrize("source", [LAW, LAW.sample(jax.random.key(5), 20)])
def test_scores_take_numpy_points_too(source):
    points = np.random.default_rng(0).normal(size=(4, 3))
    found = score_of(source)(points, 0.3)
    np.testing.assert_array_equal(found, score_of(source)(jnp.asarray(points), jnp.asarray(0.3)))
