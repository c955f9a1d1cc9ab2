"""A plan in JupyterLab: rows on one axis of time, keys, a click that cancels."""

import pytest

from waiting import until

CONNECT = """\
import os
os.environ["PILOTHOUSE_FASTMAP_SECRET"] = {secret!r}
%load_ext pilothouse
%fastmap connect {url} --policy CLOUD
%config Pilothouse.interrupt_timeout = 60
from importlib import import_module
import_module("pilothouse.fastmap.run")._END_SECONDS = 30"""
SLOW = """\
def slow(n):
    import time
    time.sleep(0.1)
    return n"""
PLAN = """\
%%pilot flow sums -o plan
# a few items, in no time
few = %fastmap slow {range(6)}
# many items, beside them
many = %fastmap slow {range(2000)}
total = sum(few)
# what is wrong with <b>this</b>
wrong = total / 0
both = total + sum(many)
never = wrong + 1"""


@pytest.fixture
def connect(fastmap_service):
    """A first cell: connected to a service with two workers."""
    return CONNECT.format(secret=fastmap_service.secret, url=fastmap_service.url)


def test_a_plan_shows_its_steps_and_a_click_cancels_it(notebook, connect):
    opened = notebook(connect, SLOW, PLAN, "sorted(plan.results)").run_all()
    view = opened.find(".ph-flow")
    view.wait_for()
    rows = opened.find(".ph-step")

    def state(name):
        row = next(r for r in rows.all() if r.inner_text().split("\n").count(name))
        return row.get_attribute("data-state")

    until(lambda: rows.count() == 6, 60, "a row for each step")
    until(lambda: state("wrong") == "failed", 60, "the step that fails")
    until(lambda: state("never") == "skipped", 60, "the step behind it")
    assert state("many") == "running"
    assert state("both") == "waiting"
    assert "ZeroDivisionError" in view.inner_text()
    assert opened.find(".ph-step-links path").count() >= 2
    until(lambda: "of 2,000" in view.inner_text(), 60, "how far the map is")
    opened.shoot("flow", ".ph-flow")
    opened.theme("JupyterLab Dark")
    until(lambda: view.get_attribute("data-theme") == "dark", 60, "the dark theme")
    opened.shoot("flow-dark", ".ph-flow")
    opened.theme("JupyterLab Light")

    rows.first.focus()
    opened.page.keyboard.press("ArrowDown")
    spoken = opened.page.evaluate(
        "() => document.activeElement.getAttribute('aria-label')"
    )
    assert spoken.startswith("many, running")
    opened.find('.ph-flow button:has-text("Cancel")').click()

    until(lambda: opened.cell_errors() == ["FlowError"], 60, "the end of the cell")
    static = opened.find(".jp-RenderedHTML").first
    until(lambda: "cancelled" in static.inner_text(), 60, "the snapshot")
    assert "<b>this</b>" in static.inner_text()
    assert "the service has confirmed the end" in static.inner_text()
