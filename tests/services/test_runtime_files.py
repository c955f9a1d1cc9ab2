"""Runtime files: who is found, and which files are stale."""

import json
import os
import subprocess
import sys

import psutil

from pilothouse.services.runtime_files import (
    Record,
    find_records,
    own_record,
    runtime_dir,
)

SERVICES = {"fastscore": {"url": "http://127.0.0.1:1", "token": "secret-word"}}


def record(**changes):
    fields = {"pid": os.getpid(), "created": psutil.Process().create_time()}
    return Record(data_dir="/d", services=SERVICES, **(fields | changes))


def test_what_is_written_is_found(tmp_path):
    mine = own_record(SERVICES, tmp_path, "some.log")
    mine.write()
    assert find_records() == [mine]
    assert mine.endpoints["fastscore"].token == "secret-word"
    mine.remove()
    mine.remove()
    assert find_records() == []


def test_nobody_else_may_read_the_file():
    record().write()
    assert record().path.stat().st_mode & 0o777 == 0o600


def test_the_secret_does_not_show():
    assert "secret-word" not in repr(record())
    assert "secret-word" not in repr(record().endpoints)


def test_a_file_whose_process_is_gone_is_removed():
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    child.wait()
    stale = record(pid=child.pid, created=1.0)
    stale.write()
    assert find_records() == []
    assert not stale.path.exists()


def test_a_file_whose_number_belongs_to_another_process_by_now_is_removed():
    stale = record(created=psutil.Process().create_time() - 1000)
    stale.write()
    assert find_records() == []
    assert not stale.path.exists()


def test_a_file_of_another_machine_is_left_alone():
    other = record(node="elsewhere", pid=2**22 + 1)
    other.write()
    assert find_records() == []
    assert other.path.exists()


def test_a_process_that_ended_but_was_not_waited_for_is_gone():
    child = subprocess.Popen([sys.executable, "-c", "pass"], stdout=subprocess.PIPE)
    created = psutil.Process(child.pid).create_time()
    assert child.stdout is not None
    child.stdout.read()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert not record(pid=child.pid, created=created).is_alive
    child.stdout.close()
    child.wait()


def test_files_that_make_no_sense_are_left_alone():
    runtime_dir().mkdir(parents=True)
    for name, text in (
        ("pilothouse-1.json", "{"),
        ("pilothouse-2.json", "[]"),
        ("pilothouse-3.json", json.dumps({"pid": 3})),
        ("pilothouse-4.json", json.dumps(record().to_dict() | {"services": 5})),
        ("other-5.json", "{}"),
    ):
        (runtime_dir() / name).write_text(text)
    assert find_records() == []
    assert len(list(runtime_dir().iterdir())) == 5


def test_the_youngest_comes_first():
    parent = psutil.Process(os.getppid())
    for pid, created in (
        (parent.pid, parent.create_time()),
        (os.getpid(), psutil.Process().create_time()),
    ):
        record(pid=pid, created=created).write()
    assert find_records()[0].pid == os.getpid()
