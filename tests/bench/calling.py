"""REST calls a second, one after another: our client and the real SDK in turn."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack

from bench.figures import Figure, Rounds, in_turn, times_the_peer
from bench.pipelines import SIMPLE, engine_of, run, suite
from bench.running import PEERS, talking
from interop.environments import FASTSCORE

CALLS = (("health", 1.3), ("output", 2.3))


def measure(*, quick: bool) -> Iterator[Figure]:
    """On a stub that answers at once, and on our own suite."""
    clients = {
        "pilothouse": (sys.executable, "pilothouse.fastscore"),
        "real SDK": (FASTSCORE.ready(), "fastscore"),
    }
    count = 400 if quick else 1500
    with ExitStack() as stack:
        stub = stack.enter_context(talking([sys.executable, PEERS / "stub.py"]))
        port = stub.stdout.readline().strip()
        services = stack.enter_context(suite())
        script = PEERS / "client_calls.py"

        def calls(at: str, token: str, call: str) -> Rounds:
            """Calls a second of each client; the real one keeps its first address."""
            with ExitStack() as running:
                started = {
                    who: running.enter_context(talking([python, script, library]))
                    for who, (python, library) in clients.items()
                }
                order = {"url": at, "token": token, "call": call, "count": count}
                contestants = {
                    who: _ordered(process, order) for who, process in started.items()
                }
                return in_turn(contestants, rounds=3 if quick else 7)

        for call, factor in CALLS:
            rates = calls(f"http://127.0.0.1:{port}", "t", call)
            ratio = rates.ratio("pilothouse", "real SDK")
            ours = rates.pop("pilothouse")
            what = f"{call} calls, one after another, stub"
            yield times_the_peer(
                factor, "real SDK", what, ours, "/s", ratio=ratio, peers=dict(rates)
            )
        run(engine_of(services), SIMPLE)
        rates = calls(services.url, services.token, "health")
        ours = rates.pop("pilothouse")
        yield Figure(
            what="health calls, our suite", measured=ours, unit="/s", peers=dict(rates)
        )


def _ordered(
    process: subprocess.Popen[str], order: dict[str, object]
) -> Callable[[], float]:
    def measure_once() -> float:
        process.stdin.write(json.dumps(order) + "\n")
        process.stdin.flush()
        return float(process.stdout.readline())

    return measure_once
