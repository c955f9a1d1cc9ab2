"""What all tests share: a local suite, and a home of one's own.

    suite           a running suite with engines, shared by a whole session
    fresh_suite     one of one's own, with engines
    bare_suite      Connect and Model Manage only: quick to start
    component       the local mPlane component of a whole session: its URL
    fastmap_service a Fastmap service with two workers, of a whole session: an
                    `Endpoint` with ``url`` and ``secret``

The first three are a `LocalSuite`: ``url``, ``token``, ``call(method, path, ...)``.
"""

from __future__ import annotations

import http.client
import signal
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson
import pytest
from hypothesis import HealthCheck, settings

from pilothouse.services.endpoints import Endpoint
from pilothouse.services.host import ServiceHost

# Properties are tried on the same examples each time, however busy the machine is.
settings.register_profile(
    "steady",
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("steady")


@dataclass
class Answer:
    """What a service answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)


class LocalSuite:
    """A running suite and a plain HTTP client for it."""

    def __init__(self, host: ServiceHost) -> None:
        self.host = host
        self.url = host.fastscore.url
        self.token = host.fastscore.token
        self.suite = getattr(host.services["fastscore"], "suite")  # noqa: B009

    def call(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        token: str | None = "",
    ) -> Answer:
        """Send one request. `path` is relative to ``/api/1/service/``, or absolute."""
        sent = dict(headers or {})
        if token is not None:
            sent.setdefault("Authorization", token or self.token)
        target = path if path.startswith("/") else f"/api/1/service/{path}"
        return raw_call(self.url, method, target, body, sent)

    def json(self, method: str, path: str, value: Any) -> Answer:
        """Send a JSON value."""
        headers = {"Content-Type": "application/json"}
        return self.call(method, path, orjson.dumps(value), headers=headers)

    def model(self, name: str, source: bytes = b"def action(x): yield x") -> Answer:
        """Save a python3 model."""
        mime = "application/vnd.fastscore.model-python3"
        path = f"model-manage-1/1/model/{name}"
        return self.call("PUT", path, source, headers={"Content-Type": mime})


def raw_call(
    url: str, method: str, target: str, body: bytes | None, headers: Mapping[str, str]
) -> Answer:
    """Send one request on a connection of its own."""
    parts = urlsplit(url)
    if parts.scheme == "https":
        context = ssl._create_unverified_context()
        connection: http.client.HTTPConnection = http.client.HTTPSConnection(
            parts.netloc, timeout=30, context=context
        )
    else:
        connection = http.client.HTTPConnection(parts.netloc, timeout=30)
    try:
        connection.request(method, target, body, dict(headers))
        answer = connection.getresponse()
        return Answer(answer.status, answer.headers, answer.read())
    finally:
        connection.close()


@pytest.fixture(autouse=True)
def _home_of_ones_own(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No test sees the services, the settings or the data of the user."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(home / "runtime"))
    monkeypatch.setenv("XDG_DATA_HOME", str(home / "data"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(home / "state"))


def started(data_dir: Path | None = None, **options: Any) -> ServiceHost:
    """Return a host of a suite, not started yet."""
    return ServiceHost(["fastscore"], data_dir=data_dir, options={"fastscore": options})


@pytest.fixture(scope="session")
def suite() -> Iterator[LocalSuite]:
    """A suite with two engines, shared by the session: leave it as you found it."""
    with started() as host:
        yield LocalSuite(host)


@pytest.fixture
def fresh_suite(tmp_path: Path) -> Iterator[LocalSuite]:
    """A suite with two engines of one's own."""
    with started(tmp_path / "data") as host:
        yield LocalSuite(host)


@pytest.fixture
def bare_suite(tmp_path: Path) -> Iterator[LocalSuite]:
    """Connect and Model Manage, no engine."""
    with started(tmp_path / "data", engines=()) as host:
        yield LocalSuite(host)


@pytest.fixture(scope="session")
def component() -> Iterator[str]:
    """The URL of an mPlane component with all probes, shared by the session."""
    with ServiceHost(["mplane"]) as host:
        yield host.mplane.url


@pytest.fixture(scope="session")
def fastmap_service() -> Iterator[Endpoint]:
    """A service with two workers, shared by the session; runs have ids of their own."""
    with ServiceHost(["fastmap"], options={"fastmap": {"workers": 2}}) as host:
        yield host.fastmap


AIMM_LAB = Path(__file__).parent / "services" / "aimm" / "lab.py"


@pytest.fixture(scope="session")
def aimm_server() -> Iterator[Endpoint]:
    """An AIMM server with its examples and the lab's plugins, shared by the session."""
    options = {"plugin_files": [str(AIMM_LAB)], "autoflush_delay": 0.02}
    with ServiceHost(["aimm"], options={"aimm": options}) as host:
        yield host.aimm


def pytest_configure(config):
    """Take interrupts, also where a background job has them ignored."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


BROWSER = Path(__file__).with_name("browser")


def pytest_collection_modifyitems(items):
    """What takes long begins first, so that no worker is alone with it at the end."""
    long = {
        item.path
        for item in items
        if item.get_closest_marker("slow") or item.get_closest_marker("interop")
    }
    items.sort(
        key=lambda item: (BROWSER not in item.path.parents, item.path not in long)
    )


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """A file is for one worker, and so are all files that share a Chromium."""
    from xdist.scheduler import LoadFileScheduling

    class Scheduling(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = super()._split_scope(nodeid)
            return "tests/browser" if file.startswith("tests/browser/") else file

    return Scheduling(config, log)
