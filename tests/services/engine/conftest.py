"""An engine over HTTP, and everything it tells Pneumo.

engine          engine-1 of a suite shared by the session, reset before each test
small_engine    one whose jets have little memory
"""

from __future__ import annotations

import asyncio
import dataclasses
import http.client
import json
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import orjson
import pytest

from conftest import Answer, LocalSuite, started
from pilothouse.fastscore.wire.load import build_load

REST = {"Transport": "REST", "Encoding": "json"}
CHUNKED = {"Transport": {"Type": "REST", "Mode": "chunked"}, "Encoding": "json"}
ECHO = "def action(x):\n    yield x\n"
CUBE = "def action(x):\n    yield x ** 3\n"
GATED = """\
import os, time

def action(x):
    while x >= {count} and not os.path.exists({gate!r}):
        time.sleep(0.01)
    yield x
"""
DEADLINE = 60.0


class Rig:
    """One engine of a local suite."""

    def __init__(self, suite: LocalSuite, name: str = "engine-1") -> None:
        self.suite = suite
        self.name = name
        self.engine = suite.suite.instances[name]
        self.flow = self.engine.flow
        self.messages: list[dict] = []
        self._connection = http.client.HTTPConnection(urlsplit(suite.url).netloc)
        self._news: asyncio.Event
        self._listener = self.run(self._listen())

    def run(self, coroutine, timeout=DEADLINE):
        return self.suite.host.run(coroutine, timeout)

    def close(self):
        self._connection.close()  # one that was idle for long is closed over there
        self.call("POST", "2/engine/reset")
        self.leave()

    def leave(self):
        """Let go of the engine as it is."""
        self._connection.close()
        self.run(self._stop())

    # -- requests

    def call(self, method, path, body=None, headers=None) -> Answer:
        target = f"/api/1/service/{self.name}/{path}"
        sent = {"Authorization": self.suite.token, **(headers or {})}
        self._connection.request(method, target, body, sent)
        answer = self._connection.getresponse()
        return Answer(answer.status, answer.headers, answer.read())

    def json(self, method, path, value, headers=None) -> Answer:
        return self.call(method, path, orjson.dumps(value), headers)

    def load(
        self,
        source=ECHO,
        *,
        name="m",
        mtype="python3",
        dry_run=False,
        attachments=(),
        schemas=None,
    ) -> Answer:
        headers, body = build_load(
            name=name,
            mtype=mtype,
            source=source,
            attachments=attachments,
            schemas=schemas or {},
        )
        return self.call("PUT", f"1/job/model?dry-run={dry_run}", body, headers)

    def attach(self, slot, descriptor=None, *, name="s", dry_run=False) -> Answer:
        headers = {"Content-Disposition": f'x-stream; name="{name}"'}
        path = f"2/active/stream/{slot}?dry-run={dry_run}"
        return self.json(
            "PUT", path, REST if descriptor is None else descriptor, headers
        )

    def start(self, source=ECHO, *, stream=None, **how) -> Rig:
        """Load a model and attach a stream to slots 0 and 1."""
        loaded = self.load(source, **how)
        assert loaded.status == 204, loaded.text
        for slot in (0, 1):
            attached = self.attach(slot, stream)
            assert attached.status == 204, attached.text
        return self

    def input(self, data, slot=0) -> Answer:
        return self.call("POST", f"1/job/input/{slot}", data)

    def output(self, slot=1) -> Answer:
        return self.call("GET", f"1/job/output/{slot}")

    def outputs(self, count, slot=1) -> list[bytes]:
        """Return so many records; waits for them."""
        found: list[bytes] = []
        empty = 0
        while len(found) < count and empty < DEADLINE / 0.5:
            answer = self.output(slot)
            assert answer.status in (200, 202), (answer.status, answer.text, found)
            if answer.status == 202:
                empty += 1
            else:
                found += answer.body.splitlines()
        assert len(found) == count, found[:10]
        return found

    def next_output(self, slot=1) -> bytes:
        """Return what the next GET that has something brings."""
        for _ in range(int(DEADLINE / 0.5)):
            answer = self.output(slot)
            if answer.status != 202:
                return answer.body
        raise AssertionError("no output")

    def roundtrip(self, data, slots="0/1", timeout=60_000) -> Answer:
        path = f"2/active/model/roundtrip/{slots}?timeout={timeout}"
        return self.call("POST", path, data)

    def reset(self) -> Answer:
        return self.call("POST", "2/engine/reset")

    def refresh(self) -> None:
        """Reset it for the next test, and forget what was told."""
        self._connection.close()  # one that was idle for long is closed over there
        self.reset()
        self.run(self._settle())
        self.messages.clear()

    @contextmanager
    def limited(self, **seconds) -> Iterator[None]:
        """Have shorter limits for a while; they hold for jets that run, too."""
        pool = self.flow.pool
        options = pool._options
        pool._options = dataclasses.replace(options, **seconds)
        try:
            yield
        finally:
            pool._options = options

    def schema(self, name, value) -> None:
        self.suite.json("PUT", f"model-manage-1/1/schema/{name}", value)

    @property
    def state(self) -> str:
        return self.call("GET", "2/engine/state").json["state"]

    @property
    def jets(self) -> list[dict]:
        return self.call("GET", "2/active/model").json["jets"]

    def drain(self) -> bytes:
        """Return all output up to its end."""
        parts = []
        while (answer := self.output()).status != 204:
            parts.append(answer.body)
        return b"".join(parts)

    # -- Pneumo

    def wait(self, state) -> None:
        """Wait until the engine is in a state."""
        self.run(self._until(lambda: self.flow.machine.state == state.upper()))

    def wait_for(self, kind, count=1, **fields) -> list[dict]:
        """Wait for messages of a type whose fields have some values."""
        self.run(self._until(lambda: len(self._told(kind, **fields)) >= count))
        return self.told(kind, **fields)

    def until(self, condition) -> None:
        """Wait until something is true; it is looked at with every message."""
        self.run(self._until(condition))

    def told(self, kind, **fields) -> list[dict]:
        """Return the messages of a type so far."""
        self.run(self._settle())
        return self._told(kind, **fields)

    def _told(self, kind, **fields) -> list[dict]:
        return [
            message
            for message in self.messages
            if message["type"] == kind
            and all(message.get(key) == value for key, value in fields.items())
        ]

    def told_in_order(self) -> list[str]:
        """Return configuration and state messages in short."""
        self.run(self._settle())
        found = []
        for message in self.messages:
            if message["type"] == "engine-config":
                words = (message["item"], message["op"], message.get("ref", ""))
                found.append(" ".join(map(str, words)).strip())
            elif message["type"] == "engine-state":
                found.append(message["state"])
        return found

    async def _listen(self):
        self._news = asyncio.Event()
        subscription = self.suite.suite.bus.subscribe(src=self.name)

        async def collect():
            async for text in subscription:
                self.messages.append(json.loads(text))
                self._news.set()

        return subscription, asyncio.create_task(collect())

    async def _settle(self):
        """Let what was published arrive."""
        for _ in range(10):
            await asyncio.sleep(0)

    async def _until(self, condition):
        while not condition():
            self._news.clear()
            try:
                await asyncio.wait_for(self._news.wait(), 0.05)
            except TimeoutError:
                continue

    async def _stop(self):
        subscription, task = self._listener
        subscription.close()
        await task


@pytest.fixture(scope="session")
def session_rig(suite: LocalSuite) -> Iterator[Rig]:
    rig = Rig(suite)
    yield rig
    rig.close()


@pytest.fixture
def engine(session_rig: Rig) -> Iterator[Rig]:
    session_rig.refresh()
    yield session_rig
    session_rig.reset()


@pytest.fixture(scope="session")
def small_suite() -> Iterator[LocalSuite]:
    with started(jet_memory_bytes=1024**3) as host:
        yield LocalSuite(host)


@pytest.fixture(scope="session")
def small_rig(small_suite: LocalSuite) -> Iterator[Rig]:
    rig = Rig(small_suite)
    yield rig
    rig.close()


@pytest.fixture
def small_engine(small_rig: Rig) -> Iterator[Rig]:
    small_rig.refresh()
    yield small_rig
    small_rig.reset()
