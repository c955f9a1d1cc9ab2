"""Records a second with 32 clients that send one each: roundtrips and model servers."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.environments import BENTOML, MLSERVER, RAY, available
from bench.figures import Figure, at_least, in_turn, times_the_peer
from bench.pipelines import RECORD, SIMPLE, engine_of, run, suite
from bench.running import PEERS, free_port, load, serving
from bench.scoring import scored_by
from interop.environments import Environment

_V2_INPUT = {"name": "input", "shape": [1], "datatype": "BYTES", "data": [RECORD]}


@dataclass(frozen=True, slots=True)
class Server:
    """Where a model server takes a record, and what it wants to be sent."""

    url: str
    body: str


@contextmanager
def bentoml(environment: Environment, folder: Path) -> Iterator[Server]:
    """BentoML with its own command."""
    port = free_port()
    (folder / "bento_service.py").write_text((PEERS / "bento_service.py").read_text())
    command = [environment.program("bentoml"), "serve", "bento_service:Scorer"]
    url = f"http://127.0.0.1:{port}"
    with serving([*command, "--port", str(port)], f"{url}/readyz", folder=folder):
        yield Server(f"{url}/score", f'{{"record": {RECORD}}}')


@contextmanager
def ray(environment: Environment, folder: Path) -> Iterator[Server]:
    """Ray Serve with its HTTP proxy."""
    port = free_port()
    url = f"http://127.0.0.1:{port}/"
    command = [environment.python, PEERS / "ray_service.py", str(port)]
    with serving(command, f"{url}-/healthz", folder=folder):
        yield Server(url, RECORD)


@contextmanager
def mlserver(environment: Environment, folder: Path) -> Iterator[Server]:
    """MLServer with a runtime of its own making, in its own process."""
    port = free_port()
    settings = {"debug": False, "host": "127.0.0.1", "http_port": port}
    settings |= {"grpc_port": free_port(), "parallel_workers": 0}
    model = {"name": "scorer", "implementation": "mlserver_model.Scorer"}
    code = (PEERS / "mlserver_model.py").read_text()
    (folder / "mlserver_model.py").write_text(code)
    (folder / "settings.json").write_text(json.dumps(settings))
    (folder / "model-settings.json").write_text(json.dumps(model))
    command = [environment.program("mlserver"), "start", "."]
    url = f"http://127.0.0.1:{port}/v2"
    ready = f"{url}/models/scorer/ready"
    with serving(command, ready, folder=folder):
        yield Server(f"{url}/models/scorer/infer", json.dumps({"inputs": [_V2_INPUT]}))


_SERVERS = {"bentoml": bentoml, "mlserver": mlserver, "ray": ray}


def measure(*, quick: bool) -> Iterator[Figure]:
    """Our roundtrips, each model server, our roundtrips again."""
    seconds = 1.5 if quick else 4.0
    rounds = 2 if quick else 3
    peers: dict[str, float] = {}
    ours = [_roundtrips(seconds, rounds)]
    note = ""
    if not quick:
        found, note = available(BENTOML, MLSERVER, RAY)
        for name, environment in found.items():
            with tempfile.TemporaryDirectory() as folder:
                started = _SERVERS[name](environment, Path(folder))
                try:
                    with started as server:
                        peers[name] = _rate(server, seconds, rounds)
                except RuntimeError as error:
                    note += f" {name}: {error}"
        ours.append(_roundtrips(seconds, rounds))
    if "bentoml" in peers:
        with suite() as services:
            rate = in_turn({"": scored_by(services, 200_000)}, rounds)[""]
        what = "200,000 records, client to client, against one a request"
        yield times_the_peer(200, "bentoml", what, rate, "/s", peers=peers)
    yield at_least(
        3000,
        "roundtrips, 32 clients, one record each",
        sum(ours) / len(ours),
        "/s",
        peers=peers,
        note=note,
    )


def _rate(server: Server, seconds: float, rounds: int, **headers: str) -> float:
    def measure_once() -> float:
        told = load(server.url, server.body, seconds=seconds, headers=headers)
        return told["per_second"]

    return in_turn({"": measure_once}, rounds)[""]


def _roundtrips(seconds: float, rounds: int) -> float:
    with suite() as services:
        run(engine_of(services), SIMPLE)
        path = "/api/1/service/engine-1/2/active/model/roundtrip/0/1"
        server = Server(services.url + path, RECORD)
        return _rate(server, seconds, rounds, Authorization=services.token)
