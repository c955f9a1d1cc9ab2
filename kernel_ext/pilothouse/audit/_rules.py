"""What is looked for on a page: known secrets, shapes, names before them, chance.

Long runs of base64 (pictures, buffers of widgets) are decoded and looked into; as they
stand they are left out, since anything comes up in a megabyte of chance.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Iterator
from typing import Final

from ._assignments import WORDS, Match, assignments, loose
from ._pages import Page
from ._shapes import KEYS, SHAPES, Shape
from .known import Known

__all__ = ["REMEDIES", "is_secret", "look", "plainly", "remedy"]

_BLOB = re.compile(
    r"(?:[A-Za-z0-9+/]{40,120}(?:\r?\n|\\n)){3,}[A-Za-z0-9+/]*={0,2}"
    r"|[A-Za-z0-9+/_-]{400,}={0,2}"
)
_WORD = re.compile(r"(?<![A-Za-z0-9+/=])[A-Za-z0-9+/]{16,399}={0,2}(?![A-Za-z0-9+/=])")
_INTEGRITY = re.compile(r"sha(?:1|256|384|512)[-=:]\s*\Z")
_ANY_LENGTH: Final = 43
"""32 random bytes as base64: told apart wherever they stand."""

REMEDIES: Final = {
    "known": "change it where it is used, and clear it from the notebook",
    "line": "change it; %fastscore login, the environment or the keyring instead",
    "output": "change it, and clear the outputs",
    "widget": "change it, and save the notebook without widget state",
    "source": "change it; take it from the environment, the keyring or getpass()",
    "other": "revoke it, and take it out of the file",
}
"""What to do about a secret, by where it stands."""


def remedy(match: Match, path: tuple[str | int, ...]) -> str:
    """Return what to do about a secret at a place of a notebook."""
    if "on a line" in match.kind:
        return REMEDIES["line"]
    if "outputs" in path:
        return REMEDIES["output"]
    if "widgets" in path:
        return REMEDIES["widget"]
    if path[-1:] == ("source",):
        return REMEDIES["source"]
    return REMEDIES["other"]


def look(page: Page, known: Known) -> Iterator[Match]:
    """Yield the secrets that begin in the body of a page, each once."""
    taken: list[tuple[int, int]] = []
    for match in _all(page, known):
        end = match.start + len(match.value)
        if not page.begin <= match.start < page.end:
            continue
        is_inside = match.kind.endswith("in base64")  # several may begin there
        overlaps = (match.start < there and here < end for here, there in taken)
        if not is_inside and any(overlaps):
            continue
        taken.append((match.start, end))
        yield match


def _all(page: Page, known: Known) -> Iterator[Match]:
    yield from known.look(page.text)
    text = page.text
    blobs = list(_BLOB.finditer(text)) if _may_hold_blobs(text) else []
    yield from _shaped(text, KEYS)
    if blobs:
        text = _without(text, blobs)
    yield from _shaped(text, SHAPES)
    lower = text.lower()
    if any(word in lower for word in WORDS):
        yield from assignments(text, lambda at: page.place(at).is_code)
    for match in loose(text):
        if _is_loose(page, match):
            yield match
    for blob in blobs:
        yield from _inside(blob.start(), blob[0], known)
    for word in _WORD.finditer(text):
        yield from _inside_word(word.start(), word[0], known)


def _may_hold_blobs(text: str) -> bool:
    return bool(re.search(r"[A-Za-z0-9+/_-]{40}", text))


def _shaped(text: str, shapes: Iterable[Shape]) -> Iterator[Match]:
    for shape in shapes:
        if not any(word in text for word in shape.words):
            continue
        for found in shape.pattern.finditer(text):
            value = found["value"]
            if shape.accept(value):
                yield Match(shape.kind, found.start("value"), value)


def _is_loose(page: Page, match: Match) -> bool:
    """Whether a random-looking word is at a place where nothing else looks so."""
    before = page.text[max(0, match.start - 8) : match.start]
    if _INTEGRITY.search(before):
        return False
    path = page.place(match.start).path
    is_bookkeeping = "metadata" in path and "widgets" not in path
    is_bookkeeping |= any("/vnd." in str(part) for part in path)
    return len(match.value) == _ANY_LENGTH or not is_bookkeeping


def _without(text: str, blobs: list[re.Match[str]]) -> str:
    parts, at = [], 0
    for blob in blobs:
        parts += [text[at : blob.start()], "\0" * (blob.end() - blob.start())]
        at = blob.end()
    return "".join([*parts, text[at:]])


def is_secret(word: str) -> bool:
    """Return whether a word shows by its shape or its disorder that it is a secret."""
    return any(True for _ in _shaped(word, (*KEYS, *SHAPES))) or any(loose(word))


def _inside(start: int, blob: str, known: Known) -> Iterator[Match]:
    bare = re.sub(r"\\n|\s", "", blob).rstrip("=")
    yield from _found_inside(start, _decoded(bare), known)


def _inside_word(start: int, word: str, known: Known) -> Iterator[Match]:
    plain = _decoded(word.rstrip("="))
    if plain.isascii() and plain.isprintable():
        yield from _found_inside(start, plain, known)


def _found_inside(start: int, plain: str, known: Known) -> Iterator[Match]:
    for match in plainly(plain, known):
        yield Match(f"{match.kind}, in base64", start, match.value)


def plainly(text: str, known: Known) -> Iterator[Match]:
    """Yield the secrets in a text of its own, without looking into base64."""
    yield from known.look(text)
    yield from _shaped(text, KEYS)
    text = _without(text, list(_BLOB.finditer(text)))
    yield from _shaped(text, SHAPES)
    lower = text.lower()
    if any(word in lower for word in WORDS):
        yield from assignments(text, is_source=False)
    yield from loose(text)


def _decoded(word: str) -> str:
    standard = word.translate(_STANDARD)
    standard = standard[: len(standard) - (len(standard) % 4 == 1)]
    try:
        plain = base64.b64decode(standard + "=" * (-len(standard) % 4))
    except binascii.Error:
        return ""
    return plain.translate(_NO_ASCII).decode("ascii")


_STANDARD = str.maketrans("-_", "+/")
_NO_ASCII = bytes(range(128)) + b"\0" * 128
