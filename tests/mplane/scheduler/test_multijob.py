"""Repeated scopes: turn after turn, and an end."""

import threading
from datetime import datetime, timedelta

from measuring import Counting, Failing, Gated, Once, capability, specification
from pilothouse.mplane import model
from pilothouse.mplane.model import clock
from pilothouse.mplane.scheduler import MultiJob, Runtime
from pilothouse.mplane.scheduler.workers import Workers
from waiting import until


def multi(service, when, label="again", **options):
    made = specification(service.capability(), when, label=label)
    return MultiJob(service, made, **options)


def values(envelope):
    return [
        row["rtt.us"]
        for result in envelope.messages()
        for row in result.schema_dict_iterator()
    ]


class OneByOne(Once):
    """Ends a turn when the result of the one before it is there."""

    job: MultiJob

    def run(self, specification, check_interrupt):
        result = super().run(specification, check_interrupt)
        number = result.result_column("rtt.us")[0]
        until(lambda: self.job.count_partial == number - 1)
        return result


def test_a_repeated_scope_ends_with_all_its_results():
    service = Once()
    job = multi(service, "repeat now + 1s / 1s")
    job.schedule()

    assert job.wait(60)

    reply = job.get_reply()
    assert isinstance(reply, model.Envelope)
    assert sorted(values(reply)) == [1, 2]
    assert job.finished()
    assert not job.failed()


def test_the_end_waits_for_turns_that_a_busy_machine_has_not_begun():
    service = Once()
    job = multi(service, "repeat now + 2s / 1s")
    job.schedule()

    job._end()  # as its timer does, before the timers of the later turns

    assert job.wait(60)
    assert sorted(values(job.get_reply())) == [1, 2, 3]


def test_the_end_waits_for_turns_that_no_thread_has_begun():
    runtime, gate = Runtime(workers=Workers(1)), threading.Event()
    runtime.workers.submit(lambda: gate.wait(60))
    job = multi(Once(), "repeat now + 1s / 1s", runtime=runtime)
    job.schedule()
    until(lambda: job._is_exhausted)

    job._end()  # as its timer does, where the machine stood still until then
    gate.set()

    assert job.wait(60)
    assert sorted(values(job.get_reply())) == [1, 2]


def test_the_end_does_not_wait_for_ever_for_a_thread(monkeypatch):
    monkeypatch.setattr("pilothouse.mplane.scheduler.multijob._END_SECONDS", 0.01)
    runtime, gate = Runtime(workers=Workers(1)), threading.Event()
    runtime.workers.submit(lambda: gate.wait(60))
    job = multi(Once(), "repeat now + 1s / 1s", runtime=runtime)
    job.schedule()

    assert job.wait(60)
    gate.set()
    assert job.failed()


def test_the_end_leaves_time_to_a_turn_that_has_just_begun(monkeypatch):
    monkeypatch.setattr("pilothouse.mplane.scheduler.multijob._END_SECONDS", 3600)
    service = Counting()
    job = multi(service, "repeat now + 1h / 2h")
    job.schedule()
    assert service.has_rows.wait(60)
    until(lambda: job._is_exhausted)
    (turn,) = job._running

    job._end()
    assert not turn.is_interrupted
    job._timers[-1].fire()  # the next look

    assert job.wait(60)
    assert turn.is_interrupted
    assert next(job.get_reply().messages()).count_result_rows() >= 3


def test_the_envelope_has_token_and_label_of_the_specification_its_results_their_own():
    service = Once()
    job = multi(service, "repeat now + 1s / 1s")
    job.schedule()
    assert job.wait(60)

    reply = job.get_reply()

    assert reply.get_token() == job.receipt.get_token()
    assert reply.get_label() == "again"
    inner = list(reply.messages())
    assert {one.get_label() for one in inner} == {"again"}
    tokens = [one.get_token() for one in inner]
    assert len(set(tokens)) == len(tokens)
    assert reply.get_token() not in tokens


def test_there_is_a_receipt_until_the_first_result():
    service = Gated()
    job = multi(service, "repeat now + 1s / 1s")
    job.schedule()
    assert service.began.wait(60)

    assert isinstance(job.get_reply(), model.Receipt)
    service.gate.set()
    assert job.wait(60)


def test_the_last_so_many_results_are_kept():
    service = OneByOne()
    service.job = job = multi(service, "repeat now + 2s / 1s", max_results=2)
    job.schedule()

    assert job.wait(60)

    assert values(job.get_reply()) == [2, 3]
    assert job.count_partial == 3
    assert values(job.partial(2)) == [3]


