"""mPlane messages made up by chance: valid ones, and such with something wrong.

A seeded stream of request bodies. Each starts from a valid message of some kind for the
services of the test; then nothing, or one to three things in it are changed: a value of
another type or meaning, a key lost or invented, a kind exchanged, a piece of the text
cut out or flipped, an envelope around it, or around many of it.
"""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable, Iterator
from typing import Any

from pilothouse.mplane.model import CORE_URI

__all__ = ["LOOPBACK_URI", "bodies"]

LOOPBACK_URI = "http://mplane.corvid.ch/registry/loopback"

KINDS = (
    "capability",
    "specification",
    "result",
    "receipt",
    "redemption",
    "withdrawal",
    "interrupt",
)
SCOPES = (
    "now",
    "now + 10s / 1s",
    "now + 0s",
    "now ... future",
    "past ... future",
    "past ... now",
    "2009-02-20 13:00:00 ... 2009-02-20 15:00:00",
    "2099-01-01",
    "repeat now + 2s / 1s { now + 1s } ",
    "repeat now ... future cron 0 0 0 29 * 2",
    "repeat now ... future / 100000d",
)
JUNK: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    1.5,
    2,
    2**63,
    1e300,
    "",
    "*",
    "x" * 5000,
    "\x00",
    "µ漢\U0001f300",
    "now",
    "later",
    "now + 99999999999999d",
    "repeat now / 0s",
    "repeat now ... future cron 0 0 0 31 * 2",
    "1 ... 9",
    "[1,2]",
    "[[*]]",
    "10.0.0.0/24",
    "file:///etc/passwd",
    "http://127.0.0.1:9/registry",
    "../../etc/passwd",
    "%s%n{0}",
    "<script>",
    [],
    {},
    [[]],
    [None],
    {"a": {"b": []}},
    ["x"] * 200,
)
KEYS = (
    *KINDS,
    "exception",
    "envelope",
    "version",
    "registry",
    "label",
    "link",
    "export",
    "token",
    "when",
    "parameters",
    "metadata",
    "results",
    "resultvalues",
    "contents",
    "message",
    "schedule",
    "nonce",
    "test.input",
    "test.output",
    "no.such",
)


def _statement(chance: random.Random) -> dict[str, Any]:
    kind = chance.choice((*KINDS, "specification", "specification"))
    d: dict[str, Any] = {
        kind: chance.choice(("measure", "measure", "query", "callback", "x")),
        "version": 1,
        "registry": LOOPBACK_URI,
        "when": chance.choice(SCOPES),
        "parameters": {"test.input": chance.choice(("a", "b", "c"))},
        "results": ["test.output"],
    }
    if chance.random() < 0.6:
        d["token"] = f"{chance.randrange(50):032x}"
    if chance.random() < 0.5:
        d["label"] = chance.choice(("test-loopback", "test-loopback-0", "callback"))
    if kind == "result":
        d["when"] = "2016-02-18"
        d["resultvalues"] = [["a"], ["b"]]
    if kind in ("redemption", "interrupt") and chance.random() < 0.5:
        for key in ("when", "parameters", "results"):
            del d[key]
    return d


def _other(chance: random.Random) -> dict[str, Any]:
    if chance.random() < 0.3:
        return {"exception": chance.choice((None, "t")), "message": "made up"}
    contents = [_statement(chance) for _ in range(chance.randrange(3))]
    return {"envelope": "message", "version": 1, "contents": contents}


def _containers(value: Any) -> list[Any]:
    found = [value] if isinstance(value, dict | list) else []
    inner = value.values() if isinstance(value, dict) else value
    if found:
        for each in list(inner):
            found += _containers(each)
    return found


def _place(chance: random.Random, d: Any) -> tuple[Any, Any] | None:
    container = chance.choice(_containers(d))
    keys = list(container) if isinstance(container, dict) else range(len(container))
    return (container, chance.choice(list(keys))) if keys else None


def _replace(chance: random.Random, d: Any) -> Any:
    if (place := _place(chance, d)) is not None:
        place[0][place[1]] = copy.deepcopy(chance.choice(JUNK))
    return d


def _lose(chance: random.Random, d: Any) -> Any:
    if (place := _place(chance, d)) is not None:
        del place[0][place[1]]
    return d


def _invent(chance: random.Random, d: Any) -> Any:
    container = chance.choice(_containers(d))
    if isinstance(container, dict):
        container[chance.choice(KEYS)] = copy.deepcopy(chance.choice(JUNK))
    else:
        container.append(copy.deepcopy(chance.choice(JUNK)))
    return d


def _wrap(chance: random.Random, d: Any) -> Any:
    for _ in range(chance.choice((1, 2, 30))):
        d = {"envelope": "message", "version": 1, "contents": [d]}
    return d


_CHANGES: tuple[Callable[[random.Random, Any], Any], ...] = (
    _replace,
    _replace,
    _lose,
    _invent,
    _wrap,
)


def _spoil(chance: random.Random, body: bytes) -> bytes:
    data = bytearray(body)
    at = chance.randrange(len(data))
    match chance.randrange(4):
        case 0:
            del data[at:]
        case 1:
            data[at] = chance.randrange(256)
        case 2:
            data[at:at] = chance.randbytes(3)
        case _:
            del data[at : at + 7]
    return bytes(data)


def bodies(count: int, seed: int) -> Iterator[bytes]:
    """Yield so many request bodies; the same seed gives the same ones."""
    chance = random.Random(seed)
    for _ in range(count):
        made: Any = _statement(chance) if chance.random() < 0.85 else _other(chance)
        if chance.random() < 0.05:
            made["registry"] = CORE_URI
        for _ in range(chance.choice((0, 1, 1, 2, 3))):
            if isinstance(made, dict):
                made = chance.choice(_CHANGES)(chance, made)
        body = json.dumps(made).encode()
        yield _spoil(chance, body) if chance.random() < 0.15 else body
