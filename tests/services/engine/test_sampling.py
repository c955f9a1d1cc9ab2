"""The rate of a stream is told from its reading; its opening has a time of its own."""

import asyncio

import pytest

from pilothouse.errors import ProtocolError
from pilothouse.fastscore.wire.streams import parse_descriptor
from pilothouse.services.fastscore.engine import sampling
from pilothouse.services.fastscore.engine.streams import AttachedStream
from pilothouse.services.fastscore.engine.transports.base import Reader

STREAM = {"Transport": {"Type": "inline", "Data": []}, "Encoding": "json"}


class Source(Reader):
    """Opens after some turns of the loop, or never; has records without end.

    The first of them come after some turns, too.
    """

    def __init__(self, turns=None, before_first=0):
        self.turns = turns
        self.before_first = before_first
        self.is_closed = False

    async def open(self):
        if self.turns is None:
            await asyncio.Event().wait()
        for _ in range(self.turns):
            await asyncio.sleep(0)

    async def read(self):
        while self.before_first:
            self.before_first -= 1
            await asyncio.sleep(0)
        return [b"1", b"2", b"3"]

    async def close(self):
        self.is_closed = True


def rate_of(source, monkeypatch):
    monkeypatch.setattr(sampling, "reader_of", lambda stream: source)
    attached = AttachedStream(
        slot=0, name="s", external=STREAM, stream=parse_descriptor(STREAM)
    )
    work = sampling.measure_rate(attached, allow_exec=False)
    return asyncio.run(asyncio.wait_for(work, 60))


def test_a_stream_that_opens_slowly_has_its_time_to_be_read(monkeypatch):
    monkeypatch.setattr(sampling, "RATE_SECONDS", 0)
    source = Source(turns=3)

    assert rate_of(source, monkeypatch).rps > 0
    assert source.is_closed


def test_a_stream_whose_first_records_come_late_is_measured_from_these_on(monkeypatch):
    monkeypatch.setattr(sampling, "RATE_SECONDS", 0)

    assert rate_of(Source(turns=0, before_first=3), monkeypatch).rps > 0


def test_a_stream_that_does_not_open_is_told_from_a_short_one(monkeypatch):
    monkeypatch.setattr(sampling, "OPEN_SECONDS", 0)
    source = Source()

    with pytest.raises(ProtocolError, match="did not open within 0 s"):
        rate_of(source, monkeypatch)
    assert source.is_closed
