import json
import re
import subprocess
import sys

import pytest

import pilothouse_widgets
from pilothouse_widgets import (
    EngineMonitor,
    LiveChart,
    LiveTable,
    ModelInspector,
    PneumoConsole,
    Progress,
)
from pilothouse_widgets.feed import the_feed
from waiting import until

VIEW = "application/vnd.jupyter.widget-view+json"


@pytest.fixture(params=["chart", "table", "progress", "engine", "console", "inspector"])
def view(request, root_model):
    make = {
        "chart": lambda: LiveChart(["a"]),
        "table": lambda: LiveTable(["a"]),
        "progress": Progress,
        "engine": lambda: EngineMonitor(name="engine-1"),
        "console": PneumoConsole,
        "inspector": lambda: ModelInspector(root_model),
    }
    made = make[request.param]()
    until(lambda: not getattr(made, "loading", False))  # the inspector looks first
    return made


def test_every_view_has_text_html_and_a_live_form(view):
    bundle = view._repr_mimebundle_()[0]

    assert set(bundle) == {"text/plain", "text/html", VIEW}
    assert bundle["text/plain"] == repr(view)
    assert "\n" not in bundle["text/plain"]
    assert not re.search(r"0x[0-9a-f]{6,}", bundle["text/plain"])
    assert bundle["text/html"].startswith("<div")


def test_a_view_is_few_widget_models(view, comms):
    """Its own model and its layout; the limit is thirty."""
    assert len(comms) <= 2


def test_what_a_view_sends_is_json(view, comms):
    assert the_feed().flush(60)
    for one in comms:
        json.dumps(
            [m for m in one.messages if m["method"] == "custom"], allow_nan=False
        )


def test_a_closed_view_is_its_snapshot_and_may_be_closed_twice(view, comms):
    view.close()
    view.close()

    bundle = view._repr_mimebundle_()[0]
    assert set(bundle) == {"text/plain", "text/html"}
    own = next(c for c in comms if c.opened["state"].get("_esm"))
    assert own.closed


def test_close_all_closes_every_view_and_the_thread():
    views = [LiveChart(["a"]), Progress(3)]
    views[1].update()
    pilothouse_widgets.close_all()

    assert all(view.closed for view in views)
    assert not the_feed().running


def test_a_failure_to_show_is_a_state_of_the_view(monkeypatch):
    table = LiveTable(["a"])
    assert the_feed().flush(60)
    monkeypatch.setattr(
        table, "take_delta", lambda: (_ for _ in ()).throw(ValueError("no delta"))
    )
    table.set([(1,)])

    until(lambda: table.trouble == "ValueError: no delta")
    assert "no delta" in table._repr_mimebundle_()[0]["text/html"]


def test_a_view_works_where_there_is_no_front_end():
    """A plain process, no IPython, no kernel: no error, no output, a clean end."""
    code = """
import pilothouse_widgets as w
chart = w.LiveChart(["a"], unit="1/s")
for i in range(50):
    chart.append(i, x=i)
print(chart)
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (done.returncode, done.stderr, done.stdout) == (0, "", "a 49 1/s\n")


def test_importing_the_package_imports_no_widget_library():
    code = """
import sys, pilothouse_widgets
pilothouse_widgets.close_all()
assert not {"ipywidgets", "anywidget", "numpy", "IPython"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_every_public_name_is_there():
    for name in pilothouse_widgets.__all__:
        assert getattr(pilothouse_widgets, name)
    assert dir(pilothouse_widgets) == sorted(pilothouse_widgets.__all__)


def test_displayed_in_a_shell_a_view_leaves_its_snapshot_at_the_end(monkeypatch):
    """The output is updated under its display id, without the live form."""
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell.instance()
    published = []
    monkeypatch.setattr(
        shell.display_pub, "publish", lambda *a, **k: published.append((a, k))
    )
    progress = Progress(2, label="work")
    shell.display_formatter.format(progress)
    progress.set(2)
    progress.finish()
    InteractiveShell.clear_instance()

    (first, shown), (_, last) = published
    data = shown.get("data") or first[0]
    assert VIEW in data
    assert VIEW not in last["data"]
    assert last["update"]
    assert last["data"]["text/plain"].startswith("work: done, 2 of 2 records")
    assert shown["transient"] == last["transient"]
