r"""JSON read as a stream: every text of a document with its path, in bounded memory.

    document = value
    value    = "{" [ key ":" value { "," key ":" value } ] "}"
             / "[" [ value { "," value } ] "]"
             / text / number / "true" / "false" / "null"

A long text comes in pieces of at most some hundred kilobytes, so a picture of any size
costs no more memory than a small one. Lenient where Python's own reader is: NaN,
Infinity, and control characters inside of a text.

This module does no I/O of its own: it is given a function that reads.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, NoReturn, TypeAlias

__all__ = ["BrokenJSONError", "Path", "Piece", "pieces"]

Path: TypeAlias = tuple[str | int, ...]
"""Keys and indices from the root to a value."""

_CHUNK: Final = 256 * 1024
_DEEPEST: Final = 500
_LONGEST_KEY: Final = 1000

_BLANK = re.compile(r"[ \t\n\r]*+")
_PLAIN = re.compile(r"(?:[^\"\\]++|\\(?:[\"\\/bfnrt]|u[0-9a-fA-F]{4}))*+")
_SCALAR = re.compile(
    r"-?(?:[0-9]++(?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?|Infinity)|true|false|null|NaN"
)
_NUMBERS = re.compile(r"(?:[ \t\n\r]*+-?[0-9][0-9.eE+-]*+[ \t\n\r]*+,)*+")
_LONGEST_SCALAR: Final = 400
_decode = json.JSONDecoder(strict=False).decode


class BrokenJSONError(ValueError):
    """The document is no JSON; the message says where it stops to be."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A text of the document, or a part of a long one.

    Attributes:
        path: Where it stands; of a key: where its value stands.
        text: What it says.
        is_key: Whether it is a key.
        is_first: Whether a text begins with it.
        is_last: Whether a text ends with it.
        is_text: ``False`` for a number or another scalar, as written.
    """

    path: Path
    text: str
    is_key: bool = False
    is_first: bool = True
    is_last: bool = True
    is_text: bool = True


def pieces(read: Callable[[int], bytes]) -> Iterator[Piece]:
    """Yield keys, texts and the scalars under keys, in the document's order.

    Args:
        read: Returns up to so many bytes, none at the end.

    Raises:
        BrokenJSONError: If it is no JSON, at the place where that shows.
    """
    yield from _Reader(read).walk()


class _Reader:
    def __init__(self, read: Callable[[int], bytes]) -> None:
        self._read = read
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")()
        self._text = ""
        self._at = 0
        self._is_over = False
        self._line = 1
        self._path: list[str | int] = []

    def walk(self) -> Iterator[Piece]:
        path = self._path
        is_object: list[bool] = []
        while True:
            opened = self._peek()
            if opened in ("{", "["):
                self._at += 1
                if len(is_object) >= _DEEPEST:
                    self._fail(f"nested deeper than {_DEEPEST} levels")
                if self._peek() == ("}" if opened == "{" else "]"):
                    self._at += 1
                else:
                    is_object.append(opened == "{")
                    if opened == "{":
                        yield from self._key()
                    else:
                        path.append(0)
                        self._skip_numbers()
                    continue
            elif opened == '"':
                yield from self._string(tuple(path), is_key=False)
            else:
                scalar = self._scalar()
                if is_object and is_object[-1]:
                    yield Piece(tuple(path), scalar, is_text=False)
            while is_object:
                after = self._peek()
                self._at += 1
                if after == ",":
                    last = path.pop()
                    if is_object[-1]:
                        yield from self._key()
                    else:
                        assert isinstance(last, int)
                        path.append(last + 1)
                        self._skip_numbers()
                    break
                if after != ("}" if is_object[-1] else "]"):
                    self._at -= 1
                    self._fail("a comma or a closing bracket is missing")
                is_object.pop()
                path.pop()
            else:
                self._end()
                return

    def _key(self) -> Iterator[Piece]:
        if self._peek() != '"':
            self._fail("a key is missing")
        at = len(self._path)
        self._path.append("")
        name = ""
        for piece in self._string((*self._path[:at], ""), is_key=True):
            if len(name) < _LONGEST_KEY:
                name += piece.text[: _LONGEST_KEY - len(name)]
            self._path[at] = name
            yield Piece(
                tuple(self._path),
                piece.text,
                is_key=True,
                is_first=piece.is_first,
                is_last=piece.is_last,
            )
        self._path[at] = name.encode("utf-16", "surrogatepass").decode(
            "utf-16", "replace"
        )
        if self._peek() != ":":
            self._fail("a colon is missing")
        self._at += 1

    def _string(self, path: Path, *, is_key: bool) -> Iterator[Piece]:
        self._at += 1
        is_first = True
        while True:
            found = _PLAIN.match(self._text, self._at)
            assert found is not None
            raw, self._at = found[0], found.end()
            is_last = self._text[self._at : self._at + 1] == '"'
            if raw or is_last:
                yield Piece(path, self._decoded(raw), is_key, is_first, is_last)
                is_first = False
            if is_last:
                self._at += 1
                return
            left = len(self._text) - self._at
            if left >= 6 or not self._more():
                what = "an escape is wrong" if left else "a text has no end"
                self._fail(what)

    def _decoded(self, raw: str) -> str:
        if "\\" not in raw:
            return raw
        text: str = _decode(f'"{raw}"')
        return text

    def _scalar(self) -> str:
        while len(self._text) - self._at < _LONGEST_SCALAR and self._more():
            pass
        found = _SCALAR.match(self._text, self._at)
        if found is None:
            self._fail("a value is missing")
        self._at = found.end()
        return found[0]

    def _skip_numbers(self) -> None:
        """Pass over numbers of an array that have a comma after them."""
        assert isinstance(self._path[-1], int)
        while True:
            found = _NUMBERS.match(self._text, self._at)
            if found is None or found.end() == self._at:
                return
            self._path[-1] += self._text.count(",", self._at, found.end())
            self._at = found.end()
            if len(self._text) - self._at > _LONGEST_SCALAR or not self._more():
                return

    def _peek(self) -> str:
        """Return the next character that is no blank, without taking it."""
        while True:
            found = _BLANK.match(self._text, self._at)
            assert found is not None
            self._at = found.end()
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more():
                self._fail("it ends in the middle")

    def _end(self) -> None:
        while True:
            found = _BLANK.match(self._text, self._at)
            assert found is not None
            self._at = found.end()
            if self._at < len(self._text):
                self._fail("more follows after the end")
            if not self._more():
                return

    def _more(self) -> bool:
        """Read on; return whether anything came."""
        while not self._is_over:
            chunk = self._read(_CHUNK)
            self._is_over = not chunk
            try:
                decoded = self._decoder.decode(chunk, final=self._is_over)
            except UnicodeDecodeError as exc:
                self._fail(f"it is no UTF-8: {exc.reason}", exc)
            if decoded:
                self._line += self._text.count("\n", 0, self._at)
                self._text = self._text[self._at :] + decoded
                self._at = 0
                return True
        return False

    def _fail(self, what: str, cause: Exception | None = None) -> NoReturn:
        line = self._line + self._text.count("\n", 0, self._at)
        raise BrokenJSONError(f"line {line}: {what}") from cause
