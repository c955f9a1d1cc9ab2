"""A job: from its receipt to its reply."""

import threading
import time
from datetime import timedelta

import pytest

from measuring import Counting, Failing, Gated, Once, capability, specification
from pilothouse.mplane import model
from pilothouse.mplane.model import clock
from pilothouse.mplane.scheduler import Job, JobState, Runtime, Service
from pilothouse.mplane.scheduler.workers import Workers
from waiting import until


def job_of(service, when="now", **options):
    return Job(service, specification(service.capability(), when), **options)


def end_of(job):
    """Return the timer of the end of a job that runs for an hour."""
    (timer,) = job._timers
    assert 3000 < timer.due - time.monotonic() <= 3600
    return timer


def test_a_job_gives_its_receipt_until_there_is_a_result():
    service = Gated()
    job = job_of(service)
    job.schedule()
    assert service.began.wait(60)
    assert isinstance(job.get_reply(), model.Receipt)
    assert not job.finished()

    service.gate.set()

    assert job.wait(60)
    assert job.finished()
    assert not job.failed()
    result = job.get_reply()
    assert isinstance(result, model.Result)
    assert result.get_token() == job.receipt.get_token()
    assert [row["rtt.us"] for row in result.schema_dict_iterator()] == [1]


def test_a_result_without_scope_says_when_the_service_ran():
    job = job_of(Once())
    before = clock.now()
    job.schedule()
    assert job.wait(60)

    start, end = job.get_reply().when().datetimes()

    assert before <= start <= end <= clock.now()


def test_a_result_with_a_scope_keeps_it():
    class Dated(Once):
        def run(self, specification, check_interrupt):
            result = super().run(specification, check_interrupt)
            result.set_when("2016-02-18 12:00:00 ... 2016-02-18 12:00:01")
            return result

    job = job_of(Dated())
    job.schedule()
    assert job.wait(60)

    assert str(job.get_reply().when()).startswith("2016-02-18 12:00:00")


def test_a_service_that_fails_gives_an_exception_with_token_and_text():
    job = job_of(Failing())
    job.schedule()
    assert job.wait(60)

    reply = job.get_reply()

    assert job.failed()
    assert job.finished()
    assert isinstance(reply, model.Exception)
    assert reply.get_token() == job.receipt.get_token()
    assert reply.errmsg() == "no route to 10.0.37.2"


def test_an_error_without_text_is_told_by_its_name():
    class Silent(Service):
        def run(self, specification, check_interrupt):
            raise RuntimeError

    job = job_of(Silent(capability()))
    job.schedule()
    assert job.wait(60)

    assert job.get_reply().errmsg() == "RuntimeError"


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt("stop")])
def test_a_service_that_wants_to_end_the_process_ends_its_job_only(error):
    class Leaving(Service):
        def run(self, specification, check_interrupt):
            raise error

    job = job_of(Leaving(capability()))
    job.schedule()

    assert job.wait(60)
    assert job.failed()


def test_a_service_that_returns_no_result_fails():
    class Forgetful(Service):
        def run(self, specification, check_interrupt):
            return None

    job = job_of(Forgetful(capability()))
    job.schedule()
    assert job.wait(60)

    assert "returned NoneType, not a Result" in job.get_reply().errmsg()


def test_a_service_without_run_says_so():
    job = job_of(Service(capability()))
    job.schedule()
    assert job.wait(60)

    assert "has no run" in job.get_reply().errmsg()


def test_an_interrupt_stops_a_service_and_keeps_its_rows():
    service = Counting()
    job = job_of(service)
    job.schedule()
    assert service.has_rows.wait(60)

    job.interrupt()

    assert job.wait(60)
    assert job.is_interrupted
    assert job.get_reply().count_result_rows() >= 3


def test_an_interrupt_wakes_a_service_that_pauses():
    service = Counting(pause=60)
    job = job_of(service)
    job.schedule()
    until(lambda: job.count_partial == 1)

    job.interrupt()

    assert job.wait(60)
    assert job.get_reply().count_result_rows() == 1


