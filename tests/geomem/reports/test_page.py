"""Pieces of the page, and the document around them."""

import json
import re

import numpy as np
import pytest
from matplotlib.figure import Figure

from geomem.reports.page import Section, document, embedded, listed, paragraph, picture, table
from geomem.reports.words import at, number
from geomem.schedules.clock import clock_of
from tests.geomem.reports.outline import Outline

HOSTILE = "</script><script>alert('1')</script><img src=x onerror=alert(2)>\"&"


def page():
    body = [
        paragraph(HOSTILE),
        listed([HOSTILE]),
        table(HOSTILE, [HOSTILE, "b"], [[HOSTILE, HOSTILE]]),
        picture(Figure(), HOSTILE, HOSTILE),
        embedded("held", {HOSTILE: [HOSTILE, float("nan"), 1.5]}),
    ]
    parts = [Section(HOSTILE, body[0].join(body), {}), Section("Second", paragraph("two"), {})]
    return document(HOSTILE, paragraph(HOSTILE), parts, {"data": HOSTILE}, "var library = 1;")


def test_whatever_a_text_holds_it_is_a_text():
    found = Outline(page())
    assert found.scripts == 4  # held, provenance, the library and what runs
    assert not found.handlers
    assert found.alts == [HOSTILE]
    assert found.titles == [HOSTILE, HOSTILE, "Second"]
    assert HOSTILE in found.texts


def test_headings_are_in_order_and_tables_have_heads():
    found = Outline(page())
    assert found.levels == [1, 2, 2]
    assert found.headless == 0


def test_nothing_is_loaded():
    assert all(one.startswith(("#", "data:")) for one in Outline(page()).addresses)
    assert "default-src 'none'" in page()


def test_a_document_in_the_page_is_read_back():
    text = re.search(r'id="held">(.*?)</script>', page()).group(1)
    assert json.loads(text) == {HOSTILE: [HOSTILE, None, 1.5]}


@pytest.mark.parametrize(
    ("value", "said"),
    [(12.0, "12"), (0.12345, "0.123"), (1797.0, "1797"), (12603.4, "12600"), (3.2e9, "3.2 × 10⁹"), (np.nan, "-")],
)
def test_numbers(value, said):
    assert number(value) == said


def test_noise_variances_are_on_the_clock():
    clock = clock_of("ddpm")
    assert at(1.0, clock) == f"t = 1 (step {clock.schedule.step(1.0)})"
    assert at(1e-9, clock) == "t = 1 × 10⁻⁹ (not on the schedule)"
    assert at(1.0, None) == "t = 1"
