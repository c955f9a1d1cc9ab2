"""Fastmap requests made up by chance: unsigned, signed garbage, and mutated ones.

The same seed makes the same requests. A request says whether it may be decoded at all:
only what carries the right bearer and the right signature of its own bytes.
"""

from __future__ import annotations

import gzip
import random
from dataclasses import dataclass
from typing import Any

import msgpack

from interop.raw_map import batch_of, blob_of, hash_of
from interop.relay import signed

CALLS = ("auth", "init", "map", "done", "runs", "results")
_ODD: list[Any] = [None, True, False, 0, -1, 1, 2**31, 2**63, 2**64 - 1, 1.5, b"", ""]
_ODD += [b"x", "x", "é", "\x00", "../../etc/passwd", "%2e%2e", "z" * 20_000, [], {}]
_ODD += [[[]], {"a": {}}, float("nan"), float("inf"), -(2**63), "0" * 16, "f" * 16]
_VERSIONS = ["0.0.6", "0.0.4", "1.0", "9.9", "", "0.0.", "x" * 3000]
_PYTHONS = ["3.11.7", "3.11.7 (main) [GCC]", "", "x", "3", "2.7.18", "3.8.18", "99.99"]
_KEYS = ["func_hash", "func", "payload_part", "payload_len", "batch", "label"]
_KEYS += ["run_id", "index", "count", "name", "defer", "keep", "x", ""]


@dataclass(frozen=True, slots=True)
class MadeUp:
    """One request.

    Attributes:
        call: Last step of its path.
        raw: All of it, as it goes on the wire.
        may_be_decoded: Whether bearer and signature are right.
        maps: Whether it is a map request that is as it should be.
    """

    call: str
    raw: bytes
    may_be_decoded: bool
    maps: bool = False


class Chance:
    """Makes requests up.

    Args:
        seed: The same seed, the same requests.
        secret: The token of the service.
        stored: Hash of a stored function that takes numbers.
    """

    def __init__(self, seed: int, secret: str, stored: str) -> None:
        self._random = random.Random(seed)
        self._secret = secret
        self._stored = stored
        self._blob = blob_of(b"\x80\x04N.")
        self._batch = batch_of([1, 2, 3])

    def unsigned(self) -> MadeUp:
        """One whose body nobody may look at."""
        call, body = self._call_and_body()
        right = signed(self._secret, body)
        way = self._random.randrange(6)
        bearer, signature = self._secret[:32], right
        if way == 0:
            signature = ""
        elif way == 1:
            signature = f"{self._random.getrandbits(256):064x}"
        elif way == 2:
            at = self._random.randrange(64)
            other = "0" if right[at] != "0" else "1"
            signature = right[:at] + other + right[at + 1 :]
        elif way == 3:
            signature = signed(self._secret, body + b"\x00")
        elif way == 4:
            signature = right.upper() if right.upper() != right else "x"
        else:
            bearer = self._secret[32:]
        return MadeUp(call, self._request(call, body, bearer, signature), False)

    def signed(self) -> MadeUp:
        """One with the right signature, and mostly something wrong inside."""
        call, body = self._call_and_body()
        maps = call == "map" and body == self._right("map")
        raw = self._request(call, body, self._secret[:32], signed(self._secret, body))
        return MadeUp(call, raw, True, maps)

    def _call_and_body(self) -> tuple[str, bytes]:
        call = self._random.choice(CALLS)
        way = self._random.random()
        if way < 0.1:
            return call, self._random.randbytes(self._random.choice([0, 1, 9, 3000]))
        if way < 0.2:
            odd = [b"\xdd\xff\xff\xff\xff", b"\x91" * 3000, b"\xc7\x01\x05x", b"\xc1"]
            odd += [b"\x80\x80", b"\x81\x01\x02", b"\x81\xc4\x01x\x01", b"[]", b"{}"]
            return call, self._random.choice(odd)
        body = self._right(self._random.choice(CALLS) if way < 0.3 else call)
        if way < 0.5:
            return call, self._damaged(body)
        if way < 0.9:
            return call, msgpack.packb(self._mutated(msgpack.unpackb(body)))
        return call, body

    def _right(self, call: str) -> bytes:
        fields: dict[str, Any] = {}
        if call == "init":
            fields = {"func_hash": hash_of(self._blob), "func": self._blob}
            fields |= {"payload_part": 0, "payload_len": 1}
        elif call == "map":
            fields = {"func_hash": self._stored, "batch": self._batch}
            fields |= {"label": "", "run_id": "made-up"}
        elif call == "done":
            fields = {"func_hash": self._stored, "run_id": "another"}
        elif call == "results":
            fields = {"run_id": "made-up", "index": 0}
        return msgpack.packb(fields)

    def _damaged(self, body: bytes) -> bytes:
        data = bytearray(body)
        for _ in range(self._random.choice([1, 1, 2, 5])):
            at = self._random.randrange(len(data) + 1)
            way = self._random.randrange(3)
            if way == 0 and at < len(data):
                data[at] ^= 1 << self._random.randrange(8)
            elif way == 1:
                del data[at:]
            else:
                data[at:at] = self._random.randbytes(3)
        return bytes(data)

    def _mutated(self, fields: dict[str, Any]) -> dict[str, Any]:
        for _ in range(self._random.choice([1, 1, 2])):
            way = self._random.randrange(4)
            known = list(fields) or _KEYS
            key = self._random.choice(known)
            if way == 0:
                fields.pop(key, None)
            elif way == 1:
                fields[self._random.choice(_KEYS)] = self._random.choice(_ODD)
            elif way == 2 and isinstance(fields.get(key), bytes):
                inside = [gzip.compress(self._damaged(b"\x80\x04N.")), b"\x1f\x8b"]
                inside += [self._damaged(fields[key]), gzip.compress(b"\x80\x04.")]
                fields[key] = self._random.choice(inside)
            else:
                fields[key] = self._random.choice(_ODD)
        return fields

    def _request(self, call: str, body: bytes, bearer: str, signature: str) -> bytes:
        lines = [
            f"POST /api/v1/{call} HTTP/1.1",
            "Host: 127.0.0.1",
            f"Content-Length: {len(body)}",
            f"Authorization: Bearer {bearer}",
        ]
        if signature:
            lines.append(f"X-Content-Signature: {signature}")
        python = "3.11.7" if self._random.random() < 0.9 else ""
        lines.append(f"X-Python-Version: {python or self._random.choice(_PYTHONS)}")
        if self._random.random() < 0.7:
            lines.append(f"X-Client-Version: {self._random.choice(_VERSIONS)}")
        if self._random.random() < 0.2:
            lines.append("X-Bind: 1")
        head = "\r\n".join(lines) + "\r\n\r\n"
        return head.encode("latin-1") + body
