"""AIMM: calls, a large prediction and the shared state, against the real package.

Calls of both clients go to our server; a prediction goes through the real pair (client
and server) and through ours. The real server tells its state only when it changes, so
the first state is compared between the two clients at our server.
"""

from __future__ import annotations

import json
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from bench.figures import Figure, times_the_peer
from bench.running import PEERS, said_by
from interop.aimm_peer import PASSWORD, configuration, running
from interop.environments import AIMM, NoSuchPythonError
from pilothouse import aimm
from pilothouse.aimm import Client

_SCRIPT = PEERS / "aimm_calls.py"
_LARGE = 1_000_000
_INSTANCES = 50
_INSTANCE_BYTES = 1_000_000
_WATCHERS = 20


def measure(*, quick: bool) -> Iterator[Figure]:
    """Calls, a large prediction there and back, first states, a state pushed."""
    amount = 500 if quick else 2000
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url = _server(stack, folder / "ours", [sys.executable, "-m", "pilothouse"])
        try:
            python: Path | None = AIMM.ready()
        except NoSuchPythonError:
            python = None
        yield from _calls(url, python, amount)
        yield _prediction(stack, folder, url, python)
        yield from _states(url, python)
        yield _push(url, changes=5 if quick else 20)


def _server(stack: ExitStack, folder: Path, command: list[Any]) -> str:
    folder.mkdir()
    path, url = configuration(folder)
    words = (
        ["serve", "aimm", "--conf", path]
        if "pilothouse" in command
        else [
            "--conf",
            path,
        ]
    )
    stack.enter_context(running([*command, *words], url, folder))
    return url


def _connected(url: str) -> Client:
    return aimm.connect(url, "user", PASSWORD)


def _told(python: Path | None, step: str, url: str, amount: int) -> dict[str, float]:
    if python is None:
        return {}
    said = said_by([python, _SCRIPT, step, url + "/", PASSWORD, str(amount)])
    told: dict[str, float] = json.loads(said)
    return told


def _calls(url: str, python: Path | None, amount: int) -> Iterator[Figure]:
    with _connected(url) as client:
        session = client._session

        def sequential() -> float:
            began = time.perf_counter()
            for _ in range(amount):
                session.call("", 1)
            return amount / (time.perf_counter() - began)

        def pipelined() -> float:
            began = time.perf_counter()
            sent = [session.request("", 1) for _ in range(5 * amount)]
            for each in sent:
                each.answer.result()
            return 5 * amount / (time.perf_counter() - began)

        sequential()
        ours = {"sequential": sequential(), "pipelined": pipelined()}
    real = _told(python, "calls", url, amount)
    words = {"sequential": "one after another", "pipelined": "many under way"}
    for name, factor in (("sequential", 0.0), ("pipelined", 1.0)):
        what = f"AIMM calls, {words[name]}"
        if not real:
            yield Figure(what=what, measured=ours[name], unit="/s", note=_ABSENT)
        elif factor:
            yield times_the_peer(
                factor,
                "hat-juggler",
                what,
                ours[name],
                "/s",
                ratio=ours[name] / real[name],
                peers={"hat-juggler": real[name]},
            )
        else:
            yield Figure(
                what=what,
                measured=ours[name],
                unit="/s",
                peers={"hat-juggler": real[name]},
            )


_ABSENT = "the real package needs a Python 3.12, and there is none"


def _prediction(
    stack: ExitStack, folder: Path, url: str, python: Path | None
) -> Figure:
    array = np.random.default_rng(0).random(_LARGE)
    with _connected(url) as client:
        lab = client.create_instance("lab")
        took = []
        for _ in range(5):
            began = time.perf_counter()
            back = lab.predict("echo", array)
            took.append(time.perf_counter() - began)
        assert back.dtype == array.dtype
        assert back.tobytes() == array.tobytes()
    ours = 1.0 / min(took)
    what = "predictions of 1,000,000 float64, there and back"
    if python is None:
        return Figure(what=what, measured=ours, unit="/s", note=_ABSENT)
    real_url = _server(stack, folder / "real", [python, "-m", "aimm.server"])
    real = 1.0 / _told(python, "predict", real_url, _LARGE)["seconds"]
    return times_the_peer(
        20,
        "real pair",
        what,
        ours,
        "/s",
        ratio=ours / real,
        peers={"real pair": real},
    )


def _states(url: str, python: Path | None) -> Iterator[Figure]:
    with _connected(url) as client:
        content = b"x" * _INSTANCE_BYTES
        while len(client.models) < _INSTANCES:
            client.add_instance("text", content)
        for clients in (1, 4):
            ours = _first_states(url, clients)
            real = _told(python, "state", url, clients)
            peers = {"aimm": real["seconds"] * 1000} if real else {}
            yield Figure(
                what=f"first state of 50 instances of 1 MB, {clients} client(s)",
                measured=ours * 1000,
                unit="ms",
                peers=peers,
                note="" if real else _ABSENT,
            )


def _first_states(url: str, amount: int) -> float:
    began = time.perf_counter()
    clients: list[Client] = []

    def one() -> None:
        client = _connected(url)
        assert len(client.models) >= _INSTANCES
        clients.append(client)

    threads = [threading.Thread(target=one) for _ in range(amount)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took = time.perf_counter() - began
    for client in clients:
        client.close()
    return took


def _push(url: str, changes: int) -> Figure:
    """From asking for a change of an instance of 1 MB until 20 clients have seen it."""
    clients = [_connected(url) for _ in range(_WATCHERS)]
    try:
        first = next(n for n, m in clients[0].models.items() if m.model_type == "text")
        took = []
        for change in range(changes):
            content = bytes([65 + change]) * _INSTANCE_BYTES
            seen = [threading.Event() for _ in clients]
            removes = []
            for client, event in zip(clients, seen, strict=True):
                before = client.state.models[first].sha256

                def look(state: Any, event: Any = event, before: str = before) -> None:
                    if state.models[first].sha256 != before:
                        event.set()

                removes.append(client.on_change(look))
            began = time.perf_counter()
            clients[0].update_instance("text", first, content)
            for event in seen:
                assert event.wait(10)
            took.append(time.perf_counter() - began)
            for remove in removes:
                remove()
    finally:
        for client in clients:
            client.close()
    took.sort()
    return Figure(
        what="a changed instance of 1 MB is seen by 20 clients, median",
        measured=took[len(took) // 2] * 1000,
        unit="ms",
        note="of it up to 50 ms by the server's autoflush; no client gets the bytes",
    )
