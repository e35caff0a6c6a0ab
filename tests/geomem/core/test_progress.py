"""Progress: silent unless asked for, a line now and then where no terminal is."""

import pytest

from geomem import progress
from geomem.core import progress as module
from geomem.core.progress import bar


@pytest.fixture
def clock(monkeypatch):
    """A clock that the test moves."""
    now = [100.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    return now


def work(clock, steps):
    with bar("critical times", len(steps)) as report:
        for done, seconds in enumerate(steps, start=1):
            clock[0] += seconds
            report(done)


def test_nothing_is_said_unasked(clock, capsys):
    work(clock, [20.0, 20.0])
    assert capsys.readouterr() == ("", "")


def test_a_line_every_ten_seconds_says_how_long_it_may_take(clock, capsys):
    with progress():
        work(clock, [4.0, 4.0, 4.0, 4.0])
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "critical times: 3 of 4, about 4 s left\n"


def test_only_the_outermost_speaks(clock, capsys):
    with progress(), bar("whole", 2) as report:
        work(clock, [20.0, 20.0])
        report(1)
    assert capsys.readouterr().err == "whole: 1 of 2, about 40 s left\n"
