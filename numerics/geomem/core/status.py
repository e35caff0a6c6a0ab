"""How things end: the status of a lane, and the error for bad input. Imports nothing heavy."""

from enum import IntEnum


class InputError(ValueError):
    """Bad input, described in one sentence: what is wrong, where, and what to do."""


class Status(IntEnum):
    """How one lane of a batch ended. The value is NaN for all but the first and third."""

    CONVERGED = 0
    NO_TRANSITION = 1
    OUT_OF_VALIDITY = 2
    NOT_CONVERGED = 3
    INVALID = 4

    @property
    def sentence(self) -> str:
        return _SENTENCES[self]


_SENTENCES = {
    Status.CONVERGED: "The transition was found and solves its equation to tolerance.",
    Status.NO_TRANSITION: "There is no transition in the window: an outcome, not an error.",
    Status.OUT_OF_VALIDITY: "A transition was found, but outside the range where this level of the theory holds.",
    Status.NOT_CONVERGED: "A transition was bracketed but its equation is not solved to tolerance; narrow the window.",
    Status.INVALID: "The input of this lane is not valid: sizes must be finite and at least 2, variances and noise "
    "variances finite and not negative.",
}


class PeerError(InputError):
    """Another process that shares the work is gone."""
