"""What our client sends is what the real SDK sends, call by call.

The real SDK is made to do each call against a recorder, here and now; our client does
the same calls; the requests are laid side by side. Where ours differs on purpose, the
table `ON_PURPOSE` says how and why.

Compared: number and order of the requests, verb, raw path and query, body, and the
headers that mean something (who asks, what the body is, what answer is wanted).
JSON bodies are compared as values, since a service cannot tell their spacing apart;
multipart bodies part by part, since their boundary is random. Not compared: headers of
the HTTP stack itself, the ``Content-Type`` of a request without a body, and an
``Accept`` that only says "JSON" or "anything".
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from interop.recorder import ZIP, Recorded, recording

pytestmark = pytest.mark.interop

SCRIPT = Path(__file__).parent / "peers" / "calls.py"
CALLS = re.findall(r"^@call\ndef (\w+)\(", SCRIPT.read_text("utf-8"), re.M)
NEEDS_TLS = [name for name in CALLS if name.startswith("pneumo_socket")]
PLAIN = [name for name in CALLS if name not in NEEDS_TLS]

_MEANT = ("authorization", "cookie", "content-disposition", "range", "if-match")
_HANDSHAKE = ("upgrade", "origin", "sec-websocket-version", "sec-websocket-protocol")
_ANY_ANSWER = ("application/json", "*/*")
_PFA = {"input": "int", "output": "int", "action": ["input"]}


@dataclass(frozen=True)
class Shape:
    """What of a request means something to a service."""

    method: str
    target: str
    headers: dict[str, str] = field(default_factory=dict)
    body: object = b""


def shape_of(request: Recorded, url: str) -> Shape:
    """Leave out of a request what is chance or the business of the HTTP stack."""
    given = request.headers
    kept = {name: given[name] for name in (*_MEANT, *_HANDSHAKE) if name in given}
    if "origin" in kept:
        kept["origin"] = kept["origin"].replace(url, "URL")
    if given.get("accept", "*/*") not in _ANY_ANSWER:
        kept["accept"] = given["accept"]
    kind = given.get("content-type", "")
    body: object = request.body
    if request.body and kind:
        kept["content-type"] = re.sub(r"boundary=.*", "boundary=…", kind)
        if "json" in kind:
            body = json.loads(request.body)
        elif kind.startswith("multipart/"):
            body = parts_of(request.body, kind.partition("boundary=")[2].strip('"'))
    return Shape(request.method, request.target, kept, body)


def parts_of(body: bytes, boundary: str) -> list[tuple[dict[str, str], bytes]]:
    """The parts of a multipart body: their headers, and what they hold."""
    parts = []
    opening, *pieces, closing = body.split(b"\r\n--" + boundary.encode())
    assert (opening, closing) == (b"", b"--\r\n")
    for piece in pieces:
        head, _, content = piece.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines)
        parts.append(({k.lower(): v for k, v in headers.items()}, content))
    return parts


# --- where our client differs on purpose


Change = Callable[[list[Shape]], list[Shape]]


def body(value: object, **headers: str) -> Change:
    """The last request has this body instead."""

    def change(shapes: list[Shape]) -> list[Shape]:
        *before, last = shapes
        names = {k.replace("_", "-"): v for k, v in headers.items()}
        return [*before, replace(last, body=value, headers={**last.headers, **names})]

    return change


def headers(**changed: str | None) -> Change:
    """The last request has these headers instead; None takes one away."""

    def change(shapes: list[Shape]) -> list[Shape]:
        *before, last = shapes
        names = {k.replace("_", "-"): v for k, v in changed.items()}
        kept = {k: v for k, v in {**last.headers, **names}.items() if v is not None}
        return [*before, replace(last, headers=kept)]

    return change


def first(count: int) -> Change:
    """Only the first so many requests are sent."""
    return lambda shapes: shapes[:count]


def attachment_inline(shapes: list[Shape]) -> list[Shape]:
    """The attachment is fetched, and travels in the load itself."""
    *before, last = shapes
    target = before[-1].target
    wanted = {"accept": "application/zip, application/gzip"}
    _, model = last.body
    named = {"content-disposition": 'attachment; filename="a.zip"'}
    inline = ({**named, "content-type": "application/zip"}, ZIP)
    return [
        *before,
        Shape("GET", target, wanted),
        replace(last, body=[inline, model]),
    ]


_JSON = "application/json"
_OCTETS = "application/octet-stream"
_FALSY = "the SDK drops a body that is false in Python; the service has to guess it"
_TEXT = "the SDK wraps JSON text in one more JSON string; ours sends the value"
_LOOKUP = "the fleet answers a lookup with all that is needed: one request, not two"
_INLINE = "the SDK on Python 3 sends every attachment by reference, small ones too"
_BYTES = "the SDK does not say what the body of a roundtrip is"
_COOKIE = "the SDK sends the bare value of the cookie, without its name"
ON_PURPOSE: dict[str, tuple[str, Change]] = {
    "scale_to_none": (_FALSY, body(0, content_type=_JSON)),
    "schema_save_empty": (_FALSY, body({}, content_type=_JSON)),
    "stream_save_empty": (_FALSY, body({}, content_type=_JSON)),
    "attach_empty_descriptor": (_FALSY, body({}, content_type=_JSON)),
    "model_save_pfa_text": (_TEXT, body(_PFA)),
    "schema_save_text": (_TEXT, body({"type": "int"})),
    "verify_schema_text": (_TEXT, body({"type": "int"})),
    "load_saved_with_attachment": (_INLINE, attachment_inline),
    "roundtrip": (_BYTES, headers(content_type=_OCTETS)),
    "roundtrip_slots_and_timeout": (_BYTES, headers(content_type=_OCTETS)),
    "roundtrip_with_oauth_secret": (_BYTES, headers(content_type=_OCTETS)),
    "lookup_first_time": (_LOOKUP, first(1)),
    "health_after_login": (_COOKIE, headers(cookie="connect.sid=s%3Aab.cd")),
}


# --- the comparison


def record(python: str, library: str, certificate: Path | None, calls: list[str]):
    """Let a client do the calls; what it sent for each, and how each ended."""
    with recording(certificate) as server:
        done = subprocess.run(
            [python, str(SCRIPT), library, server.url, *calls],
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        pages = server.pages()
        shapes = {
            call: [shape_of(request, server.url) for request in pages.get(call, [])]
            for call in calls
        }
    return shapes, json.loads(done.stdout)


@pytest.fixture(scope="module")
def recorded(real_sdk: Path, certificate: tuple[Path, Path], tmp_path_factory):
    """What each of the two clients sent, and how each call ended, by call."""
    both = tmp_path_factory.mktemp("pem") / "both.pem"
    both.write_text("".join(part.read_text() for part in reversed(certificate)))
    sent = {}
    for who, python, library in (
        ("theirs", str(real_sdk), "fastscore"),
        ("ours", sys.executable, "pilothouse.fastscore"),
    ):
        shapes, outcomes = record(python, library, None, PLAIN)
        more_shapes, more_outcomes = record(python, library, both, NEEDS_TLS)
        sent[who] = (shapes | more_shapes, outcomes | more_outcomes)
    return sent


@pytest.mark.parametrize("call", CALLS)
def test_our_client_sends_what_the_real_sdk_sends(call: str, recorded):
    theirs, their_outcome = (part[call] for part in recorded["theirs"])
    ours, our_outcome = (part[call] for part in recorded["ours"])
    assert theirs
    assert "error" not in their_outcome
    assert "error" not in our_outcome
    _, change = ON_PURPOSE.get(call, ("", lambda shapes: shapes))
    assert ours == change(theirs)


def test_every_difference_on_purpose_is_one(recorded):
    """The table names no call whose requests have become the same."""
    theirs, ours = recorded["theirs"][0], recorded["ours"][0]
    assert [call for call in ON_PURPOSE if theirs[call] == ours[call]] == []
