"""Twenty minutes with all views live in JupyterLab: nothing may grow.

    python tests/soak/run.py [MINUTES]        make soak MINUTES=20

The first quarter warms up: windows and logs fill, interpreters load what they need.
After it the kernel's memory, the page's heap after a collection of garbage, and the
services' memory have to be flat, likewise threads, handles, widget models and elements
of the page; and no view may send more than four messages a second. It prints a table
and fails with what was not so. What is drawn is shown in ``screenshots/soak.png``.

What a page keeps of each view that was closed is not ours to free, and is counted out:
JupyterLab 4.6 holds the model of a closed comm (its ``CommHandler`` listens to the
kernel's ``statusChanged`` and never leaves; ``closed.js`` takes our texts out of the
model), and a browser keeps every module that was imported, compiled.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

TESTS = Path(__file__).parents[1]
sys.path.insert(0, str(TESTS))

from browser.lab import NotebookPage, a_chromium, lab_server  # noqa: E402
from soak.trend import Trend, trend  # noqa: E402
from waiting import until  # noqa: E402

MIB = 1024 * 1024
EVERY_SECONDS = 5.0
MOST_A_SECOND = 4.0
COUNTED_LATE = 0.1  # the ends of the time are those of the kernel's lines, not of ours
# Bytes of heap that a closed view leaves for each byte of its texts: the module,
# compiled, the objects of models (seen in heap snapshots).
KEPT_OF_CLOSED = 0.4
# What anywidget says of a model that was closed before the page had made it.
CLOSED_EARLY = "[anywidget] Failed to initialize model."
SHOW = """\
import sys
sys.path.insert(0, {tests!r})
from soak.house import begin
shown = begin({told!r}, {seconds})"""


@dataclass
class Samples:
    """What was seen, one value of each quantity for each time."""

    at: list[float] = field(default_factory=list)
    of: dict[str, list[float]] = field(default_factory=dict)

    def take(self, **values: float) -> None:
        """Keep one sample of each quantity."""
        self.at.append(time.monotonic())
        for name, value in values.items():
            self.of.setdefault(name, []).append(value)

    def trends(self) -> dict[str, Trend]:
        """Return the trend of each quantity."""
        return {name: trend(self.at, values) for name, values in self.of.items()}


LIMITS: dict[str, tuple[float, float]] = {
    # share of the level, least that counts, over the whole time behind the warm-up
    "kernel MiB": (0.05, 10.0),
    "page MiB": (0.10, 4.0),
    "services MiB": (0.05, 10.0),
    "kernel objects": (0.01, 1500.0),
    "kernel threads": (0.0, 3.0),
    "kernel handles": (0.0, 6.0),
    "services threads": (0.0, 3.0),
    "services handles": (0.0, 4.0),
    "widget models": (0.0, 3.0),
    "page elements": (0.05, 50.0),
    "page listeners": (0.05, 50.0),
}


class Page:
    """Measures the page by Chromium's own protocol."""

    def __init__(self, opened: NotebookPage) -> None:
        self.cdp = opened.page.context.new_cdp_session(opened.page)
        self.cdp.send("Performance.enable")
        self.cdp.send("HeapProfiler.enable")

    def measure(self, kept: float) -> dict[str, float]:
        """Return heap, elements and listeners after a collection of garbage.

        Args:
            kept: Bytes of heap that closed views have left behind.
        """
        self.cdp.send("HeapProfiler.collectGarbage")
        told = self.cdp.send("Performance.getMetrics")["metrics"]
        of = {each["name"]: each["value"] for each in told}
        return {
            "page MiB": (of["JSHeapUsedSize"] - kept) / MIB,
            "page elements": of["Nodes"],
            "page listeners": of["JSEventListeners"],
        }


def services(pid: int) -> dict[str, float]:
    """Return what the services' own process holds; jets and workers come and go."""
    process = psutil.Process(pid)
    return {
        "services MiB": process.memory_info().rss / MIB,
        "services threads": process.num_threads(),
        "services handles": process.num_fds(),
    }


