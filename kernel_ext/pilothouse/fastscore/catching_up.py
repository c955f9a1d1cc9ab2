"""Pneumo messages that were told while a websocket was lost.

The history has the last 60. Of these, the missed ones are those behind the last one
that was seen; and what comes over the new connection may be among them already.
"""

from __future__ import annotations

import datetime
from collections import deque
from contextlib import suppress

import orjson

from pilothouse.errors import ProtocolError

from .errors import FastScoreError
from .gateway import Gateway
from .wire.pneumo import read_timestamp
from .wire.values import JSON

__all__ = ["CatchUp"]

_KEPT = 256


class CatchUp:
    """Knows which messages were seen.

    Args:
        gateway: Asks for the history.
        src: Only messages of this instance count.
        kind: Only messages of this type count.
    """

    def __init__(self, gateway: Gateway, src: str | None, kind: str | None) -> None:
        self._gateway = gateway
        self._src = src
        self._kind = kind
        self._seen: deque[str] = deque(maxlen=_KEPT)
        self._told: set[bytes] = set()
        self._since = datetime.datetime.now(datetime.UTC)

    def is_new(self, text: str) -> bool:
        """Note a message, and tell whether it was not among the missed ones."""
        if self._told:
            with suppress(ValueError):
                if _canonical(orjson.loads(text)) in self._told:
                    return False
            # Messages come in order: behind the first new one all are new.
            self._told.clear()
        self._seen.append(text)
        return True

    def missed(self) -> list[str]:
        """Return the messages that were told since the last one seen."""
        try:
            found = self._gateway.get_json(
                "Unable to retrieve Pneumo history",
                self._gateway.route("connect", "2/pneumo"),
            )
        except FastScoreError:
            return []
        history = [item for item in found if self._counts(item)]
        seen = set()
        for text in self._seen:
            with suppress(ValueError):
                seen.add(_canonical(orjson.loads(text)))
        first = 0
        for at, item in enumerate(history):
            if _canonical(item) in seen or (not seen and self._is_old(item)):
                first = at + 1
        missed = [orjson.dumps(item).decode() for item in history[first:]]
        self._told = {_canonical(item) for item in history}
        self._seen.extend(missed)
        return missed

    def _counts(self, item: JSON) -> bool:
        return (
            isinstance(item, dict)
            and self._src in {None, item.get("src")}
            and self._kind in {None, item.get("type")}
        )

    def _is_old(self, item: JSON) -> bool:
        try:
            return read_timestamp(str(item.get("timestamp"))) < self._since
        except ProtocolError:
            return True


def _canonical(item: JSON) -> bytes:
    return orjson.dumps(item, option=orjson.OPT_SORT_KEYS)
