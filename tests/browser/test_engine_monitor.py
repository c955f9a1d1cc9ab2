"""The engine monitor in JupyterLab, over an engine of the local suite."""

import pytest

from pilothouse.fastscore.suite import Connect
from waiting import until

SHOW = "monitor = w.EngineMonitor(engine)\nmonitor"
FEED = """
import threading

stop = threading.Event()

def feed():
    while not stop.wait(0.05):
        engine.input(b"4\\n" * 50 + b'"x"\\n', 0)
        engine.output(1)

threading.Thread(target=feed, daemon=True).start()
"""


@pytest.fixture
def remote(suite):
    """The same engine, seen from the test."""
    with Connect(suite.url, oauth_secret=suite.token) as connect:
        engine = connect.get("engine-1")
        yield engine
        engine.reset()


def state_of(opened):
    return opened.find(".ph-engine").get_attribute("data-state")


def value_of(opened, name):
    return opened.find(f'.ph-engine [data-value="{name}"]').inner_text()


def act(opened, name):
    opened.find(f'.ph-engine [data-act="{name}"]').click()


def test_it_shows_state_model_rates_and_rejections(notebook, session_cell, remote):
    opened = notebook(session_cell, SHOW, FEED).run_all()
    until(lambda: state_of(opened) == "RUNNING")

    until(lambda: value_of(opened, "in") != "0 rec/s", 60, "records")
    until(lambda: value_of(opened, "rejected") != "0", 60, "rejections")
    text = opened.find(".ph-engine").inner_text()
    assert "root python3" in text
    assert "REST chunked" in text
    assert "by schema" in text
    assert "pid " in text
    until(lambda: "MiB" in value_of(opened, "memory"))
    opened.find(".ph-engine").scroll_into_view_if_needed()
    opened.shoot("engine-running", ".ph-engine")


SLEEP = """import pathlib, time
print("it is busy")
while not pathlib.Path("enough").exists():
    time.sleep(1)"""
LOOP = """import pathlib
print("it is busy")
n = 0
while n % 100_000 or not pathlib.Path("enough").exists():
    n += 1"""


@pytest.mark.parametrize("busy", [SLEEP, LOOP], ids=["sleep", "loop"])
def test_it_moves_while_a_cell_is_busy(notebook, session_cell, remote, busy):
    opened = notebook(session_cell, SHOW, FEED, busy)
    (opened.lab.root / "enough").unlink(missing_ok=True)  # of the test before
    opened.run_all()
    until(lambda: state_of(opened) == "RUNNING")
    plot = opened.find(".ph-engine .ph-plot")
    opened.find("pre:has-text('it is busy')").wait_for()

    first = int(plot.get_attribute("data-seq") or 0)
    until(lambda: int(plot.get_attribute("data-seq") or 0) >= first + 4)
    prompt = opened.page.locator(".jp-InputPrompt").nth(3)
    assert prompt.inner_text() == "[*]:"
    opened.signal("enough")
    until(lambda: prompt.inner_text() == "[4]:", 60, "the end of the cell")


def test_the_buttons_steer_the_engine(notebook, session_cell, remote):
    opened = notebook(session_cell, SHOW).run_all()
    until(lambda: state_of(opened) == "RUNNING")

    act(opened, "run")
    until(lambda: remote.state == "PAUSED")
    until(lambda: state_of(opened) == "PAUSED")
    until(lambda: opened.find('[data-act="run"]').inner_text() == "Start")
    act(opened, "run")
    until(lambda: remote.state == "RUNNING")
    until(lambda: state_of(opened) == "RUNNING")
    act(opened, "more")
    until(lambda: len(remote.active_model.jets) == 2)
    until(lambda: value_of(opened, "jets") == "2")
    act(opened, "less")
    until(lambda: len(remote.active_model.jets) == 1)


