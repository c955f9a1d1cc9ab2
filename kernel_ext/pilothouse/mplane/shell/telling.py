"""What mpcli says: values in the words of the reference shell, or as JSON.

Source: contract §7.1 and §1.7. No I/O.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pilothouse.mplane import model

from .words import COMMANDS

__all__ = [
    "BANNER",
    "as_json",
    "capability_lines",
    "help_lines",
    "measurement_lines",
    "rendered",
]

BANNER = (
    "mPlane client shell of pilothouse",
    "for components that speak the mPlane protocol, version 1",
    "Type help or ? to list commands. ^D to exit.",
)


def rendered(message: Any) -> str:  # noqa: ANN401 - any message of the model
    """Return a message as text, with an empty line at its end."""
    return model.render(message).removesuffix("\n")


def capability_lines(capabilities: Iterable[model.Capability]) -> Iterator[str]:
    """Yield a line for each capability."""
    for one in capabilities:
        label = one.get_label()
        name = f"Capability {label}" if label else "Capability"
        yield f"{name} (token {one.get_token()})"


def measurement_lines(messages: Iterable[Any]) -> Iterator[str]:
    """Yield a line for each receipt, result (two blanks) or exception."""
    for one in messages:
        if isinstance(one, model.Exception):
            yield repr(one)
            continue
        word = "Receipt " if isinstance(one, model.Receipt) else "Result  "
        label = one.get_label()
        name = f"{word}{label} " if label else word
        yield f"{name}(token {one.get_token()}): {one.when()}"


def help_lines(name: str = "") -> Iterator[str]:
    """Yield the list of commands, or what one of them does."""
    if not name:
        yield "Commands (help COMMAND explains one):"
        for each, command in COMMANDS.items():
            yield f"  {each:<9} {command.text}"
        return
    found = COMMANDS.get(name)
    if found is None:
        yield f"No help on {name}"
        return
    yield f"{name} {found.usage}".rstrip()
    yield f"  {found.text}"


def as_json(value: Any) -> str:  # noqa: ANN401 - whatever a command returns
    """Return what a command returned as one line of JSON."""
    return json.dumps(_plain(value), separators=(",", ":"))


def _plain(value: Any) -> Any:  # noqa: ANN401 - any value, any JSON
    if isinstance(value, str | int | float | bool) or value is None:
        return value
    if isinstance(value, model.When):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, Iterable) and not hasattr(value, "to_dict"):
        return [_plain(one) for one in value]
    return json.loads(model.unparse_json(value))
