"""Critical times and sizes, phases and the diagram at level finite_n."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from geomem import (
    Manifold,
    Probe,
    Status,
    critical_size,
    critical_time,
    phase,
    phase_diagram,
    quenched,
    resolved_dimension,
)

EXACT = {"theory": "finite_n", "criterion": "signal_to_noise"}


@pytest.mark.parametrize(("block", "times"), [(0, [0.08857, 0.0045521]), (1, [0.02929, 0.0018772])])
def test_critical_times_of_the_default_manifold(default_manifold, block, times):
    found = critical_time(default_manifold, block, num_samples=[1000, 1e9], **EXACT)
    assert (np.abs(found.value - np.array(times)) < [5e-6, 5e-8]).all()
    assert (np.abs(found.residual) < 1e-8).all()
    assert ((found.lower <= found.value) & (found.value <= found.upper)).all()
    for value, size in zip(found.value, (1000, 1e9), strict=True):
        ratio = quenched(default_manifold, block, noise_variance=float(value), num_samples=size).signal_to_noise
        assert abs(float(ratio) - 1) < 1e-8


@pytest.mark.slow  # exact critical times of two blocks
def test_higher_variance_is_lost_first_at_every_size(default_manifold):
    sizes = np.geomspace(10, 1e9, 9)
    wide, narrow = (critical_time(default_manifold, b, num_samples=sizes, **EXACT).value for b in (0, 1))
    assert (np.diff(wide) < 0).all()
    assert (np.diff(narrow) < 0).all()
    assert (wide > narrow).all()


def test_size_and_time_are_inverse(default_manifold):
    time = critical_time(default_manifold, 0, num_samples=500, **EXACT)
    size = critical_size(default_manifold, 0, noise_variance=[float(time.value), -1.0], **EXACT)
    assert abs(float(size.value[0]) / 500 - 1) < 1e-7
    assert size.status.tolist() == [Status.CONVERGED, Status.INVALID]


def test_no_transition_is_an_outcome(default_manifold):
    by_pairs = {"theory": "finite_n", "criterion": "participation"}
    found = critical_time(default_manifold, 0, num_samples=[2, 10, np.nan], **by_pairs)
    assert found.status.tolist() == [Status.NO_TRANSITION, Status.CONVERGED, Status.INVALID]
    half = quenched(default_manifold, 0, noise_variance=float(found.value[1]), num_samples=10).participation
    assert abs(float(half) - 0.5) < 1e-8
    origin = critical_time(default_manifold, 0, num_samples=100, probe=Probe.origin(), **EXACT)
    assert origin.status == Status.NO_TRANSITION
    flat = Manifold([1.0, 0.0], [2, 3])
    assert critical_time(flat, 1, num_samples=100, **EXACT).status == Status.NO_TRANSITION


def test_tends_to_the_leading_order_at_large_n(default_manifold):
    sizes = [1e3, 1e6, 1e9]
    exact = critical_time(default_manifold, 0, num_samples=sizes, **EXACT).value
    leading = critical_time(default_manifold, 0, num_samples=sizes, theory="rem", criterion="signal_to_noise").value
    difference = np.abs(np.asarray(exact / leading) - 1)
    assert (np.diff(difference) < 0).all()
    assert difference[-1] < 1e-4


def test_phases_and_resolved_dimension(default_manifold):
    for theory in ("finite_n", "rem"):
        words = phase(default_manifold, 0, noise_variance=[2.0, 0.3, 0.02], num_samples=1000, theory=theory)
        assert words.tolist() == ["unresolved", "generalizing", "memorized"]
    dimension = resolved_dimension(
        default_manifold, noise_variance=[2.0, 0.3, 0.085, 0.04, 0.02], num_samples=[1000], theory="finite_n"
    )
    assert dimension.ravel().tolist() == [0, 2, 5, 5, 0]


@pytest.mark.slow  # tables with derivatives
def test_sensitivities_are_derivatives_of_the_critical_time():
    manifold, step = Manifold([1.0, 0.09], [2, 5]), 1e-3
    swept = 0.5 * np.exp([-step, 0.0, step])
    diagram = phase_diagram(manifold, num_samples=[100.0, 1e5], local_variance=swept, **EXACT)
    assert (diagram.status_map == Status.CONVERGED).all()
    logs = np.log(diagram.critical_time_map.values)
    slope = (logs[:, 2] - logs[:, 0]) / (2 * step)
    np.testing.assert_allclose(diagram.sensitivity_swept.values[:, 1], slope, atol=1e-4)
    # With the spectrum following, a block of two directions moves the time more than one direction alone.
    assert (diagram.lost_first == 1).all()
    solved = critical_time(manifold, 0, num_samples=[100.0, 1e5], **EXACT)
    np.testing.assert_allclose(diagram.critical_time.values[0], solved.value, rtol=1e-5)


def test_tends_to_the_limit_of_many_directions():
    """At ln N = 3.5 k and k times (2, 5) directions the error in ln t_c grows as ln(k)/2 over the slope of ln N_c."""
    rows = []
    for k in (8, 16, 32, 64):
        manifold = Manifold([1.0, 0.09], [2 * k, 5 * k])
        half = {"criterion": "participation"}
        exact, limit = (
            float(critical_time(manifold, 0, log_num_samples=3.5 * k, theory=level, **half).value)
            for level in ("finite_n", "rem")
        )
        sizes = critical_size(manifold, 0, noise_variance=limit * np.exp([1e-3, -1e-3]), theory="rem", **half).log_value
        rows.append((k * (exact / limit - 1), float(sizes[1] - sizes[0]) / (2e-3 * k)))
    error, slope = np.array(rows).T
    growth = np.diff(error) * slope[1:] / (0.5 * np.log(2))
    assert (np.diff(growth) > 0).all()
    assert 0.85 < growth[-1] < 1


def test_participation_that_underflows_is_not_the_end():
    manifold = Manifold([1.0, 0.09], [128, 320])
    found = critical_time(manifold, 0, log_num_samples=448.0, criterion="participation", theory="finite_n")
    assert found.status == Status.CONVERGED
    half = quenched(manifold, 0, noise_variance=float(found.value), log_num_samples=448.0).participation
    assert abs(float(half) - 0.5) < 1e-8


@pytest.mark.slow  # compiles derivatives of the solver in every argument
@pytest.mark.parametrize("criterion", ["signal_to_noise", "participation"])
def test_derivatives_of_critical_times_are_those_of_finite_differences(criterion):
    """In every variance, ln N and the amplitude; reverse mode, compiled or not, and batched."""

    def log_time(point):
        manifold, probe = Manifold(jnp.exp(point[:3]), jnp.asarray([2.0, 5.0, 23.0])), Probe.along(point[4])
        return critical_time(
            manifold, 1, log_num_samples=point[3], criterion=criterion, theory="finite_n", probe=probe
        ).log_value

    # Roots are solved to 1e-8: a shorter step would see that.
    point, step = jnp.asarray([0.0, np.log(0.09), np.log(1e-2), 7.0, 1.3]), 3e-3
    gradient = jax.jit(jax.grad(log_time))(point)
    np.testing.assert_allclose(gradient, jax.grad(log_time)(point), rtol=1e-10)
    shifts = jnp.concatenate([multiple * step * jnp.eye(5) for multiple in (1, -1, 2, -2)])
    one, minus_one, two, minus_two = np.asarray(jax.vmap(log_time)(point[None] + shifts)).reshape(4, 5)
    np.testing.assert_allclose(gradient, (8 * (one - minus_one) - (two - minus_two)) / (12 * step), rtol=1e-5)


def test_law_of_large_numbers(default_manifold):
    """The score's mean tends to the population's, -x_v/(t + s), as 1/N."""
    sizes = np.array([1e6, 1e8, 1e10])
    mean = np.asarray(quenched(default_manifold, 0, noise_variance=0.1, num_samples=sizes).score_mean)
    deviation = np.abs(mean / (-np.sqrt(0.1) / 1.1) - 1) * sizes
    np.testing.assert_allclose(deviation, deviation[1], rtol=1e-3)
