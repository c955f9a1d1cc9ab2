"""Ten thousand requests made up by chance do not bring the services out of step."""

from __future__ import annotations

import collections
import http.client
import json
import os
import socket
import urllib.parse
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from faults.made_up import Chance, MadeUp, Operation, operations
from interop.suite_process import SuiteProcess
from pilothouse.fastscore import Model, Stream
from pilothouse.fastscore.suite import Connect

pytestmark = pytest.mark.faults

REQUESTS = 10_400
WORKERS = 8
SEED = int(os.environ.get("PILOTHOUSE_SEED", "22"))
INSTANCES = ("connect", "model-manage-1", "engine-1", "engine-2")


class Line:
    """A connection on which requests go out as they are.

    Args:
        url: Where to.
    """

    def __init__(self, url: str) -> None:
        parts = urllib.parse.urlsplit(url)
        self._address = (parts.hostname, parts.port)
        self._socket: socket.socket | None = None

    def ask(self, request: MadeUp) -> int:
        """Send it; the status of the answer, 0 when the connection was closed."""
        if self._socket is None:
            self._socket = socket.create_connection(self._address, timeout=120)
        try:
            self._socket.sendall(request.raw)
            if not request.is_http:
                self._socket.shutdown(socket.SHUT_WR)  # nothing will complete it
            answer = http.client.HTTPResponse(self._socket, method=request.method)
            answer.begin()
            answer.read()
        except (ConnectionError, http.client.BadStatusLine):
            self.close()
            return 0
        if answer.will_close or answer.status == 101:
            self.close()
        return answer.status

    def close(self) -> None:
        """Close it; the next request opens another."""
        if self._socket is not None:
            self._socket.close()
        self._socket = None


def served_by(services: SuiteProcess) -> list[Operation]:
    """What the instances say they serve."""
    found = [Operation("POST", "/1/login", ())]
    for instance in INSTANCES:
        url = f"{services.url}/api/1/service/{instance}/1/swagger"
        asked = urllib.request.Request(url, headers={"Authorization": services.token})
        with urllib.request.urlopen(asked, timeout=60) as answer:
            found += operations(instance, json.load(answer))
    return found


def is_bad(request: MadeUp, status: int) -> bool:
    """Whether an answer is a fault of the services; a late roundtrip has its 504."""
    return status >= 500 and not (status == 504 and "roundtrip" in request.path)


@pytest.mark.timeout(240)
def test_no_made_up_request_is_answered_with_a_fault(
    services: SuiteProcess, tmp_path: Path
):
    known = served_by(services)
    assert len({(o.method, o.path) for o in known}) > 100

    def ask_some(worker: int) -> tuple[collections.Counter[int], list[str]]:
        chance = Chance(SEED + worker, known, services.token, tmp_path)
        line = Line(services.url)
        statuses: collections.Counter[int] = collections.Counter()
        faults = []
        for _ in range(REQUESTS // WORKERS):
            request = chance.request()
            status = line.ask(request)
            statuses[status] += 1
            if is_bad(request, status):
                faults.append(f"{status}: {request.raw[:600]!r}")
        line.close()
        return statuses, faults

    with ThreadPoolExecutor(WORKERS) as pool:
        told = list(pool.map(ask_some, range(WORKERS)))

    faults = [fault for _, some in told for fault in some]
    trouble = [line for line in services.said().splitlines() if " 400, " not in line]
    assert not faults, "\n".join([f"{len(faults)} faults", *faults[:8], *trouble[:99]])
    statuses = sum((counted for counted, _ in told), collections.Counter())
    assert statuses.total() >= 10_000
    assert len(statuses) > 8, statuses
    assert statuses[200] + statuses[201] + statuses[204] > 1000, statuses
    assert statuses[0] < 500, statuses
    assert not [line for line in trouble if "Traceback" in line], "\n".join(trouble)
    assert_in_step(services)


def assert_in_step(services: SuiteProcess) -> None:
    """The same process serves as before, and has not grown without end."""
    assert psutil.Process(services.pid).memory_info().rss < 500 * 2**20
    c = Connect(services.url, oauth_secret=services.token)
    assert {instance.health for instance in c.fleet()} == {"ok"}
    for name in ("engine-1", "engine-2"):
        engine = c.get(name)
        engine.reset()
        Model("m", "python3", "def action(x):\n    yield x\n").deploy(engine)
        for slot in (0, 1):
            Stream("s", {"Transport": "REST", "Encoding": "json"}).attach(engine, slot)
        assert engine.roundtrip(b"1", timeout=60_000) == b"1"
