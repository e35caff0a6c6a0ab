"""Examples in the docstrings of public names print what they say."""

import doctest
import inspect

import pytest

import geomem

WITH_EXAMPLES = [name for name in dir(geomem) if ">>>" in (getattr(geomem, name).__doc__ or "")]


def test_there_are_examples():
    assert len(WITH_EXAMPLES) >= 5


@pytest.mark.slow  # compiles for some seconds
@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_example(name):
    text = inspect.getdoc(getattr(geomem, name))
    example = doctest.DocTestParser().get_doctest(text, {}, name, None, None)
    said = []
    failed, tried = doctest.DocTestRunner().run(example, out=said.append)
    assert not failed, "".join(said)
    assert tried
