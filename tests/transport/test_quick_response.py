"""The head of an answer, read line by line."""

from __future__ import annotations

import io
from http.client import HTTPException

import pytest

from pilothouse import errors
from pilothouse.transport.http import HttpPeer
from pilothouse.transport.quick_response import read_headers
from pilothouse.transport.retries import NO_RETRIES


@pytest.mark.parametrize(
    ("lines", "items"),
    [
        (b"\r\n", []),
        (b"A: b\r\n\r\n", [("A", "b")]),
        (b"A:b\nC:  d \n\n", [("A", "b"), ("C", "d")]),
        (b"A: b: c\r\n\r\n", [("A", "b: c")]),
        (b"A:\r\n\r\n", [("A", "")]),
        (b"A: b\r\n  c\r\n\td\r\n\r\n", [("A", "b c d")]),
        (b"A: 1\r\nA: 2\r\n\r\n", [("A", "1"), ("A", "2")]),
        (b"A: \xe9\r\n\r\n", [("A", "\xe9")]),
        (b"A: b\r\n", [("A", "b")]),
    ],
)
def test_headers_are_read(lines, items):
    found = read_headers(io.BytesIO(lines))
    assert [(name, str(value)) for name, value in found.items()] == items


@pytest.mark.parametrize(
    "lines",
    [
        b"no colon\r\n\r\n",
        b": no name\r\n\r\n",
        b"A : b\r\n\r\n",
        b" folded first\r\n\r\n",
        b"A: " + b"x" * 70_000 + b"\r\n\r\n",
        b"A: b\r\n" * 200 + b"\r\n",
    ],
    ids=["no colon", "no name", "space", "folded", "too long", "too many"],
)
def test_what_are_no_headers_is_refused(lines):
    with pytest.raises(HTTPException):
        read_headers(io.BytesIO(lines))


@pytest.mark.parametrize(
    ("answer", "status", "body"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", 200, b"hi"),
        (b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nhi", 200, b"hi"),
        (b"HTTP/1.0 200 OK\r\n\r\nuntil the end", 200, b"until the end"),
        (b"HTTP/1.1 404 No\r\nConnection: close\r\n\r\nx", 404, b"x"),
        (
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nLink: x\r\n\r\n"
            b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx",
            200,
            b"x",
        ),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n"
            b"2\r\nhi\r\n0\r\nT: x\r\n\r\n",
            200,
            b"hi",
        ),
        (b"HTTP/1.1 304 Same\r\nContent-Length: 9\r\n\r\n", 304, b""),
    ],
    ids=["plain", "no reason", "old", "close", "interim", "chunked", "no body"],
)
def test_answers_are_read_to_their_end(raw_peer, answer, status, body):
    def script(connection, number):
        connection.read()
        connection.send(answer)
        connection.sock.close()

    with HttpPeer(raw_peer(script).url, retries=NO_RETRIES) as http:
        found = http.call("GET", "/")
    assert (found.status, found.body) == (status, body)


def test_a_head_has_the_length_and_no_body(raw_peer):
    def script(connection, number):
        while connection.read():
            connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n")

    peer = raw_peer(script)
    with HttpPeer(peer.url) as http:
        for _ in range(3):
            assert http.call("HEAD", "/").headers["content-length"] == "99"
    assert peer.connections == 1


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-x\r\n\r\n",
        b"HTTP/2 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
    ],
)
def test_what_is_no_http_is_a_lost_connection(raw_peer, answer):
    def script(connection, number):
        connection.read()
        connection.send(answer)
        connection.sock.close()

    with (
        HttpPeer(raw_peer(script).url, retries=NO_RETRIES) as http,
        pytest.raises(errors.TransportError),
    ):
        http.call("GET", "/")
