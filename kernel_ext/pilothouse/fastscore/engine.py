"""The Engine instance: loads a model, attaches streams, runs.

Source: developer interface, "Service instances"; contract of the real SDK 1.10.3.
Nothing about the engine is cached: every property asks it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO

from .active import ActiveModelInfo, ActiveStreamInfo, ActiveStreams, verify_info
from .collections import InfoDict
from .errors import (
    EndOfStream,
    FastScoreError,
    FastScoreTimeoutError,
    FastScoreUsageError,
    HttpRefusal,
)
from .failures import failure_of
from .gateway import gateway_of, json_of, quoted
from .instance import Instance
from .loading import load_body
from .policy import Policy
from .wire import mime
from .wire.disposition import disposition
from .wire.messages import (
    ActiveModel,
    ActiveStream,
    EngineState,
    RateInfo,
    VerifyInfo,
)
from .wire.values import Fields

if TYPE_CHECKING:
    from .attachment import Attachment
    from .connect import Connect
    from .model import Model
    from .schema import Schema
    from .score import Scorable
    from .score_job import ScoreJob
    from .stream import Stream

__all__ = ["Engine"]

_BYTES = {"Content-Type": mime.BYTES_MIME}


class Engine(Instance):
    """An engine; ``connect.lookup("engine")`` gives one.

    Args:
        name: For instance ``"engine-1"``.
        connect: The Connect of its suite; None: the one made last.

    Attributes:
        policy: Its import policies.
        last_job: The job that `score` or `submit` began last.
    """

    api = "engine"

    def __init__(self, name: str, connect: Connect | None = None) -> None:
        super().__init__(name, gateway_of(connect))
        self.policy = Policy(self)
        self.last_job: ScoreJob | None = None

    # -- state ------------------------------------------------------------------------

    @property
    def state(self) -> EngineState:
        """What it is doing: ``"INIT"``, ``"RUNNING"``, ``"PAUSED"``, ...

        Raises:
            FastScoreError: If it does not say.
        """
        what = f"Unable to retrieve the state of {self.name}"
        found = self.gateway.get_json(what, self.route("2/engine/state"))
        with self.gateway.reading(what):
            return EngineState.from_wire(found)

    def wait_for(
        self, *states: str, timeout: float | None = 30.0, poll: float = 0.25
    ) -> EngineState:
        """Wait until it is in one of some states, and return which.

        Args:
            states: For instance ``"RUNNING"``.
            timeout: Longest wait, in seconds; None: for ever.
            poll: Longest pause between two looks, in seconds.

        Raises:
            FastScoreTimeoutError: If the time is up.
            ModelError: If it went to ERROR instead.
        """
        wanted = {EngineState.of(state) for state in states}
        deadline = None if timeout is None else time.monotonic() + timeout
        pause = 0.01
        while (state := self.state) not in wanted:
            if state is EngineState.ERROR:
                raise self.failure()
            if deadline is not None and time.monotonic() >= deadline:
                names = " or ".join(sorted(wanted))
                raise FastScoreTimeoutError(
                    f"{self.name} is {state}, not {names}, after {timeout:g} s"
                )
            time.sleep(pause)
            pause = min(pause * 1.5, poll)
        return state

    def failure(self) -> FastScoreError:
        """Return the error for what put the engine into ERROR, as Pneumo tells it."""
        return failure_of(self)

    def pause(self) -> None:
        """Pause it when running, or at its start when still initialising.

        Raises:
            FastScoreError: If that is refused.
        """
        self._operate("pause")

    def unpause(self) -> None:
        """Let it run again.

        Raises:
            FastScoreError: If that is refused.
        """
        self._operate("unpause")

    def reset(self) -> None:
        """Unload the model, close all streams and return to INIT.

        Raises:
            FastScoreError: If that is refused.
        """
        self._operate("reset")

    def _operate(self, verb: str) -> None:
        self.gateway.call(
            f"Unable to {verb} {self.name}", "POST", self.route(f"2/engine/{verb}")
        )

    def clear(self) -> None:
        """Do nothing: the real SDK drops what it cached; this client caches none."""

    # -- model ------------------------------------------------------------------------

    @property
    def active_model(self) -> ActiveModelInfo | None:
        """The model that is loaded, or None.

        Raises:
            FastScoreError: If that cannot be had.
        """
        what = "Unable to retrieve the active model"
        answer = self.gateway.call(
            what,
            "GET",
            self.route("2/active/model"),
            headers={"Accept": "application/json"},
            accept=frozenset({404}),
        )
        if answer.status == 404:
            return None
        with self.gateway.reading(what):
            return ActiveModelInfo(ActiveModel.from_wire(json_of(what, answer)), self)

    def load_model(
        self,
        model: Model,
        force_inline: bool = False,
        embedded_schemas: Mapping[str, Any] | None = None,
        dry_run: bool = False,
        *,
        attachment_override_list: Sequence[Attachment] | None = None,
    ) -> InfoDict | None:
        """Load a model, with its attachments.

        Args:
            model: The model.
            force_inline: Send all attachments along; otherwise large ones that Model
                Manage holds go by reference.
            embedded_schemas: Name -> Avro schema (JSON value or JSON text), sent along
                so that the engine need not ask Model Manage.
            dry_run: Only check, and return what was found out: ``slots``,
                ``install_libs``, ``warn_libs``, ``attach_libs``, ``snapshots``.
            attachment_override_list: Attachments to send instead of the model's own.

        Raises:
            FastScoreError: If the engine refuses; ``caused_by.body`` says why.
        """
        headers, body = load_body(
            self,
            model,
            force_inline=force_inline,
            schemas=embedded_schemas or {},
            attachments=attachment_override_list,
        )
        what = f"Unable to load model {model.name!r}"
        answer = self.gateway.call(
            what,
            "PUT",
            self.route(f"1/job/model?dry-run={bool(dry_run)}"),
            headers=headers,
            body=body,
            repeat=dry_run,
        )
        if not dry_run:
            return None
        with self.gateway.reading(what):
            return verify_info(VerifyInfo.from_wire(json_of(what, answer)))

    def unload_model(self) -> None:
        """Unload the model.

        Raises:
            FastScoreNotFoundError: If none is loaded.
            FastScoreError: If that is not allowed now.
        """
        self.gateway.call(
            "Unable to unload the model",
            "DELETE",
            self.route("2/active/model"),
            not_found="Model not loaded",
        )

    def scale(self, factor: int) -> None:
        """Change how many instances of the model (jets) run; 0 stops all.

        Raises:
            FastScoreError: If that is refused.
        """
        self.gateway.send_json(
            f"Unable to scale {self.name} to {factor!r}",
            "POST",
            self.route("2/active/model/scale"),
            factor,
        )

    def restore_state(self, blob: bytes | str | BinaryIO, *, size: int = 0) -> None:
        """Give the model a saved state; only in INIT, before or after load.

        Args:
            blob: Contents of a snapshot.
            size: Bytes of a blob that is an open file.

        Raises:
            FastScoreError: If that is refused.
        """
        body = blob.encode() if isinstance(blob, str) else blob
        headers = _BYTES
        if not isinstance(body, bytes):
            headers = {**_BYTES, "Content-Length": str(size)}
        self.gateway.call(
            "Unable to restore the model's state",
            "PUT",
            self.route("1/job/state"),
            headers=headers,
            body=body,
        )

    # -- streams ----------------------------------------------------------------------

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
            self.route(f"2/active/stream/{int(slot)}?dry-run={bool(dry_run)}"),
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
            self.route(f"2/active/stream/{int(slot)}"),
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

    # -- records ----------------------------------------------------------------------

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
            self.route(f"1/job/input/{int(slot)}"),
            headers=_BYTES,
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
            self.route(f"1/job/output/{int(slot)}"),
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
        route = f"2/active/model/roundtrip/{int(input_slot)}/{int(output_slot)}{query}"
        answer = self.gateway.call(
            f"Unable to score a record on {self.name}",
            "POST",
            self.route(route),
            headers=_BYTES,
            body=_bytes_of(data),
            timeout=max(self.gateway.peer.timeout, timeout / 1000 + 5.0),
        )
        return None if answer.status == 204 else answer.body

    def score(self, data: Scorable, **options: Any) -> Any:  # noqa: ANN401 - as score
        """Score a whole DataFrame, list or iterator; see `pilothouse.fastscore.score`.

        Args:
            data: The records.
            options: As `pilothouse.fastscore.score.score` takes them.

        Returns:
            The outputs in order; with ``detach=True`` a `ScoreJob` at once.
        """
        from .score import score

        return score(self, data, **options)

    def submit(self, data: Scorable, **options: Any) -> ScoreJob:  # noqa: ANN401
        """Begin to score, and return the job at once; options as `score`."""
        from .score import submit

        return submit(self, data, **options)

    # -- schemas ----------------------------------------------------------------------

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
