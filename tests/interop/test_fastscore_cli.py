"""The real FastScore CLI 1.10.3 does its everyday commands against our suite."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from interop.environments import FASTSCORE
from interop.suite_process import SuiteProcess

pytestmark = pytest.mark.interop

ECHO = "# fastscore.schema.0: cli-int\ndef action(x):\n    yield x\n"
CUBE = "def action(x):\n    yield x ** 3\n"
COUNTING = "# fastscore.snapshots: eof\n" + CUBE
_SAVING = frozenset({"connect", "login", "use"})
"""Every command writes the savefile when it is done; these have news for it."""
_COLOURS = re.compile(r"\x1b\[\d+m")
LONGEST_S = 60


class Cli:
    """The CLI of one user, whose home is a folder of the test.

    Args:
        home: Where it keeps its ``.fastscore`` and finds the files of its commands.
    """

    def __init__(self, home: Path) -> None:
        self.home = home
        self._program = str(FASTSCORE.program("fastscore"))
        self._environment = {
            **os.environ,
            "PYTHONUNBUFFERED": "1",
            "PYTHONIOENCODING": "utf-8",
        }

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Begin a command that does not end by itself."""
        return subprocess.Popen(
            [self._program, *words],
            cwd=self.home,
            env={**self._environment, "HOME": str(self._home_for(words[0]))},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def _home_for(self, word: str) -> Path:
        """Where a command finds the savefile, which is empty while one writes it."""
        if word in _SAVING:
            return self.home
        home = Path(tempfile.mkdtemp(prefix="home-", dir=self.home))
        shutil.copy(self.home / ".fastscore", home)
        return home

    def ends(self, *words: str, typed: str = "") -> tuple[int, str]:
        """Do a command; its exit status, and what it said without the colours."""
        process = self.start(*words)
        try:
            said, _ = process.communicate(typed, timeout=LONGEST_S)
        except subprocess.TimeoutExpired:
            process.kill()
            said, _ = process.communicate()
            raise AssertionError(f"{' '.join(words)} does not end: {said}") from None
        return process.returncode, _COLOURS.sub("", said)

    def __call__(self, *words: str, typed: str = "") -> str:
        """Do a command that must succeed; what it said."""
        status, said = self.ends(*words, typed=typed)
        assert status == 0, f"fastscore {' '.join(words)}\n{said}"
        assert "Traceback" not in said, said
        return said

    def refuses(self, *words: str) -> str:
        """Do a command that must be refused in the CLI's own way; what it said."""
        status, said = self.ends(*words)
        assert status == 1, said
        assert "Traceback" not in said, said
        return said

    def file(self, name: str, text: str) -> str:
        """Write a file where the commands look for it; its name."""
        (self.home / name).write_text(text, "utf-8")
        return name

    def until(self, wanted: str, *words: str) -> str:
        """Do a command again and again until it says the wanted word."""
        end = time.monotonic() + LONGEST_S
        while wanted not in (said := self(*words)):
            assert time.monotonic() < end, said
        return said

    @contextmanager
    def reading(
        self, *words: str
    ) -> Iterator[tuple[subprocess.Popen[str], Callable[[str], str]]]:
        """A command under way, and what reads its lines until a pattern fits."""
        process = self.start(*words)
        late = threading.Timer(LONGEST_S, process.kill)
        late.start()
        read = []

        def line_with(pattern: str) -> str:
            for line in process.stdout:
                read.append(line)
                if re.search(pattern, line):
                    return line
            raise AssertionError(f"no line fits {pattern!r}:\n{''.join(read)}")

        try:
            yield process, line_with
            rest, _ = process.communicate(timeout=LONGEST_S)
            assert process.returncode == 0, "".join(read) + rest
        finally:
            late.cancel()
            process.kill()
            process.communicate()

    @contextmanager
    def watching(self, *words: str) -> Iterator[Callable[[str], str]]:
        """A command that goes on until Ctrl-C; reads its lines until a pattern fits."""
        with self.reading(*words) as (process, line_with):
            yield line_with
            process.send_signal(signal.SIGINT)


@pytest.fixture(scope="module")
def cli(
    real_sdk: Path,
    suite_of: Callable[[str, str], SuiteProcess],
    tmp_path_factory: pytest.TempPathFactory,
) -> Cli:
    """A user who has connected, logged in, and chosen engine-1 as the target."""
    suite = suite_of("cli", "https")
    user = Cli(tmp_path_factory.mktemp("home"))
    assert "Authorization required" in user.refuses("connect", suite.url)
    login = ("login", "basicauth", "-username:pilothouse", f"-password:{suite.token}")
    user(*login)
    user("use", "engine-1")
    user("schema", "add", "cli-int", user.file("int.avsc", '"int"'))
    user("model", "add", "echo", user.file("echo.py3", ECHO))
    user("model", "add", "cube", user.file("cube.py3", CUBE))
    return user


@pytest.fixture(autouse=True)
def _engine_in_its_first_state(cli: Cli) -> None:
    cli("engine", "reset")


def test_the_fleet_is_listed(cli: Cli):
    said = cli("fleet", "-v")
    assert re.search(r"^connect +connect +ok", said, re.M)
    assert re.search(r"^model-manage-1 +model-manage +ok", said, re.M)
    assert re.search(r"^engine-1 +engine +ok", said, re.M)
    listed = json.loads(cli("fleet", "-json", "-wait"))
    assert {one["health"] for one in listed} == {"ok"}
    assert cli("use").strip() == "engine-1"


def test_the_fleet_is_configured(cli: Cli):
    name = cli.file("config.yaml", "fastscore:\n  fleet: []\ndb:\n  type: mysql\n")
    assert "Configuration" in cli("config", "set", name, "-v")
    assert "Configuration updated" in cli("config", "set", name, "-v")


def test_a_model_is_added_shown_checked_and_removed(cli: Cli):
    assert "Model created" in cli(
        "model", "add", "new", cli.file("n.py3", "# é\n" + CUBE), "-v"
    )
    assert "Model updated" in cli("model", "add", "new", "n.py3", "-v")
    assert "Model updated" in cli(
        "model", "add", "new", "-type:python3", "-v", typed=ECHO
    )
    assert cli("model", "show", "new") == ECHO
    assert re.search(r"^new +python3$", cli("model", "list"), re.M)
    assert {"name": "new", "mtype": "python3"} in json.loads(
        cli("model", "list", "-json")
    )
    said = cli("model", "verify", "new", "-v")
    assert "The model contains no errors" in said
    assert re.search(r'^ +0 +"int" +action +No', said, re.M), said
    verified = json.loads(cli("model", "verify", "new", "-json"))
    assert [slot["slot"] for slot in verified["slots"]] == [0, 1]
    cli("model", "remove", "new")
    assert "Model 'new' not found" in cli.refuses("model", "show", "new")


def test_a_model_with_a_mistake_is_refused_in_one_line(cli: Cli):
    cli("model", "add", "wrong", cli.file("wrong.py3", "def action(x:\n"))
    assert len(cli.refuses("model", "verify", "wrong").strip().splitlines()) == 1
    unknown = "# fastscore.schema.0: nowhere\n" + CUBE
    cli("model", "add", "wrong", cli.file("wrong.py3", unknown))
    assert "nowhere" in cli.refuses("model", "verify", "wrong")
    said = cli("model", "verify", "wrong", '-schema:nowhere:"int"')
    assert "The model contains no errors" in said
    cli("model", "load", "wrong", '-schema:nowhere:"int"')
    assert re.search(r"^wrong +python3", cli("model", "inspect"), re.M)


def test_a_model_is_loaded_looked_at_and_unloaded(cli: Cli):
    assert "Model not loaded" in cli("model", "inspect")
    assert "Model loaded" in cli("model", "load", "echo", "-v")
    said = cli("model", "inspect")
    assert re.search(r"^echo +python3 +3 +none", said, re.M), said
    assert "No jets started" in said
    assert json.loads(cli("model", "inspect", "-json"))["source"] == ECHO
    assert "Model unloaded" in cli("model", "unload", "-v")
    assert "Model not loaded" in cli("model", "inspect")


def test_a_stream_is_added_attached_and_detached(cli: Cli):
    descriptor = {
        "Transport": {"Type": "S3", "SecretAccessKey": "hidden", "Bucket": "b"}
    }
    cli("stream", "add", "s3", cli.file("s3.json", json.dumps(descriptor)))
    assert "*****" in cli("stream", "show", "s3")
    rest = {"Transport": "REST", "Encoding": "json"}
    assert "created" in cli(
        "stream", "add", "rest", cli.file("r.json", json.dumps(rest)), "-v"
    )
    assert json.loads(cli("stream", "show", "rest")) == rest
    assert cli("stream", "list").split() == ["rest", "s3"]
    checked = cli("stream", "verify", "rest", "0", "-v")
    assert '"linger_time": 3000' in checked
    assert "contains no errors" in checked
    assert "Stream attached" in cli("stream", "attach", "rest", "0", "-v")
    assert re.search(r"^ +0 +rest +REST +False", cli("stream", "inspect"), re.M)
    assert json.loads(cli("stream", "inspect", "0", "-json"))["descriptor"] == rest
    assert "Stream detached" in cli("stream", "detach", "0", "-v")
    assert "No stream attached" in cli("stream", "inspect", "0")
    cli("stream", "remove", "rest")
    cli("stream", "remove", "s3")
    assert "Stream 'rest' not found" in cli.refuses("stream", "show", "rest")


def test_a_schema_is_added_and_records_are_checked(cli: Cli):
    point = {"type": "record", "name": "P", "fields": [{"name": "x", "type": "double"}]}
    cli("schema", "add", "point", cli.file("point.avsc", json.dumps(point)))
    assert json.loads(cli("schema", "show", "point")) == point
    assert set(cli("schema", "list").split()) == {"cli-int", "point"}
    data = cli.file("points.jsons", '{"x": 1.5}\n{"x": "a"}\nnot json\n')
    said = cli("schema", "verify", "point", data, "-v")
    assert "Schema OK" in said
    assert re.findall(r"^(OK|FAIL|JSON) ", said, re.M) == ["OK", "FAIL", "JSON"]
    cli("schema", "remove", "point")
    cli("schema", "add", "bad", cli.file("bad.avsc", '"foobar"'))
    assert 'Type "foobar" is undefined' in cli.refuses("schema", "verify", "bad")
    cli("schema", "remove", "bad")


def test_a_sensor_is_added_installed_and_removed(cli: Cli):
    wanted = {
        "Tap": "sys.memory",
        "Activate": {"Type": "regular", "Interval": 0.2},
        "Report": {"Interval": 0.2},
    }
    cli("sensor", "add", "memory", cli.file("memory.json", json.dumps(wanted)))
    assert cli("sensor", "list").split() == ["memory"]
    assert json.loads(cli("sensor", "show", "memory")) == wanted
    points = cli("sensor", "points").split()
    assert {"sys.memory", "sys.cpu.utilization", "manifold.0.records.count"} <= set(
        points
    )
    sid = cli("sensor", "install", "memory").strip()
    assert re.search(rf"^ +{sid} +sys.memory", cli("sensor", "inspect"), re.M)
    assert "sys.memory" in cli("sensor", "inspect", sid)
    cli("sensor", "uninstall", sid)
    assert "not found" in cli.refuses("sensor", "inspect", sid)
    cli("sensor", "remove", "memory")


def test_a_job_runs_from_literals(cli: Cli):
    """``run`` checks the first stream at both slots, and never the second."""
    assert "verified" in cli("run", "cube", "inline:1,2,3", "discard:", "-v")
    cli.until("FINISHED", "engine", "inspect")
    assert "reset" in cli.refuses("model", "load", "cube").lower()


def test_a_job_is_waited_for(cli: Cli):
    """The CLI listens only after the start, so the job must last until it does."""
    out = cli.home / "cubes.json"

    def pause_and_go_on() -> None:
        cli("engine", "pause")
        cli("engine", "unpause")

    with cli.reading("run", "cube", "rest:", f"file:{out}", "-wait", "-v") as (
        _,
        line_with,
    ):
        cli.until("RUNNING", "engine", "inspect")
        with happening(pause_and_go_on):
            line_with("Engine state is")
        cli("model", "input", typed='1\n2\n3\n{"$fastscore":"end"}\n\n')
        line_with("Engine state is FINISHED")
    assert out.read_text().split() == ["1", "8", "27"]


def test_records_go_in_and_come_out(cli: Cli):
    cli("run", "echo", "rest:", "rest:")
    cli.until("RUNNING", "engine", "inspect")
    cli("model", "input", typed="4\n5\n\n")
    assert cli("model", "output").strip() == "4"
    assert cli("model", "output", "1").strip() == "5"
    assert cli("model", "output", "-nowait").strip() == ""
    assert "input slot" in cli.refuses("model", "output", "0")
    # It looks for news after each line, and for no longer than half a second.
    with cli.reading("model", "interact") as (process, _):
        process.stdin.write('6\n"a"\n7\n')
        said = ""
        while not (
            re.search(r"\b6$", _COLOURS.sub("", said), re.M)
            and 'REJECTED-By-Schema:0: "a"' in said
        ):
            more = process.stdout.read(1)
            assert more, said
            said += more
            if said.endswith("> "):
                process.stdin.write("\n")
                process.stdin.flush()


def test_the_engine_is_steered(cli: Cli):
    cli("run", "cube", "rest:", "rest:")
    cli.until("RUNNING", "engine", "inspect")
    cli("engine", "pause")
    assert json.loads(cli("engine", "inspect", "-json")) == {"state": "PAUSED"}
    cli("engine", "unpause")
    assert "RUNNING" in cli("engine", "inspect", "-v")
    cli("model", "scale", "2")
    cli.until("\n      2 ", "model", "inspect")  # the second jet's line
    assert cli("model", "inspect").count("\n") > 8
    assert "reset" in cli("engine", "reset", "-v")
    assert cli("engine", "inspect").strip() == "INIT"


def test_an_attachment_goes_up_and_down(cli: Cli):
    with zipfile.ZipFile(cli.home / "words.zip", "w") as archive:
        archive.writestr("words.txt", "zero one")
    before = (cli.home / "words.zip").read_bytes()
    assert "uploaded" in cli("attachment", "upload", "cube", "words.zip", "-v")
    assert re.search(
        rf"^words.zip +zip +{len(before)}$",
        cli("attachment", "list", "cube", "-v"),
        re.M,
    )
    (cli.home / "words.zip").unlink()
    cli("attachment", "download", "cube", "words.zip")
    assert (cli.home / "words.zip").read_bytes() == before
    cli("model", "load", "cube")
    loaded = json.loads(cli("model", "inspect", "-json"))
    assert loaded["attachments"] == ["words.zip"]
    cli.refuses("model", "load", "cube", "words.zip")
    cli("attachment", "remove", "cube", "words.zip")
    assert "No attachments" in cli("attachment", "list", "cube", "-v")


def test_a_snapshot_is_listed_and_restored(cli: Cli):
    cli("model", "add", "counting", cli.file("counting.py3", COUNTING))
    cli("run", "counting", "inline:1,2", "discard:")
    cli.until("FINISHED", "engine", "inspect")
    taken = cli.until("\n", "snapshot", "list", "counting", "-count:1").strip()
    assert taken in cli("snapshot", "list", "counting", "-v")
    assert f"id:         {taken}" in cli("snapshot", "show", "counting", taken)
    cli("engine", "reset")
    assert "restored" in cli("snapshot", "restore", "counting", "-v")
    cli("snapshot", "remove", "counting", taken)
    assert "No snapshots" in cli("snapshot", "list", "counting", "-v")


def test_a_policy_is_set_and_shown(cli: Cli):
    text = "numpy: install\n"
    cli("policy", "set", cli.file("policy.yaml", text), "-type:python3")
    assert cli("policy", "show", "-type:python3") == text


def test_pneumo_is_read_live_and_from_the_past(cli: Cli):
    # Nothing says when its socket is open: let it happen until it is seen.
    with (
        cli.watching("pneumo") as line_with,
        happening(lambda: cli("model", "load", "cube")),
    ):
        assert "engine-1" in line_with("model loaded|model reloaded")
    history = json.loads(cli("pneumo", "history", "-json"))
    assert {"src", "timestamp", "type"} <= set(history[-1])


@contextmanager
def happening(event: Callable[[], object]) -> Iterator[None]:
    """Something happens again and again, for as long as the block lasts."""
    over = threading.Event()

    def repeat() -> None:
        while not over.wait(0.1):
            event()

    with ThreadPoolExecutor(1) as pool:
        repeated = pool.submit(repeat)
        try:
            yield
        finally:
            over.set()
            repeated.result()


def test_statistics_are_shown_live(cli: Cli):
    with cli.watching("stats", "memory") as line_with:
        assert re.search(r"engine-1: \d+\.\dmb", line_with("engine-1"))
    with cli.watching("stats", "cpu-utilization") as line_with:
        assert "kernel:" in line_with("engine-1")
    cli("run", "cube", "rest:", "rest:")
    cli.until("RUNNING", "engine", "inspect")
    with (
        cli.watching("stats", "streams") as line_with,
        happening(lambda: cli("model", "input", typed="4\n\n")),
    ):
        line_with(r"0:\d+\.\d rps \| 1:\d+\.\d rps")


def test_a_stream_is_profiled(cli: Cli):
    cli("run", "echo", "rest:", "rest:")
    cli.until("RUNNING", "engine", "inspect")
    with happening(lambda: cli("model", "input", typed="4\n\n")):
        profile = json.loads(cli("profile", "stream", "0", "-json"))
        assert profile["validate_input_records_n"] >= 1
        assert profile["validate_input_records"] > 0
        assert "Validate input records" in cli("profile", "stream", "0")
