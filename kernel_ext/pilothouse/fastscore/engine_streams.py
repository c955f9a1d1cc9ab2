"""The streams of an engine.

Source: developer interface, ``Engine.active_streams``, "Streams".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .active import ActiveStreamInfo, ActiveStreams
from .collections import InfoDict
from .errors import FastScoreUsageError
from .gateway import json_of, slot_number
from .instance import Instance
from .wire.disposition import disposition
from .wire.messages import ActiveStream, RateInfo

if TYPE_CHECKING:
    from .stream import Stream

__all__ = ["EngineStreams"]


class EngineStreams(Instance):
    """The part of an engine that has streams."""

    @property
    def active_streams(self) -> ActiveStreams:
        """The attached streams by slot.

        Raises:
            FastScoreError: If they cannot be had.
        """
        what = "Unable to retrieve active streams"
        found = self.gateway.get_json(what, self.route("2/active/stream"))
        with self.gateway.reading(what):
            infos = [ActiveStream.from_wire(item) for item in found]
        return ActiveStreams(
            (info.slot, ActiveStreamInfo(info, self)) for info in infos
        )

    def attach_stream(
        self, stream: Stream, slot: int, dry_run: bool = False
    ) -> dict[str, Any] | None:
        """Attach a stream to a slot.

        Args:
            stream: The stream.
            slot: Even for an input, odd for an output.
            dry_run: Only check it, and return its internal form.

        Raises:
            FastScoreError: If that is refused.
        """
        if stream.desc is None:
            raise FastScoreUsageError(f"stream {stream.name!r} has no descriptor")
        what = f"Unable to attach stream {stream.name!r} to slot {slot}"
        answer = self.gateway.send_json(
            what,
            "PUT",
            self.route(f"2/active/stream/{slot_number(slot)}?dry-run={bool(dry_run)}"),
            stream.desc,
            headers={
                "Content-Disposition": disposition("x-stream", "name", stream.name)
            },
        )
        if not dry_run:
            return None
        found: dict[str, Any] = json_of(what, answer)
        return found

    def detach_stream(self, slot: int) -> None:
        """Detach the stream of a slot.

        Raises:
            FastScoreNotFoundError: If there is none.
            FastScoreError: If that is not allowed now.
        """
        self.gateway.call(
            f"Unable to detach the stream of slot {slot}",
            "DELETE",
            self.route(f"2/active/stream/{slot_number(slot)}"),
            not_found=f"No stream is attached to slot {slot}",
        )

    def sample_stream(self, stream: Stream, n: int | None = None) -> list[str]:
        """Return some records of a stream, base64-encoded; as `Stream.sample`."""
        query = "" if n is None else f"?n={int(n)}"
        what = f"Unable to sample stream {stream.name!r}"
        answer = self.gateway.send_json(
            what, "POST", self.route(f"1/stream/sample{query}"), stream.desc
        )
        found: list[str] = json_of(what, answer)
        return found

    def rate_stream(self, stream: Stream) -> InfoDict:
        """Measure how fast a stream delivers; as `Stream.rate`."""
        what = f"Unable to measure the rate of stream {stream.name!r}"
        answer = self.gateway.send_json(
            what, "POST", self.route("1/stream/rate"), stream.desc
        )
        found = json_of(what, answer)
        with self.gateway.reading(what):
            first = found[0] if isinstance(found, list) and found else found
            return InfoDict(RateInfo.from_wire(first).to_wire())
