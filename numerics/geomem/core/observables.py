"""Observables that are measured and predicted."""

from typing import NamedTuple


class Observable(NamedTuple):
    """Its units, what an axis calls it, and the levels of the theory that predict it, the first by default.

    What clones of the population's process do, and what a measured entropy says, is of no level.
    """

    units: str
    axis: str
    levels: tuple[str, ...]
    normal: bool = True  # about its prediction, as means are; a count near one of its steps is biased


OBSERVABLES = {
    "participation": Observable("1", "participation $Y_2$", ("finite_n",)),
    "dimension": Observable("1", "dimension", ("finite_n",), normal=False),
    "excess-entropy": Observable(
        "nats per dimension", "excess entropy $f$ [nats/dimension]", ("finite_n", "rem", "asymptotic")
    ),
    "collapse-probability": Observable("1", "probability of the same sample", ("finite_n",)),
    "cloning": Observable("1", "probability of the same class", ()),
}
