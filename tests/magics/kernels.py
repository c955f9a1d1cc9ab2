"""Real kernels for tests: run a cell, get its messages, click, interrupt, kill."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager

from jupyter_client.manager import AsyncKernelManager, KernelManager

from free_ports import free_port

DEADLINE = 60
VIEW = "application/vnd.jupyter.widget-view+json"
PORTS = ("shell_port", "iopub_port", "stdin_port", "hb_port", "control_port")
"""Chosen before the kernel binds them, so they must be none that the system gives."""


def has_done_some(state):
    """Whether the state of a view tells that anything is done."""
    return state.get("done", 0) > 0


class _WithPorts:
    """A manager whose kernel finds its ports free when it comes to them."""

    def __init__(self, **options):
        ports = set()
        while len(ports) < len(PORTS):
            ports.add(free_port())
        chosen = dict(zip(PORTS, ports, strict=True))
        super().__init__(cache_ports=False, **chosen, **options)


class Manager(_WithPorts, KernelManager):
    """What starts a kernel."""


class AsyncManager(_WithPorts, AsyncKernelManager):
    """What starts the kernel of a ``NotebookClient``."""


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

    def widget(self, request):
        """Return the id of the first view that a running cell displays."""
        deadline = time.monotonic() + DEADLINE
        while time.monotonic() < deadline:
            message = self.client.get_iopub_msg(timeout=DEADLINE)
            if message["parent_header"].get("msg_id") != request:
                continue
            assert message["msg_type"] != "error", message["content"]
            data = message["content"].get("data", {})
            if message["msg_type"] == "display_data" and VIEW in data:
                return data[VIEW]["model_id"]
        raise TimeoutError("no view was displayed")

    def working_widget(self, request, is_at_work=has_done_some):
        """Return the id of a running cell's view, when its state tells of work done."""
        deadline = time.monotonic() + DEADLINE
        shown, done = "", set()
        while time.monotonic() < deadline:
            if shown and shown in done:
                return shown
            message = self.client.get_iopub_msg(timeout=DEADLINE)
            if message["parent_header"].get("msg_id") != request:
                continue
            assert message["msg_type"] != "error", message["content"]
            content = message["content"]
            data = content.get("data", {})
            if is_at_work(data.get("state", {})):
                done.add(content["comm_id"])
            if message["msg_type"] == "display_data" and VIEW in data:
                shown = shown or data[VIEW]["model_id"]
        raise TimeoutError("no view has shown that anything was done")

    def click(self, comm_id, ask, **more):
        """Send what a button of a view sends."""
        data = {"method": "custom", "content": {"ask": ask, **more}}
        content = {"comm_id": comm_id, "data": data}
        message = self.client.session.msg("comm_msg", content)
        self.client.shell_channel.send(message)

    def shows(self, comm_id, trait, value):
        """Wait until a view has told its page a value; drops what else is said."""
        deadline = time.monotonic() + DEADLINE
        while time.monotonic() < deadline:
            message = self.client.get_iopub_msg(timeout=DEADLINE)
            content = message["content"]
            is_its_own = content.get("comm_id") == comm_id and "data" in content
            if is_its_own and content["data"].get("state", {}).get(trait) == value:
                return
        raise TimeoutError(f"{trait} did not become {value!r} within {DEADLINE} s")

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
        "XDG_STATE_HOME": str(home / "state"),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "PYTHONWARNINGS": "default",
    }


PATIENCE = {
    "pilothouse.aimm.action": "_CANCEL_TIMEOUT",
    "pilothouse.fastmap.run": "_END_SECONDS",
    "pilothouse.fastscore.score_job": "CANCEL_SECONDS",
    "pilothouse.magics._aimm": "_STATE_SECONDS",
    "pilothouse.magics._doctor_peers": "_PATIENCE",
    "pilothouse.magics._flow_places": "_SECONDS",
    "pilothouse.magics._following": "_DETACH_SECONDS",
    "pilothouse.magics._jobs": "_LOOK_SECONDS",
    "pilothouse.mplane.measurement": "_CANCEL_SECONDS",
}
"""What bounds the wait for a peer: of a cancel, a detach, a plan's start; by module."""


def patient(kernel, seconds=60):
    """Let a kernel wait for its peers however busy the machine is."""
    lines = ["from importlib import import_module"]
    for module, name in PATIENCE.items():
        lines += [f"assert hasattr(import_module({module!r}), {name!r})"]
        lines += [f"import_module({module!r}).{name} = {seconds}"]
    kernel.result("\n".join([*lines, "del import_module"]))
    kernel.result(f"%config Pilothouse.interrupt_timeout = {seconds}")


@contextmanager
def started(home, variables=None):
    manager = Manager(kernel_name="python3")
    variables = environment(home) | (variables or {})
    manager.start_kernel(env=variables, cwd=str(home))
    client = manager.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=DEADLINE)
        yield Kernel(manager, client)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
