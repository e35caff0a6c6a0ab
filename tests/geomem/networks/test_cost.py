"""What a sweep is said to take: sums and words by hand, of a clock that only the work moves."""

import jax
import pytest

from geomem.networks import cost
from geomem.networks.cost import Cost, timed_over_sizes


def test_measurements_grow_with_the_size_and_are_compiled_once_a_size(monkeypatch):
    now, seen, sizes = [0.0], set(), [10, 10, 60, 60, 110, 110]

    def compiles(seconds):
        now[0] += seconds
        jax.monitoring.record_event_duration_secs(f"{cost._COMPILING}one", seconds)

    def measure(member):
        now[0] += 1.0
        if sizes[member] not in seen:
            compiles(2.0)  # inside of the next, which takes five
            now[0] += 3.0
            jax.monitoring.record_event_duration_secs(f"{cost._COMPILING}other", 5.0)
        now[0] += sizes[member] / 10
        seen.add(sizes[member])

    monkeypatch.setattr(cost.time, "monotonic", lambda: now[0])
    left = timed_over_sizes(measure, sizes)
    assert seen == {10, 110}
    before = now[0]
    for member in range(len(sizes)):
        measure(member)
    assert left == pytest.approx(now[0] - before)
    assert timed_over_sizes(measure, [10, 10]) == pytest.approx(4.0)


def test_in_words():
    assert Cost(6, 40_000, 2e-3, 12, 240.0, 30.0).sentence == (
        "about 5.8 minutes on a machine as busy as now: 40000 steps of 6 networks at 2 ms a step, 12 measurements of "
        "them at 20 s, those of the empirical score, 30 s"
    )
    assert Cost(6, 0, 0.0, 0, 0.0, 7200.0).sentence.startswith("about 2 hours on a machine as busy as now: those of")
    assert Cost(1, 10**6, 1.0, 0, 0.0, 0.0).sentence.startswith("about 12 days")
    assert Cost(6, 0, 0.0, 0, 0.0, 0.0).seconds == 0
