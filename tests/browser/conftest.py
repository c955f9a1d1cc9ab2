"""A Chromium and a JupyterLab for all tests of the folder, one page for each test."""

import os
import re
from pathlib import Path

import pytest

from browser.gallery import VIEWS, root
from browser.lab import REMEDY, NotebookPage, a_chromium, chromium_path, lab_server
from waiting import until

SCREENSHOTS = Path(__file__).parents[2] / "screenshots"


def pytest_collection_modifyitems(items):
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.timeout(300))


@pytest.fixture(scope="package")
def chromium():
    """Not longer: while it is there, the main thread has a running event loop."""
    if chromium_path() is None:
        if os.environ.get("PILOTHOUSE_NO_BROWSER"):
            pytest.skip(f"PILOTHOUSE_NO_BROWSER is set; {REMEDY}")
        pytest.fail(REMEDY)
    with a_chromium() as browser:
        yield browser


@pytest.fixture(scope="package")
def lab(tmp_path_factory):
    with lab_server(tmp_path_factory.mktemp("lab")) as server:
        yield server


@pytest.fixture
def notebook(chromium, lab, request):
    """Return a function that opens a notebook of the given cells in JupyterLab.

    At the end no outside request and no error on the page's console may be left.
    """
    pages = []

    def open_notebook(*cells, width=1280, height=1000, path=None, **page_options):
        name = re.sub(r"\W+", "_", request.node.name)[:60]
        size = {"width": width, "height": height}
        page = chromium.new_page(viewport=size, **page_options)
        opened = NotebookPage(
            page, lab, path or lab.write(f"{name}_{len(pages)}", cells), SCREENSHOTS
        )
        pages.append(opened)
        return opened.open()

    yield open_notebook
    for opened in pages:
        opened.page.close()
    lab.end_sessions()
    for opened in pages:
        assert not opened.outside, opened.outside
        assert not opened.errors, opened.errors


GALLERY = f"""\
import sys
sys.path.insert(0, {str(Path(__file__).parents[1])!r})
from browser.gallery import views
shown = views()
for view in shown.values():
    display(view)"""


@pytest.fixture
def gallery(notebook):
    """All views in the output of one cell, so that none is folded away."""
    opened = notebook(GALLERY, height=7000, timezone_id="UTC").run_all()
    for kind in VIEWS:
        opened.find(root(kind)).first.wait_for(timeout=60_000)
    until(lambda: opened.find(".ph-lane").count() == 4, 60, "the lanes of the run")
    until(lambda: opened.find(".ph-lines li").count() > 9, 60, "the model's source")
    opened.find(".ph-browser [data-field]").first.wait_for()
    return opened


@pytest.fixture
def session_cell(suite):
    """A first cell: `connect`, `engine` (after a reset) and a model that runs on it."""
    return f"""
import pilothouse_widgets as w
from pilothouse.fastscore import Model, Schema
from pilothouse.fastscore.suite import Connect

connect = Connect({suite.url!r}, oauth_secret={suite.token!r})
engine = connect.get("engine-1")
engine.reset()
model = Model(
    "root",
    "python3",
    '''# fastscore.schema.0: num
# fastscore.schema.1: num
import math


def begin():
    print("ready")


def action(x):
    yield math.sqrt(x)
''',
    schemas=[Schema("num", {{"type": "double"}})],
)
model.deploy(engine, streams={{0: "rest-chunked:", 1: "rest-chunked:"}}, wait=20)
"""
