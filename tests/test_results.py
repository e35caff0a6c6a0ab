"""Results of every part are the stored ones: what is only moved or rewritten changes no number."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.reference import results

STORED = json.loads((Path(__file__).parent / "data" / "results_reference.json").read_text())
GROUPS = [
    pytest.param("explicit", marks=pytest.mark.slow),  # 33 questions, a program or two for each
    pytest.param("exact", marks=pytest.mark.slow),  # the integrals of level finite_n for ten settings
    pytest.param("diagrams", marks=pytest.mark.slow),  # twelve diagrams, with their derivatives
    "spectra",
    pytest.param("trajectories", marks=pytest.mark.long),  # averages over three classes at every noise variance
    "schedules",
    "training",
]
RELATIVE = 1e-12
# Scores are differences (mean - x)/t, of which a millionth may be left: their rounding is that of the terms.
ABSOLUTE = {"score": 1e-12}
# Level finite_n is integrated to 1e-8 by mpmath's account, by rules that may change.
INTEGRATED, RELATIVE_OF_INTEGRATED = ("finite_n", "quenched", "simulation", "collapse probability"), 1e-8
# Sixty steps in float32, whose rounding is 6e-8: by the largest number of each result.
FLOAT32 = 1e-5


def test_every_group_is_stored():
    names = [group if isinstance(group, str) else group.values[0] for group in GROUPS]
    assert set(names) == set(results.GROUPS) == set(STORED)


@pytest.mark.slow  # compiles for some seconds
@pytest.mark.parametrize("group", GROUPS)
def test_results_are_the_stored_ones(group):
    found, stored = results.results(group), STORED[group]
    assert found.keys() == stored.keys()
    for name, expected in stored.items():
        integrated = any(word in name for word in INTEGRATED)
        relative, absolute = RELATIVE_OF_INTEGRATED if integrated else RELATIVE, ABSOLUTE.get(name, 0.0)
        if group == "training":
            relative, absolute = 0.0, FLOAT32 * np.nanmax(np.abs(expected))
        np.testing.assert_allclose(found[name], expected, rtol=relative, atol=absolute, err_msg=name)
