"""A server with plugins that misbehave on demand, and peers of its own wire."""

from __future__ import annotations

import hashlib
import json
from contextlib import contextmanager
from pathlib import Path

import pytest
import websocket

LAB = Path(__file__).with_name("lab.py")


class Raw:
    """A websocket that says exactly what a test wants, and reads whole messages."""

    def __init__(self, url, headers=()):
        self.ws = websocket.create_connection(url, timeout=60, header=list(headers))

    def send(self, message):
        self.ws.send("0" + json.dumps(message))

    def request(self, number, name, data=None):
        self.send({"type": "request", "id": number, "name": name, "data": data})

    def read(self):
        """Return the next message; None when the server has closed."""
        parts = []
        while True:
            try:
                frame = self.ws.recv()
            except websocket.WebSocketConnectionClosedException:
                return None
            if not frame:
                return None
            if frame[0] in "23":
                continue
            parts.append(frame[1:])
            if frame[0] == "0":
                return json.loads("".join(parts))

    def answer(self, number):
        """Return the answer to a request, and the diffs that came before it."""
        diffs = []
        while (message := self.read()) is not None:
            if message["type"] == "response" and message["id"] == number:
                return message, diffs
            if message["type"] == "state":
                diffs.append(message["diff"])
        return None, diffs

    def login(self, endpoint, **more):
        hashed = hashlib.sha256(endpoint.password.encode()).hexdigest()
        data = {"username": endpoint.username, "password": hashed, **more}
        self.request(0, "login", data)
        return self.answer(0)


@pytest.fixture
def raw(aimm_server):
    """Opens raw connections to the shared server."""
    opened = []

    @contextmanager
    def connect(url=aimm_server.url, **options):
        peer = Raw(url, **options)
        opened.append(peer)
        try:
            yield peer
        finally:
            peer.ws.shutdown()

    return connect
