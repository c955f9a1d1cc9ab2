"""Which class reads which kind of message.

Source: contract §1.1: the first of these keys that an object has decides.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from .errors import MessageError

if TYPE_CHECKING:
    from .envelope import Envelope
    from .exceptions import Exception as ExceptionMessage
    from .statement import Statement

__all__ = [
    "KINDS",
    "MAX_DEPTH",
    "VERB_CALLBACK",
    "VERB_COLLECT",
    "VERB_MEASURE",
    "VERB_QUERY",
    "VERB_STORE",
    "Message",
    "message_from_dict",
    "reads",
]

Message: TypeAlias = "Statement | ExceptionMessage | Envelope"
"""Any message."""

KINDS: Final = (
    "capability",
    "specification",
    "result",
    "receipt",
    "redemption",
    "withdrawal",
    "interrupt",
    "exception",
    "envelope",
)
"""The keys that say what a message is, in the order in which they are looked for."""

VERB_MEASURE: Final = "measure"
VERB_QUERY: Final = "query"
VERB_COLLECT: Final = "collect"
VERB_STORE: Final = "store"
VERB_CALLBACK: Final = "callback"

MAX_DEPTH: Final = 8
"""How deep envelopes may lie in envelopes."""

_readers: list[tuple[str, Callable[[dict[str, Any]], Message]]] = []


def reads(kind: str, reader: Callable[[dict[str, Any]], Message]) -> None:
    """Let `reader` make messages of that kind."""
    _readers.append((kind, reader))
    _readers.sort(key=lambda each: KINDS.index(each[0]))


def message_from_dict(d: dict[str, Any]) -> Message:
    """Return the message that a dictionary (parsed JSON) describes.

    Raises:
        MessageError: If it is no message, or a wrong one (a `ValueError`).
        UnknownElementError: If no registry knows an element (a `KeyError`).
    """
    if not isinstance(d, dict):
        raise MessageError(f"a message is a JSON object, not {type(d).__name__}")
    for kind, read in _readers:
        if kind in d:
            try:
                return read(d)
            except MessageError:
                raise
            except ValueError as exc:
                raise MessageError(f"{kind}: {exc}") from exc
    raise MessageError(
        f"none of its keys says what it is: {', '.join(map(str, d))[:200] or 'empty'}",
        hint=f"one of {', '.join(KINDS)}",
    )
