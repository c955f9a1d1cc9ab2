"""The real mPlane SDK, release 0.9.0 on Python 3.6, with our components and clients.

Source: mPlane contract, §8, whose scenario numbers stand in the docstrings. The peers
are processes of their own (``mplane_peer.py``); nothing of the SDK is changed, but for
the two shims named there.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from certificates import Authority
from free_ports import free_port
from interop.environments import MPLANE, MPLANE_38, NoSuchPythonError
from interop.mplane_peer import (
    OURS,
    Program,
    Real,
    Shell,
    ping_for_real_modules,
    write_configuration,
)
from pilothouse.mplane import client as mplane_client
from pilothouse.mplane import model
from pilothouse.mplane.tls import TlsState
from waiting import until

pytestmark = pytest.mark.interop

LOOPBACK_URI = "http://mplane.corvid.ch/registry/loopback"
REGISTRY = Path(model.__file__).parent / "registries" / "loopback.json"
LOADED = {"registry_preload": REGISTRY, "registry_uri": LOOPBACK_URI}

SLOW_MODULE = '''
"""A service of the kind that is found in the wild: it takes its time."""
import os
import time

import mplane.model
import mplane.scheduler


def services(**options):
    capability = mplane.model.Capability(label="slow", when="now ... future")
    capability.add_parameter("test.input")
    capability.add_result_column("test.output")
    capability.add_result_column("duration.s")  # else it is the loopback test's token
    return [Slow(capability, float(options["seconds"]), options.get("until", ""))]


class Slow(mplane.scheduler.Service):
    def __init__(self, capability, seconds, until):
        super(Slow, self).__init__(capability)
        self._seconds = seconds
        self._until = until

    def run(self, specification, check_interrupt):
        start = time.time()
        open("begun", "w").close()
        while time.time() < start + self._seconds and not check_interrupt():
            if os.path.exists(self._until):
                break
            time.sleep(0.05)
        result = mplane.model.Result(specification=specification)
        result.set_when(mplane.model.When("2016-02-18"))
        told = specification.get_parameter_value("test.input")
        result.set_result_value("test.output", told)
        result.set_result_value("duration.s", int(time.time() - start))
        return result
'''


@dataclass
class World:
    """A folder, and the programs that run in it."""

    folder: Path
    real: Real
    stack: ExitStack
    ping: dict[str, str]

    def configuration(self, name: str, **sections: dict[str, object]) -> Path:
        return write_configuration(self.folder / f"{name}.conf", sections)

    def component(self, kind: str, configuration: Path) -> Program:
        """Start a component, a real one or ours."""
        is_real = kind == "real"
        command = self.real.command("mpcom") if is_real else OURS["mpcom"]
        environment = dict(self.ping)
        if is_real:
            shims = self.real.environment["PYTHONPATH"]
            environment["PYTHONPATH"] = f"{shims}:{self.folder}"
        return self.stack.enter_context(
            Program(
                self.folder, (*command, "--config", str(configuration)), environment
            )
        )

    def shell(self, kind: str, configuration: Path | None = None) -> Shell:
        """Start an mpcli, the real one or ours."""
        if configuration is None:
            client = LOADED | {"workflow": "client-initiated"}
            configuration = self.configuration("client", client=client)
        command = self.real.command("mpcli") if kind == "real" else OURS["mpcli"]
        environment = self.real.environment if kind == "real" else {}
        return self.stack.enter_context(
            Shell(self.folder, (*command, "--config", str(configuration)), environment)
        )

    def listening(self, kind: str, *modules: str, **sections) -> tuple[str, Program]:
        """Start a component that waits for clients; return its URL, and it."""
        port = free_port()
        scheme = "https" if "TLS" in sections else "http"
        url = f"{scheme}://127.0.0.1:{port}/"
        component = LOADED | {
            "workflow": "client-initiated",
            "listen-port": port,
            "listen-cap-link": url,
        }
        chosen = {f"module_{name}": MODULES[name] for name in modules}
        configuration = self.configuration(
            f"component-{port}", component=component, **chosen, **sections
        )
        program = self.component(kind, configuration)
        return url, program.listens(port)


LONG = "now + 20s"
"""The real component interrupts what is asked for "now" at once (contract §3.4)."""

MODULES: dict[str, dict[str, object]] = {
    "loopback": {"module": "old_loopback"},
    "ping": {"module": "old_ping", "ip4addr": "127.0.0.1"},
    "slow": {"module": "old_slow", "seconds": "1.5"},
    "slower": {"module": "old_slow", "seconds": "7"},
    "endless": {"module": "old_slow", "seconds": "60"},
    "gated": {"module": "old_slow", "seconds": "600", "until": "go"},
}


@pytest.fixture(scope="session")
def real(tmp_path_factory) -> Real:
    """The real SDK, on Python 3.6, or 3.8 where there is no 3.6."""
    try:
        python = MPLANE.ready()
    except NoSuchPythonError:
        try:
            python = MPLANE_38.ready()
        except NoSuchPythonError as exc:
            pytest.skip(f"mPlane interop: {exc}")
    sdk = Real(python, tmp_path_factory.mktemp("mplane-sdk"))
    assert sdk.components.is_dir()
    return sdk


@contextmanager
def world_in(folder: Path, real: Real) -> Iterator[World]:
    """A folder with the SDK's own component modules, and one that is slow."""
    folder.mkdir()
    for name in ("loopback", "ping"):
        shutil.copy(real.components / f"{name}.py", folder / f"old_{name}.py")
    (folder / "old_slow.py").write_text(SLOW_MODULE)
    ping = shutil.which("ping")
    assert ping, "the machine has no ping"
    with ExitStack() as stack:
        shim = ping_for_real_modules(folder / "bin", ping)
        yield World(folder, real, stack, shim)


