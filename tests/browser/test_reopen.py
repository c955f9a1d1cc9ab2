"""A notebook saved in JupyterLab while its views live: what is seen without a kernel.

Beside each live view stands its snapshot, which the page does not show. Here the file
is opened in JupyterLab with no kernel, and as a page in which no script runs.
"""

import nbformat
import pytest
from nbconvert import HTMLExporter

from browser.lab import NotebookPage
from waiting import until

VIEW = "application/vnd.jupyter.widget-view+json"
SECONDS = 90
SHOW = """\
import numpy, pilothouse, pilothouse_widgets as w
from pilothouse import aimm, fastmap, mplane
local = pilothouse.up()
%load_ext pilothouse
%config Pilothouse.progress = "off"
c = %fastscore connect
engine = c.get("engine-1")
monitor = %engine watch
chart = w.LiveChart(["in"], title="Rates", unit="records/s", axis="number", window=0)
%aimm connect
table = %aimm watch
console = %fastscore pneumo
page = w.Dashboard(local, every=0.5)
for view in (monitor, chart, table, console, page):
    display(view)"""
WORK = """\
chart.append([490.0], x=[1.0])
chart.append([1234.0], x=[2.0])
line = %aimm create plugins.Line
def slow(n):
    import time
    time.sleep(0.2)
    return n
%fastmap connect --policy CLOUD
run = %fastmap slow {range(4000)} --label primes --detach
display(w.RunProgress(run, label="primes", unit="items"))
%mplane set destination.ip4 127.0.0.1
%mplane set destination.port 9
x = %mplane runcap tcp-4 reach --when "now + 600s / 1s" --detach
display(w.MeasurementView(x))"""
KINDS = ("engine", "chart", "instances", "console", "dashboard", "run")
KINDS += ("measurement",)
#: What each snapshot holds at last, in order; and what none holds then.
LAST = ("engine-1", "1.23k", "plugins.Line", "Pneumo", "4 of 4 services up")
LAST += ("primes", "rtt.us")
STALE = ("connecting", "no data", "0 of 4 services")


def beside(saved):
    """Return the live outputs of a file, and the snapshots beside them."""
    data = [
        output.data
        for cell in saved.cells
        for output in cell.get("outputs", ())
        if "data" in output
    ]
    marked = [one for one in data if "data-ph-of" in one.get("text/html", "")]
    return [one for one in data if VIEW in one], marked


def is_last(saved):
    live, stills = beside(saved)
    texts = [still["text/html"] for still in stills]
    return len(live) == len(texts) == len(LAST) and all(
        word in text and not any(old in text for old in STALE)
        for word, text in zip(LAST, texts, strict=True)
    )


@pytest.fixture
def live(notebook, lab):
    """A notebook with live views of all kinds, saved with the last state of each."""
    opened = notebook(SHOW, WORK, height=1400).run_all()
    try:
        for kind in KINDS:
            opened.find(f".ph-{kind}").first.wait_for(timeout=SECONDS * 1000)
        until(lambda: is_last(opened.save()), SECONDS, "the last state in the file")
        yield opened
    finally:
        lab.pilothouse("down")


def elsewhere(saved, lab, name):
    """Write the file as it comes to a machine that has no such kernel."""
    saved.metadata.pop("language_info", None)
    saved.metadata.kernelspec = {"name": "gone", "display_name": "Gone"}
    path = lab.root / f"{name}.ipynb"
    nbformat.write(saved, path)
    return path


def reopened(notebook_page):
    """Choose no kernel where JupyterLab asks for one; return what is to be read."""
    page = notebook_page.page
    page.goto(f"{notebook_page.lab.url}/lab/tree/{notebook_page.path.name}?reset")
    page.locator(".jp-Dialog").wait_for()
    page.locator(".jp-Dialog").get_by_role("button", name="No Kernel").click()
    page.locator(".jp-Dialog").wait_for(state="detached")
    notebook_page.find(":text('4 of 4 services up')").first.wait_for()


def all_is_told(words):
    return all(word in words for word in LAST) and not any(w in words for w in STALE)


def test_a_notebook_saved_live_shows_the_last_state_of_each_view(live, chromium):
    stills = live.find("[data-ph-of]").filter(has_text="snapshot")
    until(lambda: not any(one.is_visible() for one in stills.all()), SECONDS)
    assert stills.count()
    live.shoot("reopen-live")
    saved = live.save()
    lab, size = live.lab, {"width": 1280, "height": 4000}

    page = chromium.new_page(java_script_enabled=False, viewport=size)
    text, _ = HTMLExporter().from_notebook_node(saved)
    (lab.root / "saved.html").write_text(text)
    page.goto((lab.root / "saved.html").as_uri())
    page.screenshot(path=live.screenshots / "reopen-html.png", full_page=True)
    assert all_is_told(" ".join(page.locator(".jp-OutputArea").all_inner_texts()))
    page.close()

    lab.end_sessions()
    page = chromium.new_page(viewport=size)
    again = NotebookPage(page, lab, elsewhere(saved, lab, "again"), live.screenshots)
    reopened(again)
    again.shoot("reopen-lab")
    stills = again.find(".jp-RenderedHTML")
    until(lambda: all_is_told(" ".join(stills.all_inner_texts())), SECONDS)
    drawings = again.find(".jp-RenderedHTML img")
    until(lambda: drawings.evaluate_all("all => all.every(one => one.naturalWidth)"))
    assert drawings.count() >= 3
    page.close()
