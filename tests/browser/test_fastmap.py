"""A map in both front ends: lanes, a click that cancels, what stays, light and dark."""

import pytest

from waiting import until

CONNECT = """\
import os
os.environ["PILOTHOUSE_FASTMAP_SECRET"] = {secret!r}
%load_ext pilothouse
%fastmap connect {url} --policy CLOUD
%config Pilothouse.interrupt_timeout = 60
from importlib import import_module
run = import_module("pilothouse.fastmap.run")
run._END_SECONDS = run._CLOSE_SECONDS = 60
import_module("pilothouse_widgets.run_progress")._LAST_WORD_SECONDS = 60"""
SLOW = """\
def slow(n):
    import time
    time.sleep(0.15)
    if n == {bad}:
        print("about to fail")
        raise ValueError("<b>no</b>")
    return n"""


@pytest.fixture
def connect(fastmap_service):
    """A first cell: connected to a service with two workers."""
    return CONNECT.format(secret=fastmap_service.secret, url=fastmap_service.url)


@pytest.mark.parametrize("front_end", ["lab", "notebook 7"])
def test_a_map_shows_lanes_and_a_click_cancels_it(notebook, connect, front_end):
    opened = notebook(
        connect, SLOW.format(bad=-1), "%fastmap slow {range(2000)} -o kept", "len(kept)"
    )
    if front_end == "notebook 7":
        opened.open_in_notebook_7()
    opened.run_all()
    view = opened.find(".ph-run")
    view.wait_for()
    until(lambda: opened.find(".ph-lane").count() == 2, 60, "two lanes")
    until(lambda: opened.find(".ph-lane-block").count() >= 4, 60, "batches")
    assert "left" in view.inner_text()
    prompt = opened.page.locator(".jp-InputPrompt").nth(2)
    assert prompt.inner_text() == "[*]:"
    name = front_end.replace(" ", "-")
    opened.shoot(f"map-{name}", ".ph-run")
    opened.theme("JupyterLab Dark")
    until(lambda: view.get_attribute("data-theme") == "dark")
    opened.shoot(f"map-{name}-dark", ".ph-run")

    opened.find('.ph-run button:has-text("Cancel")').click()

    until(lambda: prompt.inner_text() == "[3]:", 60, "the end of the cell")
    snapshot = opened.find(".jp-RenderedHTML").first
    until(lambda: "cancelled: " in snapshot.inner_text())
    assert "the service has confirmed the end" in snapshot.inner_text()
    assert "worker-1" in snapshot.inner_text()
    assert opened.cell_errors() == ["RunCancelledError"]
    opened.theme("JupyterLab Light")


def test_a_failed_map_folds_the_far_traceback_as_text(notebook, connect):
    opened = notebook(
        connect, SLOW.format(bad=9), "%fastmap slow {range(40)}"
    ).run_all()
    fold = opened.find(".jp-RenderedHTML details").first
    fold.wait_for()

    fold.locator("summary").click()

    until(lambda: "Cell In[2], line 6, in slow" in fold.inner_text())
    assert "<b>no</b>" in fold.inner_text()
    assert opened.cell_errors() == ["ItemError"]
    printed = opened.find(".jp-RenderedHTML details").last
    printed.locator("summary").click()
    until(lambda: "about to fail" in printed.inner_text())
    opened.shoot("map-failed")
