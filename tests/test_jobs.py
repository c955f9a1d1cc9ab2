"""Jobs are written down whole, for their owner only, and never with a secret."""

from __future__ import annotations

import datetime as dt
import stat
import threading

import pytest

from pilothouse.errors import NotFoundError
from pilothouse.jobs import MAX_BYTES, MAX_DAYS, JobBook, JobRecord

URL = "http://127.0.0.1:1"


@pytest.fixture
def book(tmp_path):
    return JobBook(tmp_path / "state" / "jobs")


def record(job_id="a1", kind="fastmap", **more):
    return JobRecord(**{"id": job_id, "kind": kind, "url": URL, **more})


def test_what_is_written_comes_back(book):
    sent = record(label="grid search", details={"total": 60, "when": None})
    book.remember(sent)

    assert book.records() == [sent]
    assert book.get("a1") == sent
    assert book.damaged() == []


def test_an_empty_book_needs_no_folder(book):
    book.forget("a1")

    assert book.records() == []
    assert not book.folder.exists()


def test_the_folder_of_the_user_is_the_default(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    JobBook().remember(record())

    assert JobBook().records() == [JobBook().get("a1")]
    assert JobBook().folder.is_relative_to(tmp_path)


def test_only_the_owner_reads_it(book):
    book.remember(record())
    (path,) = book.folder.glob("*.json")

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(book.folder.stat().st_mode) == 0o700


def test_a_job_is_found_by_how_its_id_begins(book):
    book.remember(record("ab12"))
    book.remember(record("ac34"))

    assert book.get("ab").id == "ab12"
    assert book.get("fastmap-ac34").id == "ac34"
    with pytest.raises(NotFoundError, match="2 jobs begin with 'a'"):
        book.get("a")
    with pytest.raises(NotFoundError, match="no job 'x'"):
        book.get("x")


def test_jobs_of_one_kind_come_in_the_order_they_were_sent(book):
    for number, job_id in enumerate(["z", "y", "x"]):
        when = dt.datetime.now(dt.UTC) - dt.timedelta(hours=number)
        book.remember(record(job_id, created=when))
    book.remember(record("m", kind="mplane", created=dt.datetime.now(dt.UTC)))

    assert [r.id for r in book.records("fastmap")] == ["x", "y", "z"]
    assert len(book.records()) == 4


def test_details_are_changed_one_by_one(book):
    book.remember(record(details={"done": 1, "total": 5}))
    book.update("a1", done=2)

    assert book.get("a1").details == {"done": 2, "total": 5}
    with pytest.raises(NotFoundError):
        book.update("b", done=2)


def test_a_job_that_is_crossed_out_during_a_change_is_not_written_anew(book):
    class CrossedOut(JobBook):
        def get(self, job_id):
            found = super().get(job_id)
            self.forget(job_id)
            return found

    book.remember(record())

    with pytest.raises(NotFoundError, match="crossed out"):
        CrossedOut(book.folder).update("a1", done=2)

    assert book.records() == []


def test_a_finished_job_is_crossed_out(book):
    book.remember(record())
    book.remember(record("a2"))
    book.forget("a1")
    book.forget("a1")

    assert [r.id for r in book.records()] == ["a2"]


def test_the_same_id_of_two_kinds_is_two_jobs(book):
    book.remember(record(kind="fastmap"))
    book.remember(record(kind="mplane"))
    book.forget("mplane-a1")

    assert [r.kind for r in book.records()] == ["fastmap"]


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b'{"id": "a1"}', b'{"id": 1, "kind": "fastmap"}', b"\xff"],
)
def test_a_damaged_file_is_told_and_harms_no_other(book, content):
    book.remember(record("good"))
    (book.folder / "fastmap-bad.json").write_bytes(content)

    assert [r.id for r in book.records()] == ["good"]
    (damaged,) = book.damaged()
    assert damaged.path.name == "fastmap-bad.json"
    assert damaged.reason
    book.forget("bad")
    assert book.damaged() == []


def test_a_file_under_a_wrong_name_is_damaged(book):
    book.remember(record())
    (path,) = book.folder.glob("*.json")
    path.rename(path.with_name("fastmap-other.json"))

    assert book.records() == []
    assert "it holds fastmap-a1" in book.damaged()[0].reason


@pytest.mark.parametrize(
    "wrong",
    [
        {"job_id": ""},
        {"job_id": "../x"},
        {"kind": "two-words"},
        {"kind": ""},
        {"created": dt.datetime(2026, 1, 1)},
        {"url": "http://ann:pw@host/"},
        {"details": {"secret": "x"}},
        {"details": {"api_Password": "x"}},
        {"details": {"when": dt.datetime.now(dt.UTC)}},
        {"details": {"rate": float("nan")}},
        {"details": {"big": "x" * MAX_BYTES}},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_what_cannot_be_a_record_is_refused_where_it_is_made(wrong):
    with pytest.raises(ValueError):
        record(**wrong)


def test_old_records_are_dropped_when_a_new_one_comes(book):
    long_ago = dt.datetime.now(dt.UTC) - dt.timedelta(days=MAX_DAYS + 1)
    book.remember(record("old", created=long_ago))
    book.remember(record("new"))

    assert [r.id for r in book.records()] == ["new"]


def test_many_writers_lose_nothing(book):
    book.remember(record("shared"))

    def write(number):
        mine = JobBook(book.folder)
        for turn in range(10):
            mine.remember(record(f"job{number}", details={"turn": turn}))
            mine.update("shared", **{f"of{number}": turn})

    threads = [threading.Thread(target=write, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert {r.id: r.details for r in book.records() if r.id != "shared"} == {
        f"job{n}": {"turn": 9} for n in range(6)
    }
    assert book.get("shared").details == {f"of{n}": 9 for n in range(6)}
    assert book.damaged() == []
    assert not [p for p in book.folder.iterdir() if p.name.count(".json.")]
