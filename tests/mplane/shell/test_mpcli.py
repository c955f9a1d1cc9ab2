"""The ``mpcli`` command as a child process: a pipe, single commands, a terminal."""

import contextlib
import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest

MPCLI = [sys.executable, "-m", "pilothouse.mplane.shell"]


def run(*words, lines=None, **options):
    return subprocess.run(
        [*MPCLI, *words],
        input=None if lines is None else "\n".join(lines) + "\n",
        stdin=subprocess.DEVNULL if lines is None else None,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        **options,
    )


def test_a_script_on_its_input_runs_as_with_the_reference_shell(component):
    """Contract §8, scenario 9, with our own component."""
    done = run(
        lines=[
            f"seturl {component}",
            f"getcap {component}capability",
            "when now + 2s",
            "set test.input hello",
            "runcap test-loopback",
            "waitmeas test-loopback-0 10",
            "listmeas",
            "showmeas test-loopback-0",
        ]
    )
    assert done.returncode == 0
    assert done.stderr == ""
    said = done.stdout.splitlines()
    assert said[2] == "Type help or ? to list commands. ^D to exit."
    assert "|mplane| |mplane| ok" in said
    assert "|mplane| when = now + 2s" in said
    assert any(line.startswith("|mplane| Result  test-loopback-0 (") for line in said)
    assert f"{'test.output':>44}: hello" in said
    assert said[-1] == "|mplane| Ciao!"


def test_answers_to_prompts_come_from_the_input_too(component):
    done = run(
        lines=[
            f"getcap {component}",
            "runcap test-loopback",
            "now",
            "hello",
            "waitmeas test-loopback-0 10",
            "show",
        ]
    )
    assert "|mplane| |when| = test.input = ok" in done.stdout
    assert "test.output: hello" in done.stdout
    assert "|mplane|    1 defaults\ntest.input = hello" in done.stdout


def test_an_input_that_ends_in_a_prompt_ends_the_shell(component):
    done = run(lines=[f"getcap {component}", "runcap test-loopback"])
    assert done.returncode == 0
    assert "An exception occurred:" in done.stdout
    assert done.stdout.endswith("Ciao!\n")


def test_single_commands_run_one_after_the_other(component):
    done = run(
        "--url",
        component,
        "--json",
        "-c",
        "runcap ping-4 mine --set destination.ip4=127.0.0.1 --when now",
        "-c",
        "waitmeas mine 20",
    )
    assert (done.returncode, done.stderr) == (0, "")
    started, result = map(json.loads, done.stdout.splitlines())
    assert started["label"] == "mine"
    assert len(result["resultvalues"]) == 1


def test_one_command_can_be_given_as_words(component):
    done = run("--url", component, "showcap", "ping-4")
    assert done.returncode == 0
    assert done.stdout.startswith("capability: measure\n    label       : ping-4\n")
    words = [
        "runcap",
        "test-loopback",
        "--set",
        "test.input=two words",
        "--when",
        "now",
    ]
    assert run("--url", component, *words).stdout == "ok\n"


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (["showcap", "nope"], 1, "Usage: showcap"),
        (["runcap", "test-loopback"], 1, "test.input has no value"),
        (["-c", "nonsense", "-c", "listcap"], 1, "Unknown command: nonsense"),
        (["-c", "EOF"], 0, ""),
        (["--nope"], 2, "unrecognized arguments"),
    ],
)
def test_a_failed_command_ends_with_a_code_and_a_reason(component, words, code, text):
    done = run("--url", component, *words)
    assert done.returncode == code
    assert text in done.stderr
    assert "Traceback" not in done.stderr
    assert "Capability" not in done.stdout, "nothing runs after it"


def test_a_measurement_that_failed_fails_the_command(component, closed_port):
    done = run(
        "--url",
        component,
        "-c",
        f"runcap http-timing x --set destination.url=http://127.0.0.1:{closed_port}/ "
        "--when now",
        "-c",
        "waitmeas x",
    )
    assert done.returncode == 1
    assert "connection refused" in done.stdout