def test_a_reset_asks_first_and_works_by_keyboard(notebook, session_cell, remote):
    opened = notebook(session_cell, SHOW).run_all()
    until(lambda: state_of(opened) == "RUNNING")
    press = opened.page.keyboard.press

    opened.find('[data-act="reset"]').focus()
    press("Enter")
    opened.find(".ph-sure").wait_for()
    opened.shoot("engine-reset", ".ph-engine")
    press("Escape")
    opened.find(".ph-sure").wait_for(state="hidden")
    assert remote.state == "RUNNING"
    press("Enter")
    press("Shift+Tab")
    press("Enter")

    until(lambda: remote.state == "INIT")
    until(lambda: state_of(opened) == "INIT")
    until(lambda: "no model loaded" in opened.find(".ph-engine").inner_text())
    assert opened.page.locator(".jp-Cell").count() == 2


def test_an_error_of_the_model_unfolds_to_its_line(notebook, session_cell, remote):
    opened = notebook(session_cell, SHOW, 'engine.input(b"-1\\n", 0)').run_all()
    until(lambda: state_of(opened) == "ERROR")

    error = opened.find(".ph-error")
    until(lambda: "ValueError: math domain error" in error.inner_text())
    error.locator("summary").click()
    assert "line 11, in action" in error.inner_text()
    opened.find(".ph-engine").scroll_into_view_if_needed()
    opened.shoot("engine-error", ".ph-engine")
    spoken = opened.find(".ph-engine [role=status][aria-live]").first
    until(lambda: "last error: ValueError" in spoken.inner_text())


def test_it_follows_the_theme(notebook, session_cell, remote):
    opened = notebook(session_cell, SHOW, FEED).run_all()
    until(lambda: state_of(opened) == "RUNNING")
    root = opened.find(".ph-engine")
    light = root.evaluate("e => getComputedStyle(e).backgroundColor")
    assert root.get_attribute("data-theme") == "light"

    opened.theme("JupyterLab Dark")
    until(lambda: root.get_attribute("data-theme") == "dark")
    assert root.evaluate("e => getComputedStyle(e).backgroundColor") != light
    root.scroll_into_view_if_needed()
    opened.shoot("engine-dark", ".ph-engine")
    opened.theme("JupyterLab Light")
    until(lambda: root.get_attribute("data-theme") == "light")


def test_nothing_runs_over_its_edge_when_it_is_narrow(notebook, session_cell, remote):
    opened = notebook(session_cell, SHOW, FEED, width=760).run_all()
    until(lambda: state_of(opened) == "RUNNING")
    root = opened.find(".ph-engine")

    wide = root.evaluate("e => [e.scrollWidth, e.clientWidth]")
    assert wide[0] <= wide[1] + 1
    root.scroll_into_view_if_needed()
    opened.shoot("engine-narrow", ".ph-engine")


def test_a_lost_suite_is_said(notebook, fresh_suite):
    cell = f"""
import pilothouse_widgets as w
from pilothouse.fastscore.suite import Connect

connect = Connect({fresh_suite.url!r}, oauth_secret={fresh_suite.token!r})
engine = connect.get("engine-1")
"""
    opened = notebook(cell, SHOW).run_all()
    until(lambda: state_of(opened) == "INIT")
    fresh_suite.host.stop()

    root = opened.find(".ph-engine")
    until(lambda: root.get_attribute("data-link") == "lost")
    assert "Connection lost, trying again." in root.inner_text()
    opened.shoot("engine-lost", ".ph-engine")


def test_after_a_reload_it_is_live_again(notebook, session_cell, remote):
    opened = notebook(session_cell, SHOW).run_all()
    until(lambda: state_of(opened) == "RUNNING")
    opened.save()
    opened.reload()

    until(lambda: state_of(opened) == "RUNNING")
    act(opened, "run")
    until(lambda: state_of(opened) == "PAUSED")


def test_closing_leaves_a_readable_notebook(notebook, session_cell, remote):
    opened = notebook(session_cell, SHOW, "monitor.close()").run_all()
    opened.find(".jp-RenderedHTML table").first.wait_for()

    output = opened.save().cells[1].outputs[0]
    assert output.data["text/plain"].startswith("engine-1: ")
    assert "<table" in output.data["text/html"]
