"""Fastmap requests as bytes, with nothing of our own code between.

What a test sends is exactly what it says, so that wrong things can be sent as well as
right ones. Standard library, dill and msgpack only. Source: Fastmap contract, §2.
"""

from __future__ import annotations

import gzip
import hashlib
import http.client
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import FunctionType
from typing import Any
from urllib.parse import urlsplit

import dill
import msgpack

from interop.relay import Reply, signed

RELEASED = "0.0.6"
_LONGEST_S = 90


def blob_of(
    function: Callable[[Any], Any] | bytes,
    local_sources: Mapping[str, str] | None = None,
    requirements: object = None,
    installed_mods: Iterable[str] = (),
) -> bytes:
    """A function dictionary, gzipped, as the real client makes it."""
    if not isinstance(function, bytes):
        function = dill.dumps(_by_value(function), recurse=True)
    value = {
        "func": function,
        "local_sources": dict(local_sources or {}),
        "installed_mods": list(installed_mods),
        "requirements": {} if requirements is None else requirements,
    }
    return gzip.compress(msgpack.packb(value), 1, mtime=0)


def _by_value(function: Callable[[Any], Any]) -> FunctionType:
    """The same function as one of a script, so that its code travels."""
    assert isinstance(function, FunctionType)
    names: dict[str, Any] = {"__name__": "__main__"}
    copy = FunctionType(
        function.__code__,
        names,
        function.__name__,
        function.__defaults__,
        function.__closure__,
    )
    names[function.__name__] = copy
    return copy


def hash_of(blob: bytes) -> str:
    """The real client's hash: of the blob."""
    return hashlib.sha256(blob).hexdigest()[:16]


def batch_of(items: Any) -> bytes:
    """A batch as the real client packs it."""
    return gzip.compress(dill.dumps(items), 1)


def results_of(reply: Reply) -> list[Any]:
    """What a binary answer of our own service holds."""
    assert reply.word == "BATCH_PROCESSED", (reply.word, reply.told)
    return dill.loads(gzip.decompress(reply.body))["results"]


@dataclass(frozen=True)
class Raw:
    """A caller.

    Attributes:
        url: Where the service is.
        secret: The token.
        version: ``X-Client-Version``; None sends none.
        python: ``X-Python-Version``; None sends none.
        more: More headers.
    """

    url: str
    secret: str
    version: str | None = RELEASED
    python: str | None = sys.version.replace("\n", "")
    more: Mapping[str, str] = field(default_factory=dict)

    def headers(self, body: bytes) -> dict[str, str]:
        """What the real client sends with a body."""
        told = {
            "Authorization": f"Bearer {self.secret[:32]}",
            "X-Content-Signature": signed(self.secret, body),
        }
        if self.version is not None:
            told["X-Client-Version"] = self.version
        if self.python is not None:
            told["X-Python-Version"] = self.python
        return {**told, **self.more}

    def post(
        self, call: str, body: bytes, headers: Mapping[str, str] | None = None
    ) -> Reply:
        """Send a body, on a connection of its own."""
        sent = self.headers(body) if headers is None else dict(headers)
        connection = http.client.HTTPConnection(
            urlsplit(self.url).netloc, timeout=_LONGEST_S
        )
        try:
            connection.request("POST", f"/api/v1/{call}", body, sent)
            answer = connection.getresponse()
            return Reply(answer.status, answer.headers, answer.read())
        finally:
            connection.close()

    def send(self, call: str, **fields: Any) -> Reply:
        """Send a map."""
        return self.post(call, msgpack.packb(fields))

    def upload(self, blob: bytes, func_hash: str = "") -> str:
        """Store a function in one part; its hash."""
        func_hash = func_hash or hash_of(blob)
        reply = self.send(
            "init", func_hash=func_hash, func=blob, payload_part=0, payload_len=1
        )
        assert (reply.status, reply.word) == (200, "UPLOADED"), reply.told
        return func_hash

    def map(
        self, func_hash: str, items: Any, run_id: str, label: str = "", **more: Any
    ) -> Reply:
        """Map a batch; sends the same bytes again while the service says so.

        With ``index=`` nothing is begun by what is sent after the end of the run.
        """
        batch = items if isinstance(items, bytes) else batch_of(items)
        fields = {"func_hash": func_hash, "batch": batch, "run_id": run_id}
        while True:
            reply = self.send("map", **fields, label=label, **more)
            if reply.word not in ("INITIALIZING", "INITALIZING"):
                return reply

    def done(self, func_hash: str, run_id: str) -> Reply:
        """End a run."""
        return self.send("done", func_hash=func_hash, run_id=run_id)
