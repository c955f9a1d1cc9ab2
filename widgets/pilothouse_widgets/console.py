"""The Pneumo console: what the instances of a suite tell, live, filtered, bounded."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import traitlets

from . import snapshot, words
from .assets import module
from .delta import DeltaView
from .pneumo_lines import LEVELS, line_of
from .pneumo_watch import PneumoWatch

if TYPE_CHECKING:
    from pilothouse.fastscore.connect import Connect
    from pilothouse.fastscore.pneumo import PneumoMsg

__all__ = ["PneumoConsole"]

_STATIC_LINES: Final = 30


class PneumoConsole(DeltaView):
    """A live log of Pneumo messages with filters in the view.

    It begins with the messages of late, keeps the newest ``limit``, and shows a lost
    connection while it tries again. Without a Connect it shows what `show` gets.

    Args:
        connect: The suite, or ``None``.
        src: Only messages of this instance; the suite filters.
        type: Only messages of this type, for instance ``"log"``; the suite filters.
        level: Show log lines of at least this severity at first, for instance
            ``"warning"``; the view's own filter can widen it.
        text: Show lines with this text at first.
        limit: Most messages kept.
        earlier: Messages to begin with, from before what the suite still has.

    Raises:
        ValueError: If the level is unknown.
    """

    _esm = module("console.js")

    link = traitlets.Unicode("live", help="State of the connection.").tag(sync=True)
    link_text = traitlets.Unicode("", help="Why it is lost.").tag(sync=True)
    about = traitlets.Unicode("", help="What the suite filters.").tag(sync=True)
    level = traitlets.Int(128, help="Least severe level at first.").tag(sync=True)
    text = traitlets.Unicode("", help="Text to look for at first.").tag(sync=True)
    limit = traitlets.Int(2000, help="Most messages kept.").tag(sync=True)

    def __init__(
        self,
        connect: Connect | None = None,
        src: str | None = None,
        type: str | None = None,
        *,
        level: str | None = None,
        text: str = "",
        limit: int = 2000,
        earlier: Sequence[PneumoMsg] = (),
    ) -> None:
        numbers = {name: number for number, name in LEVELS.items()}
        if level is not None and level not in numbers:
            raise ValueError(f"level {level!r} is none of {', '.join(numbers)}")
        self._lines: deque[dict[str, Any]] = deque(maxlen=limit)
        self._next_id = 0
        self._sent = 0
        self._watch: PneumoWatch | None = None
        wanted = [f"{k} {v}" for k, v in (("source", src), ("type", type)) if v]
        super().__init__(
            title="Pneumo",
            about=", ".join(wanted),
            level=numbers[level] if level else 128,
            text=text,
            limit=limit,
            link="live" if connect is None else "connecting",
        )
        self._links = self._subscribe(self._show_link)
        self._known: set[tuple[object, ...]] = set()
        for message in earlier:
            self.show(message)
        self._known = {_mark(line) for line in self._lines}
        if connect is not None:
            self._watch = PneumoWatch(
                connect.pneumo,
                on_message=self.show,
                on_link=lambda link, why: self._links.put((link, why)),
                src=src,
                type=type,
                history=True,
            )

    def show(self, message: PneumoMsg) -> None:
        """Add a message, from any thread; one of those to begin with only once."""
        line = line_of(message)
        if _mark(line) in self._known:
            return
        with self._lock:
            line["id"] = self._next_id
            self._next_id += 1
            self._lines.append(line)
        self._changed()

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The lines kept, oldest first, as `line_of` makes them, with an ``id``."""
        with self._lock:
            return list(self._lines)

    def _show_link(self, link: tuple[str, str]) -> None:
        self._update(link=link[0], link_text=link[1], status=f"Pneumo {link[0]}")

    def whole(self) -> dict[str, Any]:
        """Return all lines kept."""
        return {"lines": self.lines}

    def take_delta(self) -> dict[str, Any]:
        """Return the lines since the last call; the newest ``limit`` of them."""
        fresh = _newer(self._lines, self._sent)
        self._sent = self._next_id
        return {"lines": fresh} if fresh else {}

    def stop(self) -> None:
        """Stop following."""
        if self._watch is not None:
            self._watch.close()

    def headline(self) -> str:
        """Return how many messages there are, and the newest."""
        lines = self.lines
        if not lines:
            return f"Pneumo: no messages ({self.link})"
        last = lines[-1]
        count = words.plural(len(lines), "message")
        errors = sum(line["level"] <= 8 for line in lines)
        failed = f", {words.plural(errors, 'error')}" if errors else ""
        newest = (
            f"{words.clock(last['at'])} {last['src']} {last['type']} {last['text']}"
        )
        return f"Pneumo: {count}{failed}; newest: {newest}"

    def body_html(self) -> str:
        """Return the newest lines; errors unfold."""
        lines = self.lines
        shown = lines[-_STATIC_LINES:]
        rows = [
            (words.clock(line["at"]), line["src"], line["type"], line["text"])
            for line in shown
        ]
        details = "".join(
            snapshot.disclosure(line["text"], snapshot.pre(line["more"]))
            for line in shown
            if line["more"] and line["level"] <= 8
        )
        more = len(lines) - len(shown)
        return (
            snapshot.table(["time", "source", "type", "message"], rows, more=more)
            + details
        )


def _mark(line: Mapping[str, Any]) -> tuple[object, ...]:
    return line["at"], line["src"], line["type"], line["text"]


def _newer(lines: Sequence[dict[str, Any]], first: int) -> list[dict[str, Any]]:
    """Return the lines from an id on, without walking over the older ones."""
    fresh: list[dict[str, Any]] = []
    for line in reversed(lines):
        if line["id"] < first:
            break
        fresh.append(line)
    fresh.reverse()
    return fresh
