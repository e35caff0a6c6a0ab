"""What is wrong with the words of a command line, in sentences like those of `InputError`."""

from reprlib import repr as shown
from typing import Literal, get_args, get_origin

from cyclopts import (
    CoercionError,
    CycloptsError,
    MissingArgumentError,
    RepeatArgumentError,
    UnknownCommandError,
    UnknownOptionError,
    UnusedCliTokensError,
)

_KINDS: dict[object, str] = {int: "no whole number", float: "no number", bool: "neither true nor false"}


def in_own_words(error: CycloptsError) -> str:
    """Which option, what was given, and what is wanted."""
    match error:
        case CoercionError():
            given = "" if error.token is None else error.token.value
            return f"{_name(error)}: {error.msg or f'{shown(given)} is {_wanted(error.target_type)}'}"
        case MissingArgumentError(argument=argument) if argument is not None:
            count = argument.token_count()[0]
            return f"{_name(error)} needs {'a value' if count == 1 else f'{count} values'}"
        case RepeatArgumentError():
            return f"{error.token.keyword} is given more than once"
        case UnknownOptionError():
            return f"there is no option {error.token.keyword or error.token.value}{_meant(error)}"
        case UnusedCliTokensError(unused_tokens=[first, *_]):
            return f"{shown(first)} belongs to no option; write every value behind the name of its option"
        case UnknownCommandError(unused_tokens=[first, *_]):
            kind = "option" if first.startswith("-") else "command"
            return f"there is no {kind} {shown(first)}{_meant(error)}; `geomem --help` lists them"
    return str(error)


def _name(error: CycloptsError) -> str:
    """The option as it was written, or the argument in capitals, as help shows it."""
    keyword = getattr(getattr(error, "token", None), "keyword", None) or getattr(error, "keyword", None)
    if keyword is not None or error.argument is None:
        return keyword or "the command line"
    named = error.argument.name
    return named.lstrip("-").upper() if error.argument.field_info.is_positional else named


def _wanted(kind: object) -> str:
    if get_origin(kind) is Literal:
        return f"none of {', '.join(get_args(kind))}"
    return _KINDS.get(kind, "not what it takes")


def _meant(error: CycloptsError) -> str:
    """What it is close to, if there is such a word."""
    _, asks, rest = str(error).partition("Did you mean ")
    word = rest.partition("?")[0].strip('"')
    return f"; did you mean {word}" if asks else ""
