"""What a refusal may say: one sentence of our own, and nothing of what libraries say of it."""

import re

FOREIGN = re.compile(
    r"JAX encountered|PRNG|could not convert|dtype\('|Traceback|unsupported operand|not supported between|Tracer|"
    r"incompatible function|array\(\s*shape|object of type|object at 0x|allow_pickle|[Pp]ickle|jax\.(?!random\.key)|"
    r"numpy\.|xarray\.|xarray's|jaxtyping|<class '|JSONDecodeError|Unused Tokens|unable to convert|\[Errno|\n"
)


def is_one_sentence(said: str) -> bool:
    return bool(said) and FOREIGN.search(said) is None and len(said) < 1000
