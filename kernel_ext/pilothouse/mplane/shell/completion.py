"""What may stand at the end of a line of mpcli. No I/O: only what the client knows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

from pilothouse.errors import NotFoundError

from .words import COMMANDS, Takes

if TYPE_CHECKING:
    from .commands import Commands

__all__ = ["allowed_values", "candidates"]

_SCOPES: Final = (
    "now",
    "now + 10s / 1s",
    "now + 1m / 1s",
    "now ... future / 1s",
    "repeat now + 5m / 1m { now + 5s / 1s }",
)


def candidates(commands: Commands, line: str, word: str) -> list[str]:
    """Return the words that may stand in the place of the last one, sorted.

    Args:
        commands: What is known.
        line: Up to the cursor.
        word: The part of the last word that is to be replaced; it may be empty.
    """
    before = line[: len(line) - len(word)] if word else line
    words = before.split()
    if not words:
        return _matching((*COMMANDS, "?"), word)
    command = COMMANDS.get(words[0])
    if command is None:
        return []
    return _matching(_following(commands, command.takes, words), word)


def _matching(found: Iterable[str], word: str) -> list[str]:
    return sorted({one for one in found if one.startswith(word)})


def _following(commands: Commands, takes: Takes, words: Sequence[str]) -> Iterable[str]:
    """Return what may follow these words."""
    client, last = commands.client, words[-1]
    if takes is Takes.COMMAND:
        return COMMANDS
    if takes is Takes.CAPABILITY:
        if len(words) == 1:
            return (*client.capability_labels(), *client.capability_tokens())
        return _run_options(commands, words) if words[0] == "runcap" else ()
    if takes is Takes.MEASUREMENT:
        labels = (*client.receipt_labels(), *client.result_labels())
        return (*labels, *client.receipt_tokens(), *client.result_tokens())
    if takes is Takes.DEFAULT:
        return commands.defaults
    if takes is Takes.NAME:
        return _names(commands) if len(words) == 1 else allowed_values(commands, last)
    return _SCOPES if takes is Takes.SCOPE and len(words) == 1 else ()


def _names(commands: Commands) -> set[str]:
    """Return the names of all parameters that any capability has."""
    return {
        str(name)
        for capability in commands.listcap()
        for name in capability.parameter_names()
    }


def _run_options(commands: Commands, words: Sequence[str]) -> Iterable[str]:
    if words[-1] == "--when":
        return ()
    if words[-1] != "--set":
        return ("--when", "--set")
    try:
        capability = commands.showcap(words[1])
    except NotFoundError:
        return ()
    return (f"{name}=" for name in capability.parameter_names())


def allowed_values(
    commands: Commands, name: str, token_or_label: str | None = None
) -> list[str]:
    """Return the values that constraints list for a parameter.

    Args:
        commands: What is known.
        name: Of the parameter.
        token_or_label: Only of this capability; of all that know it by default.
    """
    found: set[str] = set()
    for capability in commands.listcap():
        if token_or_label not in (
            None,
            capability.get_label(),
            capability.get_token(),
        ):
            continue
        constraint = capability.to_dict().get("parameters", {}).get(name, "*")
        if constraint != "*" and " ... " not in constraint:
            found.update(constraint.strip("[]").split(","))
    return sorted(found)
