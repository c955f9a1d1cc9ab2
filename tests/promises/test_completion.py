"""Tab over the protocol and in a terminal: every live name, from a cache, at once."""

from __future__ import annotations

import re
import sys
import time

import pexpect
import pytest

from magics.kernels import DEADLINE, environment
from pilothouse.magics import MAGICS
from pilothouse.magics._completion import _command
from promises.works import PIPELINE, WORKS
from waiting import until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

LIVE = {
    "engine": ("%engine ", "engine-2"),
    "instance": ("%aimm fit ", "1"),
    "model": ("%engine load pro", "promised"),
    "schema": ("%fastscore schemata promised-", "promised-schema"),
    "stream": ("%engine attach promised-", "promised-stream"),
    "sensor": ("%engine chart promised-", "promised-sensor"),
    "tap": ("%engine chart manifold.0.records.c", "manifold.0.records.count"),
    "slot": ("%engine input {1} ", "0"),
    "installed sensor": ("%engine sensors --uninstall ", "1"),
    "snapshot": ("%engine restore ", re.compile(r"[0-9a-z-]{8,}")),
    "section": ("%fastscore config promised-", "promised-section"),
    "message": ("%fastscore pneumo --type mod", "model-console"),
    "place": ("%aimm connect lo", "local"),
    "profile": ("%pilot use def", "default"),
    "service": ("%pilot up --service fastm", "fastmap"),
    "port": ("%pilot up --port aimm", "aimm="),
    "plan": ("%pilot flow promised-", "promised-plan"),
    "dask": ("%pilot up --dask l", "local"),
    "job": ("%pilot stop ", re.compile(r"[0-9a-f]{8}")),
    "file": ("%%model m --attach run", "runtime/"),
    "run": ("%fastmap cancel ", re.compile(r"[0-9a-f]{8}")),
    "action": ("%aimm cancel ", "2"),
    "model type": ("%aimm create promised.", "promised.Slow"),
    "data access": ("%aimm predict 1 @iris_in", "@iris_inputs"),
    "plugin": ("%%aimm plugin prom", "promised"),
    "object": ("%engine score rows_of", "rows_of_mine"),
    "function": ("%fastmap slo", "slow"),
    "capabilities": ("%mplane showcap tcp", "tcp-4"),
    "pairs": ("%mplane runcap tcp-4 --set destination.p", "destination.port="),
    "names": ("%mplane set destination.ip", "destination.ip4"),
    "values": ("%mplane set dns.type CN", "CNAME"),
    "scopes": ('%mplane runcap tcp-4 --when "now', "now + 10s / 1s"),
    "defaults": ("%mplane unset dest", "destination.ip4"),
    "measurements": ("%mplane stop promised", "promised-900"),
    "_words": ("%mplane help runc", "runcap"),
    "_offers": ("%aimm predict 1 rows=@iris_in", "rows=@iris_inputs"),
}
"""Kind of live name, or what offers it: a line, and one that has to be among them."""
REFRESHED = """from pilothouse.magics._session import Session
Session.of(get_ipython()).names.refresh().join()
"""
NETWORK = """import sys, threading
asked = []
def told(event, args):
    if event.startswith("socket.") and threading.current_thread().name == "MainThread":
        asked.append((event, repr(args)[:200]))
sys.addaudithook(told)
"""
ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[=>]|\r")


def readers():
    for magic in MAGICS:
        command = _command(magic)
        if command.target:
            yield command.target.reader
        for sub in [command.itself, *command.subcommands.values()]:
            yield from (argument.reader for argument in sub.arguments)
            yield from (o.reader for o in sub.all_options if o.reader)


def test_every_kind_of_live_name_has_a_proof_here():
    kinds = {name.partition(":")[0] for each in readers() for name in each.names}
    offers = {each.offers.__name__ for each in readers() if each.offers}

    assert not (kinds | offers) - set(LIVE)


@pytest.fixture(scope="module")
def busy(kernel, home):
    """A kernel with something of each kind: made, installed, running."""
    seen = home / "seen"
    seen.mkdir()
    kernel.result(
        f"seen = {str(seen)!r}\n"
        "rows_of_mine = [1, 2]\n"
        "from pilothouse.fastscore import Schema, Sensor, Stream\n"
        "manage = c.lookup('model-manage')\n"
        "Schema('promised-schema', 'double').update(manage)\n"
        "c.configure({'promised-section': {'x': 1}})\n"
        "sensor = Sensor.prep('sys.memory')\n"
        "sensor.name = 'promised-sensor'\n"
        "sensor.update(manage)\n"
        "sensor.install(c.lookup('engine'))\n"
        "rest = {'Transport': 'REST', 'Encoding': 'json'}\n"
        "Stream('promised-stream', rest).update(manage)\n"
        "None"
    )
    kernel.result("%mplane set destination.ip4 127.0.0.1")
    kernel.result(
        "engine = c.lookup('engine')\n"
        "engine.reset()\n"
        "%engine load promised\n"
        "%engine attach inline:1 0\n"
        "%engine attach discard: 1\n"
        "engine.wait_for('FINISHED')\n"
        f"{PIPELINE}\n"
        "engine.wait_for('RUNNING')\n"
        "None"
    )
    kernel.result("%%pilot flow promised-plan --quiet\nfleet = %fastscore fleet\n")
    for kind, work in WORKS.items():
        kernel.result(f"{kind} = {work.line.format(n=900)} --detach")
    yield kernel
    kernel.result("for job in (fastscore, fastmap, aimm, mplane): job.cancel()\nNone")


def is_there(found, wanted):
    if isinstance(wanted, str):
        return wanted in found
    return any(wanted.fullmatch(text) for text in found)


@pytest.mark.parametrize("kind", LIVE)
def test_each_live_name_is_offered(busy, kind):
    line, wanted = LIVE[kind]

    until(lambda: is_there(busy.complete(line), wanted), DEADLINE, f"{wanted} {line!r}")


def test_tab_asks_no_network_and_waits_for_no_peer(busy, services):
    busy.result(REFRESHED)
    busy.result(NETWORK)
    with services.frozen():
        for line, wanted in LIVE.values():
            start = time.monotonic()
            assert is_there(busy.complete(line), wanted), line
            assert time.monotonic() - start < 5.0, line
    assert busy.result("asked") == "[]"


def test_in_a_terminal(busy, home):
    """The terminal's own shell, with the live names of the same services."""
    shell = pexpect.spawn(
        sys.executable,
        ["-m", "IPython", "--no-banner", "--colors=NoColor"],
        env={**environment(home), "TERM": "xterm", "COLUMNS": "100", "LINES": "40"},
        dimensions=(40, 100),
        timeout=DEADLINE,
        encoding="utf-8",
        cwd=str(home),
    )
    try:
        shell.expect(r"In \[1\]")
        for number, line in enumerate(
            ("%load_ext pilothouse", "%fastscore connect", *REFRESHED.splitlines()), 2
        ):
            shell.send(f"{line}\r")
            shell.expect(rf"In \[{number}\]")
        shell.send("%pilot profi\t")
        shell.expect("profiles")
        shell.send("\x15%engine load prom\t")
        shell.expect("ised")
        shell.send("\x15%engine \t")
        said = ""
        while not {"engine-1", "engine-2"} <= set(re.findall(r"engine-\d", said)):
            said += ANSI.sub("", shell.read_nonblocking(4096, timeout=DEADLINE))
    finally:
        shell.close(force=True)
