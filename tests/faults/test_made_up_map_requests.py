"""Ten thousand Fastmap requests made up by chance: no decoder before the signature.

The service runs in a thread of this process, so that the test can watch what opens
MessagePack, gzip and pickles here. Workers are other processes.
"""

from __future__ import annotations

import collections
import http.client
import os
import pickle
import socket
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import dill
import msgpack
import psutil
import pytest

from faults.made_up_maps import Chance, MadeUp
from interop.raw_map import Raw, blob_of, results_of
from pilothouse.services.host import ServiceHost
from waiting import until

pytestmark = pytest.mark.faults

UNSIGNED = 6_000
SIGNED = 4_000
LINES = 4
SEED = int(os.environ.get("PILOTHOUSE_SEED", "22"))


class Line:
    """A connection on which requests go out as they are."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._address = (parts.hostname, parts.port)
        self._socket: socket.socket | None = None

    def ask(self, request: MadeUp) -> tuple[int, str]:
        """Send it; status and word of the answer."""
        if self._socket is None:
            self._socket = socket.create_connection(self._address, timeout=60)
        self._socket.sendall(request.raw)
        answer = http.client.HTTPResponse(self._socket, method="POST")
        answer.begin()
        answer.read()
        if answer.will_close:
            self.close()
        return answer.status, answer.headers.get("X-Status", "")

    def close(self) -> None:
        """Close it; the next request opens another."""
        if self._socket is not None:
            self._socket.close()
        self._socket = None


class Watch:
    """Counts what opens bytes in the threads of the service."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.opened: collections.Counter[str] = collections.Counter()
        self._own = threading.current_thread()
        for module, name in (
            (msgpack, "unpackb"),
            (msgpack, "loads"),
            (msgpack, "Unpacker"),
            (zlib, "decompressobj"),
            (zlib, "decompress"),
            (pickle, "loads"),
            (pickle, "Unpickler"),
            (dill, "loads"),
        ):
            self._watch(monkeypatch, module, name)

    def _watch(self, monkeypatch: pytest.MonkeyPatch, module, name: str) -> None:
        real = getattr(module, name)

        def noted(*args, **more):
            if threading.current_thread() is not self._own:
                self.opened[f"{module.__name__}.{name}"] += 1
            return real(*args, **more)

        monkeypatch.setattr(module, name, noted)


@pytest.fixture
def host(tmp_path: Path) -> Iterator[ServiceHost]:
    options = {"fastmap": {"workers": 2, "idle_seconds": 1.0}}
    with ServiceHost(["fastmap"], data_dir=tmp_path / "d", options=options) as running:
        yield running


def answers(url: str, requests: list[MadeUp]) -> collections.Counter[tuple[int, str]]:
    """Send all on a few connections in turn; what came back."""
    lines = [Line(url) for _ in range(LINES)]
    came = collections.Counter(
        lines[number % LINES].ask(request) for number, request in enumerate(requests)
    )
    for line in lines:
        line.close()
    return came


@pytest.mark.timeout(240)
def test_no_made_up_request_is_decoded_unsigned_or_answered_with_a_fault(
    host: ServiceHost, monkeypatch: pytest.MonkeyPatch
):
    place = host.endpoints["fastmap"]
    raw = Raw(place.url, place.secret)
    stored = raw.upload(blob_of(lambda number: number + 1))
    assert results_of(raw.map(stored, [1], "first")) == [2]
    raw.done(stored, "first")
    chance = Chance(SEED, raw.secret, stored)
    before = threads_and_processes()

    watch = Watch(monkeypatch)
    came = answers(raw.url, [chance.unsigned() for _ in range(UNSIGNED)])
    assert not watch.opened, watch.opened
    assert set(came) == {(401, "UNAUTHORIZED"), (403, "INVALID_SIGNATURE")}, came

    came = answers(raw.url, [chance.signed() for _ in range(SIGNED)])
    assert watch.opened["msgpack.unpackb"] > SIGNED / 2
    assert not [name for name in watch.opened if "pickle" in name or "dill" in name]
    assert max(status for status, _ in came) < 500, came
    assert {status for status, _ in came} <= {200, 400, 413}, came
    assert came[400, "BAD_REQUEST"] > SIGNED / 4, came
    assert sum(came[200, word] for _, word in came) > SIGNED / 20, came

    assert results_of(raw.map(stored, [41], "last")) == [42]
    for run in ("made-up", "another", "last"):
        raw.done(stored, run)
    until(
        lambda: threads_and_processes()[1] <= before[1],
        timeout=60,
        what="the workers of made-up runs to end",
    )
    assert threads_and_processes()[0] <= before[0] + 13


def threads_and_processes() -> tuple[int, int]:
    """How many of each this process has."""
    own = psutil.Process()
    return own.num_threads(), len(own.children(recursive=True))
