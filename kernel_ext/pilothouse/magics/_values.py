"""Arguments of a plugin on a magic's line: values, data access, keywords.

value   = "@" name [ "(" python arguments ")" ]     ; data that the server fetches
        | name = value                              ; a keyword: an expression, 'text'
        | a name, an expression in braces, JSON     ; as everywhere
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pilothouse.errors import LineError

from ._line import Word
from ._names import Name
from ._readers import DATA, Reader, Scope

__all__ = ["VALUE", "Keyword", "divided"]

_DATA = re.compile(r"@(?P<name>[^\s()]+)(?:\((?P<arguments>.*)\))?\Z", re.DOTALL)
_KEYWORD = re.compile(r"(?P<name>[^\W\d]\w*)=(?P<value>[^=].*)\Z", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Keyword:
    """An argument by its name."""

    name: str
    value: object


def divided(values: Sequence[object]) -> tuple[list[object], dict[str, object]]:
    """Return the arguments by place and those by name.

    Raises:
        LineError: If one by place follows one by name, or a name stands twice.
    """
    args: list[object] = []
    kwargs: dict[str, object] = {}
    for value in values:
        if isinstance(value, Keyword):
            if value.name in kwargs:
                raise LineError(f"{value.name} stands twice")
            kwargs[value.name] = value.value
        elif kwargs:
            raise LineError("an argument without a name follows one with a name")
        else:
            args.append(value)
    return args, kwargs


def _read(word: Word, scope: Scope) -> object:
    if word.text.startswith("@"):
        return _data_access(word.text, scope)
    found = None if word.quote else _KEYWORD.match(word.text)
    if found is None:
        return DATA.read(word, scope)
    name, text = found["name"], found["value"]
    if word.raw[len(name) + 1 : len(name) + 2] in ("'", '"'):
        return Keyword(name, text)
    if text.startswith("@"):
        return Keyword(name, _data_access(text, scope))
    if text[:1] == "{" and text[-1:] == "}":
        return Keyword(name, DATA.read(Word(text, text, 0, len(text), "{"), scope))
    return Keyword(name, scope.evaluate(text))


def _data_access(text: str, scope: Scope) -> object:
    from pilothouse.aimm import DataAccess

    found = _DATA.match(text)
    if found is None:
        raise LineError(f"{text!r} is no data access", hint="@name, or @name(1, n=2)")
    args: tuple[object, ...] = ()
    kwargs: dict[str, object] = {}
    if found["arguments"]:
        gather = scope.evaluate(f"(lambda *a, **k: (a, k))({found['arguments']})")
        assert isinstance(gather, tuple)
        args, kwargs = gather
    return DataAccess(found["name"], args, kwargs)


def _offers(session: Any, _before: Sequence[Word], current: str) -> Iterator[Name]:  # noqa: ANN401
    """Offer data after ``NAME=`` too."""
    name, equals, _ = current.partition("=")
    if equals and name.isidentifier():
        for one in session.names.get("data access"):
            yield Name(f"{name}={one.text}", "data access")


VALUE = Reader(_read, "VALUE", ("object", "data access"), offers=_offers)
"""One argument of a plugin."""
