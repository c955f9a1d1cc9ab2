"""In a real kernel: what a front end and a notebook runner see."""

from __future__ import annotations

import time

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from magics.kernels import (
    DEADLINE,
    VIEW,
    AsyncManager,
    environment,
    patient,
    started,
)
from waiting import until


@pytest.fixture(scope="module")
def kernel(tmp_path_factory):
    with started(tmp_path_factory.mktemp("kernel")) as kernel:
        loaded = kernel.run("%load_ext pilothouse")
        assert [m["msg_type"] for m in loaded] == ["status", "execute_input", "status"]
        patient(kernel)
        yield kernel


@pytest.fixture
def connected(kernel, suite):
    kernel.result(
        f"import os; os.environ['PILOTHOUSE_FASTSCORE_TOKEN'] = {suite.token!r}"
    )
    kernel.result(f"%fastscore connect {suite.url}")
    yield suite
    kernel.result("%engine reset")


def test_a_wrong_line_is_an_error_message(kernel):
    error = kernel.error("%pilot profles")

    assert error["ename"] == "LineError"
    assert "did you mean 'profiles'" in error["evalue"]
    assert len(error["traceback"]) == 2


@pytest.mark.parametrize(
    "cell",
    [
        "%pilot profiles --nope",
        "%engine nosuch nosuch",
        "%%model",
        "%%schema s",
        "%%schema s\n{",
        "%fastscore models too many words",
    ],
)
def test_no_mistake_passes_silently(kernel, cell):
    messages = kernel.run(cell)

    errors = [m for m in messages if m["msg_type"] == "error"]
    pages = [m for m in messages if m["msg_type"] == "execute_result"]
    assert errors or (cell == "%%model" and pages)
    assert "stdout" not in [m["content"].get("name") for m in messages]


def test_a_notebook_runner_stops_at_a_mistake(tmp_path, monkeypatch):
    for name, value in environment(tmp_path).items():
        monkeypatch.setenv(name, value)
    canary = nbformat.v4.new_notebook(
        cells=[
            nbformat.v4.new_code_cell("%load_ext pilothouse"),
            nbformat.v4.new_code_cell("%fastscore flet"),
            nbformat.v4.new_code_cell("never = 1"),
        ]
    )

    client = NotebookClient(
        canary,
        timeout=DEADLINE,
        kernel_name="python3",
        kernel_manager_class=AsyncManager,
    )
    with pytest.raises(CellExecutionError, match="did you mean 'fleet'"):
        client.execute()

    assert "error" in [output.output_type for output in canary.cells[1].outputs]
    assert canary.cells[2].outputs == []


def test_completion_brings_types_through_the_protocol(kernel, connected):
    kind = kernel.complete("%pilot prof")["profiles"]
    assert kind.startswith("subcommand:\N{NO-BREAK SPACE}Show")
    deadline = time.monotonic() + DEADLINE
    while "engine-2" not in (found := kernel.complete("%engine ")):
        assert time.monotonic() < deadline
    assert found["engine-2"].split() == ["engine:", "ok"]
    assert kernel.complete("x = %engine engine-1 sc")["score"].startswith("subcommand")


def test_results_are_shown_once(kernel, connected):
    messages = kernel.run("%fastscore fleet")

    shown = [m["msg_type"] for m in messages if m["msg_type"] != "status"]
    assert shown == ["execute_input", "execute_result"]


def test_a_result_can_be_bound_and_silenced(kernel, connected):
    assert kernel.result("%fastscore fleet -o ships;") is None
    assert kernel.result("len(ships)") == "3"
    assert kernel.result("y = %fastscore fleet") is None
    assert kernel.result("y == ships") == "True"


def test_names_inside_a_function_are_seen(kernel, connected):
    kernel.result(
        "def look(where):\n    found = %fastscore connect {where}\n    return found\n"
    )

    assert connected.url in kernel.result(f"look({connected.url!r})")


def test_a_password_is_asked_for_and_never_shown(kernel, suite):
    kernel.result("os.environ.pop('PILOTHOUSE_FASTSCORE_TOKEN', None)\nNone")
    request = kernel.send(
        f"%fastscore connect {suite.url} --user pilothouse", allow_stdin=True
    )

    messages = kernel.messages(request, answer=suite.token)

    asked = [m for m in messages if m["msg_type"] == "input_request"]
    assert asked[0]["content"]["password"] is True
    assert asked[0]["content"]["prompt"] == (
        f"fastscore pilothouse's password for {suite.url}: "
    )
    assert [m for m in messages if m["msg_type"] == "execute_result"]
    assert suite.token not in repr(messages)


def test_where_nobody_can_be_asked_the_error_says_so(kernel, suite):
    kernel.result("os.environ.pop('PILOTHOUSE_FASTSCORE_TOKEN', None)\nNone")
    request = kernel.send(
        f"%fastscore connect {suite.url} --user ann", allow_stdin=False
    )
    errors = [m for m in kernel.messages(request) if m["msg_type"] == "error"]

    assert errors[0]["content"]["ename"] == "LineError"
    assert "PILOTHOUSE_FASTSCORE_PASSWORD" in errors[0]["content"]["traceback"][-1]


def test_the_doctor_knows_the_kernel(kernel, connected):
    kernel.result("from pilothouse.magics import _doctor, _doctor_peers")
    kernel.result("_doctor._PATIENCE = _doctor_peers._PATIENCE = 60")
    text = kernel.result("%pilot doctor")

    assert "no page has answered" in text
    assert "subshells" in text
    assert "no fault found" in text


def comms(messages):
    return [m["content"] for m in messages if m["msg_type"] == "comm_open"]


