"""Kept programs: found again without a trace, and never where anything is different that they follow from."""

import subprocess
import sys
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from geomem.core import programs
from geomem.core.programs import PROGRAMS, Kept


class Pair(NamedTuple):
    first: jax.Array
    second: jax.Array


class Couple(NamedTuple):
    first: jax.Array
    second: jax.Array


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv(PROGRAMS, str(tmp_path))
    return tmp_path


class Traced:
    """A function that counts how often it is traced, in a new process as it were."""

    def __init__(self, name="sum", options=None):
        self.count = 0
        self.kept = Kept(self._sum, name, options or {})

    def _sum(self, pair, factor):
        self.count += 1
        return jnp.sum(jnp.sin(pair.first)) * factor, pair

    def __call__(self, pair, factor=2.0):
        return self.kept(pair, np.float64(factor))


PAIR = Pair(np.arange(3.0), np.ones(2))


def test_a_program_is_found_without_a_trace(folder):
    first, later = Traced(), Traced()
    (number, pair), (again, same) = first(PAIR), later(PAIR)
    assert number == pytest.approx(2 * np.sin([0, 1, 2]).sum(), rel=1e-14)
    assert number == again
    assert isinstance(same, Pair)
    np.testing.assert_array_equal(same.first, pair.first)
    assert (first.count, later.count) == (1, 0)
    assert later(PAIR, 4.0)[0] == 2 * number
    assert later.count == 0
    assert len(list(folder.iterdir())) == 1


@pytest.mark.parametrize(
    ("made", "pair"),
    [
        ({"name": "another"}, PAIR),
        ({"options": {"xla_cpu_enable_fast_math": False}}, PAIR),
        ({}, Pair(np.arange(4.0), np.ones(2))),
        ({}, Pair(np.arange(3), np.ones(2))),
        ({}, Couple(*PAIR)),
    ],
)
def test_another_question_is_another_program(folder, made, pair):
    Traced()(PAIR)
    other = Traced(**made)
    other(pair)
    assert other.count == 1
    assert len(list(folder.iterdir())) == 2


def test_other_sources_are_another_program(folder, monkeypatch):
    Traced()(PAIR)
    monkeypatch.setattr(programs, "sources", lambda: "others")
    other = Traced()
    other(PAIR)
    assert other.count == 1


def test_the_digest_of_the_sources_reads_all_of_them(tmp_path, monkeypatch):
    monkeypatch.setattr(programs, "_ROOTS", (tmp_path,))
    found = set()
    for name, text in (("one.py", "a"), ("one.py", "b"), ("two.py", "a"), ("room/one.py", "a")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
        found.add(sources_now())
    (tmp_path / "one.py").rename(tmp_path / "three.py")
    assert len(found | {sources_now()}) == 5


def sources_now() -> str:
    programs.sources.cache_clear()
    try:
        return programs.sources()
    finally:
        programs.sources.cache_clear()


def test_what_the_environment_tells_jax_is_another_program(folder, monkeypatch):
    Traced()(PAIR)
    monkeypatch.setenv("XLA_FLAGS", "--xla_cpu_enable_fast_math=false")
    other = Traced()
    other(PAIR)
    assert other.count == 1
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", "elsewhere")
    again = Traced()
    again(PAIR)
    assert again.count == 0


def test_a_damaged_program_is_replaced_and_what_other_runs_read_is_not(folder, tmp_path_factory):
    Traced()(PAIR)
    (file,) = folder.iterdir()
    common = tmp_path_factory.mktemp("common") / file.name
    common.write_bytes(file.read_bytes()[:100])
    file.unlink()
    file.symlink_to(common)
    second, third = Traced(), Traced()
    assert second(PAIR)[0] == third(PAIR)[0]
    assert (second.count, third.count) == (1, 0)
    assert len(common.read_bytes()) == 100


def test_a_program_that_does_not_run_is_compiled_again(folder):
    """As one that lacks parts, which loads all the same."""
    Traced()(PAIR)
    (file,) = folder.iterdir()
    Traced(name="another")(Pair(np.arange(5.0), np.ones(2)))
    (other,) = set(folder.iterdir()) - {file}
    file.write_bytes(other.read_bytes())  # for other shapes
    later = Traced()
    assert later(PAIR)[0] == pytest.approx(2 * np.sin([0, 1, 2]).sum(), rel=1e-14)
    assert later.count == 1


def test_of_a_class_that_no_other_process_knows_nothing_is_kept(folder):
    class Local(NamedTuple):
        first: np.ndarray
        second: np.ndarray

    number, pair = Traced()(Local(*PAIR))
    assert number == pytest.approx(2 * np.sin([0, 1, 2]).sum(), rel=1e-14)
    assert isinstance(pair, Local)
    assert list(folder.iterdir()) == []


def test_without_a_folder_nothing_is_kept(monkeypatch, tmp_path):
    monkeypatch.delenv(PROGRAMS, raising=False)
    monkeypatch.chdir(tmp_path)
    for traced in (Traced(), Traced()):
        traced(PAIR)
        traced(PAIR)
        assert traced.count == 1
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_gone_is_no_error(monkeypatch, tmp_path):
    monkeypatch.setenv(PROGRAMS, str(tmp_path / "gone"))
    assert np.isfinite(Traced()(PAIR)[0])


_PROGRAM = """
import sys
import numpy as np
from geomem.cli import cache
from pathlib import Path
cache.user_cache_path = lambda _: Path(sys.argv[1])
with cache.compilation_cache():
    import jax, jax.numpy as jnp
    from geomem.core.programs import Kept
    traced = []
    def function(values):
        traced.append(0)
        return jax.lax.fori_loop(0, 3, lambda _, sums: jnp.cumsum(jnp.sin(sums)) + values[0], values)
    print(float(Kept(function, "cumulative", {})(np.arange(50.0))[-1]), len(traced))
"""


def test_another_process_finds_the_program_and_one_that_lost_it_makes_it_whole_again(tmp_path):
    """JAX's cache of the same run gives back programs that cannot be serialized again."""

    def run() -> tuple[str, str]:
        ended = subprocess.run(
            [sys.executable, "-c", _PROGRAM, str(tmp_path)], capture_output=True, text=True, check=True
        )
        return tuple(ended.stdout.split())

    value, traces = run()
    assert traces == "1"
    assert run() == (value, "0")
    (file,) = (tmp_path / "compiled").glob("*/cumulative-*")
    file.unlink()
    assert run() == (value, "1")
    assert run() == (value, "0")
