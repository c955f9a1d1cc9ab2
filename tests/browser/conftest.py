"""A Chromium and a JupyterLab for all tests of the folder, one page for each test."""

import os
import re
from pathlib import Path

import pytest

from browser.lab import REMEDY, NotebookPage, a_chromium, chromium_path, lab_server

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

    def open_notebook(*cells, width=1280, height=1000, path=None):
        name = re.sub(r"\W+", "_", request.node.name)[:60]
        page = chromium.new_page(viewport={"width": width, "height": height})
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
