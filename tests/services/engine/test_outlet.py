"""Output slots: what a REST client gets, and when."""

import asyncio

import pytest

from pilothouse.services.fastscore.engine.outlet import RestOutlet, WriterOutlet
from pilothouse.services.fastscore.engine.transports.base import StreamError, Writer

LIMIT = 1000


def run(scenario):
    return asyncio.run(asyncio.wait_for(scenario, 10))


def test_simple_mode_gives_one_record_at_a_time():
    async def scenario():
        outlet = RestOutlet(chunked=False, limit=LIMIT)
        outlet.write(b"122333", [1, 2, 3])
        return [await outlet.get(0) for _ in range(4)]

    assert run(scenario()) == [b"1", b"22", b"333", None]


def test_an_empty_record_is_a_record_in_simple_mode():
    async def scenario():
        outlet = RestOutlet(chunked=False, limit=LIMIT)
        outlet.write(b"", [0])
        return await outlet.get(0)

    assert run(scenario()) == b""


def test_chunked_mode_gives_all_that_is_there():
    async def scenario():
        outlet = RestOutlet(chunked=True, limit=LIMIT)
        outlet.write(b"1\n2\n")
        outlet.write(b"3\n")
        return [await outlet.get(0), await outlet.get(0)]

    assert run(scenario()) == [b"1\n2\n3\n", None]


def test_a_waiting_client_gets_what_comes():
    async def scenario():
        outlet = RestOutlet(chunked=True, limit=LIMIT)
        waiting = asyncio.create_task(outlet.get(5))
        await asyncio.sleep(0)
        outlet.write(b"1\n")
        return await waiting

    assert run(scenario()) == b"1\n"


def test_each_of_several_waiting_clients_gets_a_record():
    async def scenario():
        outlet = RestOutlet(chunked=False, limit=LIMIT)
        waiting = [asyncio.create_task(outlet.get(5)) for _ in range(3)]
        await asyncio.sleep(0)
        outlet.write(b"123", [1, 1, 1])
        return await asyncio.gather(*waiting)

    assert sorted(run(scenario())) == [b"1", b"2", b"3"]


def test_the_end_comes_after_the_last_record():
    async def scenario():
        outlet = RestOutlet(chunked=False, limit=LIMIT)
        outlet.write(b"1", [1])
        await outlet.finish(None)
        assert await outlet.get(0) == b"1"
        with pytest.raises(EOFError):
            await outlet.get(5)

    run(scenario())


def test_the_end_wakes_a_waiting_client():
    async def scenario():
        outlet = RestOutlet(chunked=False, limit=LIMIT)
        waiting = asyncio.create_task(outlet.get(5))
        await asyncio.sleep(0)
        await outlet.finish(None)
        with pytest.raises(EOFError):
            await waiting

    run(scenario())


def test_a_full_queue_says_so_and_tells_when_there_is_room():
    async def scenario():
        outlet = RestOutlet(chunked=False, limit=10)
        told = []
        outlet.on_room = lambda: told.append(outlet.size)
        outlet.write(b"x" * 12, [6, 6])
        assert outlet.is_full
        await outlet.get(0)
        assert not outlet.is_full
        return told

    assert run(scenario()) == [6]


class Kept(Writer):
    def __init__(self, *, breaks=False):
        self.pieces = []
        self.is_closed = False
        self.breaks = breaks
        self.gate = asyncio.Event()
        self.gate.set()

    async def write(self, data):
        await self.gate.wait()
        if self.breaks:
            raise StreamError("broken")
        self.pieces.append(data)

    async def close(self):
        self.is_closed = True


def outlet_on(writer, failures=None, *, keeps_bounds=True):
    failures = [] if failures is None else failures
    return WriterOutlet(
        writer, keeps_bounds=keeps_bounds, limit=LIMIT, on_failure=failures.append
    )


def test_a_transport_gets_each_record_and_is_closed_at_the_end():
    async def scenario():
        writer = Kept()
        outlet = outlet_on(writer)
        outlet.write(b"122", [1, 2])
        await outlet.finish(None)
        assert writer.is_closed
        return writer.pieces

    assert run(scenario()) == [b"1", b"22"]


def test_a_transport_of_bytes_gets_all_that_waits_in_one_piece():
    async def scenario():
        writer = Kept()
        outlet = outlet_on(writer, keeps_bounds=False)
        outlet.write(b"1\n")
        outlet.write(b"2\n")
        await outlet.finish(None)
        return writer.pieces

    assert run(scenario()) == [b"1\n2\n"]


def test_a_broken_transport_is_reported():
    async def scenario():
        failures = []
        outlet = outlet_on(Kept(breaks=True), failures)
        outlet.write(b"1", [1])
        await outlet.finish(None)
        return [str(failure) for failure in failures]

    assert run(scenario()) == ["broken"]


def test_a_transport_that_takes_too_long_is_given_up():
    async def scenario():
        writer = Kept()
        writer.gate.clear()
        outlet = outlet_on(writer)
        outlet.write(b"1", [1])
        with pytest.raises(StreamError, match=r"within 0\.01 s"):
            await outlet.finish(0.01)
        assert writer.is_closed

    run(scenario())
