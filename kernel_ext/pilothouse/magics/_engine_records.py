"""The part of ``%engine`` that moves records."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from typing import Any

from ._arguments import Argument, Option
from ._base import subcommand
from ._engine_base import SLOT, STREAM, EngineBase, slot_argument
from ._readers import DATA, INTEGER, NUMBER, RAW

__all__ = ["EngineRecords"]


class EngineRecords(EngineBase):
    """Records in and out: one by one, many at once, or beside the pipeline."""

    @subcommand(
        "input",
        Argument("data", RAW, "text as typed, bytes, or an object, sent as JSON"),
        slot_argument("which slot", 0),
        example='input {"x": 1} 0',
    )
    def _input(self, args: Namespace) -> None:
        """Send one record to a REST stream; in chunked mode its separator follows."""
        engine = self._engine(args)
        data = _wire_data(args.data)
        record = data.encode() if isinstance(data, str) else data
        stream = engine.active_streams.get(args.slot)
        end = b"" if stream is None else _separator(stream["descriptor"])
        engine.input(record if record.endswith(end) else record + end, args.slot)

    @subcommand("output", slot_argument("which slot", 1), example="output 1")
    def _output(self, args: Namespace) -> object:
        """Take what a REST stream has; nothing yet gives nothing."""
        return self._engine(args).output(args.slot)

    @subcommand(
        "roundtrip",
        Argument("data", RAW, "text as typed, bytes, or an object, sent as JSON"),
        Option(("--timeout",), NUMBER, "longest wait for the answer, in seconds", 0.0),
        example='roundtrip {"x": 1}',
    )
    def _roundtrip(self, args: Namespace) -> object:
        """Send one record and wait for its own output."""
        milliseconds = int(args.timeout * 1000)
        return self._engine(args).roundtrip(_wire_data(args.data), timeout=milliseconds)

    @subcommand(
        "score",
        Argument("data", DATA, "rows: a DataFrame, a list, an iterator, or JSON"),
        Option(("--slot",), SLOT, "where the rows go in", 0),
        Option(("--out-slot",), SLOT, "where the scores come out", 1),
        Option(("--detach",), None, "return the running job at once", False),
        example="score rows -o scores",
    )
    def _score(self, args: Namespace) -> object:
        """Send rows through the model and return what comes out, in order."""
        from ._score_jobs import follow_score, submit

        slots = (args.slot, args.out_slot)
        job = submit(self.session, self._engine(args), args.data, slots)
        return job if args.detach else follow_score(self.session, job, args.out)

    @subcommand(
        "sample",
        Argument("stream", STREAM, "a stream of yours, a saved name, or a literal"),
        Argument("n", INTEGER, "how many records", 10),
        example="sample inline:1,2,3 2",
    )
    def _sample(self, args: Namespace) -> list[bytes]:
        """Read some records of a stream, beside any pipeline."""
        import base64

        engine = self._engine(args)
        found = self._stream(args.stream).sample(engine, args.n)
        return [base64.b64decode(record) for record in found]

    @subcommand(
        "rate",
        Argument("stream", STREAM, "a stream of yours, a saved name, or a literal"),
        example="rate file:/data/rows.json",
    )
    def _rate(self, args: Namespace) -> object:
        """Measure how fast a stream delivers, beside any pipeline."""
        return self._stream(args.stream).rate(self._engine(args))


def _separator(descriptor: Mapping[str, Any]) -> bytes:
    """Return what ends each record of a REST stream: nothing in simple mode."""
    from pilothouse.fastscore.wire.streams import parse_descriptor

    stream = parse_descriptor(descriptor)
    if getattr(stream.transport, "mode", "") != "chunked":
        return b""
    separator: bytes = getattr(stream.envelope, "separator", b"")
    return separator


def _wire_data(data: object) -> bytes | str:
    if isinstance(data, bytes | str):
        return data
    import orjson

    return orjson.dumps(data, option=orjson.OPT_SERIALIZE_NUMPY)
