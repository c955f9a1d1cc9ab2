"""``%pilot jobs``, ``attach``, ``stop``: work of earlier kernels is found again."""

from __future__ import annotations

import datetime as dt

import pytest

from magics.pigeons import LOFT
from pilothouse.errors import (
    ConnectError,
    LineError,
    NotAuthorizedError,
    NotFoundError,
    ServiceError,
)
from pilothouse.jobs import JobBook, JobRecord
from pilothouse.magics._jobs import KINDS

URL = "http://127.0.0.1:1"


@pytest.fixture
def loft(monkeypatch):
    monkeypatch.setitem(KINDS, "pigeon", "magics.pigeons:PIGEONS")
    LOFT.trouble.clear()
    return LOFT


def sent(job_id, **more):
    record = JobRecord(**{"id": job_id, "kind": "pigeon", "url": URL, **more})
    JobBook().remember(record)
    return record


def test_without_jobs_it_says_so(run):
    assert repr(run("%pilot jobs")) == "(no jobs are out there)"


def test_jobs_are_listed_with_what_their_service_says(run, loft):
    earlier = dt.datetime.now(dt.UTC) - dt.timedelta(minutes=5)
    sent("0123456789abcdef", label="to Lyon", created=earlier)

    (row,) = run("%pilot jobs")

    assert row == {
        "job": "01234567",
        "kind": "pigeon",
        "what": "to Lyon",
        "sent": "5 min ago",
        "state": "flies",
        "where": URL,
    }


@pytest.mark.parametrize(
    ("trouble", "said"),
    [
        (ConnectError("nobody listens"), "unreachable: nobody listens"),
        (NotAuthorizedError("no"), "refused: its service wants other credentials"),
        (ServiceError("not now"), "not now"),
        (ZeroDivisionError("oops"), "not known: ZeroDivisionError: oops"),
    ],
    ids=["unreachable", "refused", "odd", "broken"],
)
def test_one_service_in_trouble_leaves_the_other_rows(run, loft, trouble, said):
    sent("a1")
    sent("b2")
    loft.trouble["a1"] = trouble

    states = {row["job"]: row["state"] for row in run("%pilot jobs")}

    assert states == {"a1": said, "b2": "flies"}
    assert len(JobBook().records()) == 2


def test_a_job_that_is_gone_is_said_once_and_crossed_out(run, loft):
    sent("a1")
    loft.trouble["a1"] = NotFoundError("never heard of it")

    assert "gone" in run("%pilot jobs")[0]["state"]
    assert len(run("%pilot jobs")) == 0


def test_a_kind_of_another_release_is_shown_and_can_be_crossed_out(run):
    JobBook().remember(JobRecord(id="z", kind="balloon", url=URL))

    assert "no jobs of the kind 'balloon'" in run("%pilot jobs")[0]["state"]
    assert len(run("%pilot jobs --forget z")) == 0


def test_a_damaged_file_is_told(run):
    sent("a1")
    (path,) = JobBook().folder.glob("*.json")
    path.write_text("{")

    (row,) = run("%pilot jobs")

    assert row["job"] == "pigeon-a1"
    assert "cannot be read" in row["state"]
    assert len(run("%pilot jobs --forget pigeon-a1")) == 0


def test_attach_gives_the_result_and_crosses_the_job_out(run, shell, loft):
    sent("0123456789")

    assert run("%pilot attach 0123 -o found") == "0123456789 is back"
    assert shell.user_ns["found"] == "0123456789 is back"
    assert JobBook().records() == []


def test_attach_can_give_the_handle_alone(run, loft):
    sent("a1")

    handle = run("%pilot attach a1 --detach")

    assert handle.cancel() == "cancelled: a1 is called back"
    assert len(JobBook().records()) == 1


@pytest.mark.parametrize("word", ["attach", "stop"])
def test_what_the_service_knows_no_more_is_crossed_out(run, loft, word):
    sent("a1")
    loft.trouble["a1"] = NotFoundError("never heard of it")

    with pytest.raises(NotFoundError, match="never heard"):
        run(f"%pilot {word} a1")
    assert JobBook().records() == []


def test_a_job_whose_service_is_away_stays_in_the_book(run, loft):
    sent("a1")
    loft.trouble["a1"] = ConnectError("nobody listens")

    with pytest.raises(ConnectError):
        run("%pilot stop a1")
    assert len(JobBook().records()) == 1


def test_stop_says_what_the_service_said(run, loft):
    sent("a1")

    assert repr(run("%pilot stop a1")) == "cancelled: a1 is called back"
    assert JobBook().records() == []


def test_an_unknown_job_is_an_error(run):
    with pytest.raises(NotFoundError, match="no job 'nope'"):
        run("%pilot attach nope")
    with pytest.raises(LineError, match="JOB is missing"):
        run("%pilot stop")


def test_jobs_complete_by_the_shortest_name_that_is_theirs_alone(complete, loft):
    sent("0123456789aa", label="to Lyon")
    sent("0123456789ab")
    sent("ff00ff00ff00")

    found = complete("%pilot attach ")

    assert found["0123456789aa"] == "job: pigeon to Lyon"
    assert {"0123456789ab", "ff00ff00"} <= set(found)
    assert "ff00ff00" in complete("%pilot stop f")