def test_reported_rows_can_be_seen_before_the_end():
    service = Counting()
    job = job_of(service)
    job.schedule()
    assert service.has_rows.wait(60)

    part = job.partial()
    rest = job.partial(first=2)
    job.interrupt()

    values = [row["rtt.us"] for row in part.schema_dict_iterator()]
    assert values == list(range(len(values)))
    assert next(rest.schema_dict_iterator())["rtt.us"] == 2
    assert part.get_token() == job.receipt.get_token()
    part.validate()


def test_a_part_does_not_change_when_the_service_goes_on():
    service = Counting()
    job = job_of(service)
    job.schedule()
    assert service.has_rows.wait(60)
    part = job.partial()
    count = part.count_result_rows()

    until(lambda: job.count_partial > count + 2)
    job.interrupt()

    assert part.count_result_rows() == count


def test_rows_survive_a_failure():
    job = job_of(Failing(rows=3))
    job.schedule()
    assert job.wait(60)

    assert job.failed()
    assert job.partial().count_result_rows() == 3


def test_a_service_that_fails_at_an_interrupt_gives_the_rows_it_reported():
    class Fragile(Counting):
        def run(self, specification, check_interrupt):
            super().run(specification, check_interrupt)
            raise OSError("the tool was killed")

    service = Fragile()
    job = job_of(service)
    job.schedule()
    assert service.has_rows.wait(60)

    job.interrupt()

    assert job.wait(60)
    assert job.get_reply().count_result_rows() >= 3


def test_a_deaf_service_is_left_behind_with_the_rows_it_reported(monkeypatch):
    monkeypatch.setattr("pilothouse.mplane.scheduler.job._ASKED_SECONDS", 0.1)

    class Deaf(Gated):
        def run(self, specification, check_interrupt):
            result = model.Result(specification=specification)
            result.set_result_value("rtt.us", 7)
            check_interrupt.report(result)
            return super().run(specification, check_interrupt)

    service = Deaf()
    job = job_of(service)
    job.schedule()
    assert service.began.wait(60)

    job.interrupt()
    assert job.wait(60)
    reply = job.get_reply()
    service.gate.set()

    assert [row["rtt.us"] for row in reply.schema_dict_iterator()] == [7]
    assert job.get_reply() is reply


def test_a_job_that_has_not_begun_ends_at_an_interrupt():
    service = Once()
    start = clock.now() + timedelta(hours=1)
    job = job_of(service, f"{start} + 1m")
    job.schedule()
    assert job.state is JobState.SCHEDULED

    job.interrupt()

    assert job.finished()
    assert job.failed()
    assert "before the measurement began" in job.get_reply().errmsg()
    assert service.runs == 0


def test_the_end_of_the_scope_interrupts():
    service = Counting()
    job = job_of(service, "now + 1h")
    job.schedule()
    assert service.has_rows.wait(60)

    end_of(job).fire()

    assert job.wait(60)
    assert not job.is_interrupted
    assert job.get_reply().count_result_rows() >= 3


def test_a_scope_of_now_has_no_end():
    service = Counting()
    job = job_of(service, "now")
    job.schedule()
    assert service.has_rows.wait(60)

    assert not job.finished()
    job.interrupt()
    assert job.wait(60)


def test_a_job_begins_at_its_time():
    service = Once()
    zero = clock.now()
    start = zero + timedelta(seconds=10)
    with clock.frozen(zero):
        job = job_of(service, f"{start} + 1h")
        job.schedule()
        assert job.state is JobState.SCHEDULED
        assert not job.wait(0.1)

        with clock.frozen(start):
            assert job.wait(60)

    assert job.began == start
    assert not job.failed()


def test_a_stale_specification_is_answered_with_an_exception():
    service = Once()
    job = job_of(service, "2016-02-18 12:00:00 + 1m")

    job.schedule()

    assert job.failed()
    assert "is over" in job.get_reply().errmsg()
    assert service.runs == 0


