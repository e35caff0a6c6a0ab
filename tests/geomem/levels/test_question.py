"""A level and a law that the package has never seen, asked through the doors that are there."""

import json
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import brentq

from geomem import InputError, Manifold, Probe, Status, critical_size, critical_time, phase, phase_diagram
from geomem.core.pytrees import pytree
from geomem.laws.law import LAWS, Law
from geomem.laws.setting import Setting
from geomem.levels import level as door
from geomem.levels.level import Explicit, level_names, register
from geomem.levels.question import question
from tests.geomem.cli.commands import run

SPECTRUM = [2.0, 0.3], [3, 5]


@pytree
@dataclass(frozen=True)
class SignsSetting(Setting):
    def generating_function(self, tilt, time):
        others = self.multiplicities - self.indicator
        rest = self.rest(time) / jnp.where(others > 0, others, 1.0)
        along = _of_coordinate(tilt, time, self.probed_variance, self.coordinate(time))
        return jnp.sum(others * _of_coordinate(tilt, time, self.variances, rest)) + along

    def tilted_moments(self, tilt, time):
        field = tilt * jnp.sqrt(self.coordinate(time) * self.probed_variance) / time
        mean = jnp.sqrt(self.probed_variance) * jnp.tanh(field)
        return mean, self.probed_variance - mean**2


def _of_coordinate(tilt, time, variance, squared):
    """ln E exp(-lambda (x - y)^2/2t) for y = +-sqrt(s)."""
    # The root's slope is infinite at zero, where nothing depends on it.
    product = jnp.where(squared * variance > 0, squared * variance, 1.0)
    field = jnp.where(squared * variance > 0, tilt * jnp.sqrt(product) / time, 0.0)
    return -tilt * (squared + variance) / (2 * time) + jnp.logaddexp(field, -field) - np.log(2)


@pytree
@dataclass(frozen=True)
class Signs(Law):
    """Data whose coordinates are +-sqrt(s)."""

    variances: jax.Array
    multiplicities: jax.Array

    def setting(self, indicator, probe):
        variances = self.block_variances()
        return SignsSetting(variances, self.multiplicities, indicator, jnp.dot(indicator, variances), probe)

    def sample(self, key, num_samples):
        deviations = np.repeat(np.sqrt(self.variances), np.asarray(self.multiplicities, dtype=int))
        return deviations * jax.random.rademacher(key, (num_samples, len(deviations)), dtype=float)

    def record(self):
        return {"signs": np.asarray(self.variances).tolist()}


class Doubled(Explicit):
    """Half the samples do what all of them do at level rem."""

    name = "doubled"
    criteria = ("doubling",)
    needs = "generating_function"

    def log_size(self, criterion, at, time):
        return at.critical_log_size(1.0, time) + np.log(2)


@pytest.fixture
def signs():
    return Signs(*(jnp.asarray(np.array(column, dtype=float)) for column in SPECTRUM))


@pytest.fixture
def doubled(monkeypatch):
    monkeypatch.setattr(door, "LEVELS", dict(door.LEVELS))
    return register(Doubled())


def entropy(log_time, log_size):
    """Of signs at a typical probe, at tilt 1: by hand, in NumPy."""
    s, d, time = *map(np.array, SPECTRUM), np.exp(log_time)
    field = np.sqrt((s + time) * s) / time
    mean_slope = np.sum(d * (-(2 * s + time) / (2 * time) + field * np.tanh(field)))
    value = np.sum(d * (-(2 * s + time) / (2 * time) + np.logaddexp(field, -field) - np.log(2)))
    return log_size + value - mean_slope


def test_a_new_law_condenses_where_its_entropy_vanishes(signs):
    asked = {"criterion": "condensation", "theory": "rem", "probe": Probe.typical()}
    found = critical_time(signs, 0, num_samples=[10.0, 100.0], **asked)
    expected = [np.exp(brentq(entropy, -8, 4, args=(np.log(size),), xtol=1e-14)) for size in (10.0, 100.0)]
    np.testing.assert_allclose(found.value, expected, rtol=1e-10)
    back = critical_size(signs, 0, noise_variance=found.value, **asked)
    np.testing.assert_allclose(back.value, [10.0, 100.0], rtol=1e-9)


@pytest.mark.slow  # compiles for some seconds
def test_a_new_law_has_a_diagram_and_phases(signs):
    asked = {"theory": "rem", "probe": Probe.typical()}
    sizes, criterion = [20.0, 120.0], "condensation"
    found = phase_diagram(signs, num_samples=sizes, local_variance=[0.5, 2.0], criterion=criterion, **asked)
    single = critical_time(signs, 0, num_samples=sizes, criterion=criterion, **asked)
    assert np.isfinite(single.value).all()
    np.testing.assert_allclose(found.critical_time.values[0], single.value, rtol=1e-12)
    np.testing.assert_allclose(found.critical_time_map.sel(local_variance=2.0), single.value, rtol=1e-12)
    assert found.attrs["provenance"].count("signs") == 1
    words = phase(signs, 0, noise_variance=[3.0, 0.5], num_samples=20.0, **asked)
    at = signs.setting(signs.indicator(0), Probe.typical())
    resolved = np.log(20.0) > float(at.signal_to_noise_log_size(jnp.asarray(0.5)))
    assert words.tolist() == ["unresolved", "generalizing" if resolved else "memorized"]


