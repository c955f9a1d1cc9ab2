"""From the steps of a cell to a plan: who needs whom, and what is wrong with it.

A step needs the steps that bind the names it uses, wherever they stand. One that binds
no name waits for all above it, and all below wait for it. What acts on an engine, and
cells of models, schemata, streams and sensors, keep the order in which they stand.

The real parsers of the magics read the lines, with a `Scope` that notes which names
they use; what is not there yet stands in as `_Later`. Nothing is evaluated, no service
asked.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pilothouse.errors import LineError
from pilothouse.flow import names, plan
from pilothouse.nearest import did_you_mean

from . import MAGICS
from ._arguments import Argument, Command, Option
from ._flow_cell import MagicPiece, Piece, PythonPiece, pieces
from ._line import Word, split, unsilenced
from ._readers import Reader, Scope
from ._schemata import variable_of

if TYPE_CHECKING:
    from ._session import Session

__all__ = ["Planned", "command_of", "planned"]

_ASSETS = ("model", "schema", "stream", "sensor")
_IN_ORDER = ("engine", *_ASSETS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """One step of the cell with its place in the plan.

    Attributes:
        piece: How it stands in the cell.
        name: What the plan calls it.
        binds: The names that it gives a value.
        needs: The names of the steps that it needs.
    """

    piece: Piece
    name: str
    binds: tuple[str, ...]
    needs: tuple[str, ...] = ()

    @property
    def is_aside(self) -> bool:
        """Whether it only defines or imports something."""
        return isinstance(self.piece, PythonPiece) and self.piece.is_aside


@dataclass(slots=True)
class _Read:
    """What is known of one step while the plan is made."""

    piece: Piece
    binds: tuple[str, ...]
    uses: frozenset[str] = frozenset()
    later: frozenset[str] = frozenset()
    name: str = ""


def planned(session: Session, cell: str) -> list[Planned]:
    """Return the steps of a cell, as they stand, each with what it needs.

    Raises:
        LineError: If something is wrong; it tells every fault with its line.
    """
    faults: list[tuple[int, str]] = []
    read = [_Read(piece, _binds(piece)) for piece in pieces(cell)]
    binders = _binders(read, faults)
    known = {**dict.fromkeys(binders, _Later()), **session.shell.user_ns}
    for one in read:
        _look(one, known, faults)
    _name(read)
    later = {name: one.later for one in read for name in one.binds}
    for one in read:
        one.uses = names.with_later(one.uses, later) - set(one.binds)
        faults += _unknown(one, known)
    found = _with_needs(read, binders)
    circle = plan.ring({one.name: one.needs for one in found})
    if circle:
        line = next(one.piece.line for one in found if one.name == circle[0])
        faults.append((line, plan.told_of(circle)))
    if faults:
        raise LineError(_told(faults), hint="nothing of the plan was begun")
    fewest = plan.reduced({one.name: one.needs for one in found})
    return [replace(one, needs=fewest[one.name]) for one in found]


def command_of(magic: str) -> Command:
    """Return what a magic takes."""
    module, _, name = MAGICS[magic].spec.partition(":")
    owner = getattr(importlib.import_module(module), name)
    command: Command = owner.commands[magic]
    return command


def _told(faults: Iterable[tuple[int, str]]) -> str:
    lines = [f"line {line}: {text}" for line, text in sorted(faults)]
    count = f"{len(lines)} faults in this plan\n" if len(lines) > 1 else ""
    return count + "\n".join(lines)


# -- how the steps hang together -------------------------------------------------------


def _binders(read: Sequence[_Read], faults: list[tuple[int, str]]) -> dict[str, _Read]:
    """Return which step binds a name."""
    found: dict[str, _Read] = {}
    for one in read:
        for name in one.binds:
            if name in found:
                line = found[name].piece.line
                faults.append((one.piece.line, f"line {line} binds {name!r} already"))
            found.setdefault(name, one)
    return found


def _name(read: Sequence[_Read]) -> None:
    """Give each step a name of its own: what it binds, else what it does."""
    taken: set[str] = set()
    for one in read:
        name = ", ".join(one.binds) or _doing(one.piece)
        if name in taken:
            name = f"{name} (line {one.piece.line})"
        one.name = name
        taken.add(name)


def _doing(piece: Piece) -> str:
    if not isinstance(piece, MagicPiece):
        return f"line {piece.line}"
    words = [word.text for word in split(piece.rest, strict=False)]
    subcommands = command_of(piece.magic).subcommands
    return " ".join([piece.magic, *[w for w in words[:2] if w in subcommands][:1]])


def _unknown(one: _Read, known: Mapping[str, object]) -> Iterable[tuple[int, str]]:
    for name in sorted(one.uses):
        if name not in known and not names.is_builtin(name):
            line, near = one.piece.line, did_you_mean(name, known)
            yield line, f"no name {name!r} in this notebook or this plan{near}"


def _with_needs(read: Sequence[_Read], binders: Mapping[str, _Read]) -> list[Planned]:
    found: list[Planned] = []
    wall, kept = "", ""
    for at, one in enumerate(read):
        needs = [binders[name].name for name in sorted(one.uses) if name in binders]
        is_free = isinstance(one.piece, PythonPiece) and one.piece.is_aside
        if not one.binds:
            needs += [other.name for other in read[:at]]
        elif wall and not is_free:
            needs.append(wall)
        if isinstance(one.piece, MagicPiece) and one.piece.magic in _IN_ORDER:
            needs += [kept] if kept else []
            kept = one.name
        wall = wall if one.binds else one.name
        needs = [name for name in dict.fromkeys(needs) if name != one.name]
        found.append(
            Planned(piece=one.piece, name=one.name, binds=one.binds, needs=tuple(needs))
        )
    return found


# -- what one step says --------------------------------------------------------------


def _binds(piece: Piece) -> tuple[str, ...]:
    if isinstance(piece, PythonPiece):
        return tuple(sorted(piece.names.binds))
    assert isinstance(piece, MagicPiece)
    words = split(unsilenced(piece.rest), strict=False)
    found = [piece.name] if piece.name else []
    for word, following in zip(words, [*words[1:], None], strict=True):
        flag, equals, value = word.text.partition("=")
        if word.is_option and flag in ("-o", "--out"):
            found.append(value if equals or following is None else following.text)
    if piece.magic in _ASSETS and piece.body is not None and words:
        found.append(variable_of(words[0].text))
    return tuple(dict.fromkeys(name for name in found if name.isidentifier()))


def _look(
    one: _Read, known: Mapping[str, object], faults: list[tuple[int, str]]
) -> None:
    """Note what a step uses, and what is wrong with its line."""
    piece = one.piece
    if isinstance(piece, PythonPiece):
        one.uses, one.later = piece.names.needs, piece.names.later
        return
    assert isinstance(piece, MagicPiece)
    scope = _Noting(known)
    try:
        words = split(unsilenced(piece.rest))
        _lenient(command_of(piece.magic)).parse(words, scope)
    except LineError as exc:
        is_long = exc.hint.startswith("usage:")  # the message tells it as well
        hint = f" ({exc.hint})" if exc.hint and not is_long else ""
        faults.append((piece.line, f"{exc.message}{hint}"))
    if piece.magic == "pilot" and piece.rest.split()[:1] == ["flow"]:
        faults.append((piece.line, "a plan is no step of a plan"))
    used = set(scope.used)
    if piece.magic == "fastmap" and piece.body is not None:
        used |= _of_body(piece, faults)
    one.uses = frozenset(used)


def _of_body(piece: MagicPiece, faults: list[tuple[int, str]]) -> set[str]:
    from ._item_cells import ITEM

    try:
        found = names.of_statement(piece.body or "")
    except SyntaxError as exc:
        line = piece.body_line + (exc.lineno or 1) - 1
        faults.append((line, str(exc.msg)))
        return set()
    return set(found.needs | found.later) - {ITEM}


class _Later:
    """Stands for the value of a step that has not run."""

    def __call__(self, *_args: object, **_kwargs: object) -> _Later:
        """Be a function, where one is wanted."""
        return self


class _Noting(Scope):
    """Notes the names that a line uses; what they are is seen when the step runs."""

    def __init__(self, known: Mapping[str, object]) -> None:
        super().__init__(known)
        self.used: set[str] = set()
        self.asked = 0

    def lookup(self, path: str) -> object:
        name = path.partition(".")[0]
        super().lookup(name)
        self.asked += 1
        self.used.add(name)
        return _Later()

    def evaluate(self, expression: str) -> object:
        try:
            self.used |= names.of_expression(expression)
        except SyntaxError as exc:
            raise LineError(f"{expression.strip()!r}: {exc.msg}") from exc
        self.asked += 1
        return _Later()


def _lenient(command: Command) -> Command:
    """Return a command whose readers take `_Later` for anything."""

    def of_argument(one: Argument) -> Argument:
        return replace(one, reader=_taking_later(one.reader))

    def of_option(one: Option) -> Option:
        reader = one.reader
        return one if reader is None else replace(one, reader=_taking_later(reader))

    subcommands = {
        word: replace(
            each,
            arguments=tuple(map(of_argument, each.arguments)),
            options=tuple(map(of_option, each.options)),
        )
        for word, each in command.subcommands.items()
    }
    return replace(
        command,
        arguments=tuple(map(of_argument, command.arguments)),
        options=tuple(map(of_option, command.options)),
        target=None if command.target is None else of_argument(command.target),
        subcommands=subcommands,
    )


def _taking_later(reader: Reader) -> Reader:
    def read(word: Word, scope: Scope) -> object:
        assert isinstance(scope, _Noting)
        before = scope.asked
        try:
            return reader.read(word, scope)
        except LineError:
            if scope.asked == before:
                raise
        except (TypeError, ValueError, AttributeError, AssertionError):
            if scope.asked == before:
                raise
        return _Later()

    return replace(reader, read=read)
