"""A download goes on where it broke off."""

from __future__ import annotations

import io

import pytest

from pilothouse import errors
from pilothouse.transport.download import download
from pilothouse.transport.http import HttpPeer
from pilothouse.transport.retries import Retries

QUICK = Retries(attempts=3, base=0.01, ceiling=0.02, total=60.0)
CONTENT = bytes(range(256)) * 4096


def _serve(
    connection,
    *,
    etag,
    content=CONTENT,
    break_after=None,
    ranges=True,
    note=lambda lines: None,
):
    """Answer one request for the file, and break off after some bytes."""
    request = connection.read().decode()
    lines = dict(line.split(": ", 1) for line in request.split("\r\n")[1:] if line)
    note(lines)  # before the answer, behind which the test goes on
    first = 0
    status = "200 OK"
    extra = []
    if ranges and "Range" in lines and lines.get("If-Range") == etag:
        first = int(lines["Range"].removeprefix("bytes=").rstrip("-"))
        status = "206 Partial Content"
        extra = [f"Content-Range: bytes {first}-{len(content) - 1}/{len(content)}"]
    rest = content[first:]
    head = [
        f"HTTP/1.1 {status}",
        f"Content-Length: {len(rest)}",
        f"ETag: {etag}",
        *extra,
    ]
    connection.send("\r\n".join(head).encode() + b"\r\n\r\n" + rest[:break_after])
    connection.sock.close()
    return lines


def test_a_broken_download_is_resumed(raw_peer):
    asked = []

    def script(connection, number):
        cut = 300_000 if number < 4 else None
        _serve(connection, etag='"v1"', break_after=cut, note=asked.append)

    sink, seen = io.BytesIO(), []
    with HttpPeer(raw_peer(script).url, retries=QUICK) as http:
        answer = download(
            http, "/f", sink, progress=lambda done, total: seen.append((done, total))
        )
    assert answer.ok
    assert sink.getvalue() == CONTENT
    assert [a.get("Range") for a in asked] == [
        None,
        "bytes=300000-",
        "bytes=600000-",
        "bytes=900000-",
    ]
    assert seen[-1] == (len(CONTENT), len(CONTENT))


@pytest.mark.parametrize(
    "etag", ['W/"v"', None], ids=["weak validator", "changed file"]
)
def test_what_cannot_be_resumed_safely_starts_again(raw_peer, etag):
    def script(connection, number):
        cut = 300_000 if number == 1 else None
        content = CONTENT if etag else CONTENT[::-1] if number > 1 else CONTENT
        _serve(
            connection, etag=etag or f'"v{number}"', content=content, break_after=cut
        )

    sink = io.BytesIO()
    with HttpPeer(raw_peer(script).url, retries=QUICK) as http:
        assert download(http, "/f", sink).ok
    assert sink.getvalue() == (CONTENT if etag else CONTENT[::-1])


def test_a_download_that_brings_nothing_gives_up(raw_peer):
    def script(connection, number):
        connection.read()
        connection.reset()

    peer = raw_peer(script)
    with (
        HttpPeer(peer.url, retries=QUICK) as http,
        pytest.raises(errors.ConnectionLostError),
    ):
        download(http, "/f", io.BytesIO())
    assert peer.connections == 3


def test_a_refusal_is_returned_with_its_text(raw_peer):
    def script(connection, number):
        connection.read()
        connection.answer(b"no such attachment", "404 Not Found")

    sink = io.BytesIO(b"kept")
    with HttpPeer(raw_peer(script).url) as http:
        answer = download(http, "/f", sink)
    assert (answer.status, answer.text) == (404, "no such attachment")
    assert sink.getvalue() == b"kept"


def test_a_file_longer_than_allowed_is_not_taken(raw_peer):
    with (
        HttpPeer(raw_peer(lambda c, n: _serve(c, etag='"v"')).url) as http,
        pytest.raises(errors.ProtocolError, match="longer than 1000 bytes"),
    ):
        download(http, "/f", io.BytesIO(), max_bytes=1000)