def test_a_level_that_needs_more_than_the_law_knows_says_so(signs):
    for theory, criterion in (("finite_n", "signal_to_noise"), ("gaussian_rem", "condensation")):
        with pytest.raises(InputError, match=f"theory '{theory}' does not know this law; use theory 'rem'"):
            critical_time(signs, 0, num_samples=10, criterion=criterion, theory=theory)


def test_a_new_level_is_asked_by_name_and_as_itself(doubled):
    manifold = Manifold(*SPECTRUM)
    rem = critical_time(manifold, 1, num_samples=[50.0, 1e4], criterion="condensation", theory="rem")
    for theory in ("doubled", doubled):
        found = critical_time(manifold, 1, num_samples=[100.0, 2e4], criterion="doubling", theory=theory)
        np.testing.assert_allclose(found.value, rem.value, rtol=1e-12)
    diagram = phase_diagram(
        manifold, num_samples=[100.0, 2e4], local_variance=[1.0], criterion="doubling", theory="doubled"
    )
    np.testing.assert_allclose(diagram.critical_time.values[1], rem.value, rtol=1e-12)
    assert diagram.attrs["theory"] == "doubled"
    assert "doubled" in level_names()
    with pytest.raises(InputError, match="theory 'doubled' has no condensation; use doubling"):
        question("condensation", doubled, Probe.along())


@pytest.mark.slow  # compiles for some seconds
def test_the_command_asks_both(doubled, capsys, tmp_path, monkeypatch):
    monkeypatch.setitem(LAWS, "signs", lambda manifold: Signs(manifold.variances, manifold.multiplicities))
    options = ["--variances", 2, 0.3, "--multiplicities", 3, 5, "--num-samples", 200, "--theory", "doubled"]
    options += ["--criterion", "doubling", "--probe", "typical", "--law", "signs", "--json", "--out", tmp_path]
    rows = json.loads(run(capsys, "phase-diagram", *options, "--sizes", 10, 1000, 3)[0])
    expected = np.exp(brentq(entropy, -8, 4, args=(np.log(100.0),), xtol=1e-14))
    assert rows[0]["critical_time"] == pytest.approx(expected, rel=1e-9)
    rows = json.loads(run(capsys, "critical-size", *options, "--noise-variance", expected, "--block", 0)[0])
    assert rows[0]["critical_size"] == pytest.approx(200.0, rel=1e-9)


@pytest.mark.slow  # compiles for some seconds
def test_what_a_criterion_needs_is_compiled_once_for_all_probes():
    """Probes are data: the second one and all others find what the first one had compiled."""
    lowered = []

    def listen(event, *_, **__):
        # Counted before the compiler, which may find on disk what an earlier run has compiled.
        if event.endswith("jaxpr_to_mlir_module_duration"):
            lowered.append(event)

    jax.monitoring.register_event_duration_secs_listener(listen)
    manifold = Manifold(np.geomspace(1.7, 0.01, 7), np.arange(1, 8))  # a shape that no other test has
    probes = [Probe.along(), Probe.along(2.5), Probe.origin(), Probe.random_direction(), Probe.typical()]
    for theory, criterion in (("rem", "signal_to_noise"), ("gaussian_rem", "participation")):
        counts = []
        for probe in probes:
            before = len(lowered)
            critical_time(manifold, 1, num_samples=[30.0, 1e5], criterion=criterion, theory=theory, probe=probe)
            counts.append(len(lowered) - before)
        assert counts[0] > 0
        assert counts[1:] == [0] * 4


@pytest.mark.parametrize("probe", [Probe.along(), Probe.along(3.0), Probe.random_direction(2.0), Probe.typical()])
@pytest.mark.parametrize("time", [0.02, 0.7])
def test_what_follows_from_the_generating_function_is_the_closed_form(default_manifold, probe, time):
    """The base class derives by JAX what the Gaussian's setting has from the theory's own equations."""
    at, t = default_manifold.setting(default_manifold.indicator(1), probe), jnp.asarray(time)
    for tilt in (0.5, 1.0, 2.0):
        assert float(Setting.critical_log_size(at, tilt, t)) == pytest.approx(float(at.critical_log_size(tilt, t)))
        assert float(Setting.entropy(at, jnp.asarray(9.0), tilt, t)) == pytest.approx(
            float(at.entropy(jnp.asarray(9.0), tilt, t))
        )
    expected = float(at.signal_to_noise_log_size(t))
    assert float(Setting.signal_to_noise_log_size(at, t)) == pytest.approx(expected, rel=1e-10)


def test_unknown_names_are_listed(default_manifold):
    with pytest.raises(InputError, match="no criterion 'freezing'; choose one of condensation, participation"):
        question("freezing", "rem", Probe.along())
    with pytest.raises(InputError, match=r"choose one of .*gaussian_rem"):
        question("condensation", "mean_field", Probe.along())
    normalized = Manifold(default_manifold.variances, default_manifold.multiplicities, normalized=True)
    with pytest.raises(InputError, match=r"use theory .*'gaussian_rem'.*, or use a manifold with normalized=False"):
        critical_time(normalized, 0, num_samples=9, criterion="condensation", theory="rem")
    assert critical_time(normalized, 0, num_samples=9, criterion="condensation", theory="gaussian_rem").status == (
        Status.CONVERGED
    )
