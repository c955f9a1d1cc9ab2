"""Ten thousand mPlane messages made up by chance: the component answers each of them.

What is no message gets an exception with a status of 4xx; what is one gets a message
with status 200, and most of the time that is an exception too.
"""

from __future__ import annotations

import collections
import http.client
import logging
import os
import threading

import pytest

from faults.made_up_mplane import bodies
from free_ports import free_port
from interop.mplane_peer import write_configuration
from pilothouse.mplane import component, configuration, model
from pilothouse.mplane.client import HttpListenerClient
from pilothouse.mplane.probes import loopback

pytestmark = pytest.mark.faults

COUNT = 10_000
SEED = int(os.environ.get("PILOTHOUSE_SEED", "23"))
MEDIA_TYPE = "application/x-mplane+json"
LOGS = ("pilothouse", "aiohttp.server", "tornado")
ANSWERS = {"result", "receipt", "exception", "envelope", "withdrawal"}


@pytest.fixture
def served():
    """A component with one quick service, that holds nothing back."""
    with component.serve(loopback.services(), immediate_seconds=0.0) as served:
        yield served


@pytest.fixture
def line(served):
    """A connection to the component."""
    line = http.client.HTTPConnection("127.0.0.1", served.port, timeout=20)
    yield line
    line.close()


def readable(body: bytes) -> bool:
    try:
        model.parse_json(body)
    except ValueError:
        return False
    return True


def answered(line: http.client.HTTPConnection, body: bytes) -> tuple[int, str]:
    line.request("POST", "/", body, {"Content-Type": MEDIA_TYPE})
    answer = line.getresponse()
    text = answer.read()
    assert answer.headers["Content-Type"] == MEDIA_TYPE, (answer.status, body, text)
    return answer.status, model.parse_json(text).kind_str()


def errors_of(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    """Return the errors that were logged of answers; other threads have their own."""
    errors = [each for each in caplog.records if each.levelno >= logging.ERROR]
    return [each for each in errors if each.name.startswith(LOGS)]


def test_every_made_up_message_is_answered_with_a_message(served, line, caplog):
    caplog.set_level(logging.ERROR)
    threads = threading.active_count()
    seen: collections.Counter[tuple[bool, int, str]] = collections.Counter()
    for body in bodies(COUNT, SEED):
        status, kind = answered(line, body)
        is_readable = readable(body)
        seen[is_readable, status, kind] += 1
        if is_readable:
            assert status == 200, body
            assert kind in ANSWERS, body
        else:
            assert 400 <= status < 500, body
            assert kind == "exception", body

    assert served.is_running
    assert seen.total() == COUNT
    assert seen[False, 400, "exception"] > COUNT / 10
    assert seen[True, 200, "exception"] > COUNT / 10
    assert seen[True, 200, "receipt"] + seen[True, 200, "result"] > COUNT / 100
    assert errors_of(caplog) == []
    served.scheduler.interrupt_all()
    assert threading.active_count() < threads + 200


BODIES = {
    "nothing": b"",
    "not UTF-8": b"\xff\xfe",
    "deeper than any stack": b'{"envelope":"message","contents":[' * 900,
    "an array": b"[" * 100_000,
    "a number beyond all bounds": b'{"capability": 1e99999}',
    "text that is no Unicode": b'{"exception": null, "message": "\\ud800"}',
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_what_no_parser_likes_is_refused_with_an_exception(line, body):
    status, kind = answered(line, body)

    assert 400 <= status < 500
    assert kind == "exception"


@pytest.mark.parametrize(
    ("media_type", "is_taken"),
    [
        (MEDIA_TYPE, True),
        (f"{MEDIA_TYPE}; charset=utf-8", False),
        ("application/json", False),
        ("", False),
    ],
)
def test_only_the_exact_content_type_is_taken(served, line, media_type, is_taken):
    """Scenario 24 of the contract; the SDK's component answers 500 with a page."""
    specification = model.Specification(
        capability=served.scheduler.services[0].capability(), when="now"
    )
    specification.set_parameter_value("test.input", "a")
    body = model.unparse_json(specification).encode()

    line.request("POST", "/", body, {"Content-Type": media_type})
    answer = line.getresponse()
    kind = model.parse_json(answer.read()).kind_str()

    if is_taken:
        assert answer.status == 200
        assert kind in ("receipt", "result")
    else:
        assert answer.status == 406
        assert kind == "exception"


@pytest.fixture
def listener(tmp_path):
    """A client that components come to."""
    port = free_port()
    file = write_configuration(
        tmp_path / "client.conf",
        {
            "client": {
                "workflow": "component-initiated",
                "listen-port": port,
                "listen-spec-link": f"http://127.0.0.1:{port}/register/result",
                "registration-path": "register/capability",
                "specification-path": "show/specification",
                "result-path": "register/result",
            }
        },
    )
    with HttpListenerClient(configuration.read(file)) as client:
        client.listen_in_background()
        line = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        yield line
        line.close()


@pytest.mark.parametrize("path", ["/register/capability", "/register/result"])
def test_a_client_that_listens_takes_or_refuses_every_made_up_message(
    listener, path, caplog
):
    caplog.set_level(logging.ERROR)
    statuses: collections.Counter[int] = collections.Counter()

    for body in bodies(1_000, SEED + 1):
        listener.request("POST", path, body, {"Content-Type": MEDIA_TYPE})
        answer = listener.getresponse()
        answer.read()
        statuses[answer.status] += 1

    assert set(statuses) <= {200, 400, 401, 413}
    assert statuses[200] > 10
    assert statuses[400] > 100
    assert errors_of(caplog) == []
