"""The page of routes names every public quantity, and only tests that exist."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

import geomem

TESTS = Path(__file__).parents[1]
PAGE = (TESTS / "reference" / "routes.md").read_text()
TABLES, LEFT_OUT = PAGE.split("## Left out")
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in TABLES.splitlines()
    if line.startswith("|") and not line.startswith(("|---", "| quantity |"))
]


@cache
def functions_in(file: str) -> set[str]:
    return {node.name for node in ast.parse((TESTS / file).read_text()).body if isinstance(node, ast.FunctionDef)}


def test_every_public_name_has_a_row_or_a_reason_for_none():
    named = set(re.findall(r"`(\w+)`", " ".join([*(row[0] for row in ROWS), LEFT_OUT])))
    public = {name for name in geomem._MODULE_OF if callable(getattr(geomem, name))}
    assert public
    assert not public - named


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0].replace("`", ""))
def test_tests_of_a_row_exist(row):
    assert len(row) == 5
    assert all(row[:4])
    cited = re.findall(r"`([\w/]+\.py)::(\w+)`", row[4])
    assert cited or "**None yet**" in row[2]
    assert row[4].count("::") == len(cited)
    for file, name in cited:
        assert name in functions_in(file), f"{file}::{name}"