class Told:
    """What the kernel writes down each second."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def lines(self) -> list[dict]:
        """Return all of it."""
        if not self.path.is_file():
            return []
        whole = self.path.read_text(encoding="utf-8").rpartition("\n")[0]
        return [json.loads(line) for line in whole.splitlines()]

    def measure(self) -> dict[str, float]:
        """Return the newest."""
        last = self.lines()[-1]
        return {
            "kernel MiB": last["bytes"] / MIB,
            "kernel objects": last["objects"],
            "kernel threads": last["threads"],
            "kernel handles": last["handles"],
            "widget models": last["models"],
        }

    def kept_of_closed(self) -> float:
        """Return how many bytes closed views have left in the page."""
        return self.lines()[-1]["closed"].get("bytes", 0) * KEPT_OF_CLOSED

    def life_of(self, text: str) -> str:
        """Return when the model that a message names was opened and closed."""
        ends = [end for line in self.lines() for end in line["ends"] if end[2] in text]
        told = [f"{time.strftime('%X', time.localtime(at))} {w}" for at, w, _ in ends]
        return f"{text}; {', '.join(told)}" if told else text

    def grown(self, since: float, kind: str, most: int = 8) -> dict[str, int]:
        """Return by how many the threads, or the objects, of each name have grown."""
        lines = [line[f"of {kind}"] for line in self.lines() if line["at"] >= since]
        more = {
            name: count - lines[0].get(name, 0) for name, count in lines[-1].items()
        }
        by_growth = sorted(more.items(), key=lambda item: -item[1])
        return {name: count for name, count in by_growth[:most] if count > 0}

    def rates(self, since: float) -> dict[str, float]:
        """Return messages a second of each kind of view, from a time on."""
        lines = [line for line in self.lines() if line["at"] >= since]
        first, last = lines[0], lines[-1]
        seconds = last["at"] - first["at"]
        return {
            name: (count - first["sent"].get(name, 0)) / seconds
            for name, count in sorted(last["sent"].items())
        }


@contextmanager
def opened(home: Path, seconds: float) -> Iterator[tuple[NotebookPage, Told, int]]:
    """Open the notebook and wait until all views are live."""
    told = home / "told.jsonl"
    with lab_server(home) as lab, a_chromium() as browser:
        cell = SHOW.format(tests=str(TESTS), told=str(told), seconds=seconds)
        page = browser.new_page(viewport={"width": 1280, "height": 7000})
        path = lab.write("soak", [cell])
        notebook = NotebookPage(page, lab, path, TESTS.parent / "screenshots")
        try:
            notebook.open().run_all()
            dashboard = notebook.find(".ph-dashboard")
            dashboard.wait_for(timeout=180_000)
            until(lambda: dashboard.get_attribute("data-up") == "4", 120, "services")
            (running,) = json.loads(lab.pilothouse("status", "--json").stdout)
            yield notebook, Told(told), running["pid"]
        finally:
            page.close()
            lab.end_sessions()
            lab.pilothouse("down")


def soak(minutes: float, say: Callable[[str], None] = print) -> list[str]:
    """Run it; return what was wrong."""
    seconds = minutes * 60
    samples = Samples()
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home,
        opened(Path(home), seconds + 60) as (notebook, told, pid),
    ):
        page = Page(notebook)
        warm = time.monotonic() + seconds / 4
        end = time.monotonic() + seconds
        while time.monotonic() < warm:
            notebook.page.wait_for_timeout(EVERY_SECONDS * 1000)
        since = time.time()
        while time.monotonic() < end:
            in_page = page.measure(told.kept_of_closed())
            samples.take(**told.measure(), **in_page, **services(pid))
            notebook.page.wait_for_timeout(EVERY_SECONDS * 1000)
        rates = told.rates(since)
        troubles = told.lines()[-1]["troubles"]
        for kind in ("threads", "objects"):
            say(f"{kind} that came: {told.grown(since, kind)}")
        say(f"closed views: {told.lines()[-1]['closed'].get('views', 0)}")
        notebook.shoot("soak")
        said = [text for text in notebook.errors if CLOSED_EARLY not in text]
        errors = [*map(told.life_of, said), *notebook.outside, *troubles]
    return [*errors, *judged(samples.trends(), rates, minutes, say)]


def judged(
    trends: dict[str, Trend],
    rates: dict[str, float],
    minutes: float,
    say: Callable[[str], None],
) -> list[str]:
    """Print the tables; return what was not flat, and which view says too much."""
    wrong = []
    say(
        f"{'in ' + format(minutes * 0.75, 'g') + ' min':<20}{'level':>12}{'growth':>12}"
    )
    for name, found in trends.items():
        share, least = LIMITS[name]
        flat = found.is_flat(share=share, least=least)
        mark = "" if flat else "  <- grows"
        say(f"{name:<20}{found.level:>12,.1f}{found.growth:>+12,.2f}{mark}")
        if not flat:
            wrong.append(f"{name} has grown by {found.growth:,.1f}")
    say(f"{'messages a second':<20}")
    for name, rate in rates.items():
        many = rate > MOST_A_SECOND + COUNTED_LATE
        say(f"{name:<20}{rate:>12.2f}{'  <- too many' if many else ''}")
        if many:
            wrong.append(f"{name} sends {rate:.1f} messages a second")
    return wrong


def main() -> int:
    """Run it as a command."""
    wrong = soak(float(sys.argv[1]) if len(sys.argv) > 1 else 20.0)
    sys.stderr.writelines(f"soak: {line}\n" for line in wrong)
    sys.stdout.write("soak: not flat\n" if wrong else "soak: all flat\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
