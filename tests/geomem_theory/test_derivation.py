"""Derivations run, end at what they claim, and refuse what they do not prove."""

import subprocess
import sys
from dataclasses import replace

import pytest
import sympy as sp

import geomem_theory
from geomem_theory.derivation import Chapter, DerivationError, Equation, Step, equal, merge_sums
from geomem_theory.symbols import B, N, Q, b, d, lam, s, t


@pytest.mark.parametrize("equation", geomem_theory.EQUATIONS.values(), ids=geomem_theory.EQUATIONS)
def test_every_derivation_ends_at_its_right_side(equation):
    steps = equation.derive()
    assert steps
    assert equation.source
    assert equation.meaning.endswith(".")


# Steps that only state: their equations are held against numbers in test_checks and in tests/geomem.
_STATED = {
    "random_energy", "score_mean", "mellin_exponent", "centered_mean", "weight_density",
    "participation_density", "log_partition_density", "mean_density", "second_moment_density", "squared_mean_density",
    "planted_density", "planted_offset", "quenched_score_mean", "quenched_score_variance", "quenched_second_moment",
    "resolvent", "random_collapse_log_size", "mixture_critical_log_size", "mixture_posterior_mean",
    "mixture_signal_to_noise_log_size", "own_class_posterior", "pool_average", "sphere_other_square",
    "sphere_pair_density", "joint_mean_density",
}  # fmt: skip


def test_derivations_compute_their_last_step():
    for name, equation in geomem_theory.EQUATIONS.items():
        probe = name.endswith(("_coordinate", "_rest"))
        assert equation.steps[-1].compute is not None or probe or name in _STATED, name


def test_last_steps_do_not_just_repeat_the_right_side():
    for name, equation in geomem_theory.EQUATIONS.items():
        code = getattr(equation.steps[-1].compute, "__code__", None)
        assert code is None or name not in code.co_names, name


def test_a_wrong_derivation_is_refused():
    wrong = Equation("wrong", t, 2 * t, "A wrong equation.", "nowhere", (Step("Claim.", lambda: 3 * t),))
    with pytest.raises(DerivationError, match="wrong"):
        wrong.derive()


_COMPUTED = [name for name, equation in geomem_theory.EQUATIONS.items() if equation.steps[-1].compute is not None]
_LONG = {"factor_corner_pair", "trace_corner_pair"}  # long expressions that sympy compares for eight seconds


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.long) if name in _LONG else name for name in _COMPUTED]
)
def test_a_changed_equation_is_refused(name):
    equation = geomem_theory.equation(name)
    with pytest.raises(DerivationError, match=name):
        replace(equation, right=equation.right + 7).derive()


def test_names_are_unique_and_found():
    assert len(geomem_theory.EQUATIONS) == sum(len(chapter.equations) for chapter in geomem_theory.CHAPTERS)
    assert geomem_theory.equation("entropy") is geomem_theory.EQUATIONS["entropy"]
    with pytest.raises(ValueError, match="no equation named 'entropie'"):
        geomem_theory.equation("entropie")


@pytest.mark.parametrize("chapter", geomem_theory.CHAPTERS, ids=lambda chapter: chapter.name)
def test_chapters_render(chapter: Chapter):
    markdown, latex = chapter.to_markdown(), chapter.to_latex()
    for equation in chapter.equations:
        assert f"### `{equation.name}`" in markdown
        assert rf"\label{{eq:{equation.name}}}" in latex
        assert equation.latex in latex
        assert equation._repr_latex_().startswith(r"$\displaystyle")
    assert markdown.count("$$") % 2 == 0
    assert latex.count(r"\begin{enumerate}") == latex.count(r"\end{enumerate}") == len(chapter.equations)
    assert chapter._repr_markdown_() == markdown


def test_equal_looks_into_sums():
    left = sp.Sum(d[b] * s[b] / t, (b, 1, B)) * t
    assert equal(left, sp.Sum(d[b] * s[b], (b, 1, B)))
    assert not equal(left, sp.Sum(d[b] * s[b] ** 2, (b, 1, B)))
    assert not equal(left + 1, left)


def test_merge_sums():
    total = lam * sp.Sum(d[b], (b, 1, B)) + sp.Sum(Q[b], (b, 1, B)) + t
    assert merge_sums(total) == (lam * d[b] + Q[b], t)
    with pytest.raises(ValueError, match="nonlinearly"):
        merge_sums(sp.Sum(d[b], (b, 1, B)) ** 2)
    with pytest.raises(ValueError, match="different ranges"):
        merge_sums(sp.Sum(d[b], (b, 1, B)) + sp.Sum(d[b], (b, 1, N)))


def test_theory_never_imports_jax():
    code = "import sys, geomem_theory.checks; assert not {'jax', 'jaxlib', 'geomem'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
