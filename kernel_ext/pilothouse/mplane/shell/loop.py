"""A line in, lines out: the shell over `Commands`, wherever lines come from.

Source: contract §7.1. It says and asks through what it is given, and opens nothing.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any

from pilothouse.errors import LineError, PilothouseError
from pilothouse.mplane import model

from .commands import Commands
from .telling import (
    BANNER,
    as_json,
    capability_lines,
    help_lines,
    measurement_lines,
    rendered,
)
from .words import COMMANDS, split_line, split_options

__all__ = ["Shell"]

_EXPECTED = (
    PilothouseError,
    ValueError,
    LookupError,
    OSError,
    EOFError,
    RuntimeError,
)


class Shell:
    """Runs lines.

    Args:
        commands: What the lines command.
        say: Takes each line of output.
        ask: Returns the answer to a prompt; raises `EOFError` when there is none to
            come. Without it nothing is asked, and what is missing is an error.
        as_json: Say what commands return as one line of JSON each.
        complain: Takes errors, each with its hint; said as the reference shell does by
            default.
        patience: How long runcap waits for the end, in seconds. The reference client
            gets its answer only when the component's 5 seconds are over or the result
            is there, and scripts count on that.

    Attributes:
        failures: How many lines failed.
    """

    def __init__(
        self,
        commands: Commands,
        say: Callable[[str], None],
        ask: Callable[[str], str] | None = None,
        *,
        as_json: bool = False,
        complain: Callable[[str], None] | None = None,
        patience: float = 0.0,
    ) -> None:
        self.commands = commands
        self.failures = 0
        self._say = say
        self._ask = ask
        self._as_json = as_json
        self._complain = complain
        self._patience = patience

    def greet(self) -> None:
        """Say what this is."""
        for line in BANNER:
            self._say(line)

    def run(self, line: str) -> bool:
        """Run one line; ``False`` when it was the last one.

        An error is said, with a traceback where that was asked for, and the shell goes
        on.
        """
        name, rest = split_line(line)
        if not name:
            return True
        if name == "EOF":
            self._say("Ciao!")
            return False
        try:
            if name not in COMMANDS:
                raise LineError(f"*** Unknown command: {name}", hint="help lists all")
            getattr(self, f"_do_{name}")(rest)
        except _EXPECTED as exc:
            self.failures += 1
            self._tell(exc)
        return True

    def _tell(self, exc: Exception) -> None:
        """Say an error."""
        trace = ""
        if self.commands.shows_tracebacks:
            trace = "".join(traceback.format_exception(exc)).rstrip("\n")
        text = str(exc) or type(exc).__name__
        if self._complain is not None:
            self._complain(trace or text)
        elif isinstance(exc, LineError):
            self._say(exc.message)
        else:
            self._say("An exception occurred:")
            self._say(text)
            if trace:
                self._say(trace)
            self._say("You can try to continue, but client state may be inconsistent.")
            self.greet()

    def _answer(self, value: Any, text: str) -> None:  # noqa: ANN401 - any result
        """Say a value, in the form that was asked for."""
        if self._as_json:
            self._say(as_json(value))
        elif text:
            self._say(text)

    def _do_seturl(self, rest: str) -> None:
        _need(rest, "seturl")
        self.commands.seturl(rest)

    def _do_getcap(self, rest: str) -> None:
        _need(rest, "getcap")
        found = self.commands.getcap(rest)
        self._answer([one.get_label() or one.get_token() for one in found], "ok")

    def _do_listcap(self, _rest: str) -> None:
        found = self.commands.listcap()
        self._answer(found, "\n".join(capability_lines(found)))

    def _do_showcap(self, rest: str) -> None:
        try:
            found = self.commands.showcap(rest)
        except PilothouseError as exc:
            raise LineError(_usage("showcap")) from exc
        self._answer(found, rendered(found))

    def _do_when(self, rest: str) -> None:
        scope = self.commands.when(rest or None)
        self._answer(scope, f"when = {scope}")

    def _do_set(self, rest: str) -> None:
        name, *words = rest.split() or [""]
        self.commands.set(name, " ".join(words))
        value = self.commands.defaults[name]
        self._answer({name: value}, f"{name} = {value}")

    def _do_unset(self, rest: str) -> None:
        self.commands.unset(*rest.split())
        self._answer(self.commands.defaults, "ok")

    def _do_show(self, rest: str) -> None:
        found = self.commands.show(*rest.split())
        lines = [f"{name} = {value}" for name, value in found.items()]
        if not rest:
            lines.insert(0, f"{len(found):4} defaults")
        self._answer(found, "\n".join(lines))

    def _do_runcap(self, rest: str) -> None:
        try:
            words, scope, values = split_options(rest)
        except ValueError as exc:
            raise LineError(f"{_usage('runcap')} ({exc})") from exc
        if not words or len(words) > 2:
            raise LineError(_usage("runcap"))
        if scope is not None:
            self.commands.when(scope)
        for name, value in values.items():
            self.commands.set(name, value)
        if self._ask is not None:
            self._ask_for_missing(words[0], self._ask)
        measurement = self.commands.runcap(*words)
        if self._patience and hasattr(self.commands.client, "retrieve_capabilities"):
            measurement.wait(self._patience)
        self._answer({"token": measurement.token, "label": measurement.label}, "ok")

    def _ask_for_missing(self, token_or_label: str, ask: Callable[[str], str]) -> None:
        """Ask for scope and parameters until all will do; answers become defaults."""
        while self.commands.missing(token_or_label).when:
            text = ask("|when| = ")
            self.commands.scope = model.When(text)  # a bad one is an uncaught error
        lack = self.commands.missing(token_or_label)
        for name, value in lack.fixed.items():
            self._say(f"{name} = {value}")
        for name in lack.parameters:
            while name in self.commands.missing(token_or_label).parameters:
                self.commands.defaults[name] = ask(f"{name} = ").strip()

    def _do_listmeas(self, _rest: str) -> None:
        found = self.commands.listmeas()
        self._answer(found, "\n".join(measurement_lines(found)))

    def _do_showmeas(self, rest: str) -> None:
        _need(rest, "showmeas")
        found = self.commands.showmeas(rest)
        self._answer(found, rendered(found))

    def _do_stopmeas(self, rest: str) -> None:
        _need(rest, "stopmeas")
        self.commands.stopmeas(rest)

    def _do_waitmeas(self, rest: str) -> None:
        _need(rest, "waitmeas")
        name, _, seconds = rest.partition(" ")
        try:
            timeout = float(seconds) if seconds.strip() else None
        except ValueError as exc:
            raise LineError(_usage("waitmeas")) from exc
        found = self.commands.waitmeas(name, timeout)
        self._answer(found, rendered(found))
        if not isinstance(found, model.Result | model.Envelope):
            self.failures += 1

    def _do_tbenable(self, _rest: str) -> None:
        self.commands.tbenable()

    def _do_help(self, rest: str) -> None:
        self._say("\n".join(help_lines(rest)))


def _usage(name: str) -> str:
    return f"Usage: {name} {COMMANDS[name].usage}"


def _need(rest: str, name: str) -> None:
    if not rest:
        raise LineError(_usage(name))