def views(messages):
    return [
        message["content"]["data"]
        for message in messages
        if message["msg_type"] in {"execute_result", "display_data"}
        and VIEW in message["content"]["data"]
    ]


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("%engine watch", "engine-1"),
        ("%fastscore pneumo", "Pneumo"),
        ("%engine chart sys.memory", "sys.memory"),
    ],
)
def test_a_live_view_opens_a_comm_and_has_a_text_form(kernel, connected, line, text):
    messages = kernel.run(f"view = {line}\nview")

    assert not [m for m in messages if m["msg_type"] == "error"]
    assert comms(messages)
    assert views(messages)
    left = [
        m["content"]["data"]["text/plain"]
        for m in kernel.run("view.close()")
        if m["msg_type"] == "update_display_data"
    ]
    assert any(text in plain for plain in left)
    assert connected.token not in repr(messages)


STUCK = """%%model stuck
import pathlib
import time

def action(x):
    while x == 2_000 and not pathlib.Path({flag!r}).exists():
        time.sleep(0.01)
    yield x
"""


@pytest.fixture
def flag(tmp_path):
    """The file that lets the stuck model go on."""
    return tmp_path / "go-on"


@pytest.fixture
def stuck_engine(kernel, connected, flag):
    """An engine whose model stops at record 2,000 until the flag is there."""
    kernel.result(STUCK.format(flag=str(flag)))
    kernel.result("%engine load stuck;")
    kernel.result("%engine attach rest-chunked:;")
    kernel.result("%engine attach rest-chunked:;")
    kernel.result(f"c = %fastscore connect {connected.url}")
    kernel.result("c.lookup('engine').wait_for('RUNNING')\nNone")
    yield connected
    flag.touch()


@pytest.fixture
def let_go(stuck_engine, flag):
    """Let the stuck model go on, once the engine was asked to drop what waits."""
    flow = stuck_engine.suite.instances["engine-1"].flow

    def let_go():
        until(lambda: flow._dropped, DEADLINE, "the cancel at the engine")
        flag.touch()

    return let_go


def interrupted(kernel, line, then=None):
    """Run a line, interrupt it when it shows its progress; return error and seconds."""
    request = kernel.send(line)
    kernel.working_widget(request)
    start = time.monotonic()
    kernel.manager.interrupt_kernel()
    if then is not None:
        then()
    messages = kernel.messages(request)
    took = time.monotonic() - start
    errors = [m["content"] for m in messages if m["msg_type"] == "error"]
    assert len(errors) == 1
    return errors[0], took


SCORE = "%engine score {range(200_000)}"


def test_an_interrupt_of_score_cancels_and_keeps_what_came(kernel, let_go):
    error, took = interrupted(kernel, f"{SCORE} -o scores", let_go)

    assert error["ename"] == "ScoreInterrupt"
    assert took < 20
    assert "cancelled: " in error["evalue"]
    assert "engine-1 has confirmed that nothing is left" in error["evalue"]
    assert "what came back is in scores" in error["evalue"]
    assert 0 < int(kernel.result("len(scores)")) <= 200_000


@pytest.fixture
def impatient(kernel):
    """A cancel takes its usual time, and is waited for however long it takes."""
    kernel.result("from pilothouse.fastscore import score_job")
    kernel.result("score_job.CANCEL_SECONDS = 1.8")
    kernel.result("%config Pilothouse.interrupt_timeout = 30")
    yield
    patient(kernel)


def test_an_interrupt_is_bounded_when_the_engine_does_not_answer(
    kernel, stuck_engine, impatient
):
    error, took = interrupted(kernel, SCORE)

    assert took < 20
    assert "has not confirmed" in error["evalue"]
    assert 0 < int(kernel.result("len(_partial)")) <= 2_000


def test_after_an_interrupt_kernel_and_engine_go_on(kernel, let_go):
    interrupted(kernel, SCORE, let_go)

    assert "RUNNING" in kernel.result("%engine state")
    assert kernel.result("list(c.lookup('engine').score([1, 2], as_frame=False))") == (
        "[1, 2]"
    )


def test_a_click_on_cancel_does_not_wait_for_the_cell(kernel, let_go):
    request = kernel.send(f"{SCORE} -o scores")
    comm_id = kernel.working_widget(request)
    start = time.monotonic()
    kernel.click(comm_id, "cancel")
    kernel.shows(comm_id, "state", "cancelling")
    let_go()

    messages = kernel.messages(request)

    (error,) = [m["content"] for m in messages if m["msg_type"] == "error"]
    assert "cancelled: " in error["evalue"]
    assert "what came back is in scores" in error["evalue"]
    assert time.monotonic() - start < 20
    left = [
        m["content"]["data"] for m in messages if m["msg_type"] == "update_display_data"
    ]
    assert any("cancelled" in d["text/plain"] and d["text/html"] for d in left)
    assert kernel.result("1 + 1") == "2"


def test_a_models_error_is_one_error_message_with_the_cells_line(kernel, connected):
    kernel.result("%%model bad\n\ndef action(x):\n    yield 1 / x\n")
    number = int(kernel.result("len(In) - 2"))
    kernel.result("%engine load bad;")
    kernel.result("%engine attach rest-chunked:;")
    kernel.result("%engine attach rest-chunked:;")
    kernel.result("c = %fastscore connect " + connected.url)
    kernel.result("c.lookup('engine').wait_for('RUNNING')\nNone")

    error = kernel.error("%engine score [1, 0]")

    assert error["ename"] == "ModelError"
    shown = "\n".join(error["traceback"])
    assert f"Cell In[{number}], line 4, in action" in shown
    assert "yield 1 / x" in shown
