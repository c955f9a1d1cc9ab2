"""The four kinds of remote work, each as a line that any test of a promise can run.

Each takes a moment for a step, and leaves a file for each step that it has
begun, so that a test knows when it is under way and whether it has ended.
"""

from __future__ import annotations

import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from magics.kernels import DEADLINE, PATIENCE
from waiting import until

__all__ = [
    "KINDS",
    "TELLS_OF_CANCEL",
    "WORKS",
    "Work",
    "begun",
    "counts",
    "error_of",
    "finish",
    "fresh",
    "goes_on",
    "install",
    "interrupted",
    "job_of",
    "patient",
    "prepare",
    "steps",
    "ticks_of",
    "told",
]

CONNECT = """%load_ext pilothouse
%fastscore connect
%fastmap connect --policy CLOUD
%aimm connect
%mplane getcap
import pathlib, threading
"""
CALM = """from pilothouse.magics import _doctor_peers, _flow_places
_doctor_peers._PATIENCE = _flow_places._SECONDS = 60
"""
FUNCTION = """def slow(n):
    import pathlib, time
    pathlib.Path(seen, str(n)).touch()
    time.sleep(0.05)
    return n * 10
"""
MODEL = """%%model promised
# fastscore.snapshots: eof
import pathlib, time

def action(record):
    seen, n = record if isinstance(record, list) else (".", record)
    pathlib.Path(seen, str(n)).touch()
    while n > 1 and pathlib.Path(seen, "..", "hold").exists():
        time.sleep(0.02)
    time.sleep(0.02)
    yield n * 10
"""
PIPELINE = """%engine reset
%engine load promised
%engine attach rest-chunked: 0
%engine attach rest-chunked: 1
"""
PLUGIN = """%%aimm plugin promised
import pathlib, pickle, time
from aimm import plugins

@plugins.instantiate("promised.Slow")
def make():
    return 0

@plugins.fit(["promised.Slow"], state_cb_arg_name="report")
def fit(model, seen, n, *, report):
    for step in range(n):
        report({"step": step + 1, "steps": n})
        pathlib.Path(seen, str(step)).touch()
        time.sleep(0.05)
    return model + n

@plugins.predict(["promised.Slow"])
def predict(model):
    return model

plugins.serialize(["promised.Slow"])(pickle.dumps)
plugins.deserialize(["promised.Slow"])(pickle.loads)
"""
WORKING = ("score", "fastmap", "pilothouse-cancel", "pilothouse-waiting")
TELLS_OF_CANCEL = """import sys
def told(*_event):
    if threading.current_thread().name == "pilothouse-cancel":
        pathlib.Path(asked).touch()
    sys.setprofile(None)
threading.setprofile(told)
"""
COUNTS = """import sys
counting = threading.Event()
def is_within(thread):
    frame = sys._current_frames().get(thread)
    while frame is not None and frame.f_code.co_name != {verb!r}:
        frame = frame.f_back
    return frame is not None
def count(thread):
    global ticks
    while not counting.wait(0.05):
        ticks += is_within(thread)
ticks = 0
main = threading.get_ident()
threading.Thread(target=count, args=(main,), name="counting", daemon=True).start()
"""
PATIENT = """from importlib import import_module
bounds = {bounds!r}
usual = {{at: vars(import_module(at))[name] for at, name in bounds.items()}}
for at, name in bounds.items():
    setattr(import_module(at), name, 30)
%config Pilothouse.interrupt_timeout = 60
"""
USUAL = """for at, name in bounds.items():
    setattr(import_module(at), name, usual[at])
%config Pilothouse.interrupt_timeout = 2
"""


@dataclass(frozen=True)
class Work:
    """One kind of work.

    Attributes:
        line: Begins it; takes the number of steps.
        listed: How ``%pilot jobs`` calls it.
        error: What an interrupt raises.
        confirmed: What it says when the peer has confirmed the end.
        kept: How many of its steps were kept, of the name ``kept``.
        value: What shows its result, of the name ``found``; takes the steps.
        expected: That value, as text.
    """

    line: str
    listed: str
    error: str
    confirmed: str
    kept: str
    value: str
    expected: str


