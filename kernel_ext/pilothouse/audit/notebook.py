"""A saved notebook, read as a stream: every text that it holds, laid out as pages.

Sources, outputs, tracebacks, metadata, attachments, the state of widgets and its
buffers: whatever is a text in the file is looked at, keys as well. A list of lines is
one text, as the notebook format means it.

Source: nbformat 4, "multi-line strings", "widget state".
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator
from typing import Final

from pilothouse.errors import PilothouseError

from ._assignments import Match
from ._pages import Page, Pages, Place
from ._stream import BrokenJSONError, Path, Piece, pieces

__all__ = ["UnreadableError", "read"]

_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07]*\x07")
_CELL_END = re.compile(r"</t[dh]>", re.IGNORECASE)
_TAG = re.compile(r"</?[A-Za-z][^<>]*>")
_ENTITY = re.compile(r"&(?:#?[A-Za-z0-9]{1,10});")
_PROMPT = re.compile(r"pass(?:word|wd|phrase)|secret|token|api.?key", re.IGNORECASE)
_OTHER_LANGUAGE = re.compile(
    r"\s*%%(?:bash|sh|script|writefile|file|html|markdown|latex|javascript|js|svg|cmd"
    r"|perl|ruby|system|sx|!)\b"
)
_MARKUP = re.compile(r"[<&]")
_ENOUGH: Final = 64 * 1024


class UnreadableError(PilothouseError):
    """A file that cannot be looked at: broken, of another kind, or not there."""


def read(read: Callable[[int], bytes]) -> Iterator[Page | tuple[Place, Match]]:
    """Yield a notebook's pages, and what its widgets give away by themselves.

    Args:
        read: Returns up to so many bytes of the file, none at the end.

    Raises:
        UnreadableError: If it is no notebook of format 4 or later.
    """
    reading = _Reading()
    try:
        for piece in pieces(read):
            yield from reading.take(piece)
    except BrokenJSONError as exc:
        yield from reading.finish()
        raise UnreadableError(
            f"this is no JSON: {exc}",
            hint="was the file cut off, or does it hold marks of a merge?",
        ) from exc
    yield from reading.finish()
    reading.check()


class _Reading:
    def __init__(self) -> None:
        self._pages = Pages()
        self._format = ""
        self._roots: set[str] = set()
        self._is_code = False
        self._text = _Text((), is_code=False)
        self._widget = _Widget(())

    def take(self, piece: Piece) -> Iterator[Page | tuple[Place, Match]]:
        path = piece.path
        if len(path) == 1:
            self._roots.add(str(path[0]))
            if path[0] == "nbformat" and not piece.is_key:
                self._format = piece.text
        if piece.is_key:
            yield from self._take_key(piece)
            return
        if path[-1] == "cell_type":
            self._is_code = piece.text == "code"
        if path[:2] == ("metadata", "widgets") and len(path) > 4:
            yield from self._take_widget(piece)
        yield from self._take_text(piece)

    def _take_key(self, piece: Piece) -> Iterator[Page]:
        yield from self._end_text()
        opening = '\n"' if piece.is_first else ""
        closing = '": ' if piece.is_last else ""
        yield from self._pages.add(opening + piece.text + closing, Place(piece.path))

    def _take_text(self, piece: Piece) -> Iterator[Page]:
        path, is_joined = _text_of(piece.path)
        if not (is_joined or "\n" in piece.text or not piece.is_first):
            yield from self._end_text()
            quote = '"' if piece.is_text else ""
            opening, closing = quote, quote if piece.is_last else ""
            text = f"{opening}{_ANSI.sub('', piece.text)}{closing}"
            yield from self._pages.add(text, Place(path))
            if piece.is_last and not _MARKUP.search(piece.text):
                return
        if path != self._text.path:
            yield from self._end_text()
            is_source = path[-1:] == ("source",) and self._is_code
            is_code = is_source and not _OTHER_LANGUAGE.match(piece.text)
            self._text = _Text(path, is_code=is_code)
        if self._text.take(piece):
            yield from self._say_text()

    def _end_text(self) -> Iterator[Page]:
        yield from self._say_text()
        self._text = _Text((), is_code=False)

    def _say_text(self) -> Iterator[Page]:
        for text, place in self._text.said():
            yield from self._pages.add(text, place)

    def _take_widget(self, piece: Piece) -> Iterator[tuple[Place, Match]]:
        root = piece.path[: piece.path.index("state") + 2] if _has_state(piece) else ()
        if root != self._widget.root:
            yield from self._widget.given_away()
            self._widget = _Widget(root)
        self._widget.take(piece)

    def finish(self) -> Iterator[Page | tuple[Place, Match]]:
        yield from self._end_text()
        yield from self._widget.given_away()
        self._widget = _Widget(())
        yield from self._pages.finish()

    def check(self) -> None:
        """Refuse what is no notebook of a format that this module knows."""
        if "worksheets" in self._roots or self._format in ("1", "2", "3"):
            raise UnreadableError(
                f"this is nbformat {self._format or '3'}, the form of before 2015",
                hint="jupyter nbconvert --to notebook --nbformat 4 FILE converts it",
            )
        if "cells" not in self._roots or not self._format.isdigit():
            raise UnreadableError(
                "this is JSON, but no notebook: it lacks cells or nbformat"
            )


class _Text:
    """A text of lines, gathered until it is worth a look."""

    def __init__(self, path: Path, *, is_code: bool) -> None:
        self.path = path
        self._is_code = is_code
        self._line = 1
        self._parts: list[str] = []
        self._length = 0
        self._is_begun = False

    def take(self, piece: Piece) -> bool:
        """Take a part; return whether there is enough to be looked at."""
        self._parts.append(piece.text)
        if self.path[-1:] == ("traceback",) and piece.is_last:
            self._parts.append("\n")
        self._length += len(piece.text)
        return self._length >= _ENOUGH

    def said(self) -> Iterator[tuple[str, Place]]:
        """Yield what was gathered, as it stands and as a page of HTML shows it."""
        if not self._parts:
            return
        text = "".join(self._parts)
        opening = "" if self._is_begun else "\n"
        place = Place(self.path, self._line - len(opening), self._is_code)
        yield opening + _ANSI.sub("", text), place
        if _MARKUP.search(text) and not self._is_code:
            plain = _without_markup(_ANSI.sub("", text))
            yield f"\n{plain}\n", Place(self.path, self._line - 1)
        self._line += text.count("\n")
        self._parts, self._length, self._is_begun = [], 0, True


class _Widget:
    """One model of the saved state: a field for passwords tells what was typed."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._is_password = False
        self._label = ""
        self._value = ""
        self._path: Path = ()

    def take(self, piece: Piece) -> None:
        name = piece.path[-1]
        if name in ("_model_name", "model_name", "_view_name"):
            self._is_password |= piece.text in ("PasswordModel", "PasswordView")
        elif name in ("description", "placeholder"):
            self._label += piece.text[:200]
        elif name == "value" and piece.is_first and piece.is_text:
            self._value, self._path = piece.text[:4000], piece.path

    def given_away(self) -> Iterator[tuple[Place, Match]]:
        is_secret = self._is_password or bool(_PROMPT.search(self._label))
        if self._value and is_secret and self._value != self._label:
            kind = "value of a password field"
            yield Place(self._path), Match(kind, 0, self._value)


def _has_state(piece: Piece) -> bool:
    return "state" in piece.path[:-2]


def _text_of(path: Path) -> tuple[Path, bool]:
    """Return the path of the text that a line belongs to; whether it is of lines."""
    if path and isinstance(path[-1], int):
        parent = path[:-1]
        is_lines = parent[-1:] in (("source",), ("text",), ("traceback",))
        if is_lines or "data" in parent[-2:-1] or "attachments" in parent[-3:-2]:
            return parent, True
    return path, path[-1:] in (("source",), ("text",))


def _without_markup(text: str) -> str:
    """Return what a page of HTML shows; lines stay where they are."""
    text = _CELL_END.sub("\t", text)
    text = _TAG.sub(lambda tag: "\n" * tag[0].count("\n"), text)
    return _ENTITY.sub(lambda entity: html.unescape(entity[0]), text)
