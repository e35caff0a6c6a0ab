"""The search for garbage: seldom inside of the command, as before after it, and none where its process ends."""

import gc
import subprocess
import sys

import pytest

from geomem.cli.garbage import seldom_collected


def test_it_is_as_before_after_an_error():
    before = gc.get_threshold()

    def fail() -> None:
        with seldom_collected():
            assert gc.get_threshold()[0] > before[0]
            assert gc.isenabled()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert gc.get_threshold() == before


def test_nothing_is_searched_where_the_process_ends():
    program = """
import atexit, gc
from geomem.cli.garbage import seldom_collected
atexit.register(lambda: print(len(gc.get_objects())))  # after what is registered later
with seldom_collected():
    pass
print(gc.get_freeze_count())
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    frozen, left = map(int, ended.stdout.split())
    assert frozen == 0
    assert left < 100
