r"""The words of a magic's line.

    line    = { blank } [ word { blank word } ] [ ";" ]
    word    = bracket / { char / "=" quoted / "=" bracket / data } / quoted { char }
    quoted  = "'" { char } "'" / '"' { char } '"'
    bracket = "[" ... "]" / "{" ... "}"          ; to the matching one
    data    = "@" { char } "(" ... ")"           ; at the beginning, or after "="

A word that begins with a bracket goes to the matching one, blanks included, so JSON
can be written as it is; so does a bracket after ``=``, and so do the arguments of
``@name``. A quote at the beginning of a word or after ``=`` groups, and is taken off;
elsewhere it is an ordinary character, as is a backslash (a Windows path). The final
``;`` silences the output.
"""

from __future__ import annotations

from dataclasses import dataclass

from pilothouse.errors import LineError

__all__ = ["Word", "is_silenced", "split", "unsilenced"]

_OPEN = {"[": "]", "{": "}", "(": ")"}


@dataclass(frozen=True, slots=True)
class Word:
    """One word of a line.

    Attributes:
        text: The word without its quotes.
        raw: The word as written.
        start: Where it begins in the line.
        end: Where it ends in the line, exclusive.
        quote: ``"'"`` or ``'"'`` when a quote begins it, ``"["`` or ``"{"`` for a
            bracket, else empty.
        is_closed: ``False`` when its quote or bracket has no end.
    """

    text: str
    raw: str
    start: int
    end: int
    quote: str = ""
    is_closed: bool = True

    @property
    def is_option(self) -> bool:
        """Whether it looks like an option: ``-o``, ``--deploy``; no number does."""
        text = self.text
        return (
            not self.quote
            and len(text) > 1
            and text[0] == "-"
            and not (text[1].isdigit() or text[1] == ".")
        )


def is_silenced(line: str) -> bool:
    """Return whether the line ends in a ``;`` that stands outside quotes."""
    stripped = line.rstrip()
    if not stripped.endswith(";"):
        return False
    words = split(stripped, strict=False)
    return bool(words) and words[-1].is_closed and words[-1].raw.endswith(";")


def split(line: str, *, strict: bool = True) -> list[Word]:
    """Return the words of ``line``.

    Args:
        line: The text after the magic's name.
        strict: Whether an open quote or bracket is an error; completion says no.

    Raises:
        LineError: If a quote or bracket is not closed, and ``strict``.
    """
    words: list[Word] = []
    position = 0
    while position < len(line):
        if line[position].isspace():
            position += 1
            continue
        word = _bracket(line, position) or _plain(line, position)
        if strict and not word.is_closed:
            raise LineError(
                f"{word.quote or word.raw[0]} is not closed in {word.raw!r}",
                hint="close it, or put the word in quotes",
            )
        words.append(word)
        position = word.end
    return words


def unsilenced(line: str) -> str:
    """Return ``line`` without the ``;`` that silences it."""
    return line.rstrip()[:-1] if is_silenced(line) else line


def _plain(line: str, start: int) -> Word:
    text: list[str] = []
    position = start
    quote = line[start] if line[start] in "'\"" else ""
    is_closed = True
    while position < len(line) and not line[position].isspace():
        char = line[position]
        if char in "'\"" and (position == start or line[position - 1] == "="):
            end = line.find(char, position + 1)
            is_closed = end > 0
            text.append(line[position + 1 : end] if is_closed else line[position + 1 :])
            position = end + 1 if is_closed else len(line)
        elif position > start and (end := _value_end(line, start, position)):
            text.append(line[position:end])
            position = end
        else:
            text.append(char)
            position += 1
    raw = line[start:position]
    return Word("".join(text), raw, start, position, quote, is_closed)


def _bracket(line: str, start: int) -> Word | None:
    if line[start] not in "[{":
        return None
    end = _closed_at(line, start)
    if not end:
        raw = line[start:]
        return Word(raw, raw, start, len(line), line[start], is_closed=False)
    if end < len(line) and not line[end].isspace() and line[end] != ";":
        return None
    raw = line[start:end]
    return Word(raw, raw, start, end, line[start])


def _value_end(line: str, start: int, position: int) -> int:
    """Return where a bracket inside a word ends, if it is one; else 0."""
    if line[position] in "[{":
        return _closed_at(line, position) if line[position - 1] == "=" else 0
    if line[position] == "(":
        value = line[start:position].rpartition("=")[2]
        return _closed_at(line, position) if value[:1] == "@" else 0
    return 0


def _closed_at(line: str, start: int) -> int:
    """Return the end of the bracket that begins at ``start``; 0 when it has none."""
    closing: list[str] = []
    position = start
    while position < len(line):
        char = line[position]
        if char in "'\"":
            position = _end_of_string(line, position)
            continue
        if char in _OPEN:
            closing.append(_OPEN[char])
        elif closing and char == closing[-1]:
            closing.pop()
            if not closing:
                return position + 1
        position += 1
    return 0


def _end_of_string(line: str, start: int) -> int:
    position = start + 1
    while position < len(line):
        if line[position] == "\\":
            position += 1
        elif line[position] == line[start]:
            return position + 1
        position += 1
    return len(line)
