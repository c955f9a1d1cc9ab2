"""In a real kernel: what a front end and a notebook runner see."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager

import nbformat
import pytest
from jupyter_client.manager import start_new_kernel
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

DEADLINE = 60


class Kernel:
    """A kernel and its blocking client: run a cell, get its messages."""

    def __init__(self, manager, client):
        self.manager = manager
        self.client = client

    def send(self, code, **options):
        return self.client.execute(code, **options)

    def messages(self, request, *, answer=None):
        """Return the messages of a request until the kernel is idle again."""
        found = []
        deadline = time.monotonic() + DEADLINE
        while time.monotonic() < deadline:
            if answer is not None and self.client.stdin_channel.msg_ready():
                asked = self.client.get_stdin_msg(timeout=1)
                found.append(asked)
                self.client.input(answer)
            try:
                message = self.client.get_iopub_msg(timeout=0.2)
            except Exception as exc:
                if type(exc).__name__ != "Empty":
                    raise
                continue
            if message["parent_header"].get("msg_id") != request:
                continue
            found.append(message)
            content = message["content"]
            if message["msg_type"] == "status" and content["execution_state"] == "idle":
                return found
        raise TimeoutError(f"the cell did not end within {DEADLINE} s")

    def run(self, code, **options):
        return self.messages(self.send(code, **options))

    def result(self, code):
        """Return what the cell shows as text; an error is an AssertionError."""
        messages = self.run(code)
        for message in messages:
            assert message["msg_type"] != "error", message["content"]["traceback"]
        shown = [m for m in messages if m["msg_type"] == "execute_result"]
        return shown[0]["content"]["data"]["text/plain"] if shown else None

    def error(self, code):
        found = [m["content"] for m in self.run(code) if m["msg_type"] == "error"]
        assert len(found) == 1, "the cell has no error output"
        return found[0]

    def complete(self, code):
        reply = self.client.complete(code, len(code), reply=True, timeout=DEADLINE)
        found = reply["content"]["metadata"]["_jupyter_types_experimental"]
        return {each["text"]: each["type"] for each in found}


def environment(home):
    kept = {k: v for k, v in os.environ.items() if not k.startswith("PILOTHOUSE_")}
    return {
        **kept,
        "IPYTHONDIR": str(home / "ipython"),
        "XDG_CONFIG_HOME": str(home / "config"),
        "XDG_DATA_HOME": str(home / "data"),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "PYTHONWARNINGS": "default",
    }


@contextmanager
def started(home):
    manager, client = start_new_kernel(
        kernel_name="python3", env=environment(home), cwd=str(home)
    )
    try:
        yield Kernel(manager, client)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


@pytest.fixture(scope="module")
def kernel(tmp_path_factory):
    with started(tmp_path_factory.mktemp("kernel")) as kernel:
        loaded = kernel.run("%load_ext pilothouse")
        assert [m["msg_type"] for m in loaded] == ["status", "execute_input", "status"]
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
    assert not [m for m in messages if m["msg_type"] == "stream"]


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

    with pytest.raises(CellExecutionError, match="did you mean 'fleet'"):
        NotebookClient(canary, timeout=DEADLINE, kernel_name="python3").execute()

    assert canary.cells[1].outputs[0].output_type == "error"
    assert canary.cells[2].outputs == []


def test_completion_brings_types_through_the_protocol(kernel, connected):
    assert kernel.complete("%pilot prof")["profiles"].startswith("subcommand: ")
    deadline = time.monotonic() + DEADLINE
    while "engine-2" not in (found := kernel.complete("%engine ")):
        assert time.monotonic() < deadline
    assert found["engine-2"] == "engine: ok"
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
    text = kernel.result("%pilot doctor")

    assert "comms by" in text
    assert "subshells" in text
    assert "no fault found" in text
