"""Each view once, with data that never change: for eyes, pictures and checks.

A notebook's kernel imports it: ``from browser.gallery import views``. Times are fixed
and long ago, so that no view shows the time of day; nothing here needs a server.
"""

from __future__ import annotations

import datetime
import math
import threading

import pilothouse_widgets as w
from pilothouse import mplane
from pilothouse.aimm.state import ActionEntry, ModelEntry, State
from pilothouse.fastscore import Model, Schema
from pilothouse.fastscore.pneumo import LogMsg, ModelConsoleMsg, ModelErrorMsg
from pilothouse.fastscore.pneumo import ModelInputInfo as Input
from pilothouse.flow import FlowProgress, Step, StepReport, StepState
from pilothouse_widgets.dashboard_board import Board
from pilothouse_widgets.dashboard_rows import (
    counts_of_instances,
    engine_row,
    instance_rows,
)
from pilothouse_widgets.engine_report import EngineError, EngineReport, SlotReport
from pilothouse_widgets.measurement_report import (
    ColumnReport,
    MeasurementReport,
    RunReport,
)
from widgets.work import Lane, Progress, Span, Work

BEGIN = 1_700_000_000.0
AT = datetime.datetime.fromtimestamp(BEGIN, datetime.UTC)
TRACEBACK = """\
Traceback (most recent call last):
  File "<model root>", line 11, in action
ValueError: math domain error"""

SOURCE = """\
# fastscore.schema.0: num
# fastscore.schema.1: num
import math


def begin():
    print("ready")


def action(x):
    yield math.sqrt(x)  # of each record
"""

_NEVER = (None, None, "", None)
_kept: list[object] = []


def wave(number: int, count: int = 120) -> list[float]:
    """Return a line that goes up and down, another one for each number."""
    return [(number + 1) * (100 + 40 * math.sin(i / 9 + number)) for i in range(count)]


def engine() -> w.EngineMonitor:
    """An engine that runs, with rejected records and an error."""
    monitor = w.EngineMonitor(name="engine-1")
    slots = (
        SlotReport(
            slot=0, stream="readings", transport="REST chunked", rate=1520.0,
            total=48_210, by_schema=12,
        ),
        SlotReport(
            slot=1, stream="scores", transport="REST chunked", rate=1508.0, total=48_198
        ),
    )  # fmt: skip
    for i in range(0, 60, 3):
        monitor.show(
            EngineReport(
                state="RUNNING", model="root", mtype="python3",
                jets=((101, "1"), (102, "2")), slots=slots, rejected_rate=0.5,
                memory_bytes=142 * 1024 * 1024, at=BEGIN + i,
                error=EngineError(
                    summary="ValueError: math domain error", traceback=TRACEBACK
                ),
            )
        )  # fmt: skip
    monitor.steerable = True
    return monitor


def chart() -> w.LiveChart:
    """Four lines over whole numbers."""
    drawn = w.LiveChart(
        ["read", "scored", "rejected", "late"],
        title="Throughput", unit="records/s", axis="number", window=0,
    )  # fmt: skip
    drawn.append([wave(i) for i in range(4)], x=list(range(120)))
    return drawn


def table() -> w.LiveTable:
    """Three columns, two hundred rows."""
    return w.LiveTable(
        [w.Column("i", kind="count"), "name", w.Column("size", kind="size")],
        [(i, f"row {i}", (i * 7919) % 10_000) for i in range(200)],
        key="i",
        title="Two hundred rows",
    )


def console() -> w.PneumoConsole:
    """A line of each level, and an error that unfolds."""
    told = w.PneumoConsole()
    for level in (8, 16, 32, 64, 128):
        told.show(
            LogMsg(src="engine-1", timestamp=AT, level=level, text=f"level {level}")
        )
    told.show(ModelConsoleMsg(src="engine-2", timestamp=AT, text="ready\n"))
    asked = Input(slot=0, seqno=7, data=('{"x": -1}',), batch_len=1)
    told.show(
        ModelErrorMsg(src="engine-1", timestamp=AT, input=asked, console=TRACEBACK)
    )
    return told


def inspector() -> w.ModelInspector:
    """A model that was never saved."""
    schemas = [Schema("num", {"type": "double"})]
    return w.ModelInspector(Model("root", "python3", SOURCE, schemas=schemas))