def test_two_repeated_measurements_do_not_mix_their_results():
    first, second = Once(capability("a")), Once(capability("b"))
    one = multi(first, "repeat now + 1s / 1s", "one")
    two = multi(second, "repeat now + 1s / 1s", "two")
    one.schedule()
    two.schedule()
    assert one.wait(60)
    assert two.wait(60)

    for job, label in ((one, "one"), (two, "two")):
        labels = [each.get_label() for each in job.get_reply().messages()]
        assert labels == [label] * 2


def test_an_interrupt_stops_the_running_turn_and_all_that_would_follow():
    service = Counting()
    runtime = Runtime()
    job = multi(service, "repeat now + 10h / 1h { now + 30m }", runtime=runtime)
    job.schedule()
    assert service.has_rows.wait(60)

    job.interrupt()

    assert job.wait(60)
    (result,) = job.get_reply().messages()
    assert result.count_result_rows() >= 3
    until(lambda: len(runtime.timers) == 0, what="the end of all timers")
    assert job.count_partial == 1


def test_an_interrupt_cuts_the_scope_that_the_envelope_tells():
    service = Once()
    job = multi(service, "repeat now ... future / 1s")
    job.schedule()
    until(lambda: job.count_partial)

    job.interrupt()
    assert job.wait(60)

    _, end = job.get_reply().when().datetimes()
    assert end is not None
    assert end <= clock.now()


def test_an_interrupt_before_the_first_result_fails():
    start = clock.now() + timedelta(hours=1)
    job = multi(Once(), f"repeat {start} + 1h / 1m")
    job.schedule()

    job.interrupt()

    assert job.failed()
    assert "before the first result" in job.get_reply().errmsg()


def test_a_turn_that_fails_is_one_of_the_results():
    job = multi(Failing(), "repeat now + 1s / 1s")
    job.schedule()
    assert job.wait(60)

    inner = list(job.get_reply().messages())

    assert len(inner) == 2
    assert all(isinstance(one, model.Exception) for one in inner)
    assert job.failed()


def test_a_stale_repeated_scope_is_an_exception():
    job = multi(Once(), "repeat 2016-02-18 12:00:00 + 1h / 1m")
    job.schedule()

    assert job.failed()
    assert "is over" in job.get_reply().errmsg()


def test_the_callback_comes_with_each_result_and_at_the_end():
    told = []
    job = multi(Once(), "repeat now + 1s / 1s", callback=told.append)
    job.schedule()
    assert job.wait(60)

    until(lambda: len(told) >= 2)
    assert set(told) == {job.receipt}


def test_turns_overlap_where_they_last_longer_than_the_period():
    service = Counting()
    job = multi(service, "repeat now + 1s / 1s { now + 2s }")
    job.schedule()
    assert job.wait(60)

    assert len(job.get_reply()) == 2


def test_a_crontab_over_a_change_of_year():
    zero = datetime(2016, 12, 31, 23, 59, 58)
    with clock.frozen(zero):
        service = Once()
        job = multi(service, "repeat now ... future cron 0 0 0 1 * 1")
        job.schedule()
        assert not job.finished()
        with clock.frozen(zero + timedelta(seconds=2)):
            until(lambda: job.count_partial == 1)
        job.interrupt()
        assert job.wait(60)

    start, _ = next(iter(job.get_reply().messages())).when().datetimes()
    assert start.year == 2017


def test_a_machine_that_slept_does_not_catch_up_on_all_turns(monkeypatch):
    monkeypatch.setattr("pilothouse.mplane.scheduler.multijob._LATE_SECONDS", 5.0)
    zero = datetime(2026, 1, 1, 12, 0, 0)
    with clock.frozen(zero):
        service = Once()
        job = multi(service, f"repeat {zero} ... 2026-01-02 12:00:00 / 1s")
        job.schedule()
        until(lambda: job.count_partial == 1)
        with clock.frozen(zero + timedelta(hours=6)):
            until(lambda: job.count_partial >= 2)
            assert not threading.Event().wait(0.3)
            count = job.count_partial
            job.interrupt()
        assert job.wait(60)

    assert count < 20


def test_a_repr_names_the_specification():
    assert repr(multi(Once(), "repeat now + 1s / 1s")).startswith(
        "<MultiJob for <specification: measure (again) when repeat now"
    )
