"""What Model Manage has acknowledged outlives a kill, and a disk that is full."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from interop.suite_process import SuiteProcess
from pilothouse.errors import FastScoreError
from pilothouse.fastscore import Attachment, Model, Schema, Stream
from pilothouse.fastscore.suite import Connect, ModelManage

pytestmark = pytest.mark.faults

SAVES = 1_000
KILLS = (130, 420, 800)
WRITERS = 4


def model_manage(services: SuiteProcess) -> ModelManage:
    """Model Manage of running services, over a connection of its own."""
    connect = Connect(services.url, oauth_secret=services.token, timeout=10)
    return connect.lookup("model-manage")


class Writers:
    """Threads that save one thing after another until the services are gone.

    Args:
        folder: Where the files lie that they attach.

    Attributes:
        acknowledged: What was saved for certain, by number.
        same: When each acknowledged save of the one name began and ended, by number.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = itertools.count()
        self._news = threading.Condition()
        self.acknowledged: set[int] = set()
        self.same: dict[int, tuple[float, float]] = {}
        Path(folder / "data.zip").write_bytes(os.urandom(100_000))

    def start(self, services: SuiteProcess, pool: ThreadPoolExecutor) -> list:
        """Let them write; what comes back ends when they do."""
        return [pool.submit(self._write, services) for _ in range(WRITERS)]

    def wait_for(self, count: int) -> None:
        """Until so many saves were acknowledged."""
        with self._news:
            enough = self._news.wait_for(lambda: len(self.acknowledged) >= count, 60)
        assert enough

    def _write(self, services: SuiteProcess) -> None:
        try:
            mm = model_manage(services)
            while (number := next(self._numbers)) < SAVES + WRITERS * len(KILLS):
                self._save(mm, number)
                with self._news:
                    self.acknowledged.add(number)
                    self._news.notify_all()
        except FastScoreError:
            pass  # killed under way: this one was not acknowledged

    def _save(self, mm: ModelManage, number: int) -> None:
        if number % 40 == 0:
            model = Model(f"m{number}", "python3", f"# {number}", mm)
            model.update()
            path = str(self._folder / "data.zip")
            Attachment("data.zip", datafile=path).upload(model)
        elif number % 3 == 0:
            Model(f"m{number}", "python3", f"# {number}").update(mm)
        elif number % 3 == 1:
            Schema(f"s{number}", {"type": "int", "doc": str(number)}).update(mm)
        else:
            # One name again and again: the last acknowledged text or a later one stays.
            began = time.monotonic()
            Stream("same", {"Transport": "REST", "Description": number}).update(mm)
            self.same[number] = began, time.monotonic()

    def missing(self, mm: ModelManage) -> list[int]:
        """What was acknowledged and is not there, or not as it was saved."""
        content = Path(self._folder / "data.zip").read_bytes()

        def is_there(number: int) -> bool:
            if number % 3 == 1 and number % 40:
                return mm.schemata[f"s{number}"].source["doc"] == str(number)
            if number % 3 == 2 and number % 40:
                return mm.streams["same"].desc["Description"] in range(SAVES + 100)
            model = mm.models[f"m{number}"]
            if number % 40 == 0:
                attached = model.attachments["data.zip"].datafile
                assert Path(attached).read_bytes() == content
            return model.source == f"# {number}"

        def is_missing(number: int) -> bool:
            try:
                return not is_there(number)
            except FastScoreError:
                return True

        return [number for number in sorted(self.acknowledged) if is_missing(number)]


@pytest.mark.slow
def test_what_was_acknowledged_outlives_a_kill_of_the_services(tmp_path: Path):
    """1,000 saves from four writers; the process is killed three times under way."""
    writers = Writers(tmp_path)
    for kill_at in KILLS:
        services = SuiteProcess(tmp_path / "services")
        with ThreadPoolExecutor(WRITERS) as pool:
            writing = writers.start(services, pool)
            writers.wait_for(kill_at)
            services.kill()
            for one in writing:
                one.result()
    with (
        SuiteProcess(tmp_path / "services") as services,
        ThreadPoolExecutor(WRITERS) as pool,
    ):
        for one in writers.start(services, pool):
            one.result()
        assert len(writers.acknowledged) >= SAVES
        mm = model_manage(services)
        assert writers.missing(mm) == []
        _, ended = writers.same[mm.streams["same"].desc["Description"]]
        assert [n for n, (began, _) in writers.same.items() if began > ended] == []
        assert "Traceback" not in services.said()


def small_disk(folder: Path) -> list[str]:
    """A command that gives another one a disk of 12 MB, or files of 6 MB at most.

    The first needs a namespace of its own, which not every machine allows.
    """
    folder.mkdir(parents=True)
    mount = f"mount -t tmpfs -o size=12m none '{folder}' && exec \"$@\""
    command = [
        "unshare",
        "--user",
        "--map-root-user",
        "--mount",
        "sh",
        "-c",
        mount,
        "-",
    ]
    if shutil.which("unshare"):
        tried = subprocess.run([*command, "true"], capture_output=True, check=False)
        if tried.returncode == 0:
            return command
    limit = "import os, resource as r, sys; r.setrlimit(r.RLIMIT_FSIZE, (6291456,) * 2)"
    return [sys.executable, "-c", f"{limit}; os.execvp(sys.argv[1], sys.argv[1:])"]


@pytest.fixture
def cramped(tmp_path: Path) -> Iterator[SuiteProcess]:
    """Services whose data lies on a disk that is soon full."""
    folder = tmp_path / "services"
    with SuiteProcess(folder, wrap=small_disk(folder / "data")) as services:
        yield services


def first_refusal(save: Callable[[int], None]) -> FastScoreError:
    """Save one thing after another; what is said when one is refused."""
    for number in range(300):
        try:
            save(number)
        except FastScoreError as refusal:
            return refusal
    raise AssertionError("nothing was refused")


def test_a_full_disk_is_refused_and_what_was_saved_stays(
    cramped: SuiteProcess, tmp_path: Path
):
    mm = model_manage(cramped)
    model = Model("m", "python3", "# kept", mm)
    model.update()
    content = os.urandom(3 * 2**20)
    Path(tmp_path / "a.zip").write_bytes(content)
    Path(tmp_path / "b.zip").write_bytes(os.urandom(7 * 2**20))
    path = str(tmp_path / "a.zip")
    Attachment("kept.zip", datafile=path).upload(model)

    def attach(number: int) -> None:
        datafile = str(tmp_path / "b.zip")
        Attachment(f"b{number}.zip", datafile=datafile).upload(model)

    def add_schema(number: int) -> None:
        text = os.urandom(100_000).hex()
        Schema(f"s{number}", {"type": "int", "doc": text}).update(mm)

    for save in (attach, add_schema):
        assert "storage is full" in str(first_refusal(save))
    assert mm.check_health().release
    assert mm.models["m"].source == "# kept"
    attached = model.attachments["kept.zip"].datafile
    assert Path(attached).read_bytes() == content
    for name in mm.schemata.names():
        assert mm.schemata[name].source["type"] == "int"
    for name in list(model.attachments.names()):
        del model.attachments[name]
    for name in mm.schemata.names():
        del mm.schemata[name]
    Model("later", "python3", "# there is room again").update(mm)
    assert mm.models["later"].source == "# there is room again"
    assert "Traceback" not in cramped.said(), cramped.said()
