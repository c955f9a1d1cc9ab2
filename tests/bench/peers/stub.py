"""Answers at once with canned bytes: what is left is the client's own time.

``python stub.py`` prints its port and serves until its standard input ends.
"""

from __future__ import annotations

import asyncio
import json
import sys

_HEALTH = json.dumps({"id": "1", "release": "1.10", "built_on": "today"})
_ENGINE = {"id": "1", "name": "engine-1", "api": "engine", "host": "h", "port": 1}
_ENGINE |= {"release": "1.10", "built_on": "today", "health": "ok"}
_ANSWERS = {
    b"health": ("application/json", _HEALTH),
    b"connect": ("application/json", json.dumps([_ENGINE])),
    b"output": ("application/octet-stream", '{"x":1.5,"y":2,"z":3.0}'),
}


def _answer(kind: str, text: str) -> bytes:
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(text)}"
    return f"{head}\r\n\r\n{text}".encode()


_BY_WORD = {word: _answer(*answer) for word, answer in _ANSWERS.items()}


class Stub(asyncio.Protocol):
    """Answers each request by a word in its path; requests have no bodies."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.waiting = b""

    def data_received(self, data: bytes) -> None:
        *requests, self.waiting = (self.waiting + data).split(b"\r\n\r\n")
        for request in requests:
            path = request.split(b" ", 2)[1].partition(b"?")[0]
            word = next(step for step in reversed(path.split(b"/")) if step in _BY_WORD)
            self.transport.write(_BY_WORD[word])


async def main() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Stub, "127.0.0.1", 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
