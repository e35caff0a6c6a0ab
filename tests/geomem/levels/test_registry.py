"""Every physics callable of `geomem` came out of the lowering module.

The tool is JAX's own trace: in the jaxpr of everything that decides a transition,
arithmetic happens inside calls named after theory equations; outside of them only
data are moved, chosen, compared and put on the logarithmic axis.
"""

import jax
import jax.numpy as jnp
import pytest
import sympy as sp

import geomem_theory
from geomem.boundaries.diagram import phase_diagram
from geomem.boundaries.explicit import solve_lanes
from geomem.laws.manifold import Manifold
from geomem.laws.probe import KINDS, Probe
from geomem.levels.question import question
from geomem.lowering import REGISTRY, LoweredEquation

PLUMBING = {
    "broadcast_in_dim", "convert_element_type", "copy", "eq", "ge", "gt", "lt", "ne", "and", "or", "not", "reshape",
    "select_n", "slice", "squeeze", "stop_gradient",
}  # fmt: skip

COMBINATIONS = [
    ("gaussian_rem", "condensation", False),
    ("gaussian_rem", "participation", False),
    ("gaussian_rem", "condensation", True),
    ("rem", "condensation", False),
    ("rem", "participation", False),
    ("rem", "signal_to_noise", False),
]


def operations_outside_theory(jaxpr) -> set[str]:
    """Names of the primitives of a jaxpr, calls of lowered equations left out."""
    found = set()
    for operation in jaxpr.eqns:
        if operation.params.get("name", "").startswith("theory_"):
            assert operation.params["name"].removeprefix("theory_") in REGISTRY
            continue
        inner = operation.params.get("jaxpr") or operation.params.get("call_jaxpr")
        if inner is None:
            found.add(operation.primitive.name)
        else:
            found |= operations_outside_theory(getattr(inner, "jaxpr", inner))
    return found


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("level", "criterion", "normalized"), COMBINATIONS)
def test_arithmetic_of_a_criterion_is_lowered(level, criterion, normalized, kind):
    manifold = Manifold([1.0, 0.09], [2, 5], normalized)

    def everything(log_time, log_size):
        asked = question(criterion, level, Probe.of_kind(kind))
        at, rule = asked.setting(manifold, 0), asked.level
        asked_at = (criterion, at, log_time)
        return rule.log_size(*asked_at), rule.balance(*asked_at, log_size), rule.valid(*asked_at, log_size)

    found = operations_outside_theory(jax.make_jaxpr(everything)(jnp.array(0.1), jnp.array(7.0)).jaxpr)
    # The dot product picks the probed block's variance out of the spectrum.
    assert found <= PLUMBING | {"dot_general"}


def test_the_detector_sees_arithmetic_outside():
    jaxpr = jax.make_jaxpr(lambda time: jnp.log1p(1.0 / time))(0.1).jaxpr
    assert operations_outside_theory(jaxpr) == {"div", "log1p"}


def test_registered_equations_are_those_of_the_chapters(default_manifold):
    phase_diagram(default_manifold, num_samples=[100.0], local_variance=[1.0], criterion="condensation", theory="rem")
    for name, lowered in REGISTRY.items():
        assert isinstance(lowered, LoweredEquation)
        assert lowered.equation is geomem_theory.equation(name)
        assert sp.sympify(sp.srepr(lowered.equation.right)) == lowered.equation.right


def calls_of_theory(jaxpr) -> set[str]:
    """Names of the theory equations that a jaxpr calls, at any depth."""
    found = set()
    for operation in jaxpr.eqns:
        name = operation.params.get("name", "")
        if isinstance(name, str) and name.startswith("theory_"):
            found.add(name.removeprefix("theory_"))
        for value in operation.params.values():
            for inner in value if isinstance(value, (tuple, list)) else [value]:
                inner = getattr(inner, "jaxpr", inner)
                if hasattr(inner, "eqns"):
                    found |= calls_of_theory(inner)
    return found


def test_the_diagram_gets_its_equations_from_the_theory(default_manifold):
    """Inside the compiled solve of a diagram: probe, criterion, validity and opening times are calls of equations."""
    lanes = default_manifold.with_variances(default_manifold.variances[None, :])
    asked = question("signal_to_noise", "rem", Probe.along())
    jaxpr = jax.make_jaxpr(solve_lanes)(asked, lanes, jnp.eye(3)[:1], jnp.array([7.0])).jaxpr
    assert calls_of_theory(jaxpr) == {
        "entropy_probed", "log_signal_to_noise_probed", "opening_time", "probe_coordinate", "probe_rest",
        "signal_to_noise_log_size_probed",
    }  # fmt: skip
