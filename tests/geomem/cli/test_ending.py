"""However the command ends, it says so in one sentence, with its exit status, and leaves nothing half made behind."""

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

import pytest

from geomem.cli.app import main
from geomem.files.writing import output_folder
from tests.geomem.cli.commands import fail

CHAPTER = "geomem_theory.derivation.Chapter.to_markdown"
DERIVE = ["derive", "--chapter", "notation"]


@pytest.fixture
def leaving(monkeypatch):
    """Leaving at once ends the test's call of the command, not the tests."""

    def leave(code):
        raise SystemExit(code)

    monkeypatch.setattr(os, "_exit", leave)
    # A shell has what it starts in the background ignore interruptions, the tests too.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def interrupted_in(monkeypatch, capsys, folder, work):
    def derive(*_):
        output_folder(folder / "results" / "parts")
        work()

    monkeypatch.setattr(CHAPTER, derive)
    with pytest.raises(SystemExit) as end:
        main(["derive", "--chapter", "score"])
    assert end.value.code == 130
    assert capsys.readouterr() == ("", "geomem: interrupted\n")


@pytest.mark.usefixtures("leaving")
def test_an_interruption_is_one_sentence_and_leaves_no_empty_folder(monkeypatch, capsys, tmp_path):
    interrupted_in(monkeypatch, capsys, tmp_path, lambda: signal.raise_signal(signal.SIGINT))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow  # waits for what is interrupted
@pytest.mark.usefixtures("leaving")
def test_an_interruption_while_objects_are_freed_is_not_lost(monkeypatch, capsys, tmp_path):
    """Python ignores what is raised there, and JAX frees its own whenever Python collects garbage."""

    class Freed:
        def __del__(self):
            signal.raise_signal(signal.SIGINT)

    def work():
        Freed()
        time.sleep(10)  # a computation that goes on
        pytest.fail("the interruption was lost")

    interrupted_in(monkeypatch, capsys, tmp_path, work)


@pytest.mark.slow  # waits for what is interrupted
@pytest.mark.usefixtures("leaving")
def test_an_interruption_that_compiled_code_drops_is_repeated(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr("geomem.cli.ending._MUCH_LATER", 0.1)

    def work():
        with suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        time.sleep(10)
        pytest.fail("the interruption was lost")

    interrupted_in(monkeypatch, capsys, tmp_path, work)


@pytest.mark.usefixtures("leaving")
def test_what_was_written_before_an_interruption_is_kept(monkeypatch, capsys, tmp_path):
    def work():
        (tmp_path / "results" / "kept").touch()
        raise KeyboardInterrupt

    interrupted_in(monkeypatch, capsys, tmp_path, work)
    assert [one.name for one in (tmp_path / "results").iterdir()] == ["kept"]


@pytest.mark.parametrize("words", [DERIVE, ["--version"], ["derive", "--help"]])
def test_a_full_output_is_one_sentence(monkeypatch, capsys, words):
    with Path("/dev/full").open("w") as full:
        monkeypatch.setattr("sys.stdout", full)
        assert "the output cannot be written: No space left" in fail(capsys, *words)


def test_a_closed_output_is_no_complaint(monkeypatch, capsys):
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as closed:
        monkeypatch.setattr("sys.stdout", closed)
        with pytest.raises(SystemExit) as end:
            main(DERIVE)
    assert end.value.code == 1
    assert capsys.readouterr().err == ""
