"""The bus: order, filters, slow readers."""

import asyncio
import json

from pilothouse.fastscore.wire.pneumo import LogMsg, SensorReportMsg
from pilothouse.services.fastscore import bus as bus_module
from pilothouse.services.fastscore.bus import Bus, utc_now


def log(text):
    return LogMsg(src="engine-1", timestamp=utc_now(), level=64, text=text)


async def take(subscription, count):
    return [json.loads(await anext(subscription)) for _ in range(count)]


def test_a_slow_reader_loses_the_oldest_and_is_told(monkeypatch):
    monkeypatch.setattr(bus_module, "MAX_QUEUED_MESSAGES", 3)

    async def run():
        bus = Bus()
        reader = bus.subscribe()
        for n in range(10):
            bus.publish(log(str(n)))
        return await take(reader, 4)

    first, *rest = asyncio.run(run())
    assert first["text"].startswith("7 messages were dropped")
    assert (first["src"], first["type"], first["level"]) == ("connect", "log", 16)
    assert [row["text"] for row in rest] == ["7", "8", "9"]


def test_a_slow_reader_is_bounded_in_bytes_too(monkeypatch):
    monkeypatch.setattr(bus_module, "MAX_QUEUED_BYTES", 5000)

    async def run():
        bus = Bus()
        reader = bus.subscribe()
        for _ in range(10):
            bus.publish(log("x" * 2000))
        return await take(reader, 3)

    assert asyncio.run(run())[0]["text"].startswith("8 messages")


def test_a_reader_waits_for_the_next_message():
    async def run():
        bus = Bus()
        reader = bus.subscribe()
        waiting = asyncio.ensure_future(anext(reader))
        await asyncio.sleep(0)
        bus.publish(log("now"))
        return json.loads(await asyncio.wait_for(waiting, 10))

    assert asyncio.run(run())["text"] == "now"


def test_closing_ends_the_iteration_after_what_was_queued():
    async def run():
        bus = Bus()
        reader = bus.subscribe()
        bus.publish(log("last"))
        bus.close()
        bus.publish(log("unseen"))
        return [json.loads(text)["text"] async for text in reader]

    assert asyncio.run(run()) == ["last"]


def test_what_json_cannot_hold_appears_as_text():
    async def run():
        bus = Bus()
        reader = bus.subscribe()
        report = SensorReportMsg(
            src="e",
            timestamp=utc_now(),
            sid=1,
            point="p",
            data=[1 + 2j, float("nan"), b"x"],
            delta_time=0.5,
        )
        bus.publish(report)
        return (await take(reader, 1))[0]

    assert asyncio.run(run())["data"] == ["(1+2j)", None, "b'x'"]


def test_the_history_is_messages_oldest_first():
    async def run():
        bus = Bus()
        for n in range(70):
            bus.publish(log(str(n)))
        return bus.history

    history = asyncio.run(run())
    assert len(history) == 60
    assert [history[0].text, history[-1].text] == ["10", "69"]