def run() -> w.RunProgress:
    """A map on three workers, with a batch that failed and one that was retried."""
    lanes = tuple(
        Lane(
            f"worker-{n}", items=20, seconds=2.0,
            spans=(Span(10, 0.1, 1.0 + n / 5), Span(10, 1.3 + n / 5, 2.2, state)),
        )
        for n, state in enumerate(("done", "failed", "retried"), 1)
    )  # fmt: skip
    here = Lane("here-1", "local", 5, 0.5, (Span(5, 0.1, 0.6), Span(5, 0.7)))
    work = Work(
        Progress(
            done=45, total=60, rate=10.0, eta=3.5, seconds=2.5, lanes=(*lanes, here),
            cloud_seconds=6.0, local_seconds=0.5, credits=1.5, step="installing numpy",
        )
    )  # fmt: skip
    _kept.append(work)
    return w.RunProgress(work, label="slow", unit="items")


def measurement() -> w.MeasurementView:
    """A measurement that has ended, with two units."""
    rows = tuple(
        (round(80 + 9 * math.sin(i / 3), 1), int(i % 4 == 3)) for i in range(24)
    )
    columns = (
        ColumnReport(name="delay.twoway.icmp.us", unit="µs"),
        ColumnReport(name="packets.lost", unit="packets"),
    )
    begun = RunReport(begun=BEGIN, until=BEGIN + 24, period=1.0, rows=rows)
    return w.MeasurementView(
        report=MeasurementReport(
            label="ping-4", columns=columns, state="done", at=BEGIN + 25, runs=(begun,)
        )
    )


def instances() -> w.InstanceTable:
    """Three instances: one fits, one is complete, one has failed."""
    listed = w.InstanceTable()
    kinds = {1: "plugins.Line", 2: "plugins.NearestMean", 3: "plugins.Forest"}
    listed.show(
        State(
            models={
                n: ModelEntry(id=n, model_type=kind, size=2048 * n)
                for n, kind in kinds.items()
            },
            actions={
                7: ActionEntry(
                    id=7, call="fit", model=1, progress="executing",
                    report={"epoch": 5, "epochs": 20, "loss": 0.1235},
                ),
                8: ActionEntry(id=8, call="predict", model=2, progress="complete"),
                9: ActionEntry(
                    id=9, call="fit", model=3, progress="failed", error="no data"
                ),
            },
        )
    )  # fmt: skip
    return listed


def form() -> w.Form:
    """Fields in two groups; one of them is wrong."""
    filled = w.Form(
        [
            w.Field(name="host", group="where"),
            w.Field(name="port", kind="natural", minimum=1, maximum=99, group="where"),
            w.Field(name="protocol", choices=("tcp", "udp"), group="how"),
            w.Field(
                name="rate", kind="real", unit="Hz", is_required=False, group="how"
            ),
        ],
        title="Send a probe",
        submit="Send",
    )
    filled.fill({"host": "127.0.0.1", "port": "100", "protocol": "tcp"})
    return filled


def capabilities() -> w.CapabilityBrowser:
    """The capabilities of a component in this process, one of them in the form."""
    mplane.model.initialize_registry()
    offered = [_Offered("echo", "1 ... 99"), _Offered("other", "*")]
    served = mplane.component.serve(offered)
    client = mplane.client.HttpInitiatorClient(None, served.url)
    client.retrieve_capabilities(f"{served.url}capability")
    _kept.extend((served, client))
    browser = w.CapabilityBrowser(client)
    browser.choose("echo")
    return browser


class _Offered(mplane.scheduler.Service):
    def __init__(self, label: str, ports: str) -> None:
        offered = mplane.model.Capability(label=label, when="now ... future / 1s")
        offered.add_parameter("destination.port", ports)
        offered.add_parameter("source.interface", "lo,eth0")
        offered.add_result_column("rtt.us")
        super().__init__(offered)

    def run(self, specification, check_interrupt):  # pragma: no cover
        raise AssertionError(f"nobody asks for {specification}")


def progress() -> w.Progress:
    """A third of some work, which can be cancelled."""
    shown = w.Progress(300, label="Scoring", cancel=threading.Event().set)
    shown.set(100)
    return shown


