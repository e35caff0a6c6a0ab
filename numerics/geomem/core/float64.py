"""float64 as JAX's default, chosen before JAX makes its first array, whichever module imports it first."""

import os
import sys
import warnings

from geomem.core.status import InputError

_SWITCH = "JAX_ENABLE_X64"
_GIVEN = os.environ.get(_SWITCH)
_FORBIDDEN = _GIVEN is not None and _GIVEN.lower() in ("0", "false", "f", "no", "n", "off")
_SENTENCE = f"geomem computes in float64, which {_SWITCH}={_GIVEN} in the environment forbids; unset it, or set it to 1"


def choose_float64() -> None:
    """Make it the default, unless the environment forbids it, which is said and left alone."""
    if _FORBIDDEN:
        warnings.warn(_SENTENCE, stacklevel=3)
    elif "jax" in sys.modules:
        sys.modules["jax"].config.update("jax_enable_x64", True)
    elif _GIVEN is None:
        os.environ[_SWITCH] = "1"


def require_float64() -> None:
    """Refuse to compute where the environment forbids it.

    Raises:
        InputError: if it does.
    """
    if _FORBIDDEN:
        raise InputError(_SENTENCE)


def leave_environment() -> None:
    """Take back what was put into the environment, once JAX has read it: children are not to inherit it."""
    if _GIVEN is None and "jax" in sys.modules:
        os.environ.pop(_SWITCH, None)