def test_a_query_runs_at_once_whatever_its_scope():
    made = model.Capability(verb="query", label="past", when="past ... now")
    made.add_parameter("destination.ip4")
    made.add_result_column("rtt.us")
    service = Once(made)
    job = job_of(service, "2016-02-18 12:00:00 ... 2016-02-18 13:00:00")

    job.schedule()

    assert job.wait(60)
    assert not job.failed()


def test_a_clock_that_jumps_past_the_scope_ends_the_job():
    service = Once()
    start = clock.now() + timedelta(hours=1)
    job = job_of(service, f"{start} + 1m")
    job.schedule()
    later = start + timedelta(hours=1)

    with clock.frozen(later):
        assert job.wait(60)

    assert job.failed()
    assert "was over" in job.get_reply().errmsg()


def test_a_clock_that_jumps_into_the_scope_begins_the_job():
    service = Once()
    start = clock.now() + timedelta(hours=1)
    job = job_of(service, f"{start} + 1h")
    job.schedule()

    with clock.frozen(start + timedelta(minutes=1)):
        assert job.wait(60)

    assert not job.failed()


def test_a_duration_does_not_follow_the_wall_clock():
    service = Counting()
    job = job_of(service, "now + 1h")
    job.schedule()
    assert service.has_rows.wait(60)

    with clock.frozen(clock.now() - timedelta(days=1)):
        timer = end_of(job)
        assert not timer.is_wall
        timer.fire()
        assert job.wait(60)

    assert not job.failed()


def test_the_callback_gets_the_receipt_when_the_reply_is_there():
    told = []
    done = threading.Event()
    service = Once()
    replies = []

    def callback(receipt):
        told.append(receipt)
        replies.append(job.get_reply())
        done.set()

    job = job_of(service, callback=callback, session="mine")
    job.schedule()

    assert done.wait(60)
    assert told == [job.receipt]
    assert isinstance(replies[0], model.Result)
    assert job.session == "mine"


def test_a_callback_that_fails_harms_nobody(caplog):
    def callback(receipt):
        raise RuntimeError("no")

    job = job_of(Once(), callback=callback)
    job.schedule()

    assert job.wait(60)
    until(lambda: "the callback" in caplog.text)
    assert not job.failed()


def test_who_watches_is_told_of_rows_and_of_the_end():
    service = Counting()
    job = job_of(service)
    counts = []
    job.on_change(lambda: counts.append(job.count_partial))
    job.schedule()
    assert service.has_rows.wait(60)
    job.interrupt()
    assert job.wait(60)

    assert counts[:3] == [1, 2, 3]


def test_a_wish_can_be_taken_back():
    told = []
    job = job_of(Once())
    forget = job.on_change(lambda: told.append(1))
    forget()
    job.schedule()
    assert job.wait(60)

    assert told == []


def test_without_a_free_thread_before_the_end_there_is_an_exception():
    runtime = Runtime(workers=Workers(1))
    busy = Gated()
    first = job_of(busy, runtime=runtime)
    first.schedule()
    assert busy.began.wait(60)

    second = job_of(Once(), "now + 1s", runtime=runtime)
    second.schedule()

    assert second.wait(60)
    assert "no thread was free" in second.get_reply().errmsg()
    busy.gate.set()
    assert first.wait(60)


def test_threads_do_not_keep_the_process():
    service = Gated()
    job = job_of(service)
    job.schedule()
    assert service.began.wait(60)

    ours = [t for t in threading.enumerate() if t.name.startswith("mplane-")]

    assert ours
    assert all(thread.daemon for thread in ours)
    service.gate.set()


def test_a_repr_names_the_specification():
    job = job_of(Once())

    assert repr(job).startswith("<Job for <specification: measure (once)")
    assert repr(job.service).startswith("<Service for <capability: measure (once)")
