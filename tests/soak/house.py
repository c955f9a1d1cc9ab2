"""In the kernel of a soak: all views over the local services, which are kept at work.

    engine      records all the time, some of them rejected; its monitor and a sensor
    messages    the console of Pneumo
    instances   one is fitted again and again; first as often as a server remembers
    runs        a map as long as the soak, of long items as it keeps its results;
                beside it one map after the other, each with a view that is closed at
                its end
    plans       likewise
    measuring   one measurement as long as the soak
    chart       four lines, fifty points twice a second
    table       twenty rows change, twenty times a second
    dashboard   the page of everything

`begin` shows them; from then on a line of JSON a second is written to a file: what was
sent for each view so far, what this process holds, and what the views that were closed
have left in the page, see `run`.
"""

from __future__ import annotations

import gc
import json
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

import psutil
from comm.base_comm import BaseComm
from IPython.display import display
from ipywidgets.widgets.widget import _instances

import pilothouse
import pilothouse_widgets as w
from pilothouse import aimm, fastmap, mplane
from pilothouse.fastscore import Model, Schema
from pilothouse.fastscore.suite import Connect
from pilothouse.flow import Flow

SOURCE = """\
# fastscore.schema.0: num
# fastscore.schema.1: num
import math


def action(x):
    yield math.sqrt(x)
"""

REMEMBERED_ACTIONS = 200

_sent: Counter[str] = Counter()
_closed: Counter[str] = Counter()
_ends: list[tuple[float, str, str]] = []
_names: dict[str, str] = {}
_troubles: list[str] = []
_over = threading.Event()


def begin(told: str, seconds: float) -> list[object]:
    """Show all views, put everything to work, and write to the file ``told``."""
    _count_messages()
    local = pilothouse.up()
    shown = [*_engine(local), *_instances_of(local), *_measuring(local), *_drawn()]
    shown += [*_maps(local), w.Dashboard(local)]
    for view in shown:
        _names[view.model_id] = type(view).__name__
        display(view)
        view._errands.add(int)  # the thread of its clicks is there from now on
    _again(lambda: _tell(Path(told)), 1.0)
    threading.Timer(seconds, _over.set).start()
    return shown


def _count_messages() -> None:
    """Count what goes out for each view that stays, where every message passes.

    The beginning and the end of each model are noted, too.
    """
    publish = BaseComm.publish_msg

    def counted(self: BaseComm, msg_type: str, *args: object, **kwargs: object) -> None:
        if self.comm_id in _names:
            _sent[_names[self.comm_id]] += 1
        if msg_type != "comm_msg":
            _ends.append((time.time(), msg_type, self.comm_id))
        publish(self, msg_type, *args, **kwargs)

    for kind in (BaseComm, *BaseComm.__subclasses__()):
        if "publish_msg" in vars(kind):
            publish = kind.publish_msg
            kind.publish_msg = counted


def _again(work: Callable[[], object], pause: float) -> None:
    """Do some work again and again in a thread, until the soak is over."""

    def run() -> None:
        while not _over.wait(pause):
            try:
                work()
            except Exception as exc:
                _troubles.append(f"{work}: {type(exc).__name__}: {exc}")

    threading.Thread(target=run, daemon=True).start()


def _engine(local: pilothouse.Local) -> list[object]:
    connect = Connect(local.fastscore.url, oauth_secret=local.fastscore.token)
    engine = connect.get("engine-1")
    model = Model(
        "root", "python3", SOURCE, schemas=[Schema("num", {"type": "double"})]
    )
    model.deploy(engine, streams={0: "rest-chunked:", 1: "rest-chunked:"}, wait=30)

    def feed() -> None:
        engine.input(b"4\n" * 50 + b'"x"\n', 0)
        engine.output(1)

    _again(feed, 0.1)
    return [
        w.EngineMonitor(engine),
        w.SensorChart(engine, "manifold.0.records.count"),
        w.PneumoConsole(connect, limit=200),
        w.ModelInspector(model),
    ]


