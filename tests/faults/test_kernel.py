"""A kernel that is interrupted or restarted under way leaves the engine usable."""

from __future__ import annotations

import os
import queue
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from jupyter_client import BlockingKernelClient

from interop.suite_process import SuiteProcess
from magics.kernels import Manager
from pilothouse.fastscore.suite import Connect, Engine
from waiting import until

pytestmark = [pytest.mark.faults, pytest.mark.slow]

LONGEST_S = 60
CHUNKED = "{'Transport': {'Type': 'REST', 'Mode': 'chunked'}, 'Encoding': 'json'}"
CONNECT = """\
from pilothouse.fastscore import Model, Stream
from pilothouse.fastscore.suite import Connect
engine = Connect({url!r}, oauth_secret={token!r}).get("engine-1")
"""
PIPELINE = f"""\
engine.reset()
source = '''
from time import sleep

def action(x):
    print("at", x, flush=True)
    sleep(0.2 if x >= 0 else 0)
    yield x
'''
Model("slow", "python3", source).deploy(engine)
for slot in (0, 1):
    Stream("s", {CHUNKED}).attach(engine, slot)
"""
ONE_RECORD_COMES_BACK = f"""\
engine.reset()
Model("echo", "python3", "def action(x): yield x").deploy(engine)
for slot in (0, 1):
    Stream("s", {CHUNKED}).attach(engine, slot)
print(list(engine.score([-7])))
"""
THREADS = """\
import threading, time

def names():
    return sorted(thread.name for thread in threading.enumerate())

end = time.monotonic() + 60
while any(name.startswith("score") for name in names()) and time.monotonic() < end:
    time.sleep(0.01)
print(names())
"""


class Notebook:
    """A kernel, and what a person would do with it.

    Args:
        folder: Where it runs.
    """

    def __init__(self, folder: Path) -> None:
        self.kernel = Manager(kernel_name="python3")
        runtime = {"JUPYTER_RUNTIME_DIR": str(folder / "runtime")}
        data = {
            "XDG_DATA_HOME": str(folder / "share"),
            "XDG_STATE_HOME": str(folder / "state"),
        }
        environment = {**os.environ, **runtime, **data}
        self.kernel.start_kernel(cwd=str(folder), env=environment)
        self._client = self._connected()

    def _connected(self) -> BlockingKernelClient:
        client = self.kernel.client()
        client.start_channels()
        client.wait_for_ready(timeout=LONGEST_S)
        return client

    def begin(self, code: str) -> str:
        """Send a cell; the id of its request."""
        return self._client.execute(code)

    def end(self, request: str, longest_s: float = LONGEST_S) -> tuple[str, str]:
        """Wait for a cell; how it ended (``ok`` or an error's name), and its output."""
        end = time.monotonic() + longest_s
        said = ""
        while True:
            left = max(0.01, end - time.monotonic())
            message = self._client.get_iopub_msg(timeout=left)
            if message["parent_header"].get("msg_id") != request:
                continue
            content = message["content"]
            if message["msg_type"] == "stream":
                said += content["text"]
            elif message["msg_type"] == "error":
                said += "\n".join(content["traceback"])
            elif content.get("execution_state") == "idle":
                break
        try:
            while True:
                reply = self._client.get_shell_msg(timeout=LONGEST_S)
                if reply["parent_header"].get("msg_id") == request:
                    break
        except queue.Empty:
            raise AssertionError(f"no reply: {said}") from None
        status = reply["content"]["status"]
        return ("ok" if status == "ok" else reply["content"]["ename"]), said

    def do(self, code: str) -> str:
        """Run a cell that must end well; what it printed."""
        status, said = self.end(self.begin(code))
        assert status == "ok", said
        return said

    def restart(self) -> None:
        """Restart the kernel at once, as the button does."""
        self._client.stop_channels()
        self.kernel.restart_kernel(now=True)
        self._client = self._connected()

    def close(self) -> None:
        """End the kernel."""
        self._client.stop_channels()
        self.kernel.shutdown_kernel(now=True)
        self.kernel.cleanup_resources()


@pytest.fixture
def notebook(tmp_path: Path) -> Iterator[Notebook]:
    opened = Notebook(tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def engine(services: SuiteProcess) -> Engine:
    """The engine as somebody else sees it."""
    return Connect(services.url, oauth_secret=services.token).get("engine-1")


def scoring(services: SuiteProcess, notebook: Notebook, engine: Engine) -> str:
    """Begin a long score in the notebook; its request, once a record is in work."""
    notebook.do(CONNECT.format(url=services.url, token=services.token))
    notebook.do(PIPELINE)
    connect = Connect(services.url, oauth_secret=services.token)
    socket = connect.pneumo.socket(
        src="engine-1", type="model-console", timeout=LONGEST_S
    )
    request = notebook.begin("list(engine.score(range(100_000)))")
    assert "at" in socket.recv().text
    socket.close()
    until(lambda: engine.state == "RUNNING")
    return request


def test_an_interrupt_ends_a_score_soon(
    services: SuiteProcess, notebook: Notebook, engine: Engine
):
    request = scoring(services, notebook, engine)
    interrupted = time.monotonic()
    notebook.kernel.interrupt_kernel()
    status, said = notebook.end(request)
    assert status == "ScoreInterrupt", said
    assert "records were sent" in said
    assert time.monotonic() - interrupted < 20
    until(lambda: engine.state in ("RUNNING", "PAUSED", "INIT"))
    assert "[-7]" in notebook.do(ONE_RECORD_COMES_BACK)
    assert "score" not in notebook.do(THREADS)


def test_a_restart_leaves_the_job_to_be_found_again(
    services: SuiteProcess, notebook: Notebook, engine: Engine
):
    scoring(services, notebook, engine)
    notebook.restart()
    assert engine.state == "RUNNING"
    assert engine.active_model.name == "slow"
    notebook.do(CONNECT.format(url=services.url, token=services.token))
    assert "slow" in notebook.do("print(engine.active_model.name)")
    assert "[-7]" in notebook.do(ONE_RECORD_COMES_BACK)
    assert "Traceback" not in services.said()


def test_services_started_in_a_notebook_outlive_its_kernel(notebook: Notebook):
    up = "import pilothouse; local = pilothouse.up(); print(local.fastscore.url)"
    started = notebook.do(up)
    notebook.restart()
    try:
        assert notebook.do(up) == started
    finally:
        notebook.do("local.down()")
