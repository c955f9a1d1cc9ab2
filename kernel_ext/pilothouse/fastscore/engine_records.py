"""Records in and out of an engine, one call each; and checked against schemas.

Source: developer interface, ``Engine.input``, ``output``, ``verify_data``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .errors import EndOfStream, FastScoreError, FastScoreUsageError, HttpRefusal
from .gateway import json_of, quoted, slot_number
from .instance import Instance
from .wire import mime
from .wire.values import Fields

if TYPE_CHECKING:
    from .schema import Schema

__all__ = ["BYTES", "EngineRecords"]

BYTES = {"Content-Type": mime.BYTES_MIME}


class EngineRecords(Instance):
    """The part of an engine that takes and gives records."""

    def input(self, data: bytes | str, slot: int) -> None:
        """Write to the REST stream of an input slot; sent once, never repeated.

        Args:
            data: One record, or, in chunked mode, any bytes of the stream.
            slot: For instance 0.

        Raises:
            FastScoreError: If there is no REST stream at the slot.
        """
        self.gateway.call(
            f"Unable to write to slot {slot}",
            "POST",
            self.route(f"1/job/input/{slot_number(slot)}"),
            headers=BYTES,
            body=_bytes_of(data),
        )

    def output(self, slot: int) -> bytes | None:
        """Read from the REST stream of an output slot; None if there is nothing yet.

        Args:
            slot: For instance 1.

        Returns:
            One record, or, in chunked mode, all records there are, each followed by
            the separator.

        Raises:
            EndOfStream: If the stream came to its end; also an ``EOFError``.
            FastScoreError: If there is no REST stream at the slot.
        """
        answer = self.gateway.call(
            f"Unable to read from slot {slot}",
            "GET",
            self.route(f"1/job/output/{slot_number(slot)}"),
            repeat=False,  # what was read is gone, also when the answer got lost
        )
        if answer.status == 204:
            raise EndOfStream(f"The stream at slot {slot} of {self.name} has ended")
        return None if answer.status == 202 else answer.body

    def roundtrip(
        self,
        data: bytes | str,
        input_slot: int = 0,
        output_slot: int = 1,
        timeout: int = 0,
    ) -> bytes | None:
        """Send one record and return what the model makes of it.

        Args:
            data: The record.
            input_slot: Has a REST stream.
            output_slot: Has a REST stream.
            timeout: How long the engine may take, in milliseconds; 0: its own choice.

        Returns:
            The output; None if the model gave none.

        Raises:
            FastScoreError: If the record was rejected, or the time is up.
        """
        query = f"?timeout={int(timeout)}" if timeout > 0 else ""
        slots = f"{slot_number(input_slot)}/{slot_number(output_slot)}"
        route = f"2/active/model/roundtrip/{slots}{query}"
        answer = self.gateway.call(
            f"Unable to score a record on {self.name}",
            "POST",
            self.route(route),
            headers=BYTES,
            body=_bytes_of(data),
            timeout=max(self.gateway.peer.timeout, timeout / 1000 + 5.0),
        )
        return None if answer.status == 204 else answer.body

    def verify_schema(self, schema: Schema) -> int:
        """Check a schema; the id returned is for `verify_data`.

        Raises:
            FastScoreError: If it is no schema; the message is the engine's.
        """
        return Fields(
            json_of("", self._verify("2/active/schema/verify", schema.json())),
            "verified schema",
        ).integer("id")

    def unverify_schema(self, sid: int) -> None:
        """Let the engine forget a schema.

        Raises:
            FastScoreError: If that is refused.
        """
        self.gateway.call(
            f"Unable to forget schema {sid}",
            "DELETE",
            self.route(f"2/active/schema/verify/{quoted(sid)}"),
        )

    def verify_data(self, sid: int, rec: Any) -> None:  # noqa: ANN401 - any JSON value
        """Check a record against a schema that `verify_schema` has prepared.

        Raises:
            FastScoreError: If it does not fit; the message is the engine's.
        """
        self._verify(f"2/active/schema/verify/{quoted(sid)}", {"data": rec})

    def validate_data(self, sid: int, rec: Any) -> None:  # noqa: ANN401 - as above
        """Check a record; the document's other name of `verify_data`."""
        self.verify_data(sid, rec)

    def _verify(self, resource: str, value: object) -> Any:  # noqa: ANN401
        try:
            return self.gateway.send_json("", "POST", self.route(resource), value)
        except FastScoreError as exc:
            cause = exc.caused_by
            if isinstance(cause, HttpRefusal) and cause.body.strip():
                # As the real SDK: the engine's words are the message.
                raise type(exc)(cause.body.strip(), cause) from exc
            raise


def _bytes_of(data: bytes | str) -> bytes:
    if isinstance(data, str):
        return data.encode()
    if isinstance(data, bytes | bytearray | memoryview):
        return bytes(data)
    raise FastScoreUsageError(
        f"data are bytes or text, not {type(data).__name__}",
        hint="engine.score() takes Python values",
    )
