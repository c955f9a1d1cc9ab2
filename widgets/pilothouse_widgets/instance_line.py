"""The line of arguments in a table of instances: values as they are written, no code.

    line    = { argument [","] }
    argument = [ name "=" ] value
    value   = "@" name [ "(" { argument [","] } ")" ]   ; data that the server fetches
            | a number, a text in quotes, True, False, None, a list, a dict, a tuple
            | JSON

Nothing is evaluated: a line holds what it says and nothing that stands for something
else.
"""

from __future__ import annotations

import ast
import json
import re
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["read_line"]

_PAIRS: Final = {"(": ")", "[": "]", "{": "}"}
_NAMED: Final = re.compile(r"(?P<name>[^\W\d]\w*)\s*=\s*(?P<value>[^=].*)\Z", re.DOTALL)
_DATA: Final = re.compile(r"@(?P<name>[^\s()]+)(?:\((?P<inner>.*)\))?\Z", re.DOTALL)
_LONGEST: Final = 40
Arguments = tuple[list[Any], dict[str, Any]]


def read_line(line: str) -> Arguments:
    """Return the arguments by place and those by name.

    Raises:
        ValueError: If something is no value; the message says what.
    """
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    for word in _words(line):
        found = _NAMED.match(word)
        if found is None:
            if kwargs:
                raise ValueError(f"{_short(word)} has no name, but follows one with")
            args.append(_value(word))
        elif found["name"] in kwargs:
            raise ValueError(f"{found['name']} stands twice")
        else:
            kwargs[found["name"]] = _value(found["value"].strip())
    return args, kwargs


def _value(word: str) -> Any:  # noqa: ANN401  whatever is written
    if word.startswith("@"):
        return _data(word)
    for read in (json.loads, ast.literal_eval):
        try:
            return read(word)
        except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
            continue
    raise ValueError(
        f"{_short(word)} is no value: a number, a 'text', a list, @data or name=value"
    )


def _data(word: str) -> Any:  # noqa: ANN401
    from pilothouse.aimm import DataAccess

    found = _DATA.match(word)
    if found is None:
        raise ValueError(f"{_short(word)} is no data access: @name, or @name(1, n=2)")
    args, kwargs = read_line(found["inner"] or "")
    return DataAccess(found["name"], args, kwargs)


def _words(line: str) -> Iterator[str]:
    """Split at blanks and commas that stand in no bracket and no quotes."""
    start, closers, quote, escaped = 0, [""], "", False
    for i, char in enumerate(line):
        if quote:
            quote = "" if char == quote and not escaped else quote
            escaped = char == "\\" and not escaped
        elif char in "'\"":
            quote = char
        elif char in _PAIRS:
            closers.append(_PAIRS[char])
        elif char in _PAIRS.values():
            if char != closers.pop():
                raise ValueError(f"{char!r} closes nothing")
        elif (char.isspace() or char == ",") and len(closers) == 1:
            if word := line[start:i].strip():
                yield word
            start = i + 1
    if quote or len(closers) > 1:
        raise ValueError(f"{(quote or closers[-1])!r} is missing at the end")
    if word := line[start:].strip():
        yield word


def _short(word: str) -> str:
    return word if len(word) <= _LONGEST else f"{word[: _LONGEST - 1]}…"
