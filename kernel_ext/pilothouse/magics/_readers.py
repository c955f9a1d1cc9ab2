"""How one word of a line becomes a value.

A word that is a name in the user's namespace is taken as that object, wherever an
object makes sense; ``{expression}`` is always evaluated there. In a text, ``{name}``
is replaced by the value of the name; single quotes keep everything as typed.
"""

from __future__ import annotations

import builtins
import importlib
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pilothouse.errors import LineError
from pilothouse.nearest import did_you_mean

from ._line import Word
from ._names import Name

__all__ = [
    "DATA",
    "EXPRESSION",
    "FUNCTION",
    "IDENTIFIER",
    "INTEGER",
    "NUMBER",
    "PATH",
    "RAW",
    "Reader",
    "Scope",
    "choice",
    "live",
    "live_or_text",
    "text",
]

_DOTTED = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)*\Z")
_INSIDE = re.compile(r"\{([^\W\d]\w*(?:\.[^\W\d]\w*)*)\}")


class Scope:
    """The names that a line may use: those of the calling frame, then the user's.

    Args:
        namespaces: Mappings of names, the nearest first.
    """

    def __init__(self, *namespaces: Mapping[str, object] | None) -> None:
        self._namespaces = [space for space in namespaces if space is not None]

    def __contains__(self, name: str) -> bool:
        return any(name in space for space in self._namespaces)

    def names(self) -> Iterable[str]:
        """Return the names that a user would know."""
        return (n for space in self._namespaces for n in space if n[:1] != "_")

    def lookup(self, path: str) -> object:
        """Return the object of a name, or of a dotted path that begins with one.

        Raises:
            LineError: If there is no such name or attribute.
        """
        name, *attributes = path.split(".")
        for space in self._namespaces:
            if name in space:
                found = space[name]
                break
        else:
            raise LineError(
                f"no name {name!r} in this notebook{did_you_mean(name, self.names())}"
            )
        for attribute in attributes:
            try:
                found = getattr(found, attribute)
            except AttributeError as exc:
                raise LineError(f"{path!r}: {exc}") from exc
        return found

    def evaluate(self, expression: str) -> object:
        """Return the value of a Python expression; whatever it raises comes out."""
        merged: dict[str, object] = {}
        for space in reversed(self._namespaces):
            merged.update(space)
        try:
            code = compile(expression.strip(), "<expression in braces>", "eval")
        except SyntaxError as exc:
            raise LineError(
                f"{{{expression}}} is neither JSON nor an expression: {exc.msg}"
            ) from exc
        return eval(code, merged)


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads one word.

    Attributes:
        read: Takes the word and the scope, returns the value.
        metavar: How help names it.
        names: The kinds of live names that complete it.
        choices: The only words it takes, when not empty.
        offers: Tells what may stand here, given the session, the words before and the
            beginning of the word; asks nobody.
    """

    read: Callable[[Word, Scope], object]
    metavar: str
    names: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()
    offers: Callable[[Any, Sequence[Word], str], Iterable[Name]] | None = None


def _text(word: Word, scope: Scope) -> str:
    if word.quote == "'":
        return word.text
    is_object, value = _object(word, scope) if word.quote == "{" else (False, None)
    if is_object:
        return str(value)

    def replace(found: re.Match[str]) -> str:
        return str(scope.lookup(found[1]))

    return _INSIDE.sub(replace, word.text)


def _integer(word: Word, scope: Scope) -> int:
    given = _text(word, scope)
    try:
        return int(given)
    except ValueError:
        pass
    if given in scope and isinstance(value := scope.lookup(given), int):
        return value
    raise LineError(f"{given!r} is no whole number")


def _number(word: Word, scope: Scope) -> float:
    given = _text(word, scope)
    try:
        return float(given)
    except ValueError:
        pass
    if given in scope and isinstance(value := scope.lookup(given), int | float):
        return float(value)
    raise LineError(f"{given!r} is no number")


def _identifier(word: Word, scope: Scope) -> str:
    import keyword

    if not word.text.isidentifier() or keyword.iskeyword(word.text):
        raise LineError(f"{word.text!r} cannot be a variable's name")
    return word.text


def _path(word: Word, scope: Scope) -> Path:
    return Path(_text(word, scope)).expanduser()


def _object(word: Word, scope: Scope) -> tuple[bool, object]:
    """Return whether the word means an object of the user's, and that object."""
    if not word.quote and _DOTTED.match(word.text):
        if word.text.partition(".")[0] in scope:
            return True, scope.lookup(word.text)
    elif word.quote == "{":
        try:
            json.loads(word.text)
        except ValueError:
            return True, scope.evaluate(word.text[1:-1])
    return False, None


