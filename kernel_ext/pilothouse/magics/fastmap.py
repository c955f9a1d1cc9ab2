"""``%fastmap``: a function over items, on all cores there are, here or elsewhere."""

from __future__ import annotations

import time
from argparse import Namespace
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from IPython.core.magic import magics_class

from pilothouse.errors import LineError, PilothouseError

from . import _fastmap
from ._arguments import Argument, Command, Option
from ._base import HouseMagics, house_magic, subcommand
from ._line import Word
from ._readers import (
    DATA,
    EXPRESSION,
    FUNCTION,
    INTEGER,
    NUMBER,
    Reader,
    Scope,
    live,
    live_or_text,
    text,
)
from ._show import Note, Page, Table

if TYPE_CHECKING:
    from pilothouse.fastmap import Run
    from pilothouse.fastmap.wire.answers import RunInfo

__all__ = ["FastmapMagics"]

PLACE = live("place", "WHERE")
RUN = live_or_text("RUN", "run")


def _read_policy(word: Word, scope: Scope) -> str:
    given = word.text.upper()
    if given not in _fastmap.POLICIES:
        raise LineError(f"{word.text!r} is none of {', '.join(_fastmap.POLICIES)}")
    return given


_SLICE = 0.02
_RUN = "_run"
"""The name that each run is bound to, as long as it is the last one."""
POLICY = Reader(_read_policy, "POLICY", choices=_fastmap.POLICIES)


@magics_class
class FastmapMagics(HouseMagics):
    """Maps over one `pilothouse.fastmap` config, kept in the session."""

    @house_magic(
        Command(
            "fastmap",
            "Map a function over items, on all the cores there are, here or elsewhere.",
            (
                Argument("func", FUNCTION, "the function of one item", None),
                Argument(
                    "items", DATA, "a list, a DataFrame's column, a range …", None
                ),
            ),
            (
                Option(("--over",), DATA, "the items, when the cell is the function"),
                Option(("--label",), text("TEXT"), "what to call the run"),
                Option(("--policy",), POLICY, "where to run it, this time"),
                Option(("--kwargs",), EXPRESSION, "more arguments of FUNC", many=True),
                Option(
                    ("--keep-errors",),
                    None,
                    "an item that fails gives its exception as its result",
                    False,
                ),
                Option(("--quiet",), None, "show no progress", False),
                Option(("--detach",), None, "return the running Run at once", False),
            ),
            examples=(
                "results = %fastmap f items",
                "%fastmap f {range(1000)} --kwargs scale=2 -o results",
                "%%fastmap --over items -o results",
            ),
            is_cell=True,
            is_line_too=True,
        )
    )
    def fastmap(self, args: Namespace, cell: str | None) -> object:
        """Map the function, or the cell, over the items; bare, show the status."""
        if cell is not None and cell.strip():
            func, items = self._of_cell(args, cell)
        elif args.func is None and args.over is None:
            return self._status()
        else:
            func, items = _of_line(args, is_cell=cell is not None)
        from ._fastmap_jobs import follow_run, write_down

        connected = _fastmap.connected(self.session)
        outlives = "CLOUD" if args.detach and connected.url else None
        policy = args.policy or outlives or connected.policy
        run = connected.submit(
            func,
            items,
            label=args.label or "",
            policy=policy,
            kwargs=dict(args.kwargs) or None,
            keep_errors=args.keep_errors,
        )

        def begin() -> None:
            if policy != "LOCAL" and connected.url:
                write_down(run, connected.url)
            self.session.names.refresh()
            self.session.shell.user_ns[_RUN] = run

        if args.detach:
            begin()
            if policy == "CLOUD":
                _wait_for_service(run, self.session.options.timeout)
            return run
        return follow_run(
            self.session, run, out=args.out, quiet=args.quiet, begin=begin
        )

    @subcommand(
        "connect",
        Argument("where", PLACE, "address, profile, or 'local'", None),
        Option(("--policy",), POLICY, "where runs go when they do not say"),
        Option(("--workers",), INTEGER, "most batches at a time at the service"),
        Option(("--here",), INTEGER, "most workers on this machine"),
        Option(("--max-credits",), NUMBER, "end a run that has cost so much"),
        Option(("--timeout",), NUMBER, "longest wait for one answer, in seconds"),
        example="connect",
    )
    def _connect(self, args: Namespace) -> Page:
        """Connect to a service; without a place the profile's, or a local one."""
        choice = _fastmap.Choice(
            where=args.where,
            policy=args.policy,
            workers=args.workers,
            here=args.here,
            max_credits=args.max_credits,
            timeout=args.timeout,
        )
        return Page("\n".join(_fastmap.connect(self.session, choice).facts()))

    @subcommand(
        "policy",
        Argument("policy", POLICY, "the new one; without it, show it", None),
        example="policy CLOUD",
    )
    def _policy(self, args: Namespace) -> str:
        """Show or set where runs go: CLOUD, LOCAL, or ADAPTIVE, what is faster."""
        connected = _fastmap.connected(self.session)
        if args.policy == "CLOUD" and not connected.url:
            raise LineError("no service yet", hint="%fastmap connect, or %pilot up")
        if args.policy is not None:
            connected.policy = args.policy
        return connected.policy

    @subcommand("runs", example="runs")
    def _runs(self, args: Namespace) -> Table:
        """Show the runs of this notebook, and what the service has besides."""
        connected = _fastmap.connected(self.session)
        rows = [_row(run) for run in connected.runs]
        known = {run.run_id for run in connected.runs}
        others = _at_the_service(connected)
        rows += [
            {
                "run": each.run_id[:8],
                "function": each.name,
                "label": each.label,
                "state": f"{each.state}, at the service",
                "items": each.done,
            }
            for each in others
            if each.run_id not in known
        ]
        self.session.names.refresh()
        columns = ("run", "function", "label", "state", "items", "of", "seconds")
        return Table(columns, rows, empty="no runs")

    @subcommand(
        "cancel",
        Argument("run", RUN, "how its id begins; all that run, without it", None),
        example="cancel",
    )
    def _cancel(self, args: Namespace) -> Page:
        """Cancel a run, or all that run, and free their workers."""
        connected = _fastmap.connected(self.session)
        runs = [r for r in connected.running if r.run_id.startswith(args.run or "")]
        if not runs and args.run is not None:
            raise LineError(
                f"no run of this notebook begins with {args.run!r}",
                hint="%fastmap runs; %pilot stop ends one of an earlier kernel",
            )
        said = [f"{run.run_id[:8]}: {run.cancel()}" for run in runs]
        return Page("\n".join(said) or "no run is under way")

    def _status(self) -> Page:
        connected = _fastmap.connected(self.session)
        return self.status("fastmap", *connected.facts())

    def _of_cell(
        self, args: Namespace, cell: str
    ) -> tuple[Callable[..., object], Iterable[Any]]:
        from ._item_cells import function_of

        if args.func is not None or args.over is None:
            raise LineError(
                "the cell is the function: its items come with --over",
                hint="%%fastmap --over ITEMS",
            )
        return function_of(self.session, cell), _items(args.over)


