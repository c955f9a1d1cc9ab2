"""Many clients at once, one record each, against any HTTP service.

``python load.py`` reads one JSON object from standard input, ``{"url", "headers",
"body", "clients", "seconds"}``, and prints ``{"per_second", "median_ms", "failed"}``.
Each client is a kept-alive connection that sends its next request when the answer to
the last one is there. Plain asyncio, so that little of the time is the client's own.
"""

from __future__ import annotations

import asyncio
import json
import re
import statistics
import sys
import time
import urllib.parse

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.I)


class Client(asyncio.Protocol):
    """One connection that asks again and again until the time is over."""

    def __init__(self, request: bytes, end: float) -> None:
        self.request = request
        self.end = end
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.took: list[float] = []
        self.failed = 0
        self.waiting = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.ask()

    def ask(self) -> None:
        self.began = time.perf_counter()
        self.transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        self.waiting += data
        head, blank, body = self.waiting.partition(b"\r\n\r\n")
        if not blank:
            return
        length = _LENGTH.search(head)
        if length is None:
            if not body.endswith(b"0\r\n\r\n"):
                return
        elif len(body) < int(length[1]):
            return
        now = time.perf_counter()
        self.took.append(now - self.began)
        self.failed += not head.startswith(b"HTTP/1.1 200")
        self.waiting = b""
        if now < self.end:
            self.ask()
        else:
            self.transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_result(None)


async def load(order: dict) -> dict:
    parts = urllib.parse.urlsplit(order["url"])
    body = order["body"].encode()
    headers = {
        "Host": parts.netloc,
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        **order["headers"],
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    request = f"POST {parts.path} HTTP/1.1\r\n{lines}\r\n".encode() + body
    loop = asyncio.get_running_loop()
    began = time.perf_counter()
    end = began + order["seconds"]
    clients = []
    for _ in range(order["clients"]):
        _, client = await loop.create_connection(
            lambda: Client(request, end), parts.hostname, parts.port
        )
        clients.append(client)
    await asyncio.gather(*(client.done for client in clients))
    took = [one for client in clients for one in client.took]
    return {
        "per_second": len(took) / (time.perf_counter() - began),
        "median_ms": statistics.median(took) * 1e3,
        "failed": sum(client.failed for client in clients),
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(load(json.load(sys.stdin)))))