def cased(item: pytest.Function) -> bool:
    return hasattr(item, "callspec")


BODIES: dict[str, Callable[..., None]] = {}
AT_ONCE = 5


def together(*cases: tuple[str, ...]) -> Callable[[Callable[..., None]], Any]:
    """Let a test's body run beside those of the others; they mostly wait.

    Args:
        cases: Arguments of the body, after its world; none: it is run once.
    """

    def decorate(body: Callable[..., None]) -> Any:
        BODIES[body.__name__] = body

        def test(playing: Callable[..., Future[None]], case: tuple[str, ...]) -> None:
            playing(body.__name__, case).result(200)

        def test_once(playing: Callable[..., Future[None]]) -> None:
            playing(body.__name__, ()).result(200)

        if not cases:
            return test_once
        return pytest.mark.parametrize("case", cases, ids="-".join)(test)

    return decorate


@pytest.fixture(scope="module")
def playing(
    real: Real, tmp_path_factory: pytest.TempPathFactory, request
) -> Iterator[Callable[..., Future[None]]]:
    """The bodies of all chosen tests, started together, a few at a time."""
    folder = tmp_path_factory.mktemp("worlds")
    chosen = [
        (item.originalname, item.callspec.params["case"] if cased(item) else ())
        for item in request.session.items
        if getattr(item, "originalname", "") in BODIES and item.module is request.module
    ]

    def play(number: int, name: str, case: tuple[str, ...]) -> None:
        with world_in(folder / str(number), real) as world:
            BODIES[name](world, *case)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        started = {
            (name, case): pool.submit(play, number, name, case)
            for number, (name, case) in enumerate(chosen)
        }
        yield lambda *asked: started[asked]


@pytest.fixture(scope="module", autouse=True)
def registries():
    """The registries that both sides know, in this process too."""
    model.forget_registries()
    model.preload_registry(REGISTRY)
    model.initialize_registry(LOOPBACK_URI)
    yield
    model.forget_registries()


PAIRS = [("real", "ours"), ("ours", "real")]


