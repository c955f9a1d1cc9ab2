"""Live views of remote work, one for each thing watched.

    EngineMonitor(engine, *, interval=0.5, window=120.0)
    PneumoConsole(connect, src=None, type=None, *, level=None, text="", limit=2000)
    ModelInspector(model)
    SensorChart(instance, sensor, *, interval=0.5, window=120.0)
    LiveChart(series, *, title="", unit="", window=60.0, points=10_000)
    LiveTable(columns, rows=(), *, key=None, title="")
    CapabilityBrowser(client, *, run=None, refresh=None, title="Capabilities")
    Dashboard(house=None, *, services=("fastscore", ...), every=1.0)
    InstanceTable(client=None, *, title="Instances")
    Form(fields, *, title="", submit="", on_submit=None)
    MeasurementView(measurement=None, *, report=None)
    Progress(total=None, *, label="", unit="records", cancel=None)
    RunProgress(job, *, label="", interval=0.25)
    FlowView(flow, *, interval=0.25)
    close_all()

Every view is complete without a server (``show(...)`` takes one report), needs no
front end (its ``text/plain`` holds the key numbers, its ``text/html`` a snapshot),
starts to watch when it is made, and stops at ``close()``, which leaves the snapshot in
the notebook. ``SensorChart`` takes the id of an installed sensor, a tapping point or a
`Sensor`.

What may be imported here: `pilothouse.errors`, `pilothouse.transport` and the client
packages; never magics or services. The names above load their module when first used,
so that importing the package costs nothing.
"""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .capability_browser import CapabilityBrowser
    from .chart import LiveChart, Series
    from .console import PneumoConsole
    from .dashboard import Dashboard
    from .engine import EngineMonitor
    from .flow_view import FlowView
    from .form import Field, Form
    from .inspector import ModelInspector
    from .instances import InstanceTable
    from .measurement import MeasurementView
    from .progress import Progress
    from .run_progress import RunProgress
    from .sensor_chart import SensorChart
    from .table import Column, LiveTable

__all__ = [
    "CapabilityBrowser",
    "Column",
    "Dashboard",
    "EngineMonitor",
    "Field",
    "FlowView",
    "Form",
    "InstanceTable",
    "LiveChart",
    "LiveTable",
    "MeasurementView",
    "ModelInspector",
    "PneumoConsole",
    "Progress",
    "RunProgress",
    "SensorChart",
    "Series",
    "close_all",
]

_HOME = {
    "CapabilityBrowser": "capability_browser",
    "Column": "table",
    "Dashboard": "dashboard",
    "EngineMonitor": "engine",
    "Field": "form",
    "FlowView": "flow_view",
    "Form": "form",
    "InstanceTable": "instances",
    "LiveChart": "chart",
    "LiveTable": "table",
    "MeasurementView": "measurement",
    "ModelInspector": "inspector",
    "PneumoConsole": "console",
    "Progress": "progress",
    "RunProgress": "run_progress",
    "SensorChart": "sensor_chart",
    "Series": "chart",
}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted(__all__)


def close_all() -> None:
    """Close every open view and join the publisher thread.

    For the extension's unload and the end of the process; views made later start the
    thread anew. Nothing is imported when no view was ever made.
    """
    view = sys.modules.get(f"{__name__}.view")
    if view is not None:
        view.close_all()