def test_a_component_that_is_not_there_is_told(closed_port):
    done = run("--url", f"http://127.0.0.1:{closed_port}/", "listcap")
    assert done.returncode == 1
    assert str(closed_port) in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "text",
    [
        "[client]\nworkflow = client-initiated\ndefault-url = {url}\n"
        "capability-url = {url}capability\n",
        '{{"Client": {{"Initiator": {{"capability-url": "{url}capability"}}}}}}',
    ],
    ids=["ini", "json"],
)
def test_a_configuration_names_the_component(component, tmp_path, text):
    config = tmp_path / "client.conf"
    config.write_text(text.format(url=component))
    done = run("--config", str(config), "listcap")
    assert (done.returncode, done.stderr) == (0, "")
    assert "Capability ping-4 (token " in done.stdout


def test_the_shell_begins_without_the_configured_component(tmp_path, closed_port):
    config = tmp_path / "client.conf"
    url = f"http://127.0.0.1:{closed_port}/capability"
    config.write_text(f"[client]\nworkflow=client-initiated\ncapability-url={url}\n")
    done = run("--config", str(config), lines=["listcap"])
    assert done.returncode == 0
    assert str(closed_port) in done.stderr
    assert done.stdout.endswith("Ciao!\n")


def test_a_configuration_that_cannot_be_read_is_told(tmp_path):
    done = run("--config", str(tmp_path / "missing.conf"), "listcap")
    assert done.returncode == 1
    assert "missing.conf" in done.stderr
    assert "Traceback" not in done.stderr


class Terminal:
    """A person at a terminal."""

    def __init__(self, handle):
        self._handle = handle
        self._seen = b""

    def type(self, text):
        os.write(self._handle, text.encode())

    def until(self, text, timeout=60.0):
        """Read until a text was seen; return what was seen with it."""
        deadline = time.monotonic() + timeout
        while text.encode() not in self._seen:
            left = deadline - time.monotonic()
            ready = left > 0 and select.select([self._handle], [], [], left)[0]
            assert ready, f"{text!r} is not in {self._seen!r}"
            try:
                self._seen += os.read(self._handle, 65536)
            except OSError:  # the other end has closed
                break
        before, found, self._seen = self._seen.partition(text.encode())
        assert found, f"{text!r} is not in {before!r}"
        return before.decode()


@contextmanager
def terminal(*words, home):
    """The command on a terminal of its own."""
    ours, theirs = pty.openpty()
    environment = os.environ | {"XDG_STATE_HOME": str(home), "TERM": "dumb"}
    process = subprocess.Popen(
        [*MPCLI, *words], stdin=theirs, stdout=theirs, stderr=theirs, env=environment
    )
    os.close(theirs)
    try:
        yield Terminal(ours), process
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def interrupt(process, person):
    """Press Ctrl-C until it is heard: Python hears it only while it waits for a key.

    Not before the one before had its time: two in a row end the shell.
    """
    for _ in range(6):
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(AssertionError):
            person.until("|mplane| ", timeout=10)
            return
    pytest.fail("Ctrl-C was not heard")


def test_on_a_terminal_tab_completes_and_history_is_kept(component, tmp_path):
    with terminal("--url", component, home=tmp_path) as (person, process):
        person.until("|mplane| ")
        person.type("showcap test-l\t\n")
        person.until("test-loopback")
        person.until("test.output")
        person.until("|mplane| ")
        person.type("half a line")
        person.until("half a line")
        interrupt(process, person)  # drops the line, not the shell
        person.type("\x04")
        person.until("Ciao!")
        assert process.wait(60) == 0
    (history,) = tmp_path.rglob("mpcli_history")
    assert "showcap test-loopback" in history.read_text()
    assert history.stat().st_mode & 0o777 == 0o600

    with terminal("--url", component, home=tmp_path) as (person, _):
        person.until("|mplane| ")
        person.type("\x10\n")  # the line before
        person.until("label       : test-loopback")
