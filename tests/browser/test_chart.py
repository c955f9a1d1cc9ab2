"""The live chart in JupyterLab, fed with real readings of this machine."""

import json
import re

from pilothouse_widgets import words
from waiting import until

STREAM = """
import pathlib, time, numpy as np, psutil
import pilothouse_widgets as w

chart = w.LiveChart(
    list("abcd"), unit="CPU s", title="Load", axis="number", window=0, points=2500
)
chart
"""

# At least 100 updates of 100 points at 20 Hz: the processors' own counters.
RUN = """
while not pathlib.Path("go").exists():
    time.sleep(0.02)
base = np.array([t for t in psutil.cpu_times()[:4]])
began = time.monotonic()
i = -1
while (i := i + 1) < 100 or not pathlib.Path("painted").exists():
    x = np.arange(i * 25, i * 25 + 25) / 500
    chart.append([np.full(25, v + i) for v in psutil.cpu_times()[:4]], x=x)
    time.sleep(max(0, began + (i + 1) * 0.05 - time.monotonic()))
last = [float(chart.column(label)[1][-1]) for label in "abcd"]
print("seq", chart._points.seq, "points", 25 * i, "last", last)
"""


def painted(plot):
    return int(plot.get_attribute("data-seq") or 0)


def test_every_point_is_painted_and_the_last_value_is_the_kernels(notebook):
    (opened := notebook(STREAM, RUN)).run_all()
    plot = opened.find(".ph-plot")
    plot.wait_for()
    opened.signal("go")
    until(lambda: int(plot.get_attribute("data-painted") or 0) > 10)
    opened.signal("painted")
    said = opened.find(".jp-OutputArea-output pre")
    said.wait_for()
    found = until(
        lambda: re.search(
            r"seq (\d+) points (\d+) last (\[.*\])", said.first.inner_text()
        )
    )
    seq, points, last = found.groups()
    until(lambda: painted(plot) >= int(seq), what="the last append on the screen")

    assert plot.get_attribute("data-points").split() == [points] * 4
    shown = opened.find(".ph-legend .ph-value").all_inner_texts()
    assert shown == [f"{words.number(value)} CPU s" for value in json.loads(last)]


POINTS = """
import pilothouse_widgets as w

chart = w.LiveChart(
    ["in", "out"], unit="records/s", title="Rates", axis="number", window=0
)
for i in range(50):
    chart.append([i * 10, i * 5], x=i)
chart
"""


def test_it_is_read_and_steered_by_keyboard(notebook):
    opened = notebook(POINTS).run_all()
    canvas = opened.find(".ph-canvas")
    canvas.wait_for()
    until(lambda: "490" in opened.find(".ph-legend").inner_text())
    canvas.focus()
    spoken = opened.find(".ph-plot [aria-live]")
    for key in ("End", "ArrowLeft"):
        opened.page.keyboard.press(key)
    until(lambda: spoken.inner_text() == "48: in 480 records/s, out 240 records/s")

    opened.page.keyboard.press("Space")
    until(lambda: "paused" in opened.find(".ph-plot-note").inner_text())
    opened.page.keyboard.press("Escape")
    until(lambda: opened.find(".ph-plot-note").inner_text() == "")
    opened.page.keyboard.press("+")
    until(lambda: opened.find(".ph-plot-note").inner_text() == "zoomed")
    opened.page.keyboard.press("Escape")

    opened.page.get_by_label("Show the numbers as a table").click()
    first = opened.find(".ph-plot-table tbody tr").first
    assert first.inner_text().split("\t") == ["49", "490 records/s", "245 records/s"]
    assert opened.page.locator(".jp-Cell").count() == 1
    opened.shoot("chart-keyboard", ".ph")


def test_hovering_shows_the_values(notebook):
    opened = notebook(POINTS).run_all()
    canvas = opened.find(".ph-canvas")
    canvas.wait_for()
    until(lambda: painted(opened.find(".ph-plot")) > 0)
    canvas.hover()

    readout = opened.find(".ph-readout")
    readout.wait_for()
    assert re.search(r"in\s*\d+ records/s", readout.inner_text())
    opened.shoot("chart-hover", ".ph")


def test_a_reload_restores_the_window(notebook):
    opened = notebook(POINTS).run_all()
    plot = opened.find(".ph-plot")
    plot.wait_for()
    until(lambda: "490" in opened.find(".ph-legend").inner_text())
    opened.save()
    opened.reload()

    plot.wait_for()
    until(lambda: "490" in opened.find(".ph-legend").inner_text())
    opened.find(".ph-canvas").focus()
    opened.page.keyboard.press("Home")
    until(
        lambda: opened.find(".ph-plot [aria-live]").inner_text().startswith("0: in 0 ")
    )


def test_a_saved_notebook_holds_a_static_snapshot(notebook):
    """Where widgets are not supported the drawing and the numbers are still there."""
    opened = notebook(POINTS, "chart.close()").run_all()
    drawing = opened.find(".jp-RenderedHTML img")
    drawing.wait_for()
    until(lambda: opened.page.locator(".ph-plot").count() == 0)
    emptied = opened.find("[data-ph-of]")
    until(lambda: emptied.count() == 1 and not emptied.locator("..").is_visible())

    output = opened.save().cells[0].outputs[0]
    assert "data:image/svg+xml," in output.data["text/html"]
    assert output.data["text/plain"] == ("Rates: in 490 records/s, out 245 records/s")
    assert "application/vnd.jupyter.widget-view+json" not in output.data
    opened.shoot("chart-static")


SAVE_STATE = "@jupyter-widgets/jupyterlab-manager:saveWidgetState"


def test_a_chart_of_a_dead_kernel_is_still_drawn_from_the_saved_state(notebook):
    """Where JupyterLab saves the state of widgets, it holds the window as it was."""
    opened = notebook(POINTS).run_all()
    opened.find(".ph-legend").wait_for()
    until(lambda: "490" in opened.find(".ph-legend").inner_text())
    opened.command(SAVE_STATE)
    try:
        until(lambda: '"kept": true' in json.dumps(opened.save().metadata))
        opened.lab.end_sessions()
        opened.reload()
        opened.find(".ph-plot").wait_for()
        until(lambda: "490" in opened.find(".ph-legend").inner_text())
    finally:
        opened.command(SAVE_STATE)
