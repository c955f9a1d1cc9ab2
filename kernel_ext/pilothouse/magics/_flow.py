"""``%%pilot flow``: the steps of a cell as one plan, watched, cancelled, resumed.

    delays = %mplane runcap tcp-4 --set destination.port=9 --when "now + 3s / 1s"
    table = delays.to_frame()
    line = %aimm create plugins.Line
    fitted = %aimm fit line {table[["load"]]} {table["delay"]}

Steps are read by `_flow_cell`, put together by `_flow_plan`, the services asked by
`_flow_places`; `pilothouse.flow` runs them. A magic in a step is what it is in a cell
of its own, only that the plan waits for its remote work. The lines of one service are
sent one after the other, what they began goes on side by side. Names are bound in the
notebook as steps end.

``--resume`` runs what is not done, and what has changed since, or needs something that
has; a step that is done counts as long as its names are still bound.
"""

from __future__ import annotations

import ast
import sys
import threading
from argparse import Namespace
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pilothouse import flow
from pilothouse.errors import LineError

from ._cells import below
from ._flow_cell import MagicPiece, Piece, PythonPiece
from ._flow_errors import told
from ._flow_places import ROOM, look
from ._flow_plan import Planned, planned
from ._following import follow
from ._show import Table
from ._waiting import INSTEAD

if TYPE_CHECKING:
    from types import CodeType

    from pilothouse.flow.task import Task

    from ._session import Session

__all__ = ["FlowInterrupt", "run"]

_KEPT = "flow"
_SLICE = 0.1
_SHARE = 0.9
"""How much of the time for an interrupt the peers have; the rest is for telling it."""


class FlowInterrupt(KeyboardInterrupt):
    """A plan was interrupted; the message says what became of its running steps.

    Attributes:
        flow: The plan; ``flow.resume()`` goes on with what is done.
    """

    def __init__(self, message: str, plan: flow.Flow) -> None:
        super().__init__(message)
        self.flow = plan


@dataclass(frozen=True, slots=True)
class _Ran:
    """A plan of this session, as it was started."""

    plan: flow.Flow
    steps: tuple[Planned, ...]
    execution: int
    cell: str


class _Plans:
    """The plans of a session by their names, the latest of each."""

    def __init__(self) -> None:
        self.ran: dict[str, _Ran] = {}

    def close(self) -> None:
        """Leave the remote work of what still runs to its peers."""
        for one in self.ran.values():
            if one.plan.state == "running":
                one.plan.detach()


def run(session: Session, args: Namespace) -> object:
    """Run the plan of a cell; without a cell, find the one of that name.

    Raises:
        LineError: If the plan is wrong, or a service is not there; nothing was begun.
        FlowError: If a step failed, or the plan was cancelled.
        FlowInterrupt: If interrupted; it says what became of the running steps.
    """
    plans = _plans(session)
    before = plans.ran.get(args.plan)
    if not (args.cell and args.cell.strip()):
        return _again(session, before, args)
    if before is not None and before.plan.state == "running":
        raise LineError(
            f"the plan {args.plan!r} still runs",
            hint=f"%pilot flow {args.plan} gives it: .wait(), .cancel()",
        )
    if args.resume and before is None:
        raise LineError(
            f"no plan {args.plan!r} has run in this kernel", hint="leave out --resume"
        )
    steps = planned(session, args.cell)
    if args.dry_run:
        return _table(steps)
    done = _still_done(session, before, steps) if args.resume and before else {}
    look(session, [one for one in steps if one.name not in done])
    patience = _SHARE * session.options.interrupt_timeout
    plan = flow.Flow(args.plan, patience=patience)
    ran = _Ran(plan, tuple(steps), session.execution, args.cell)
    _fill(session, ran)
    plans.ran[args.plan] = ran
    ran.plan.start(done)
    return _followed(session, ran, args)


def _again(session: Session, before: _Ran | None, args: Namespace) -> object:
    if before is None:
        raise LineError(
            f"no plan {args.plan!r} has run in this kernel",
            hint="the steps stand in the cell below %%pilot flow",
        )
    if args.dry_run:
        return _table(before.steps)
    if not args.resume:
        return before.plan
    if before.plan.state in ("done", "running"):
        return before.plan
    left = set(before.plan.results)
    look(session, [one for one in before.steps if one.name not in left])
    before.plan.resume()
    return _followed(session, before, args)


def _followed(session: Session, ran: _Ran, args: Namespace) -> object:
    plan = ran.plan
    if args.out:
        session.shell.user_ns[args.out] = plan
    if args.detach:
        return plan

    def view() -> Any:  # noqa: ANN401  a widget
        from pilothouse_widgets import FlowView

        return FlowView(plan)

    try:
        follow(
            session,
            plan,
            label=plan.label,
            unit="steps",
            quiet=args.quiet,
            interrupt=lambda text: FlowInterrupt(text, plan),
            view=view,
            patience=0.0,
        )
    except flow.FlowError as exc:
        _print(session, plan, args)
        exc.traceback = told(session, plan, ran.steps, ran.execution, ran.cell)
        resume = f"%pilot flow {plan.label} --resume".replace(" flow flow", " flow")
        exc.hint = f"{resume} goes on from there with what is done"
        raise
    _print(session, plan, args)
    return plan


