"""How XLA compiles: less thoroughly where that takes longer than it saves."""

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

import jax

# Saves a third of the time to compile a large graph. The code is slower by a few percent if it is mostly products of
# matrices, by a third otherwise.
_QUICK: Mapping[str, bool] = MappingProxyType({"xla_cpu_use_fusion_emitters": False})


@cache
def quick_options() -> dict[str, bool]:
    """Options of `jax.jit` for what runs less long than it compiles; none if this XLA does not know them."""
    options = dict(_QUICK)
    try:
        jax.jit(lambda: 0, compiler_options=options).lower().compile()
    except jax.errors.JaxRuntimeError:
        return {}
    return options