def _instances_of(local: pilothouse.Local) -> list[object]:
    place = local.aimm
    client = aimm.connect(place.url, place.username, place.password)
    line = client.create_instance("plugins.Line")
    for _ in range(REMEMBERED_ACTIONS):
        line.fit([[0.0], [1.0]], [0.0, 1.0], epochs=1)
    _again(lambda: line.fit([[0.0], [1.0]], [0.0, 1.0], epochs=200), 2.0)
    return [w.InstanceTable(client)]


def _measuring(local: pilothouse.Local) -> list[object]:
    mplane.model.initialize_registry()
    client = mplane.client.HttpInitiatorClient(None, local.mplane.url)
    client.retrieve_capabilities(local.mplane.url)
    where = {"destination.ip4": "127.0.0.1", "destination.port": 9}
    measured = client.run("tcp-4", "now + 2h / 1s", where)
    return [w.MeasurementView(measured), w.CapabilityBrowser(client)]


def _maps(local: pilothouse.Local) -> list[object]:
    config = fastmap.init(
        cloud_url=local.fastmap.url, secret=local.fastmap.secret, exec_policy="CLOUD"
    )

    def slow(number: int) -> int:
        import time

        time.sleep(0.02)
        return number

    def long_lasting(number: int) -> int:
        import time

        time.sleep(0.3 if number < 600 else 3.0)  # its lanes are full soon, then few
        return number

    def run() -> None:
        job = config.submit(slow, range(200))
        _followed(w.RunProgress(job, label="slow", unit="items"), job)

    def plan() -> None:
        flow = Flow("sums")
        flow.step("few", lambda: [_over.wait(0.5)] * 100)
        flow.step("total", lambda few: sum(few), needs=["few"])
        flow.start()
        _followed(w.FlowView(flow), flow)

    _again(run, 15.0)
    _again(plan, 15.0)
    long = Flow("as long as the soak")
    long.step("waiting", _over.wait)
    long.step("after", lambda waiting: waiting, needs=["waiting"])
    long.start()
    endless = config.submit(long_lasting, range(100_000))
    threading.Thread(
        target=lambda: _over.wait() and endless.cancel(), daemon=True
    ).start()
    return [w.RunProgress(endless, label="endless", unit="items"), w.FlowView(long)]


def _followed(view: w.RunProgress, job: object) -> None:
    """Wait for some work with its view open, as a cell does."""
    job.result()
    view.close()
    _closed.update(views=1, bytes=len(view._esm) + len(view._css))


def _drawn() -> list[object]:
    chart = w.LiveChart(["a", "b", "c", "d"], axis="number", window=2000, points=2000)
    table = w.LiveTable(
        ["i", "state", w.Column("n", kind="count")],
        [(i, "idle", 0) for i in range(200)],
        key="i",
    )
    at = 0

    def draw() -> None:
        nonlocal at
        x = list(range(at, at + 50))
        chart.append([[(i * k) % 97 for i in x] for k in (1, 3, 5, 7)], x=x)
        at += 50

    rows = 0

    def change() -> None:
        nonlocal rows
        rows += 1
        table.update([(i, f"at {rows}", rows) for i in range(20)])

    _again(draw, 0.5)
    _again(change, 0.05)
    return [chart, table]


def _counted(names: Iterable[str]) -> dict[str, int]:
    """Return how many there are of each name, numbers left out."""
    return Counter(re.sub(r"[0-9a-f-]*[0-9][0-9a-f-]*", "#", name) for name in names)


def _tell(path: Path) -> None:
    gc.collect()
    me = psutil.Process()
    ends = [_ends.pop(0) for _ in range(len(_ends))]
    line = {
        "at": time.time(),
        "sent": dict(_sent),
        "closed": dict(_closed),
        "ends": ends,
        "models": len(_instances),
        "threads": threading.active_count(),
        "of threads": _counted(t.name for t in threading.enumerate()),
        "of objects": Counter(type(o).__qualname__ for o in gc.get_objects()),
        "handles": me.num_fds() if hasattr(me, "num_fds") else me.num_handles(),
        "bytes": me.memory_info().rss,
        "objects": len(gc.get_objects()),
        "troubles": _troubles[-5:],
    }
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