def _print(session: Session, plan: flow.Flow, args: Namespace) -> None:
    """Leave the picture of a plan in a terminal, where no view can stay."""
    in_kernel = hasattr(session.shell, "kernel")
    if not (in_kernel or args.quiet or session.options.progress == "off"):
        sys.stdout.write(f"{plan}\n")


def _plans(session: Session) -> _Plans:
    found: _Plans | None = session.kept(_KEPT)
    if found is None:
        found = _Plans()
        session.keep(_KEPT, found)
    return found


def _table(steps: Sequence[Planned]) -> Table:
    rows = [
        {
            "step": one.name,
            "line": one.piece.line,
            "does": one.piece.title,
            "needs": ", ".join(one.needs),
        }
        for one in steps
    ]
    return Table(("step", "line", "does", "needs"), rows)


# -- going on ------------------------------------------------------------------------


def _still_done(
    session: Session, before: _Ran, steps: Sequence[Planned]
) -> dict[str, object]:
    """Return the results of steps that need not be run again."""
    results = before.plan.results
    texts = {one.name: _text(one.piece) for one in before.steps}
    found: dict[str, object] = {}
    by_name = {one.name: one for one in steps}

    def is_done(one: Planned) -> bool:
        return (
            one.name in results
            and texts[one.name] == _text(one.piece)
            and all(name in session.shell.user_ns for name in one.binds)
            and all(name in found for name in one.needs)
        )

    left = dict(by_name)
    while ready := [one for one in left.values() if is_done(one)]:
        for one in ready:
            found[one.name] = results[one.name]
            del left[one.name]
    return found


def _text(piece: Piece) -> str:
    """Return what a step says, without the way in which it is written."""
    if isinstance(piece, MagicPiece):
        return f"{piece.name}={piece.magic} {piece.rest}\n{piece.body or ''}"
    assert isinstance(piece, PythonPiece)
    return ast.unparse(piece.node)


# -- what a step does ----------------------------------------------------------------


def _fill(session: Session, ran: _Ran) -> None:
    """Put the steps into the plan."""
    source = f"\n{ran.cell}"  # the magic's own line comes first
    file_name = session.shell.compile.cache(source, ran.execution, raw_code=source)
    turns = {room: threading.Lock() for room in ROOM.values()}
    for one in ran.steps:
        piece = one.piece
        if isinstance(piece, MagicPiece):
            does = _magic(session, piece, turns[ROOM[piece.magic]])
        else:
            assert isinstance(piece, PythonPiece)
            does = _python(session, piece, one.binds, file_name)
        ran.plan.step(
            one.name,
            does,
            needs=one.needs,
            title=piece.title,
            line=piece.line,
            is_aside=one.is_aside,
            is_breakable=not isinstance(piece, MagicPiece),  # no client half way
        )


def _python(
    session: Session, piece: PythonPiece, binds: tuple[str, ...], file_name: str
) -> Callable[..., object]:
    """Return what runs a statement in the user's namespace."""
    code: CodeType
    is_value = isinstance(piece.node, ast.Expr)
    if isinstance(piece.node, ast.Expr):
        code = compile(ast.Expression(piece.node.value), file_name, "eval")
    else:
        code = compile(ast.Module([piece.node], []), file_name, "exec")

    def does(*_results: object) -> object:
        names = session.shell.user_ns
        if is_value:
            return eval(code, names)
        exec(code, names)
        if len(binds) != 1:
            return tuple(names.get(name) for name in binds)
        value = names.get(binds[0])
        if flow.is_handle(value):
            value = names[binds[0]] = flow.follow(value)
        return value

    return does


def _magic(
    session: Session, piece: MagicPiece, turn: threading.Lock
) -> Callable[..., object]:
    """Return what runs a magic's line, when it is its service's turn."""
    kind = "line" if piece.body is None else "cell"
    call = session.shell.magics_manager.magics[kind][piece.magic]
    given = [piece.rest] if piece.body is None else [piece.rest, piece.body]

    def does(*_results: object) -> object:
        task = flow.current()
        assert task is not None  # only a plan calls this
        with _Turn(task, turn) as waits, below(piece.body_line - 1):
            token = INSTEAD.set(waits)
            try:
                value = call(*given)
            finally:
                INSTEAD.reset(token)
            if flow.is_handle(value):
                value = waits.follow(value)
        if piece.name:
            session.shell.user_ns[piece.name] = value
        return value

    return does


class _Turn:
    """A turn at a service: over when the remote work is on its way."""

    def __init__(self, task: Task, turn: threading.Lock) -> None:
        self._task = task
        self._turn = turn
        self._has_it = False

    def __enter__(self) -> _Turn:
        while not self._turn.acquire(timeout=_SLICE):
            self._task.stop_if_asked()
        self._has_it = True
        return self

    def __exit__(self, *_error: object) -> None:
        self._give()

    def follow(self, job: Any) -> Any:  # noqa: ANN401  a handle, and what it gives
        """Let the plan wait for a handle, and others have their turn."""
        self._give()
        return self._task.follow(job)

    def say(self, text: str) -> None:
        """Tell what is done now."""
        self._task.say(text)

    def _give(self) -> None:
        if self._has_it:
            self._has_it = False
            self._turn.release()
