"""What the doctor asks the page while its cell runs, in a real kernel."""

from __future__ import annotations

import json

import pytest

from magics.kernels import DEADLINE, started

CELL = """report = %pilot doctor
import json
print(json.dumps({c.name: [c.state.value, c.found, c.fix] for c in report.checks}))"""


@pytest.fixture(scope="module")
def kernel(tmp_path_factory):
    with started(tmp_path_factory.mktemp("kernel")) as kernel:
        kernel.run("%load_ext pilothouse")
        kernel.result("from pilothouse.magics import _doctor")
        kernel.result("_doctor._PAGE_PATIENCE = 60")
        yield kernel


def asked(kernel, request):
    """Return the id of the widget that asks the page."""
    while True:
        message = kernel.client.get_iopub_msg(timeout=DEADLINE)
        assert message["msg_type"] != "error", message["content"]
        if message["parent_header"].get("msg_id") != request:
            continue
        state = message["content"].get("data", {}).get("state", {})
        if message["msg_type"] == "comm_open" and "_esm" in state:
            return message["content"]["comm_id"]


def told(messages):
    """Return the checks that a cell has printed."""
    streams = [m["content"] for m in messages if m["msg_type"] == "stream"]
    texts = [stream["text"] for stream in streams if stream["name"] == "stdout"]
    return json.loads("".join(texts))


def answered(kernel, **answer):
    request = kernel.send(CELL)
    kernel.click(asked(kernel, request), "seen", **answer)
    messages = kernel.messages(request)
    later = kernel.client.kernel_info()  # behind what still comes of the page
    gone = []
    while (message := kernel.client.get_iopub_msg(timeout=DEADLINE)) and not (
        message["parent_header"].get("msg_id") == later
        and message["content"].get("execution_state") == "idle"
    ):
        gone.append(message["msg_type"])
    assert gone.count("comm_close") == 2, "the widget and its layout"
    return told(messages)


def test_a_page_says_what_it_is_and_what_it_has(kernel):
    checks = answered(
        kernel, app="Page\x1b", version="4.5", manager="5.0.1", anywidget="0.9"
    )

    assert checks["front end"] == ["ok", "Page 4.5", ""]
    said = "the page makes them; its manager 5.0.1, anywidget 0.9"
    assert checks["widgets"] == ["ok", said, ""]


def test_a_page_that_knows_nothing_of_itself_makes_widgets_all_the_same(kernel):
    checks = answered(kernel)

    assert checks["front end"][1] == "kernel"
    assert checks["widgets"] == ["ok", "the page makes them", ""]


def test_a_manager_of_another_ipywidgets_is_a_fault_until_it_is_renewed(kernel):
    state, found, fix = answered(kernel, app="JupyterLab", manager="3.1.1")["widgets"]

    assert state == "FAULT"
    assert found.startswith("the page's manager 3.1.1 does not fit ipywidgets 8.")
    assert "pip install -U jupyterlab_widgets" in fix
    assert answered(kernel, app="JupyterLab", manager="5.0.15")["widgets"][0] == "ok"


def test_silence_is_no_fault_where_nobody_knows_that_there_is_a_page(kernel):
    kernel.result("_doctor._PAGE_PATIENCE = 1")
    checks = told(kernel.run(CELL))
    kernel.result("_doctor._PAGE_PATIENCE = 60")

    assert checks["widgets"] == ["note", "no page has answered: views stand still", ""]


def test_a_runner_has_no_page_to_ask(kernel):
    messages = kernel.run(CELL, allow_stdin=False)

    assert not [m for m in messages if m["msg_type"] == "comm_open"]
    assert told(messages)["widgets"][0] == "note"
