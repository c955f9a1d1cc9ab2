"""mPlane: messages, immediate results and many jobs, against the real SDK.

Messages run in both models on this same Python. The real component needs a Python of
its time; it and ours are processes that are asked over one kept connection.
"""

from __future__ import annotations

import http.client
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import count
from pathlib import Path

from bench.figures import Figure, at_most, in_turn, times_the_peer
from bench.running import PEERS, talking
from interop.environments import (
    MPLANE,
    MPLANE_38,
    MPLANE_MODEL,
    BuildError,
    Environment,
    NoSuchPythonError,
)
from interop.mplane_peer import OURS, Program, Real, free_port, write_configuration
from pilothouse.mplane import component, model
from pilothouse.mplane.client import HttpInitiatorClient
from pilothouse.mplane.scheduler import Service

_SCRIPT = PEERS / "mplane_messages.py"
_REGISTRIES = Path(model.__file__).parent / "registries"
_LOOPBACK = "http://mplane.corvid.ch/registry/loopback"
_MEDIA_TYPE = "application/x-mplane+json"
_MESSAGES = {
    "capability": 4000,
    "specification": 4000,
    "result": 4000,
    "envelope": 50,
    "different": 4000,
}
_WORDS = {
    "envelope": "capabilities in an envelope of 100, read and written",
    "different": "results that all differ, read and written",
}


def measure(*, quick: bool) -> Iterator[Figure]:
    """Messages; an immediate result over HTTP; 500 jobs at a time."""
    yield from _messages(rounds=3 if quick else 9)
    yield _immediate(requests=20 if quick else 60)
    yield _many(jobs=100 if quick else 500)


def _messages(rounds: int) -> Iterator[Figure]:
    python = MPLANE_MODEL.ready()
    core = _REGISTRIES / "core.json"
    with (
        talking([sys.executable, _SCRIPT, "ours", core]) as ours,
        talking([python, "-W", "ignore", _SCRIPT, "real", core]) as real,
    ):
        for name, amount in _MESSAGES.items():
            rates = in_turn(
                {
                    "ours": _asking(ours, name, amount),
                    "mplane-sdk": _asking(real, name, amount),
                },
                rounds,
            )
            what = _WORDS.get(name, f"{name} of the document, read and written")
            yield times_the_peer(
                10,
                "mplane-sdk",
                what,
                rates["ours"],
                "/s",
                ratio=rates.ratio("ours", "mplane-sdk"),
                peers={"mplane-sdk": rates["mplane-sdk"]},
            )


def _asking(
    process: subprocess.Popen[str], name: str, amount: int
) -> Callable[[], float]:
    def ask() -> float:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(f"{name} {amount}\n")
        process.stdin.flush()
        rate: float = json.loads(process.stdout.readline())
        return rate

    return ask


def _immediate(requests: int) -> Figure:
    """The loopback test asked for now: from the specification to its result."""
    peers, note = {}, ""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        module = "pilothouse.mplane.probes.loopback"
        port = _component(stack, folder / "ours", OURS["mpcom"], {}, module)
        ours = _latency(port, requests)
        try:
            sdk = Real(_sdk().ready(), folder)
        except NoSuchPythonError as missing:
            note = f"real component: {missing}"
        else:
            command, module = sdk.command("mpcom"), "mplane.components.loopback"
            port = _component(stack, folder / "real", command, sdk.environment, module)
            peers["mplane-sdk"] = _latency(port, max(5, requests // 6))
    what = "specification to immediate result over HTTP, median"
    return at_most(5, what, ours, "ms", peers=peers, note=note)


def _sdk() -> Environment:
    try:
        MPLANE.ready()
    except BuildError:
        return MPLANE_38
    return MPLANE


def _component(
    stack: ExitStack,
    folder: Path,
    command: tuple[str, ...],
    environment: dict[str, str],
    module: str,
) -> int:
    folder.mkdir()
    port = free_port()
    sections: dict[str, dict[str, object]] = {
        "component": {
            "registry_preload": _REGISTRIES / "loopback.json",
            "registry_uri": _LOOPBACK,
            "workflow": "client-initiated",
            "listen-port": port,
            "listen-cap-link": f"http://127.0.0.1:{port}/",
        },
        "module_loopback": {"module": module},
    }
    path = write_configuration(folder / "component.conf", sections)
    words = (*command, "--config", str(path))
    stack.enter_context(Program(folder, words, environment)).listens(port)
    return port


_serial = count()


def _latency(port: int, requests: int) -> float:
    """The median of so many, in milliseconds, over one kept connection."""
    specification = {
        "specification": "measure",
        "version": 1,
        "registry": _LOOPBACK,
        "when": "now",
        "parameters": {"test.input": "hello"},
        "results": ["test.output"],
    }
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    taken = []
    for _ in range(requests):
        token = f"{next(_serial):032x}"
        body = json.dumps(specification | {"token": token, "label": "l-0"})
        began = time.perf_counter()
        line.request("POST", "/", body, {"Content-Type": _MEDIA_TYPE})
        answer = line.getresponse().read()
        taken.append(1000 * (time.perf_counter() - began))
        if b'"result"' not in answer:
            raise RuntimeError(f"no result: {answer[:200]!r}")
    line.close()
    return statistics.median(taken)


class _Echo(Service):
    """Gives back a number."""

    def __init__(self) -> None:
        capability = model.Capability(label="echo", when="now ... future")
        capability.add_parameter("source.port")
        capability.add_result_column("packets.ip")
        super().__init__(capability)

    def run(
        self, specification: model.Specification, check_interrupt: object
    ) -> model.Result:
        result = model.Result(specification=specification, when="2016-02-18")
        port = specification.get_parameter_value("source.port")
        result.set_result_value("packets.ip", port)
        return result


def _many(jobs: int) -> Figure:
    """From the first specification to the last result, 16 of a client at once."""
    model.initialize_registry()
    with component.serve(_Echo()) as served, HttpInitiatorClient() as client:
        client.retrieve_capabilities(f"{served.url}capabilities")

        def run(number: int) -> int:
            asked = client.run("echo", "now + 60s", {"source.port": number})
            found: int = asked.result(60).result_column("packets.ip")[0]
            return found

        began = time.perf_counter()
        with ThreadPoolExecutor(16) as pool:
            results = list(pool.map(run, range(jobs)))
        took = time.perf_counter() - began
    if results != list(range(jobs)):
        raise RuntimeError("results got lost or mixed")
    return Figure(
        what=f"{jobs} jobs, from the first specification to the last result",
        measured=took,
        unit="s",
        note="the real component serves one at a time, 0.25 s each at the least",
    )