def _at_the_service(connected: _fastmap.Connected) -> list[RunInfo]:
    """Return the runs that the service knows; without an answer, say so."""
    try:
        return connected.config.runs() if connected.url else []
    except PilothouseError as exc:
        from IPython.display import display

        display(Note(f"these are the runs of this notebook: {exc.message}"))
        return []


def _wait_for_service(run: Run, limit: float) -> None:
    """Wait until a run that is to outlive this cell has reached its service."""
    deadline = time.monotonic() + limit
    while not run.is_remote and time.monotonic() < deadline:
        if run.wait(_SLICE):
            return


def _of_line(
    args: Namespace, *, is_cell: bool
) -> tuple[Callable[..., object], Iterable[Any]]:
    if args.over is not None:
        what = "the cell is empty" if is_cell else "--over needs a cell"
        raise LineError(what, hint="%%fastmap --over ITEMS, then the function's body")
    if args.items is None:
        raise LineError("ITEMS are missing", hint="%fastmap FUNC ITEMS")
    return args.func, _items(args.items)


def _items(given: object) -> Iterable[Any]:
    if not isinstance(given, Iterable):
        raise LineError(f"{type(given).__name__} cannot be iterated over")
    return given


def _row(run: Run) -> dict[str, object]:
    progress = run.progress
    return {
        "run": run.run_id[:8],
        "function": run.name,
        "label": run.label,
        "state": str(run.state),
        "items": progress.done,
        "of": progress.total,
        "seconds": round(progress.seconds, 1),
    }
