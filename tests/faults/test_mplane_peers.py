"""mPlane when peers die, answer late, twice or wrongly, when there are many of them,
and when somebody sets the clock.

Components are processes of their own where they get killed; a component that answers
wrongly is a small HTTP server of the test.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from free_ports import free_port
from interop.mplane_peer import OURS, Program, write_configuration
from pilothouse.errors import NotFoundError, TransportError
from pilothouse.mplane import component, model
from pilothouse.mplane.client import HttpInitiatorClient
from pilothouse.mplane.measurement import MeasurementState
from pilothouse.mplane.scheduler import Service
from waiting import until
from web_server import WebServer

pytestmark = pytest.mark.faults

REGISTRY = Path(model.__file__).parent / "registries" / "loopback.json"
LOOPBACK_URI = "http://mplane.corvid.ch/registry/loopback"
MEDIA_TYPE = "application/x-mplane+json"

MODULE = '''
"""A service that reports rows until it is told to stop."""
from pilothouse.mplane import model
from pilothouse.mplane.scheduler import Service


def services(**options):
    return [Counting()]


class Counting(Service):
    def __init__(self):
        capability = model.Capability(label="counting", when="now ... future")
        capability.add_parameter("source.port")
        capability.add_result_column("packets.ip")
        super().__init__(capability)

    def run(self, specification, check_interrupt):
        result = model.Result(specification=specification)
        row = 0
        while not check_interrupt.wait(0.05):
            result.set_result_value("packets.ip", row, row)
            check_interrupt.report(result)
            row += 1
        return result
'''


@pytest.fixture
def client():
    with HttpInitiatorClient() as client:
        yield client


class Counting:
    """A component process with the counting service, at one port all its lives."""

    def __init__(self, folder: Path) -> None:
        (folder / "counting.py").write_text(MODULE)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/"
        self._folder = folder
        self._configuration = write_configuration(
            folder / "counting.conf",
            {
                "component": {
                    "workflow": "client-initiated",
                    "listen-port": self.port,
                    "listen-cap-link": self.url,
                },
                "module_counting": {"module": "counting"},
            },
        )

    def start(self) -> Program:
        words = (*OURS["mpcom"], "--config", str(self._configuration))
        return Program(self._folder, words).listens(self.port)


@pytest.fixture
def counting(tmp_path) -> Counting:
    return Counting(tmp_path)


def test_a_component_killed_while_it_measures_and_started_again(counting, client):
    with counting.start() as first:
        client.retrieve_capabilities(f"{counting.url}capabilities")
        lost = client.run("counting", "now + 60s", {"source.port": 1})
        until(lambda: lost.rows > 3, 60, "some rows")
        rows = lost.rows
        first.kill()
        until(lambda: lost.state is MeasurementState.LOST, 60, "a loss that is noticed")
        assert lost.trouble
        assert not lost.is_over
        with pytest.raises(TransportError):
            client.run("counting", "now + 60s", {"source.port": 2})

    with counting.start():
        assert lost.wait(40)
        assert lost.state is MeasurementState.LOST
        with pytest.raises(NotFoundError):
            lost.result()
        assert lost.partial().count_result_rows() >= rows

        again = client.run("counting", "now + 60s", {"source.port": 1})
        until(lambda: again.rows > 1, 60, "rows of the new life")
        again.cancel()
        assert again.wait(60)
        assert again.result().count_result_rows() > 1


CLIENT = """
import json, sys
from pilothouse.mplane.client import HttpInitiatorClient

client = HttpInitiatorClient()
client.retrieve_capabilities(sys.argv[1] + "capabilities")
for port in range(1, 6):
    measurement = client.run("counting", "now + 1h", {"source.port": port})
    print(json.dumps(measurement.saved()), flush=True)