def dashboard() -> w.Dashboard:
    """A page with one of each, a service that is down, and some events."""
    board = Board(clock=lambda: BEGIN)
    up = {"state": "up", "at": BEGIN, "version": "0.1.0", "why": "", "hint": ""}
    for i, (name, title) in enumerate(
        (("fastscore", "FastScore"), ("fastmap", "Fastmap"), ("mplane", "mPlane"))
    ):
        board.patch("services", name, title=title, url=f"http://127.0.0.1:800{i}", **up)
        board.patch("services", name, ms=1.5 + i)
        for value in wave(i, 60):
            board.note("services", name, value / 100)
    board.patch("services", "aimm", title="AIMM", url="ws://127.0.0.1:9999", ms=0.9)
    down = {
        "state": "down",
        "at": BEGIN - 7400,
        "why": "connection refused",
        "hint": "",
    }
    board.patch("services", "aimm", **down)
    slots = (SlotReport(slot=0, rate=1204.0, total=88_000, by_schema=7),)
    runs = EngineReport(state="RUNNING", model="root", mtype="python3", slots=slots)
    rows = {"engine-1": runs, "engine-2": EngineReport(state="PAUSED")}
    shown = {name: engine_row(name, report) for name, report in rows.items()}
    board.put("engines", shown, {"known": True})
    for value in wave(7, 60):
        board.note("engines", "engine-1", value)
    state = State(models={1: ModelEntry(id=1, model_type="plugins.Line", size=67)})
    head = {"known": True, **counts_of_instances(state)}
    board.put("instances", instance_rows(state), head)
    map_of_items = {
        "label": "primes", "state": "running", "busy": True, "done": 420, "total": 1200,
        "failed": 2, "rate": 18.5, "eta": 42.0, "workers": 2, "seconds": 23.0,
        "text": "", "mine": True,
    }  # fmt: skip
    board.put("runs", {"a": map_of_items}, {"known": True, "running": 1})
    board.put("measurements", {}, {"known": True, "capabilities": 18})
    for level, text in ((64, "jet 1: start"), (32, "state RUNNING"), (16, "slow")):
        board.tell("engine-1", text, level=level, at=BEGIN - level)
    board.tell("aimm", "AIMM does not answer: connection refused", level=8, at=BEGIN)
    return w.Dashboard(board)


def flow() -> w.FlowView:
    """A plan with a step of each state; one waits for remote work."""
    far = Progress(done=42, total=120, rate=10.0, eta=7.8, seconds=4.0)
    rows = (
        ("rows", "measured each second", (), "done", 0.0, 2.5, "", None),
        ("windows", "on all workers", ("rows",), "running", 2.5, None, "", far),
        ("model", "made meanwhile", (), "done", 0.1, 0.9, "", None),
        ("wrong", "total / 0", ("model",), "failed", 0.9, 0.9, "ValueError: no", None),
        ("report", "print(wrong)", ("wrong",), "skipped", None, None, "", None),
        ("fit", "fit model windows", ("windows", "model"), "waiting", *_NEVER),
    )
    reports = tuple(
        StepReport(
            step=Step(name=name, function=list, needs=needs, title=title, line=2),
            state=StepState(state), start=start, end=end, text=text, progress=progress,
        )
        for name, title, needs, state, start, end, text, progress in rows
    )  # fmt: skip
    work = Work(
        FlowProgress(
            state="running", done=2, failed=1, total=6, step="windows", seconds=6.5,
            steps=reports,
        )
    )  # fmt: skip
    work.label = "delays"
    _kept.append(work)
    return w.FlowView(work)


VIEWS = {
    "engine": engine,
    "chart": chart,
    "table": table,
    "console": console,
    "inspector": inspector,
    "run": run,
    "measurement": measurement,
    "instances": instances,
    "form": form,
    "browser": capabilities,
    "progress": progress,
    "dashboard": dashboard,
    "flow": flow,
}
"""What makes each view, by the kind that its root has as its class: ``ph-KIND``."""


def root(kind: str) -> str:
    """Return what finds the root of a view; a run is a progress, too."""
    return f".ph-{kind}" + (":not(.ph-run, .ph-flow)" if kind == "progress" else "")


def views() -> dict[str, object]:
    """Make all of them."""
    return {kind: make() for kind, make in VIEWS.items()}
