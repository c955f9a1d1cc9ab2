"""Refusals, answers and bounds of an HTTP service."""

import asyncio
import errno
import sqlite3
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from conftest import raw_call
from pilothouse.errors import NotFoundError, ProtocolError
from pilothouse.services.serving import HttpListener, ServiceConfig
from pilothouse.services.storage import is_storage_full
from pilothouse.services.web import (
    Refusal,
    answer_of,
    query_bool,
    query_int,
    read_body,
    read_json,
    text_answer,
)

pytestmark = pytest.mark.usefixtures("lingering")


@asynccontextmanager
async def listening(handler):
    listener = HttpListener(ServiceConfig(data_dir=Path("unused")))
    await listener.open(lambda request: answer_of(request, handler))
    try:
        yield listener.url
    finally:
        await listener.close()


def ask(handler, *, method="POST", target="/", body=None):
    """Send one request to a handler."""

    async def run():
        async with listening(handler) as url:
            return await asyncio.to_thread(raw_call, url, method, target, body, {})

    return asyncio.run(run())


def raising(error):
    async def handler(_request):
        raise error

    return handler


@pytest.mark.parametrize(
    ("error", "status", "text"),
    [
        (Refusal(403, "no REST stream at slot 3"), 403, "no REST stream at slot 3"),
        (NotFoundError("no model 'm'"), 404, "no model 'm'"),
        (ProtocolError("Tap is missing"), 400, "Tap is missing"),
        (web.HTTPConflict(text="there is one"), 409, "there is one"),
        (ValueError("secret detail"), 500, "internal error"),
        (OSError(errno.ENOSPC, "no space"), 507, "storage is full"),
        (Refusal(400, "tabs\tand\x00nul"), 400, "tabs and nul"),
        (Refusal(400, "x" * 10_000), 400, "x" * 4000),
    ],
)
def test_an_error_becomes_a_status_and_a_line(error, status, text, caplog):
    answer = ask(raising(error))
    assert answer.status == status
    assert text in answer.text
    assert len(answer.text) <= 4000
    assert "secret detail" not in answer.text
    assert bool([r for r in caplog.records if r.exc_info]) == (status == 500)


def test_a_body_is_bounded():
    async def handler(request):
        return text_answer(str(len(await read_body(request, 10))))

    assert ask(handler, body=b"x" * 10).text == "10"
    assert ask(handler, body=b"x" * 11).status == 413
    assert ask(handler, body=iter([b"x" * 6, b"x" * 6])).status == 413


def test_an_empty_body_may_stand_for_something():
    async def handler(request):
        return text_answer(repr(await read_json(request, empty=0)))

    async def strict(request):
        return text_answer(repr(await read_json(request)))

    assert ask(handler, body=b"").text == "0"
    assert ask(handler, body=b"[1]").text == "[1]"
    assert ask(strict, body=b"").status == 400


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("", "False"),
        ("x=True", "True"),
        ("x=true", "True"),
        ("x=FALSE", "False"),
        ("x=1", "True"),
        ("x=", "False"),
        ("x=maybe", None),
    ],
)
def test_booleans_are_read_in_any_case(query, wanted):
    async def handler(request):
        return text_answer(str(query_bool(request, "x")))

    answer = ask(handler, target=f"/?{query}")
    assert answer.status == (400 if wanted is None else 200)
    assert wanted is None or answer.text == wanted


@pytest.mark.parametrize(
    ("word", "status"),
    [
        *[("5", 200), ("0", 400), ("11", 400), ("-1", 400), ("1.0", 400), ("٣", 400)],
        *[("9" * 5000, 400), ("", 400), ("1_0", 400), (" 5", 400)],
    ],
)
def test_integers_are_read_strictly(word, status):
    async def handler(request):
        return text_answer(str(query_int(request, "n", minimum=1, maximum=10)))

    from urllib.parse import quote

    assert ask(handler, target=f"/?n={quote(word)}").status == status


def test_a_call_during_the_end_is_refused_and_one_under_way_is_answered():
    async def run():
        entered, go_on = asyncio.Event(), asyncio.Event()

        async def handler(_request):
            entered.set()
            await go_on.wait()
            return text_answer("whole")

        listener = HttpListener(ServiceConfig(data_dir=Path("unused")))
        await listener.open(handler)
        call = asyncio.to_thread(raw_call, listener.url, "GET", "/", None, {})
        under_way = asyncio.create_task(call)
        await entered.wait()
        listener.refuse_new()
        closing = asyncio.create_task(listener.close())
        await asyncio.sleep(0)
        go_on.set()
        await closing
        await listener.close()
        return await under_way

    assert asyncio.run(run()).text == "whole"


@pytest.mark.parametrize(
    ("error", "full"),
    [
        (OSError(errno.ENOSPC, "x"), True),
        (OSError(errno.EFBIG, "x"), True),
        (OSError(errno.ENOENT, "x"), False),
        (sqlite3.OperationalError("database or disk is full"), True),
        (sqlite3.OperationalError("no such table"), False),
        (ValueError("database or disk is full"), False),
        (None, False),
    ],
)
def test_a_full_disk_is_told_from_other_failures(error, full):
    assert is_storage_full(error) is full
    wrapped = RuntimeError("wrapped")
    wrapped.__cause__ = error
    assert is_storage_full(wrapped) is full