print("sent", flush=True)
sys.stdin.read()
"""


def test_a_client_killed_with_receipts_outstanding_is_followed_by_another(
    counting, client
):
    with counting.start():
        first = subprocess.Popen(
            [sys.executable, "-c", CLIENT, counting.url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert first.stdout is not None
        assert first.stdin is not None
        saved = []
        while (line := first.stdout.readline()) != "sent\n":
            saved.append(json.loads(line))
        first.kill()
        first.wait()
        first.stdout.close()
        first.stdin.close()

        measurements = [client.attach(each) for each in saved]
        for each in measurements:
            until(lambda each=each: each.rows > 1, 60, "rows of another's measurement")
            each.cancel()
        results = [each.result(60) for each in measurements]

    assert len(results) == 5
    assert [each.get_parameter_value("source.port") for each in results] == [
        1,
        2,
        3,
        4,
        5,
    ]
    assert all(each.count_result_rows() > 1 for each in results)


# a component that answers wrongly


class Wrong:
    """A component with one capability, and answers as a test wants them."""

    def __init__(self) -> None:
        self.answer: Callable[[model.Statement, int], object] = lambda m, n: m
        self.asked = 0
        self.capability = model.Capability(label="wrong", when="now ... future")
        self.capability.add_parameter("source.port")
        self.capability.add_result_column("packets.ip")
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self._send(outer.capability)

            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                message = model.parse_json(self.rfile.read(length))
                outer.asked += 1
                self._send(outer.answer(message, outer.asked))

            def _send(self, message) -> None:
                body = model.unparse_json(message).encode()
                self.send_response(200)
                self.send_header("Content-Type", MEDIA_TYPE)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = WebServer(Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def wrong():
    wrong = Wrong()
    yield wrong
    wrong.close()


def receipt_for(message) -> model.Receipt:
    return model.Receipt(dictval=_as("receipt", message))


def result_for(message, value: int, token: str | None = None) -> model.Result:
    d = _as("result", message) | {"when": "2016-02-18", "resultvalues": [[str(value)]]}
    if token is not None:
        d["token"] = token
    return model.Result(d)


def _as(kind: str, message) -> dict:
    d = message.to_dict()
    del d[message.kind_str()]
    return {kind: "measure"} | d


def asked(client, wrong, **options):
    client.retrieve_capabilities(f"{wrong.url}capability")
    return client.run("wrong", "now", {"source.port": 7}, **options)


def value(result) -> int:
    return result.result_column("packets.ip")[0]


def test_an_answer_that_comes_late_is_waited_for(client, wrong):
    wrong.answer = lambda m, n: receipt_for(m) if n < 5 else result_for(m, n)

    measurement = asked(client, wrong)

    assert value(measurement.result(30)) == 5
    assert measurement.state is MeasurementState.FINISHED


def test_a_result_that_comes_twice_counts_once(client, wrong):
    def twice(message, number):
        envelope = model.Envelope()
        for each in (1, 2):
            envelope.append_message(result_for(message, each))
        return envelope

    wrong.answer = twice
    changes = []

    measurement = asked(client, wrong)
    measurement.on_change(lambda m: changes.append(m.state))

    assert value(measurement.result(60)) in (1, 2)
    first = value(measurement.result())
    client.handle_message(result_for(measurement.specification, 99))
    assert value(measurement.result()) == first
    assert measurement.state is MeasurementState.FINISHED
    assert MeasurementState.FAILED not in changes


def test_a_result_for_another_token_is_not_taken_for_ours(client, wrong):
    def other(message, number):
        token = "f" * 32
        if number < 4:
            return result_for(message, 666, token)
        return result_for(message, 7)

    wrong.answer = other

    measurement = asked(client, wrong)

    assert value(measurement.result(30)) == 7
    assert measurement.token != "f" * 32


def test_answers_of_no_use_do_not_end_a_measurement(client, wrong):
    def odd(message, number):
        odds = {
            2: model.Envelope(),
            3: model.Capability(label="odd"),
            4: model.Exception(token="f" * 32, errmsg="of somebody else"),
            5: receipt_for(message),
        }
        return odds.get(number) or (
            receipt_for(message) if number == 1 else result_for(message, number)
        )

    wrong.answer = odd

    measurement = asked(client, wrong)

    assert value(measurement.result(40)) == 6


def test_a_first_answer_of_no_use_does_not_end_a_measurement(client, wrong):
    wrong.answer = lambda m, n: m if n == 1 else result_for(m, n)

    measurement = asked(client, wrong)

    assert value(measurement.result(30)) == 2


# many at a time


class Gate(Service):
    """Waits until so many of its kind are at work."""

    def __init__(self, number: int, barrier: threading.Barrier) -> None:
        capability = model.Capability(label=f"gate-{number}", when="now ... future")
        capability.add_parameter("source.port")
        capability.add_metadata("System_version", f"{number}")
        capability.add_result_column("packets.ip")
        super().__init__(capability)
        self._barrier = barrier

    def run(self, specification, check_interrupt):
        self._barrier.wait(250)
        result = model.Result(specification=specification, when="2016-02-18")
        port = specification.get_parameter_value("source.port")
        result.set_result_value("packets.ip", port + 1)
        return result


def test_two_hundred_capabilities_and_five_hundred_jobs_at_a_time(client):
    """All 500 services are at work at once: none goes on before the last has begun."""
    jobs = 500
    barrier = threading.Barrier(jobs)
    services = [Gate(number, barrier) for number in range(200)]
    before = threading.active_count()

    with component.serve(services) as served:
        client.retrieve_capabilities(f"{served.url}capabilities")
        assert len(client.capability_labels()) == 200

        def run(number: int):
            label = f"gate-{number % 200}"
            return client.run(label, "now + 1h", {"source.port": number})

        with ThreadPoolExecutor(16) as pool:
            measurements = list(pool.map(run, range(jobs)))
        results = [each.result(250) for each in measurements]

    found = [value(each) for each in results]
    assert found == [number + 1 for number in range(jobs)]
    assert len({each.token for each in measurements}) == jobs
    until(lambda: threading.active_count() <= before + 60, 60, "threads that end")


# clocks


class Tick(Service):
    """Says at once when it ran."""

    def __init__(self) -> None:
        capability = model.Capability(label="tick", when="now ... future")
        capability.add_result_column("time")
        super().__init__(capability)

    def run(self, specification, check_interrupt):
        now = model.clock.now()
        result = model.Result(specification=specification, when=model.When(a=now))
        result.set_result_value("time", now)
        return result


class Clock:
    """A clock that runs, from a moment that a test can set."""

    def __init__(self, moment: datetime) -> None:
        self.set(moment)

    def set(self, moment: datetime) -> None:
        self._moment, self._since = moment, time.monotonic()

    def __call__(self) -> datetime:
        return self._moment + timedelta(seconds=time.monotonic() - self._since)


@pytest.fixture
def clock():
    clock = Clock(datetime(2016, 2, 18, 12))
    model.clock.set_source(clock)
    yield clock
    model.clock.set_source(None)


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_rhythm_is_kept_when_somebody_sets_the_clock(client, clock, hours):
    with component.serve(Tick()) as served:
        client.retrieve_capabilities(f"{served.url}capabilities")
        ticks = client.run("tick", "repeat now + 2s / 1s", {})
        until(lambda: ticks.rows >= 1, 60, "a first tick")
        began = time.monotonic()
        clock.set(clock() + timedelta(hours=hours))

        results = ticks.result(60)

    assert time.monotonic() - began < 12
    assert 2 <= len(results) <= 3
    assert len({each.get_token() for each in results}) == len(results)


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_measurement_under_way_ends_after_its_duration_by_any_clock(
    counting, client, clock, hours
):
    with component.serve(Tick()) as served:
        client.retrieve_capabilities(f"{served.url}capabilities")
        later = client.run("tick", "now + 2s", {})
        clock.set(clock() + timedelta(hours=hours))

        assert later.wait(60)


def test_a_crontab_runs_over_a_change_of_year(client):
    due = [
        datetime(2014, 12, 31, 23, 59, 58),
        datetime(2014, 12, 31, 23, 59, 59),
        datetime(2015, 1, 1),
    ]
    with (
        model.clock.frozen(datetime(2014, 12, 31, 23, 59, 57, 500000)),
        component.serve(Tick()) as served,
    ):
        client.retrieve_capabilities(f"{served.url}capabilities")
        ticks = client.run("tick", "repeat now + 5s cron 0,58,59 * * * * *", {})
        for number, moment in enumerate(due, 1):
            model.clock.set_source(lambda moment=moment: moment)
            until(lambda number=number: ticks.rows == number, 60, "a turn")
        model.clock.set_source(lambda: due[-1] + timedelta(seconds=10))

        results = ticks.result(60)

    assert [each.result_column("time")[0] for each in results] == due


def test_a_yearly_crontab_waits_without_work(client, clock):
    clock.set(datetime(2014, 3, 1))
    with component.serve(Tick()) as served:
        client.retrieve_capabilities(f"{served.url}capabilities")
        began = time.process_time()
        yearly = client.run("tick", "repeat now ... future cron 0 0 0 29 * 2", {})
        assert yearly.state in (MeasurementState.SCHEDULED, MeasurementState.RUNNING)
        used = time.process_time() - began
        yearly.cancel()
        assert yearly.wait(60)

    assert used < 1
