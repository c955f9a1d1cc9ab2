"""The words of mpcli: every command, what it takes, what it does.

Source: reference documentation, "mpcli command-line client"; contract §7.1. `stopmeas`,
`help`, `?` and `EOF` are the reference shell's, `waitmeas` is ours. No I/O.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

__all__ = ["COMMANDS", "PROMPT", "Command", "Takes", "split_line", "split_options"]

PROMPT: Final = "|mplane| "


class Takes(Enum):
    """What the first word after a command is, for completion."""

    NOTHING = "nothing"
    URL = "url"
    CAPABILITY = "capability"
    MEASUREMENT = "measurement"
    NAME = "parameter name"
    DEFAULT = "default"
    SCOPE = "temporal scope"
    COMMAND = "command"


@dataclass(frozen=True, slots=True)
class Command:
    """One command.

    Attributes:
        usage: What stands after its name.
        takes: What the first word is.
        text: What it does, in one sentence.
    """

    usage: str
    takes: Takes
    text: str


COMMANDS: Final[Mapping[str, Command]] = {
    "seturl": Command(
        "[url]",
        Takes.URL,
        "Set the default URL, for what has no link of its own.",
    ),
    "getcap": Command(
        "[url]",
        Takes.URL,
        "Retrieve capabilities and withdrawals from a URL.",
    ),
    "listcap": Command("", Takes.NOTHING, "List the known capabilities."),
    "showcap": Command(
        "[label-or-token]", Takes.CAPABILITY, "Show the details of a capability."
    ),
    "when": Command(
        "[temporal-scope]",
        Takes.SCOPE,
        "Set the temporal scope for the next runcap, or show it.",
    ),
    "set": Command(
        "[parameter-name] [value]",
        Takes.NAME,
        "Set a default parameter value for the next runcap.",
    ),
    "unset": Command(
        "[parameter-name]...",
        Takes.DEFAULT,
        "Forget default parameter values; all of them without a name.",
    ),
    "show": Command(
        "[parameter-name]...",
        Takes.DEFAULT,
        "Show default parameter values; all of them without a name.",
    ),
    "runcap": Command(
        "[label-or-token] [relabel] [--when SCOPE] [--set NAME=VALUE]...",
        Takes.CAPABILITY,
        "Run a capability; asks for scope and parameters that are missing.",
    ),
    "listmeas": Command(
        "", Takes.NOTHING, "List the measurements: receipts and results."
    ),
    "showmeas": Command(
        "[label-or-token]", Takes.MEASUREMENT, "Show a receipt or a result."
    ),
    "stopmeas": Command(
        "[label-or-token]", Takes.MEASUREMENT, "Interrupt a running measurement."
    ),
    "waitmeas": Command(
        "[label-or-token] [seconds]",
        Takes.MEASUREMENT,
        "Wait until a measurement has ended, and show its result.",
    ),
    "tbenable": Command("", Takes.NOTHING, "Show tracebacks of errors from now on."),
    "help": Command("[command]", Takes.COMMAND, "List the commands, or explain one."),
    "EOF": Command("", Takes.NOTHING, "Leave the shell."),
}
"""Name -> command, in the order in which help lists them."""


def split_line(line: str) -> tuple[str, str]:
    """Return command and rest of a line; ``?`` is ``help``."""
    stripped = line.strip()
    if stripped.startswith("?"):
        return "help", stripped[1:].strip()
    name, _, rest = stripped.partition(" ")
    return name, rest.strip()


def split_options(rest: str) -> tuple[list[str], str | None, dict[str, str]]:
    """Return the words, the scope and the parameter values of a runcap line.

        runcap ping-4 mine --set destination.ip4=127.0.0.1 --when "now + 10s / 1s"

    Raises:
        ValueError: If a quote is not closed, an option has no value or is not known.
    """
    import shlex

    words: list[str] = []
    scope: str | None = None
    values: dict[str, str] = {}
    rest_words = iter(shlex.split(rest))
    for word in rest_words:
        option, has_value, value = word.partition("=")
        if option not in {"--when", "--set"}:
            if word.startswith("--"):
                raise ValueError(f"unknown option {option}")
            words.append(word)
            continue
        text = value if has_value else next(rest_words, None)
        if text is None:
            raise ValueError(f"{option} needs a value")
        if option == "--when":
            scope = text
            continue
        name, has_value, value = text.partition("=")
        if not name or not has_value:
            raise ValueError(f"--set takes NAME=VALUE, not {text!r}")
        values[name] = value
    return words, scope, values
