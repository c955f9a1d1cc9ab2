"""What ``%pilot doctor`` reports: checks, each with one fix, safe to paste anywhere."""

from __future__ import annotations

import enum
import html
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from ._show import text_table

__all__ = ["LOOPBACK", "Check", "Report", "State", "redact"]

LOOPBACK = {"localhost", "127.0.0.1", "::1"}
"""The names of this machine."""


class State(enum.Enum):
    """How a check came out."""

    OK = "ok"
    NOTE = "note"
    FAULT = "FAULT"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at.

    Attributes:
        name: What.
        state: How it came out.
        found: What was seen, safe to show.
        fix: What to do about a fault; empty otherwise.
    """

    name: str
    state: State
    found: str
    fix: str = ""


class Report:
    """What the doctor found; a table in a notebook, text elsewhere.

    Attributes:
        checks: All of them, in order.
    """

    def __init__(self, checks: list[Check]) -> None:
        self.checks = tuple(checks)

    @property
    def ok(self) -> bool:
        """Whether there is no fault."""
        return not self.faults

    @property
    def faults(self) -> tuple[Check, ...]:
        """The checks that found a fault."""
        return tuple(c for c in self.checks if c.state is State.FAULT)

    def __repr__(self) -> str:
        rows = [[c.state.value, c.name, c.found] for c in self.checks]
        lines = [text_table(("", "check", "found"), rows), ""]
        lines += [f"fix for {c.name}: {c.fix}" for c in self.checks if c.fix]
        lines.append(self._summary())
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        cells = "".join(
            f"<tr><td>{c.state.value}</td><th scope='row'>{html.escape(c.name)}</th>"
            f"<td>{html.escape(c.found)}</td><td>{html.escape(c.fix)}</td></tr>"
            for c in self.checks
        )
        head = "".join(
            f"<th scope='col'>{n}</th>" for n in ("", "check", "found", "fix")
        )
        return (
            f"<table><caption>{html.escape(self._summary())}</caption>"
            f"<thead><tr>{head}</tr></thead><tbody>{cells}</tbody></table>"
        )

    def _summary(self) -> str:
        count = len(self.faults)
        return "no fault found" if not count else f"{count} fault(s) found"


def redact(text: str) -> str:
    """Return ``text`` without hosts, users and home folders."""
    home = str(Path.home())
    if len(home) > 1:
        text = text.replace(home, "~")

    def host(found: re.Match[str]) -> str:
        parts = urlsplit(found[0])
        if (parts.hostname or "") in LOOPBACK:
            return found[0]
        try:
            port = f":{parts.port}" if parts.port else ""
        except ValueError:
            port = ""
        return f"{parts.scheme}://<host>{port}"

    text = re.sub(r"\b(?:https?|wss?)://[^\s'\"<>]+", host, text)
    return re.sub(r"/(home|Users)/[^/\s]+", r"/\1/<user>", text)
