"""A notebook that was run and saved shows the last state of its views without a kernel.

Here in a page without any script, as a viewer without widgets shows it.
"""

from __future__ import annotations

import html
import re

import nbformat
import pytest
from nbclient import NotebookClient
from nbconvert import HTMLExporter

from magics.kernels import VIEW, AsyncManager, environment
from promises.works import CONNECT, MODEL, PIPELINE

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

WAIT = """import re, time
def shows(view, words):
    end = time.monotonic() + 60
    while not re.search(words, repr(view)) and time.monotonic() < end:
        time.sleep(0.05)
"""
PATIENT = """from pilothouse_widgets import engine, view
engine.CATCH_UP_SECONDS = view.CATCH_UP_SECONDS = 60
"""
CELLS = [
    CONNECT + WAIT + PATIENT,
    MODEL,
    PIPELINE
    + "c = %fastscore connect local\nc.lookup('engine').wait_for('RUNNING')\nNone",
    "monitor = %engine watch\nmonitor",
    "console = %fastscore pneumo\nconsole",
    "models = %aimm watch\nmodels",
    "browser = %mplane browse tcp-4\nbrowser",
    "chart = %engine chart sys.memory\nchart",
    "%aimm create plugins.Line",
    "shows(monitor, 'RUNNING')\n"
    "c.lookup('engine').pause()\n"
    "shows(monitor, 'PAUSED')\n"
    "shows(console, r'[0-9] messages')\n"
    "shows(chart, r'memory [0-9]')\n"
    "shows(models, '1 instance')",
    "print(repr(monitor), repr(console), repr(chart), repr(models), sep='\\n')",
    "c.lookup('engine').reset()",  # nothing is waited for
]


@pytest.fixture(scope="module")
def saved(home, services):
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(source) for source in CELLS]
    )
    client = NotebookClient(
        notebook,
        timeout=120,
        kernel_name="python3",
        kernel_manager_class=AsyncManager,
    )
    client.execute(env=environment(home), cwd=str(home))
    return notebook


def live_outputs(notebook):
    return [
        output.data
        for cell in notebook.cells
        for output in cell.get("outputs", ())
        if VIEW in output.get("data", {})
    ]


def words_of(notebook):
    """Return what a page without scripts, styles and widgets shows, as words."""
    bare = nbformat.from_dict(notebook)
    for cell in bare.cells:
        for output in cell.get("outputs", ()):
            if "data" in output:
                output.data.pop(VIEW, None)
    bare.metadata.pop("widgets", None)
    page, _ = HTMLExporter(template_name="basic").from_notebook_node(bare)
    text = re.sub(r"<(style|script).*?</\1>", " ", page, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", text)).split())


def test_each_view_has_left_its_last_state_as_text_and_as_html(saved):
    views = live_outputs(saved)
    printed = [one.text for one in saved.cells[-2].outputs if "text" in one]
    last = "".join(printed).strip().splitlines()

    assert len(views) == 5
    texts = [data["text/plain"] for data in views]
    assert "PAUSED" in last[0]
    assert texts[0].startswith("engine-1: INIT, no model;")
    assert "no messages" not in texts[1]
    assert "1 instance" in texts[2]
    assert "tcp-4" in texts[3]
    assert "no data" not in texts[4]
    assert len(last) == 4
    for data in views:
        assert html.escape(data["text/plain"]) in data["text/html"]


def test_a_viewer_without_widgets_shows_it(saved):
    words = words_of(saved)

    for data in live_outputs(saved):
        assert " ".join(data["text/plain"].split()) in words
    assert "connecting" not in words


def test_the_state_of_the_widgets_is_in_the_file(saved):
    state = saved.metadata.widgets["application/vnd.jupyter.widget-state+json"]["state"]

    for data in live_outputs(saved):
        assert state[data[VIEW]["model_id"]]["state"]["_esm"]