WORKS = {
    "fastscore": Work(
        "%engine score {{[(seen, n) for n in range({n})]}}",
        "score of {n} records on engine-1",
        "ScoreInterrupt",
        "engine-1 has confirmed that nothing is left",
        "len(kept)",
        "found == [x * 10 for x in range({n})]",
        "True",
    ),
    "fastmap": Work(
        "%fastmap slow {{list(range({n}))}}",
        "slow over {n} items",
        "MapInterrupt",
        "the service has confirmed the end",
        "len(kept)",
        "found == [x * 10 for x in range({n})]",
        "True",
    ),
    "aimm": Work(
        "%aimm fit m seen {n}",
        "fit of instance",
        "ActionInterrupt",
        "fit is cancelled, the server confirmed it",
        "kept['step']",
        "got = %aimm predict found\ngot % {n}",
        "0",
    ),
    "mplane": Work(
        "%mplane runcap tcp-4 promised-{n} --set destination.ip4=127.0.0.1 "
        'destination.port={{port}} --when "now + {n}s / 1s"',
        "promised-{n}",
        "MeasurementInterrupt",
        "interrupted: the component confirmed",
        "len(kept.to_frame())",
        "begin, end = found.when().datetimes()\n"
        "(end - begin).total_seconds() > {n} - 1.1",
        "True",
    ),
}
KINDS = tuple(WORKS)


def prepare(kernel, services):
    """Connect a kernel to all four services; make what does not stay with them.

    Its plans wait for services that are slow to answer that they are there.
    """
    kernel.result(CONNECT)
    kernel.result(CALM)
    port = int(services.told["fastscore"]["url"].rpartition(":")[2])
    kernel.result(f"port = {port}")
    kernel.result(FUNCTION)


def install(kernel):
    """Make the model and the instance, which stay with the services."""
    kernel.result(MODEL)
    kernel.result(PIPELINE)
    kernel.result(
        "c = %fastscore connect local\nc.lookup('engine').wait_for('RUNNING')"
    )
    kernel.result(PLUGIN)
    kernel.result("m = %aimm create promised.Slow")


@contextmanager
def patient(kernel):
    """Give a cancel longer than two seconds meanwhile; a busy machine needs that."""
    bounds = {at: name for at, name in PATIENCE.items() if "DETACH" not in name}
    kernel.result(PATIENT.format(bounds=bounds))
    yield
    kernel.result(USUAL)


def counts(kernel, verb="_bounded"):
    """Let a kernel count how long its cells are within a verb.

    By default that is the wait for the peer's word on a cancel.
    """
    kernel.result(COUNTS.format(verb=verb))


def ticks_of(kernel):
    """Return what was counted, in 20ths of a second; of a loaded machine it is less."""
    return int(kernel.result("counting.set()\nticks"))


def fresh(kernel, home: Path) -> Path:
    """Return a folder for the steps of the next work of a kernel."""
    seen = home / f"seen-{uuid.uuid4().hex[:8]}"
    seen.mkdir()
    kernel.result(f"seen = {str(seen)!r}")
    return seen


def steps(seen: Path) -> int:
    """Return how many steps have begun."""
    return len(list(seen.iterdir()))


def begun(kernel, home, kind, n, more="", *, is_held=False):
    """Run the line of a kind of work until its view shows some of it; the request.

    Of work that is held up nothing comes back: its view is there, two steps have begun.
    """
    seen = fresh(kernel, home)
    request = kernel.send(WORKS[kind].line.format(n=n) + more)
    if kind == "mplane":
        kernel.widget(request)
        told(kernel, lambda state: state.get("row_count"), "a row")
    else:
        show = kernel.widget if is_held else kernel.working_widget
        show(request)
        until(lambda: steps(seen) >= 2, DEADLINE, "two steps")
    return request


def told(kernel, holds, what):
    """Wait until a view of the running cell tells of a state for which that holds."""

    def heard():
        content = kernel.client.get_iopub_msg(timeout=DEADLINE)["content"]
        return holds(content.get("data", {}).get("state", {}))

    until(heard, DEADLINE, what)


def error_of(messages):
    (error,) = [m["content"] for m in messages if m["msg_type"] == "error"]
    return error


def job_of(kernel, kind):
    """Return the line of ``%pilot jobs`` about a kind of work, as name and text."""
    (line,) = lines_of(kernel.result("%pilot jobs") or "", kind)
    return line.split()[0], line


def lines_of(listed, kind):
    return [one for one in listed.splitlines() if one.split()[1:2] == [kind]]


def finish(kernel, kind):
    """The job can be looked at and stopped, unless the late cancel has ended it."""
    while (listed := kernel.result("%pilot jobs")) != "(no jobs are out there)":
        if "gone" not in listed:
            (line,) = lines_of(listed, kind)
            kernel.run(f"%pilot stop {line.split()[0]}")


def left_behind(kernel):
    """Return the threads that move the records of some work still."""
    names = kernel.result("sorted(t.name for t in threading.enumerate())")
    return [name for name in eval(names) if name.startswith(WORKING)]


def goes_on(kernel):
    """The next cell runs, and no thread of the last one is left."""
    assert kernel.result("1 + 1") == "2"
    until(lambda: not left_behind(kernel), DEADLINE, "the end of its threads")


def interrupted(kernel, request):
    """Interrupt the running cell; its error."""
    kernel.manager.interrupt_kernel()
    return error_of(kernel.messages(request))
