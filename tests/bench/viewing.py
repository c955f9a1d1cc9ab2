"""What a live view sends to the browser for each update, and what that costs.

A real kernel has the view; this process stands where the browser would, counts what
comes as it would travel over the browser's connection, and acknowledges it. What the
browser itself spends is measured in the browser tests, where there is one.
"""

from __future__ import annotations

import json
import queue
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import psutil
from jupyter_client.manager import start_new_kernel

from bench.figures import Figure, at_most

_CHART = """\
import threading, time
pace = threading.Event()
import numpy as np
from pilothouse_widgets.chart import LiveChart

labels = ["a", "b", "c", "d"]
chart = LiveChart(labels, axis="number", window=0, points={points})

def points(first, count):
    x = np.arange(first, first + count, dtype=float)
    return x, {{name: np.sin(x / 50 + i) for i, name in enumerate(labels)}}

x, values = points(0, {points})
chart.append(values, x)

def feed():
    due = time.perf_counter()
    for update in range({updates}):
        x, values = points({points} + update * {added}, {added})
        chart.append(values, x)
        due += 0.05
        pace.wait(max(0.0, due - time.perf_counter()))

thread = threading.Thread(target=feed)
"""


@dataclass
class Traffic:
    """What came from the kernel."""

    sizes: list[int] = field(default_factory=list)
    cpu_s: float = 0.0


def measure(*, quick: bool) -> Iterator[Figure]:
    """The chart at the two loads of the design."""
    updates = 60 if quick else 200
    for points, added, most_bytes in ((2_500, 25, 2_000), (10_000, 100, 5_000)):
        code = _CHART.format(points=points, added=added, updates=updates)
        traffic = _watch(code, updates)
        size = sum(traffic.sizes) / len(traffic.sizes)
        cpu = traffic.cpu_s / updates * 1e3
        load = f"chart, 4 x {points:,} points, +{added} each, 20 times a second"
        note = f"{len(traffic.sizes)} messages for {updates} appends"
        yield at_most(most_bytes, load, size, "bytes an update", note=note)
        yield at_most(1.2, f"  {load}: kernel", cpu, "ms of CPU an update")


def _watch(code: str, updates: int) -> Traffic:
    """Run a view in a kernel; what it sent while its thread fed it."""
    manager, client = start_new_kernel(kernel_name="python3")
    try:
        reply = client.execute_interactive(code, timeout=60, output_hook=_said_nothing)
        assert reply["content"]["status"] == "ok", reply["content"]
        kernel = psutil.Process(manager.provisioner.process.pid)
        idle_s = _cpu_in(kernel, 2.0) / 2.0
        traffic = Traffic()
        client.execute("thread.start()", silent=True)
        before = _cpu(kernel)
        began = acknowledged = time.perf_counter()
        while (now := time.perf_counter()) - began < updates / 20 + 1:
            try:
                message = client.get_iopub_msg(timeout=0.5)
            except queue.Empty:
                continue
            content = message["content"].get("data", {}).get("content") or {}
            if message["msg_type"] != "comm_msg" or "append" not in content:
                continue
            traffic.sizes.append(_size(message))
            if now - acknowledged > 1:
                acknowledged = now
                seq = content["append"]["seq"]
                _answer(client, message["content"]["comm_id"], seq)
        passed = time.perf_counter() - began
        traffic.cpu_s = max(0.0, _cpu(kernel) - before - idle_s * passed)
        return traffic
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
        manager.cleanup_resources()


def _said_nothing(message: dict[str, Any]) -> None:
    """Drop what a cell shows."""


def _answer(client: Any, comm_id: str, seq: int) -> None:
    """Tell the view what was painted, as the browser does."""
    data = {"method": "custom", "content": {"ask": "painted", "seq": seq}}
    message = client.session.msg("comm_msg", {"comm_id": comm_id, "data": data})
    client.shell_channel.send(message)


def _size(message: dict[str, Any]) -> int:
    """How many bytes it has on the way to the browser."""
    parts = ("header", "parent_header", "metadata", "content")
    text = json.dumps({part: message[part] for part in parts}, default=str)
    return len(text) + sum(len(bytes(one)) for one in message["buffers"])


def _cpu(process: psutil.Process) -> float:
    spent = process.cpu_times()
    return spent.user + spent.system


def _cpu_in(process: psutil.Process, seconds: float) -> float:
    """What a process spends while nobody asks it for anything."""
    before = _cpu(process)
    threading.Event().wait(seconds)
    return _cpu(process) - before