def _data(word: Word, scope: Scope) -> object:
    is_object, value = _object(word, scope)
    if is_object:
        return value
    try:
        return json.loads(word.text)
    except ValueError as exc:
        if not word.quote and _DOTTED.match(word.text):
            return scope.lookup(word.text)
        if word.quote == "[":
            return scope.evaluate(word.text)
        if word.quote:
            return word.text
        raise LineError(
            f"{word.text!r} is neither a name in this notebook nor JSON: {exc}",
            hint='write a name, {an_expression}, [1, 2] or {"x": 1}',
        ) from exc


def _raw(word: Word, scope: Scope) -> object:
    is_object, value = _object(word, scope)
    return value if is_object else word.text


INTEGER = Reader(_integer, "N", ("object:int",))
NUMBER = Reader(_number, "NUMBER", ("object:int", "object:float"))
IDENTIFIER = Reader(_identifier, "NAME", ("object",))
PATH = Reader(_path, "FILE", ("file",))
DATA = Reader(_data, "DATA", ("object",))
"""A name's object, an expression in braces, or JSON."""
RAW = Reader(_raw, "DATA", ("object",))
"""A name's object, an expression in braces, or the text as typed."""


def _function(word: Word, scope: Scope) -> Callable[..., object]:
    is_object, value = _object(word, scope)
    if not is_object:
        known = None if word.quote else getattr(builtins, word.text, None)
        value = scope.lookup(word.text) if known is None else known
    if not callable(value):
        raise LineError(f"{word.raw} is no function but {type(value).__name__}")
    return value


def _expression(word: Word, scope: Scope) -> tuple[str, object]:
    name, equals, expression = word.text.partition("=")
    if not equals or not name.isidentifier() or not expression:
        raise LineError(
            f"{word.raw!r} is no NAME=EXPRESSION", hint='scale=2, or scale="a + b"'
        )
    if expression[:1] == "{" and expression[-1:] == "}":
        expression = expression[1:-1]
    return name, scope.evaluate(expression)


FUNCTION = Reader(_function, "FUNC", ("function",))
"""What can be called: a name, a dotted path, or an expression in braces."""
EXPRESSION = Reader(_expression, "NAME=EXPR", ("object",))
"""A name and the value of a Python expression, evaluated in the user's namespace."""


def text(metavar: str = "TEXT") -> Reader:
    """Return a reader of any text."""
    return Reader(_text, metavar)


def choice(*words: str, metavar: str = "WORD") -> Reader:
    """Return a reader that takes one of ``words``."""

    def read(word: Word, scope: Scope) -> str:
        given = _text(word, scope)
        if given not in words:
            raise LineError(
                f"{given!r} is none of {', '.join(words)}{did_you_mean(given, words)}"
            )
        return given

    return Reader(read, metavar, choices=words)


def live(kind: str, metavar: str, *types: str, also: tuple[str, ...] = ()) -> Reader:
    """Return a reader of a remote thing: an object of the user's, or its name.

    Args:
        kind: The kind of names that complete it, as `Names` knows it.
        metavar: How help names it.
        types: ``"module:Class"`` of objects to take from the user's namespace; names
            bound to anything else are taken as remote names.
        also: More kinds of names that complete it.
    """

    def read(word: Word, scope: Scope) -> object:
        is_object, value = _object(word, scope)
        if is_object and isinstance(value, _classes(types)):
            return value
        return str(value) if word.quote == "{" and is_object else _text(word, scope)

    classes = (spec.rpartition(":")[2].lower() for spec in types)
    own = dict.fromkeys(f"object:{name}" for name in (kind, *classes) if types)
    return Reader(read, metavar, (kind, *also, *own))


def live_or_text(metavar: str, *kinds: str) -> Reader:
    """Return a reader of a text that live names complete."""
    return Reader(_text, metavar, kinds)


def _classes(types: tuple[str, ...]) -> tuple[type, ...]:
    found: list[type] = []
    for spec in types:
        module, _, name = spec.partition(":")
        found.append(getattr(importlib.import_module(module), name))
    return tuple(found)