@together(*PAIRS)
def test_a_shell_runs_a_loopback_test(world, shell, component):
    """Scenarios 8, 9, 23: the SDK's module, discovered by JSON or by HTML links."""
    url, _ = world.listening(component, "loopback")
    mpcli = world.shell(shell)

    assert mpcli.do(f"seturl {url}") == ""
    where = "capabilities" if component == "ours" else "capability"
    assert mpcli.do(f"getcap {url}{where}") == "ok\n"
    assert "Capability test-loopback (token " in mpcli.do("listcap")
    assert mpcli.do("when now") == "when = now\n"
    assert mpcli.do("set test.input hello") == "test.input = hello\n"
    assert "ok\n" in mpcli.do("runcap test-loopback")
    mpcli.listed("Result  test-loopback-0 (token ")
    shown = mpcli.do("showmeas test-loopback-0")
    assert "    label       : test-loopback-0\n" in shown
    assert f"{'test.output':>44}: hello\n" in shown


@together()
def test_the_real_shell_finds_our_capabilities_by_html_links(world):
    """Scenario 8, HTML: every link is followed, with the shim that Python 3.5 needs."""
    url, _ = world.listening("ours", "loopback", "ping")
    mpcli = world.shell("real")

    assert mpcli.do(f"getcap {url}capability") == "ok\n"
    listed = mpcli.do("listcap")

    for label in ("ping-average-ip4", "ping-detail-ip4", "test-loopback"):
        assert f"Capability {label} (token " in listed
    mpcli.do("when now")
    mpcli.do("set test.input hello")
    mpcli.do("runcap test-loopback")
    assert "Result  test-loopback-0" in mpcli.listed("Result  test-loopback-0")


@together()
def test_both_shells_show_a_capability_in_the_same_words(world):
    """Contract 1.7 and 7.1: byte for byte, but for the extra "None" of the real one."""
    url, _ = world.listening("ours", "ping")
    shown = []
    for kind in ("real", "ours"):
        mpcli = world.shell(kind)
        mpcli.do(f"getcap {url}capabilities")
        shown.append(mpcli.do("showcap ping-detail-ip4"))

    real, ours = shown
    assert real.replace("\nNone\n", "\n") == ours


@together(*PAIRS)
def test_a_shell_runs_the_ping_of_the_sdk(world, shell, component):
    """Scenarios 8, 9, 23 with a measurement that takes seconds, and a period."""
    url, _ = world.listening(component, "ping")
    mpcli = world.shell(shell)
    where = "capabilities" if component == "ours" else "capability"
    mpcli.do(f"seturl {url}")
    mpcli.do(f"getcap {url}{where}")
    mpcli.do("when now + 3s / 1s")
    mpcli.do("set destination.ip4 127.0.0.1")

    assert "ok\n" in mpcli.do("runcap ping-average-ip4")
    mpcli.listed("Result  ping-average-ip4-0")

    shown = mpcli.do("showmeas ping-average-ip4-0")
    assert f"{'destination.ip4':>40}: 127.0.0.1\n" in shown
    for name in ("min", "mean", "max"):
        assert f"delay.twoway.icmp.us.{name}: " in shown
    assert f"{'delay.twoway.icmp.count':>44}: " in shown


@together(*PAIRS)
def test_a_measurement_longer_than_the_immediate_wait_is_redeemed(
    world, shell, component
):
    """Scenario 10: a receipt after 5 s, redeemed when the result is there."""
    is_ours = component == "ours"
    url, _ = world.listening(component, "gated" if is_ours else "slower")
    mpcli = world.shell(shell)
    mpcli.do(f"seturl {url}")
    mpcli.do(f"getcap {url}{'capabilities' if is_ours else 'capability'}")
    mpcli.do(f"when {'now + 10m' if is_ours else LONG}")
    mpcli.do("set test.input hello")

    mpcli.do("runcap slow")
    if is_ours:  # the real one holds redemptions back too
        assert "Receipt slow-0 (token " in mpcli.do("listmeas")
        (world.folder / "go").touch()
    mpcli.listed("Result  slow-0")

    assert "hello" in mpcli.do("showmeas slow-0")


