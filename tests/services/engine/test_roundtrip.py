"""Requests that wait for an answer of their own, put together for a jet."""

import asyncio

import pytest

from pilothouse.services.fastscore.engine.roundtrip import (
    MAX_IN_GROUP,
    Call,
    RejectedError,
    Roundtrips,
)


def run(scenario):
    return asyncio.run(asyncio.wait_for(scenario(), 10))


def test_calls_of_the_same_slots_travel_together():
    async def scenario():
        waiting = Roundtrips()
        for data, slot in ((b"1", 0), (b"22", 0), (b"3", 2)):
            waiting.add(Call(data, slot, 1))
        first, second = waiting.next_call(), waiting.next_call()
        assert waiting.next_call() is None
        return first.frame(7), [call.data for call in second.calls], second.seqno

    (head, body), rest, seqno = run(scenario)
    assert (head["id"], head["bounds"], body) == (7, [1, 2], b"122")
    assert (rest, seqno) == ([b"3"], 3)


def test_a_group_is_bounded():
    async def scenario():
        waiting = Roundtrips()
        for _ in range(MAX_IN_GROUP + 1):
            waiting.add(Call(b"1", 0, 1))
        return len(waiting.next_call().calls), len(waiting)

    assert run(scenario) == (MAX_IN_GROUP, 1)


def test_each_call_gets_its_answer():
    async def scenario():
        waiting = Roundtrips()
        calls = [Call(b"%d" % n, 0, 1) for n in range(3)]
        for call in calls:
            waiting.add(call)
        group = waiting.next_call()
        group.answer([["ok", 2], ["schema", "no int"], ["none", 0]], b"xy")
        with pytest.raises(RejectedError, match="rejected by schema: no int"):
            await calls[1].answer
        return await calls[0].answer, await calls[2].answer

    assert run(scenario) == (b"xy", None)


def test_a_call_that_was_given_up_is_left_out():
    async def scenario():
        waiting = Roundtrips()
        gone, there = Call(b"1", 0, 1), Call(b"2", 0, 1)
        waiting.add(gone)
        waiting.add(there)
        gone.answer.cancel()
        return [call.data for call in waiting.next_call().calls]

    assert run(scenario) == [b"2"]


def test_all_that_wait_are_refused():
    async def scenario():
        waiting = Roundtrips()
        first, second = Call(b"1", 0, 1), Call(b"2", 0, 1)
        waiting.add(first)
        waiting.retry(waiting.next_call())
        waiting.add(second)
        waiting.refuse_all(ValueError("over"))
        for call in (first, second):
            with pytest.raises(ValueError, match="over"):
                await call.answer
        return len(waiting)

    assert run(scenario) == 0
