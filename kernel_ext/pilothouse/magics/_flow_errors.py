"""What went wrong in a plan, on the lines of its cell."""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pilothouse.errors import PilothouseError

from ._cells import Cell
from ._errors import short_text
from ._flow_cell import MagicPiece, Piece
from ._model_errors import detail_of

if TYPE_CHECKING:
    from pilothouse.flow import Flow

    from ._flow_plan import Planned
    from ._session import Session

__all__ = ["told"]

_OURS: Final = str(Path(__file__).parents[1])


def told(
    session: Session, plan: Flow, steps: Sequence[Planned], execution: int, cell: str
) -> str:
    """Return what each failed step says, with its line in the cell."""
    source = Cell(execution, f"\n{cell}", before=0)
    pieces = {one.name: one.piece for one in steps}
    parts = [
        _of_magic(session, pieces[name], name, error, source)
        if isinstance(pieces[name], MagicPiece)
        else _of_python(session, error)
        for name, error in plan.errors.items()
    ]
    return "\n\n".join(parts)


def _of_magic(
    session: Session, piece: Piece, name: str, error: BaseException, cell: Cell
) -> str:
    head = f"Cell In[{cell.execution}], line {piece.line}, in step {name}"
    detail = detail_of(session, error) if isinstance(error, PilothouseError) else ""
    return "\n".join([head, *cell.excerpt(piece.line, 1), short_text(error, detail)])


def _of_python(session: Session, error: BaseException) -> str:
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith(_OURS)
    ]
    lines = [*traceback.format_list(frames), *traceback.format_exception_only(error)]
    return session.cells.relocate("".join(lines).rstrip())