@together(("ours",), ("real",))
def test_our_client_runs_and_interrupts_measurements(world, component):
    """Scenarios 9, 11: results come by themselves; an interrupt ends a service."""
    url, _ = world.listening(component, "loopback", "endless")
    with mplane_client.HttpInitiatorClient(TlsState(), default_url=url) as client:
        client.retrieve_capabilities(f"{url}capability")
        assert set(client.capability_labels()) == {"test-loopback", "slow"}

        quick = client.run("test-loopback", when="now", params={"test.input": "a"})
        assert quick.wait(60)
        assert quick.result().get_token() == quick.token
        assert list(quick.result().result_column("test.output")) == ["a"]

        # the real one answers a receipt after 5 s, and is deaf till then
        slow = client.run("slow", when="now + 50s", params={"test.input": "b"})
        until((world.folder / "begun").exists, 60, "the begin of the service")
        slow.cancel()
        assert slow.wait(30)
        assert list(slow.result().result_column("test.output")) == ["b"]


@together()
def test_the_real_shell_gets_all_results_of_a_repeated_measurement(world):
    """Scenario 16: a receipt at once, then an envelope of results with their tokens."""
    url, _ = world.listening("ours", "loopback")
    mpcli = world.shell("real")
    mpcli.do(f"seturl {url}")
    mpcli.do(f"getcap {url}capabilities")
    mpcli.do("when repeat now + 2s / 1s { now + 1s }")
    mpcli.do("set test.input hello")

    assert "ok\n" in mpcli.do("runcap test-loopback")
    mpcli.listed("test-loopback-0")

    def shown():
        mpcli.do("listmeas")
        said = mpcli.do("showmeas test-loopback-0")
        return said if said.count("result: measure") == 3 else ""

    said = until(shown, 60, "three results")
    tokens = [line for line in said.splitlines() if "token" in line]
    assert len(set(tokens)) == 3
    assert said.count("hello") == 6


@together()
def test_our_client_gets_all_results_of_a_repeated_measurement(world):
    """Scenario 16, the other way: the real component's envelopes."""
    url, _ = world.listening("real", "loopback")
    with mplane_client.HttpInitiatorClient(TlsState(), default_url=url) as client:
        client.retrieve_capabilities(f"{url}capability")
        scope = "repeat now + 3s / 1s { now + 1s }"

        repeated = client.run("test-loopback", scope, {"test.input": "a"})
        results = repeated.result(40)

    assert 3 <= len(results) <= 4
    assert len({each.get_token() for each in results}) == len(results)
    for each in results:
        assert list(each.result_column("test.output")) == ["a"]


def component_of(world, kind, port, **more):
    """A component that goes to its client."""
    sections = {
        "component": LOADED
        | {
            "workflow": "component-initiated",
            "client_host": "127.0.0.1",
            "client_port": port,
            "registration_path": "register/capability",
            "specification_path": "show/specification",
            "result_path": "register/result",
        },
        "module_slow": MODULES["slow"],
        "module_loopback": MODULES["loopback"],
    }
    configuration = world.configuration(f"initiator-{port}", **sections, **more)
    return world.component(kind, configuration)


def listening_client(world, port):
    client = LOADED | {
        "workflow": "component-initiated",
        "listen-port": port,
        "listen-spec-link": f"http://127.0.0.1:{port}/register/result",
        "registration-path": "register/capability",
        "specification-path": "show/specification",
        "result-path": "register/result",
    }
    return world.configuration(f"listener-{port}", client=client)


def registered(mpcli):
    """Wait until both capabilities of a component are in one list."""

    def both():
        listed = mpcli.do("listcap")
        names = ("slow", "test-loopback")
        return all(f"Capability {name} (token " in listed for name in names)

    until(both, 60, "a registration")


@together()
def test_the_real_component_comes_to_our_shell(world):
    """Scenario 18: registered, given a specification, the result is posted."""
    port = free_port()
    mpcli = world.shell("ours", listening_client(world, port)).listens(port)
    component_of(world, "real", port)
    registered(mpcli)

    mpcli.do(f"when {LONG}")
    mpcli.do("set test.input hello")
    mpcli.do("runcap slow")
    mpcli.listed("Result  slow-0")

    assert "hello" in mpcli.do("showmeas slow-0")


