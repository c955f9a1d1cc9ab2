"""A component that goes to its client: mpcom and mpcli, each a process of its own."""

import os
import re
import select
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import pytest

from free_ports import free_port

MPCOM = [sys.executable, "-m", "pilothouse.mplane.runtime"]
MPCLI = [sys.executable, "-m", "pilothouse.mplane.shell"]

COMPONENT = """
[component]
workflow = component-initiated
client_host = 127.0.0.1
client_port = {port}
registration_path = register/capability
specification_path = show/specification
result_path = register/result

[module_loopback]
module = pilothouse.mplane.probes.loopback
"""

CLIENT = """
[client]
workflow = component-initiated
listen-port = {port}
listen-spec-link =
registration-path = register/capability
specification-path = show/specification
result-path = register/result
"""


@pytest.fixture
def port():
    """A port that nobody listens on yet."""
    return free_port()


class Child:
    """A process that is talked to line by line."""

    def __init__(self, *words):
        self.process = subprocess.Popen(
            words,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            bufsize=0,
        )
        self._late = threading.Timer(60, self.process.kill)
        self._late.start()
        self.said = b""

    def say(self, line):
        self.process.stdin.write(f"{line}\n".encode())

    def until(self, pattern, timeout=20.0):
        """Read until a pattern was seen; return the match."""
        deadline = time.monotonic() + timeout
        handle = self.process.stdout.fileno()
        while not (found := re.search(pattern, self.said.decode())):
            left = deadline - time.monotonic()
            ready = left > 0 and select.select([handle], [], [], left)[0]
            assert ready, f"{pattern!r} is not in {self.said.decode()!r}"
            piece = os.read(handle, 65536)
            assert piece, f"ended without {pattern!r}: {self.said.decode()!r}"
            self.said += piece
        self.said = self.said[len(self.said.decode()[: found.end()].encode()) :]
        return found

    def close(self):
        self._late.cancel()
        self.process.kill()
        self.process.communicate()


@contextmanager
def child(*words):
    made = Child(*words)
    try:
        yield made
    finally:
        made.close()


def test_a_shell_that_waits_and_a_component_that_comes(tmp_path, port):
    """The component asks every five seconds; the answer comes by itself."""
    component, client = tmp_path / "component.conf", tmp_path / "client.conf"
    component.write_text(COMPONENT.format(port=port))
    client.write_text(CLIENT.format(port=port))
    with child(*MPCLI, "--config", str(client)) as shell:
        shell.until(r"\|mplane\| ")
        shell.say("seturl http://127.0.0.1:1/")
        shell.until("This command can only be used in client-initiated workflows")
        with child(*MPCOM, "--config", str(component)) as runtime:
            runtime.until(r"test-loopback: registered")
            runtime.until(r"Checking for Specifications\.\.\.")
            shell.say("listcap")
            shell.until(r"Capability test-loopback \(token [0-9a-f]{32}\)")
            shell.say("runcap test-loopback --when now --set test.input=hello")
            shell.until("ok")
            shell.say("waitmeas test-loopback-0 20")
            shell.until(r"test\.output: hello")
            runtime.process.send_signal(signal.SIGTERM)
            assert runtime.process.wait(60) == 0
        shell.say("EOF")
        shell.until("Ciao!")
        assert shell.process.wait(60) == 0


def test_a_component_waits_for_its_client_and_can_be_ended_meanwhile(tmp_path, port):
    config = tmp_path / "component.conf"
    config.write_text(COMPONENT.format(port=port))
    with child(*MPCOM, "--config", str(config)) as runtime:
        runtime.until("the client is not there: ")
        runtime.process.send_signal(signal.SIGINT)
        assert runtime.process.wait(60) == 0
