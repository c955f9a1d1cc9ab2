"""The cell of ``%%pilot flow``, read into steps.

    cell    = { [ comment ] step }
    step    = [ name "=" ] "%" magic line          ; a backslash goes on below
            | [ name "=" ] "%%" magic line indented-body
            | a statement of Python

Each top-level statement is a step; the comment right above it says what it does. Reads
text only: nothing is run, evaluated or asked.
"""

from __future__ import annotations

import ast
import re
import textwrap
from dataclasses import dataclass

from pilothouse.errors import LineError
from pilothouse.flow import names

from . import MAGICS

__all__ = ["MagicPiece", "Piece", "PythonPiece", "pieces"]

_MAGIC = re.compile(
    r"^(?:(?P<name>[^\W\d]\w*)\s*=\s*)?(?P<mark>%%?)(?P<magic>\w+)(?P<rest>.*)$"
)
_ASIDES = (
    ast.Import,
    ast.ImportFrom,
    ast.FunctionDef,
    ast.AsyncFunctionDef,
    ast.ClassDef,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """One step as it stands in the cell.

    Attributes:
        line: Its first line in the cell; the magic's own line is 1.
        title: The comment above it; else how it begins.
    """

    line: int
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MagicPiece(Piece):
    """A line of one of our magics, or a cell of one.

    Attributes:
        name: What the result is bound to; empty when to nothing.
        magic: Without ``%``.
        rest: The line after it.
        body: The indented lines of ``%%``; ``None`` for ``%``.
        body_line: Where the body begins in the cell.
    """

    name: str
    magic: str
    rest: str
    body: str | None = None
    body_line: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PythonPiece(Piece):
    """A statement of Python.

    Attributes:
        node: What the parser made of it; its lines are those of the cell.
        names: What it binds and needs.
    """

    node: ast.stmt
    names: names.Names

    @property
    def is_aside(self) -> bool:
        """Whether it only defines or imports something."""
        return isinstance(self.node, _ASIDES)


def pieces(cell: str) -> list[Piece]:
    """Return the steps of a cell's body, in the order in which they stand.

    Raises:
        LineError: If it is no Python with magics, or has no step; the message names
            the line of the cell.
    """
    lines = ["", *cell.splitlines()]  # the magic's own line comes first
    magics, python = _magics(lines)
    source = "\n".join(python)
    try:
        body = ast.parse(source).body
        compile(source, "<cell>", "exec", dont_inherit=True)
    except SyntaxError as exc:
        raise LineError(
            f"line {exc.lineno or 0} of the cell: {exc.msg}",
            hint="a step is Python, or begins a line with one of our magics",
        ) from None
    found: list[Piece] = [_python(lines, source, node) for node in body]
    found = [magics.get(piece.line, piece) for piece in found]
    if not found:
        raise LineError("the cell has no steps", hint="name = %magic ..., or Python")
    return found


def _magics(lines: list[str]) -> tuple[dict[int, MagicPiece], list[str]]:
    """Return the magics by their lines, and the lines with ``...`` in their place."""
    found: dict[int, MagicPiece] = {}
    python = list(lines)
    at = 1
    while at < len(lines):
        match = _MAGIC.match(lines[at])
        if match is None:
            if re.match(r"^(?:\w+\s*=\s*)?!", lines[at]):
                line = f"line {at + 1} of the cell"
                raise LineError(f"{line}: a step is no command of the shell")
            at += 1
            continue
        first, rest = at, match["rest"]
        while rest.endswith("\\") and at + 1 < len(lines):
            at += 1
            rest = f"{rest[:-1].rstrip()} {lines[at].strip()}"
        at += 1
        below = at
        if match["mark"] == "%%":
            at = _end_of_body(lines, below)
        found[first + 1] = _magic(lines, first, match, rest.strip(), below, at)
        python[first:at] = ["..."] + [""] * (at - first - 1)
    return found, python


def _end_of_body(lines: list[str], at: int) -> int:
    end = at
    while at < len(lines) and (lines[at][:1].isspace() or not lines[at].strip()):
        at += 1
        end = at if lines[at - 1].strip() else end
    return end


def _magic(
    lines: list[str], first: int, match: re.Match[str], rest: str, below: int, end: int
) -> MagicPiece:
    magic = match["magic"]
    if magic not in MAGICS:
        raise LineError(
            f"line {first + 1} of the cell: %{magic} is no magic of pilothouse",
            hint=f"a step is Python or one of: {', '.join(MAGICS)}",
        )
    is_cell = match["mark"] == "%%"
    if is_cell and end == below:
        raise LineError(
            f"line {first + 1} of the cell: %%{magic} has no body",
            hint="the lines below it, indented",
        )
    return MagicPiece(
        line=first + 1,
        title=_comment(lines, first) or f"{match['mark']}{magic} {rest}".strip(),
        name=match["name"] or "",
        magic=magic,
        rest=rest,
        body=textwrap.dedent("\n".join(lines[below:end])) + "\n" if is_cell else None,
        body_line=below + 1,
    )


def _python(lines: list[str], source: str, node: ast.stmt) -> PythonPiece:
    decorators = getattr(node, "decorator_list", [])
    first = min([node.lineno, *(each.lineno for each in decorators)])
    text = "\n".join(source.split("\n")[first - 1 : node.end_lineno])
    if ";" in text:
        text = ast.unparse(node)
    return PythonPiece(
        line=first,
        title=_comment(lines, first - 1) or lines[first - 1].strip(),
        node=node,
        names=names.of_statement(text),
    )


def _comment(lines: list[str], at: int) -> str:
    """Return the comment that stands right above a line."""
    found: list[str] = []
    while at > 0 and lines[at - 1].startswith("#"):
        at -= 1
        found.insert(0, lines[at].lstrip("# ").rstrip())
    return " ".join(found).strip()