@together()
def test_our_component_comes_to_the_real_shell_and_loses_no_immediate_result(world):
    """Scenario 19: the real component loses results that come at once."""
    port = free_port()
    mpcli = world.shell("real", listening_client(world, port)).listens(port)
    component_of(world, "ours", port)
    registered(mpcli)

    mpcli.do("when now")
    labels = ["test-loopback-0", "test-loopback-1", "slow-2"]
    for number, label in enumerate(labels):
        mpcli.do(f"set test.input hello-{number}")
        mpcli.do(f"runcap {label[:-2]}")
    for number, label in enumerate(labels):
        mpcli.listed(f"Result  {label}")
        assert f"hello-{number}" in mpcli.do(f"showmeas {label}")


def access(client_identity):
    """The client is a guest, and a guest may run the loopback test only."""
    return {
        "Roles": {client_identity: "guest, user", "org.mplane.Nobody": "admin"},
        "Authorizations": {"test-loopback": "guest", "slow": "admin"},
    }


@together(*PAIRS)
def test_both_sides_know_each_other_by_tls(world, shell, component):
    """Scenario 21: mutual TLS; a guest sees and runs only what guests may."""
    authority = Authority(world.folder)
    offering = authority.party("SSB", "Components", f"Component-{shell}-{component}")
    asking = authority.party("SSB", "Clients", f"Client-{shell}-{component}")
    url, _ = world.listening(
        component,
        "loopback",
        "slow",
        TLS=offering.json["TLS"],
        **access(asking.identity),
    )
    client = LOADED | {"workflow": "client-initiated"}
    mpcli = world.shell(
        shell, world.configuration("tls", client=client, TLS=asking.json["TLS"])
    )
    where = "capabilities" if component == "ours" else "capability"
    mpcli.do(f"seturl {url}")
    assert mpcli.do(f"getcap {url}{where}") == "ok\n"

    listed = mpcli.do("listcap")
    assert "test-loopback" in listed
    assert "slow" not in listed
    mpcli.do("when now")
    mpcli.do("set test.input hello")
    mpcli.do("runcap test-loopback")
    assert "hello" in (mpcli.listed("Result") and mpcli.do("showmeas test-loopback-0"))


def supervisor_of(world, client, component):
    """The real supervisor, client on one side and component on the other."""
    configuration = world.configuration(
        "supervisor", client=client, component=component
    )
    command = (*world.real.command("mpsup"), "--config", str(configuration))
    return world.stack.enter_context(
        Program(world.folder, command, world.real.environment)
    )


@together()
def test_the_real_supervisor_relays_between_ours(world):
    """Scenario 22: a measurement passes; label and token of the client come back.

    Our component goes to the supervisor, our shell comes to it.
    """
    near, far = free_port(), free_port()
    client = {
        "workflow": "component-initiated",
        "listen-port": near,
        "listen-spec-link": f"http://127.0.0.1:{near}/register/result",
        "registration-path": "register/capability",
        "specification-path": "show/specification",
        "result-path": "register/result",
    }
    url = f"http://127.0.0.1:{far}/"
    offered = LOADED | {
        "workflow": "client-initiated",
        "listen-port": far,
        "listen-cap-link": url,
    }
    supervisor = supervisor_of(world, client, offered)
    supervisor.listens(near)
    component_of(world, "ours", near)
    supervisor.listens(far)
    mpcli = world.shell("ours")
    mpcli.do(f"seturl {url}")

    def known():
        mpcli.do(f"getcap {url}capability")
        return "slow" in mpcli.do("listcap")

    until(known, 60, "a relayed capability")
    mpcli.do(f"when {LONG}")
    mpcli.do("set test.input hello")
    mpcli.do("runcap slow")
    mpcli.listed("Result  slow-0", 60)
    shown = mpcli.do("showmeas slow-0")
    assert "label       : slow-0" in shown
    assert "hello" in shown
