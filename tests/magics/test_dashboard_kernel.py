"""The dashboard in a real kernel: what goes over the wire while a cell is busy."""

import re
import time

import pytest

from interop.suite_process import ServicesProcess
from magics.kernels import environment, started
from waiting import until

MOST_A_SECOND = 4
MOST_MODELS = 30
ENOUGH = 8
DEADLINE_S = 90
BUSY = """\
import pathlib, time
while not pathlib.Path("seen").exists():
    time.sleep(0.01)"""
THREADS = """\
import threading
[t.name for t in threading.enumerate() if 'dashboard' in t.name]"""


@pytest.fixture
def home(tmp_path):
    return tmp_path


@pytest.fixture
def kernel(home):
    with ServicesProcess(home, environment=environment(home)), started(home) as kernel:
        kernel.result("%load_ext pilothouse")
        yield kernel


def messages(kernel):
    """Yield what the kernel says, with the time, until the deadline."""
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        yield kernel.client.get_iopub_msg(timeout=DEADLINE_S)
    raise TimeoutError(f"not within {DEADLINE_S} s")


def sent_at(message):
    return message["header"]["date"].timestamp()


def test_it_moves_while_a_cell_is_busy_and_keeps_within_its_budget(kernel, home):
    page = kernel.widget(kernel.send("page = %pilot dashboard\npage"))
    busy = kernel.send(BUSY)
    kernel.click(page, "seen")
    times, opened, closed = [], set(), set()
    is_running = has_clicked = False
    ours = None
    for message in messages(kernel):
        kind, content = message["msg_type"], message["content"]
        if message["parent_header"].get("msg_id") == busy and kind == "execute_input":
            is_running = True
        if kind == "comm_open":
            opened.add(content["comm_id"])
        if kind == "comm_close":
            closed.add(content["comm_id"])
        if kind == "comm_msg" and content["comm_id"] == page and is_running:
            times.append(sent_at(message))
            if content["data"].get("state", {}).get("view"):
                ours = content["data"]["state"]["view"]
        if len(times) == ENOUGH and not has_clicked:
            has_clicked = True  # while the cell runs: the view is made all the same
            kernel.click(page, "open", kind="instances", key="", title="Instances")
        if ours and len(times) >= 2 * ENOUGH:
            break
    (home / "seen").touch()

    assert ours.startswith("anywidget:")
    assert ours.removeprefix("anywidget:") in opened
    most = max(sum(at <= t < at + 1.0 for t in times) for at in times)
    assert most <= MOST_A_SECOND
    assert len(opened - closed) <= MOST_MODELS
    kernel.messages(busy)
    kernel.result("page.close()")
    until(lambda: kernel.result(THREADS) == "[]", what="the end of its threads")


def test_its_end_leaves_what_was_known_in_the_notebook(kernel):
    kernel.widget(kernel.send("page = %pilot dashboard\npage"))
    kernel.result(
        "import time\n"
        "up = lambda: [r['state'] for r in page.board.rows('services').values()]\n"
        "while up() != ['up'] * 4:\n"
        "    time.sleep(0.02)"
    )

    left = {
        m["content"]["transient"]["display_id"]: m["content"]["data"]
        for m in kernel.run("page.close()")
        if m["msg_type"] == "update_display_data"
    }

    beside, in_its_place = sorted(left.values(), key=lambda data: data["text/plain"])
    assert "4 of 4 services up" in in_its_place["text/plain"]
    assert "<table" in in_its_place["text/html"]
    assert "application/vnd.jupyter.widget-view+json" not in in_its_place
    assert not beside["text/plain"]
    assert not re.sub("<[^>]+>", "", beside["text/html"].partition("<style>")[0])


def test_a_notebook_saved_meanwhile_shows_what_was_so(kernel):
    """Whoever opens it without the kernel or without widgets finds the snapshot."""
    kernel.send("page = %pilot dashboard --every 0.2\npage")
    shown = {}
    for message in messages(kernel):
        content = message["content"]
        if message["msg_type"] in ("display_data", "update_display_data"):
            shown[content["transient"]["display_id"]] = content["data"]
        html = "".join(data.get("text/html", "") for data in shown.values())
        if "4 of 4 services up" in html:
            break

    assert len(shown) == 2
    live, beside = shown.values()
    assert "text/html" not in live
    assert "fastscore" in beside["text/html"].lower()
