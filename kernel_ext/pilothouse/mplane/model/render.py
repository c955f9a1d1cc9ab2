"""Messages as text for people, as `mpcli` shows them.

Source: contract §1.7.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import Any, Final

from .envelope import Envelope
from .kinds import Message
from .statement import Statement

__all__ = ["render", "render_text"]

_KEYS: Final = ("message", "label", "link", "export", "token", "when", "registry")


def render(msg: Message) -> str:
    """Return a message as text, valid or not; an envelope as its messages."""
    if isinstance(msg, Envelope):
        return "".join(map(render, msg.messages()))
    d = msg.as_dict() if isinstance(msg, Statement) else msg.to_dict()
    return "".join(f"{line}\n" for line in _lines(msg.kind_str(), d))


def render_text(msg: Message) -> None:
    """Write a message as text to the standard output."""
    sys.stdout.write(render(msg))


def _lines(kind: str, d: Mapping[str, Any]) -> Iterator[str]:
    yield f"{kind}: {d[kind]}"
    for key in _KEYS:
        if key in d:
            yield f"    {key:<12}: {d[key]}"
    for section in ("parameters", "metadata"):
        if section in d:
            yield f"    {section:<12}({len(d[section]):>2}): "
            for name, value in d[section].items():
                yield f"        {name:>32}: {value}"
    if "resultvalues" in d:
        yield f"    {'resultvalues':<12}({len(d['resultvalues']):>2}):"
        for number, row in enumerate(d["resultvalues"]):
            yield f"          result {number}:"
            for name, value in zip(d["results"], row, strict=True):
                yield f"            {name:>32}: {value}"
    elif "results" in d:
        yield f"    {'results':<12}({len(d['results']):>2}):"
        for name in d["results"]:
            yield f"        {name}"
    yield ""
