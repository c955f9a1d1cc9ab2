"""A client that goes to its components; real ones, on loopback."""

import asyncio
import contextlib
import json
import socket
import threading
import time

import pytest

from measuring import ADDRESS, Counting, Failing, Gated, Once, capability, specification
from pilothouse.errors import (
    ConnectError,
    NotAuthorizedError,
    ProtocolError,
    RemoteError,
)
from pilothouse.mplane import model
from pilothouse.mplane.client import HttpInitiatorClient
from pilothouse.mplane.component import ListenerHttpComponent, serve
from pilothouse.mplane.exchange import Answered, post
from pilothouse.mplane.measurement import MeasurementState
from pilothouse.mplane.media import MEDIA_TYPE
from pilothouse.mplane.tls import TlsState
from scripted_peer import Scripted
from waiting import until

VALUES = {"destination.ip4": ADDRESS}


@pytest.fixture
def client():
    with HttpInitiatorClient() as made:
        yield made


def known(client, *services, **options):
    """Return a component of some services, which the client has discovered."""
    served = serve(list(services), **{"immediate_seconds": 60} | options)
    client.retrieve_capabilities(served.url)
    return served


@pytest.fixture
def scripted():
    made = Scripted()
    yield made
    made.close()


@pytest.fixture
def other():
    made = Scripted()
    yield made
    made.close()


# discovery


@pytest.mark.parametrize("path", ["", "capability", "capabilities"])
def test_capabilities_are_found(client, path):
    services = [
        Once(capability("one")),
        Once(capability("two", column="packets.lost")),
    ]
    with serve(services) as served:
        tokens = client.retrieve_capabilities(served.url + path)

    assert client.capability_labels() == ("one", "two")
    assert client.capability_tokens() == tuple(tokens)
    assert client.default_url == served.url + path


def test_one_capability_is_found_by_its_own_url(client):
    service = Once()
    with serve(service) as served:
        token = service.capability().get_token()
        assert client.retrieve_capabilities(f"{served.url}capability/{token}") == [
            token
        ]


def test_a_page_of_links_is_followed_to_other_hosts_too(client, scripted, other):
    scripted.page(
        "/capability", "/capability/1", f"{other.url}capability/2", "mailto:x"
    )
    scripted.message("/capability/1", capability("one"))
    other.message("/capability/2", capability("two", column="packets.lost"))

    client.retrieve_capabilities(scripted.url + "capability")

    assert client.capability_labels() == ("one", "two")
    assert other.paths == ["GET /capability/2"]


def test_a_page_that_links_to_itself_ends(client, scripted):
    scripted.page("/capability", "/capability", "/capability/more")
    scripted.page("/capability/more", "/capability", "../capability/more")

    assert client.retrieve_capabilities(scripted.url + "capability") == []
    assert len(scripted.paths) == 2


def test_a_link_that_is_broken_does_not_hide_the_others(client, scripted, closed_port):
    scripted.page(
        "/capability", "/gone", f"http://127.0.0.1:{closed_port}/", "/capability/1"
    )
    scripted.message("/capability/1", capability("one"))

    client.retrieve_capabilities(scripted.url + "capability")

    assert client.capability_labels() == ("one",)


def test_two_hundred_capabilities(client):
    services = []
    for number in range(200):
        made = capability(f"cap-{number}")
        made.add_metadata("measurement.identifier", str(number))
        services.append(Once(made))
    with serve(services) as served:
        client.retrieve_capabilities(served.url + "capability")

    assert len(client.capability_tokens()) == 200
    assert client.capability_for("cap-137")


def test_a_withdrawal_that_is_fetched_takes_the_capability_back(client):
    service = Once()
    with known(client, service) as served:
        assert client.capability_labels() == ("once",)
        served.remove_service(service)

        client.retrieve_capabilities(served.url)

        assert client.capability_labels() == ()


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ((404, "text/html", b"no"), RemoteError),
        ((403, "text/html", b"no"), NotAuthorizedError),
        ((200, "application/json", b"{}"), ProtocolError),
        ((200, MEDIA_TYPE, b"{}"), ProtocolError),
        ((200, MEDIA_TYPE, b"\xff"), ProtocolError),
    ],
)
def test_what_is_no_component_is_told(client, scripted, answer, error):
    scripted.answers["GET /capability"] = answer

    with pytest.raises(error):
        client.retrieve_capabilities(scripted.url + "capability")


def test_nobody_there_is_told(client, closed_port):
    with pytest.raises(ConnectError):
        client.retrieve_capabilities(f"http://127.0.0.1:{closed_port}/")


@pytest.mark.parametrize("url", ["", "http://", "ftp://a/"])
def test_what_is_no_url_is_told(client, url):
    with pytest.raises(ValueError):
        client.retrieve_capabilities(url)
    with pytest.raises(ValueError):
        client.set_default_url(url)


def test_a_type_with_parameters_is_read(client, scripted):
    scripted.message("/", capability("one"), parameters="; charset=utf-8")

    client.retrieve_capabilities(scripted.url)

    assert client.capability_labels() == ("one",)


# asking as the document does


def test_an_immediate_result_is_there_after_the_call(client):
    with known(client, Once()):
        made = client.invoke_capability("once", "now", VALUES)

        result = client.result_for("once-0")

    assert isinstance(result, model.Result)
    assert result.get_token() == made.get_token()
    assert client.result_labels() == ("once-0",)
    assert client.receipt_tokens() == ()


def test_labels_count_over_all_capabilities(client):
    services = [Once(capability("a")), Once(capability("b", column="packets.lost"))]
    with known(client, *services):
        labels = [
            client.invoke_capability(name, "now", VALUES, relabel).get_label()
            for name, relabel in (("a", None), ("b", "mine"), ("b", None))
        ]

    assert labels == ["a-0", "mine", "b-1"]


def test_a_capability_without_label_lends_its_token(client):
    service = Once(capability(None))
    token = service.capability().get_token()
    with known(client, service):
        assert (
            client.invoke_capability(token, "now", VALUES).get_label() == f"{token}-0"
        )


@pytest.mark.parametrize(
    ("when", "values", "error", "told"),
    [
        ("now", {}, KeyError, "missing parameter destination.ip4"),
        ("now", {"destination.ip4": "nonsense"}, ValueError, "nonsense"),
        ("2016-02-18", VALUES, ValueError, "follow"),
        ("someday", VALUES, ValueError, "someday"),
    ],
)
def test_a_wrong_specification_is_not_sent(client, when, values, error, told):
    service = Once()
    with known(client, service):
        for call in (client.invoke_capability, client.run):
            with pytest.raises(error, match=told):
                call("once", when, values)

    assert service.runs == 0


def test_an_address_of_the_other_kind_is_not_asked_for(client):
    service = Once()
    with known(client, service), pytest.raises(ValueError, match="no IPv4 address"):
        client.run("once", "now", {"destination.ip4": "::1"})

    assert service.runs == 0


def test_a_scope_that_lacks_is_now_where_the_capability_takes_that(client):
    periodic = Once(capability("each", "now ... future / 2s", "packets.lost"))
    with known(client, Once(), periodic):
        assert str(client.run("once", params=VALUES).specification.when()) == "now"
        with pytest.raises(ValueError, match="now \\+ 10s / 2s"):
            client.run("each", params=VALUES)


def test_values_that_no_parameter_takes_are_passed_over_when_asked_so(client):
    with known(client, Once()):
        client.invoke_capability("once", "now", VALUES | {"source.ip4": "10.0.0.1"})

        with pytest.raises(KeyError, match=r"no parameter source\.ip4"):
            client.run("once", "now", VALUES | {"source.ip4": "10.0.0.1"})


def test_a_parameter_with_one_value_cannot_have_another(client):
    made = capability("fixed")
    made.parameter("destination.ip4").set_constraint("10.0.0.1")
    service = Once(made)
    with known(client, service):
        result = client.run("fixed", "now", {"destination.ip4": "10.0.0.1"}).result(60)
        client.invoke_capability("fixed", "now", {"destination.ip4": "10.0.0.2"})
        with pytest.raises(ValueError, match=r"10\.0\.0\.2"):
            client.run("fixed", "now", {"destination.ip4": "10.0.0.2"})

    assert str(result.get_parameter_value("destination.ip4")) == "10.0.0.1"


def test_a_slow_result_is_redeemed_when_it_is_asked_for(client):
    service = Gated()
    with known(client, service, immediate_seconds=0.05) as served:
        client.invoke_capability("gated", "now", VALUES)
        assert isinstance(client.result_for("gated-0"), model.Receipt)
        assert client.receipt_labels() == ("gated-0",)
        (job,) = served.scheduler.jobs.values()
        service.gate.set()
        assert job.wait(60)

        found = client.result_for("gated-0")

    assert isinstance(found, model.Result)
    assert client.receipt_labels() == ()


def test_a_slow_result_comes_in_the_background_too(client):
    service = Gated()
    with known(client, service, immediate_seconds=0.05):
        client.invoke_capability("gated", "now", VALUES)
        assert client.receipt_labels() == ("gated-0",)
        service.gate.set()

        until(lambda: client.result_labels() == ("gated-0",))

        assert isinstance(client.result_for("gated-0"), model.Result)


def test_a_failure_is_kept_under_the_label_of_the_specification(client):
    with known(client, Failing()):
        client.invoke_capability("fails", "now", VALUES)

    assert client.result_for("fails-0").errmsg() == "no route to 10.0.37.2"


def test_a_direct_refusal_is_kept_under_the_label_too(client):
    service = Once()
    with known(client, service) as served:
        service.capability().set_when("now ... future / 1s")
        served.scheduler.services[0].capability()

        client.invoke_capability("once", "now", VALUES)

    found = client.result_for("once-0")
    assert found.errmsg() == "No service registered for specification"


def test_an_interrupt_by_label(client):
    service = Counting()
    with known(client, service, immediate_seconds=0.05):
        client.invoke_capability("count", "now", VALUES)
        assert service.has_rows.wait(60)

        client.interrupt_capability("count-0")

        until(lambda: client.result_labels())
        assert client.result_for("count-0").count_result_rows() >= 3
        with pytest.raises(KeyError):
            client.interrupt_capability("nothing")


def test_messages_go_to_the_link_of_the_capability(client, scripted):
    service = Once()
    with serve(service) as served:
        made = model.Capability(dictval=service.capability().to_dict())
        made.set_link(served.url)
        scripted.message("/capability", made)
        client.retrieve_capabilities(scripted.url + "capability")

        result = client.run("once", "now", VALUES).result(60)

    assert isinstance(result, model.Result)
    assert scripted.paths == ["GET /capability"]


def test_an_empty_link_is_where_the_capability_came_from(client, scripted):
    made = capability("once")
    made.set_link("")
    scripted.message("/capability", made)
    client.retrieve_capabilities(scripted.url + "capability")
    scripted.message("/", model.Exception(errmsg="x"), "POST")

    client.invoke_capability("once", "now", VALUES)

    assert scripted.paths[-1] == "POST /"


def test_a_default_url_that_was_chosen_wins_over_an_empty_link(client, scripted, other):
    made = capability("once")
    scripted.message("/capability", made)
    other.message("/here", model.Exception(errmsg="x"), "POST")
    client.retrieve_capabilities(scripted.url + "capability")

    client.set_default_url(other.url + "here")
    client.invoke_capability("once", "now", VALUES)

    assert other.paths == ["POST /here"]


def test_without_any_place_nothing_is_sent(client):
    client.handle_message(capability("once"))

    with pytest.raises(ValueError, match="no default URL"):
        client.run("once", "now", VALUES)
    with pytest.raises(ValueError, match="no default URL"):
        client.send_message(model.Envelope())


def test_send_message_takes_the_answer_in(client):
    service = Once()
    with serve(service, immediate_seconds=60) as served:
        made = specification(service.capability(), label="mine")
        answer = client.send_message(made, served.url)

    assert isinstance(answer, model.Result)
    assert client.result_for("mine") is answer


def test_a_refusal_by_status_is_raised(client, scripted):
    scripted.message("/capability", capability("once"))
    client.retrieve_capabilities(scripted.url + "capability")
    refusal = model.Exception(errmsg="we are closed")
    scripted.message("/", refusal, "POST", 403)

    with pytest.raises(NotAuthorizedError, match="we are closed"):
        client.run("once", "now", VALUES)
    assert client.measurements() == []


# handles


def test_a_run_gives_a_handle_and_the_handle_a_result(client):
    with known(client, Once()):
        handle = client.run("once", "now", VALUES, "mine")

        result = handle.result(60)

    assert isinstance(result, model.Result)
    assert handle.state is MeasurementState.FINISHED
    assert handle.is_over
    assert handle.label == "mine"
    assert handle.token == result.get_token()
    assert handle.capability.get_label() == "once"
    assert handle.specification.get_token() == handle.token
    assert handle.outcome == "finished: 1 row"
    assert repr(handle) == "<Measurement mine: finished: 1 row>"
    assert handle.rows == 1


@pytest.mark.usefixtures("patient")
def test_rows_are_seen_while_they_come(client):
    service = Counting()
    counts = []
    with known(client, service):
        handle = client.run("count", "now + 60s", VALUES)
        handle.on_change(lambda m: counts.append(m.rows))
        until(lambda: handle.rows >= 3)
        part = handle.partial()
        assert handle.state is MeasurementState.RUNNING
        until(lambda: handle.rows > part.count_result_rows())

        told = handle.cancel()

    assert told.startswith("interrupted: the component confirmed, ")
    assert handle.state is MeasurementState.INTERRUPTED
    values = [row["rtt.us"] for row in handle.result().schema_dict_iterator()]
    assert values == list(range(len(values)))
    assert counts == sorted(counts)
    rows = [row["rtt.us"] for row in part.schema_dict_iterator()]
    assert rows == values[: len(rows)]


@pytest.mark.usefixtures("patient")
def test_cancelling_is_quick(client):
    service = Counting(pause=30)
    with known(client, service):
        handle = client.run("count", "now + 1h", VALUES)
        until(lambda: handle.rows == 1)
        began = time.monotonic()
        told = handle.cancel()
        took = time.monotonic() - began

    assert took < 20
    assert told == "interrupted: the component confirmed, 1 row"


def test_cancelling_says_when_the_service_goes_on(client, monkeypatch):
    service = Gated()
    interrupt = client.interrupt
    monkeypatch.setattr(client, "interrupt", lambda m, _: interrupt(m, 60.0))
    with known(client, service) as served:
        handle = client.run("gated", "now + 1h", VALUES)
        assert service.began.wait(60)
        began = time.monotonic()

        told = handle.cancel()

        assert time.monotonic() - began < 20
        assert "has not stopped yet" in told
        assert not handle.is_over
        service.gate.set()
        assert handle.wait(60)
        assert handle.state is MeasurementState.INTERRUPTED
        served.close()


def test_a_redemption_that_brings_the_rows_first_was_interrupted(client, monkeypatch):
    service = Counting()
    with known(client, service) as served:
        handle = client.run("count", "now + 1h", VALUES)
        assert service.has_rows.wait(60)
        (job,) = served.scheduler.jobs.values()

        def post_and_be_late(tls, url, message, **options):
            answered = post(tls, url, message, **options | {"timeout": 60})
            if isinstance(message, model.Interrupt):
                assert job.wait(60)
                client.handle_message(job.get_reply(), None)
            return answered

        monkeypatch.setattr(
            "pilothouse.mplane.client.redemption.post", post_and_be_late
        )
        with client._redeeming.setdefault(handle.token, threading.Lock()):
            client.interrupt(handle, 0.1)  # it does not get its turn

    assert handle.state is MeasurementState.INTERRUPTED
    assert handle.result().count_result_rows() >= 3


def test_cancelling_says_when_nobody_answers(client):
    with known(client, Counting()) as served, Proxy(served.port) as proxy:
        handle = through(client, proxy, "count")
        proxy.cut()

        told = handle.cancel()

    assert told.startswith("not confirmed: count-0 may go on")


def test_a_failure_is_raised_with_its_text_and_leaves_the_rows(client):
    service = Failing(rows=2)
    with known(client, service):
        handle = client.run("fails", "now", VALUES)
        with pytest.raises(RemoteError, match="no route to"):
            handle.result(60)

    assert handle.state is MeasurementState.FAILED
    assert "no route to" in handle.outcome


def test_rows_before_a_late_failure_are_kept(client):
    gate = threading.Event()

    class Late(Failing):
        def run(self, specification, check_interrupt):
            report = check_interrupt.report

            class Waiting:
                def report(self, result):
                    report(result)
                    assert gate.wait(60)

            return super().run(specification, Waiting())

    with known(client, Late(capability("late"), rows=3)):
        handle = client.run("late", "now", VALUES)
        until(lambda: handle.rows == 3)
        gate.set()
        assert handle.wait(60)

    assert handle.state is MeasurementState.FAILED
    assert handle.partial().count_result_rows() == 3


def test_a_withdrawn_capability_fails_the_measurement(client):
    service = Once()
    with known(client, service) as served:
        served.remove_service(service)
        handle = client.run("once", "now", VALUES)

    assert handle.state is MeasurementState.FAILED
    assert "no more" in handle.outcome
    assert client.capability_labels() == ()


def test_waiting_has_an_end(client):
    service = Gated()
    with known(client, service):
        handle = client.run("gated", "now + 1h", VALUES)
        assert not handle.wait(0.05)
        with pytest.raises(TimeoutError, match="not over within"):
            handle.result(0.05)
        service.gate.set()


@pytest.mark.usefixtures("patient")
def test_a_measurement_that_is_to_come_is_scheduled(client):
    start = model.clock.now() + model.parse_dur("1h")
    with known(client, Counting()):
        handle = client.run("count", f"{start} + 10s", VALUES)
        assert handle.state is MeasurementState.SCHEDULED
        assert handle.starts.replace(tzinfo=None) == start
        assert (handle.ends - handle.starts).total_seconds() == 10

        handle.cancel()

    assert handle.state is MeasurementState.INTERRUPTED
    with pytest.raises(RemoteError, match="before the measurement began"):
        handle.result()


def test_a_repeated_measurement_gives_its_results_one_by_one(client):
    with known(client, Once()):
        handle = client.run("once", "repeat now + 1s / 1s", VALUES)

        values = [next(one.schema_dict_iterator())["rtt.us"] for one in handle]

        assert handle.wait(60)
        until(lambda: client.receipt_tokens() == ())
    assert sorted(values) == [1, 2]  # on a busy machine one turn may overtake another
    assert len(handle.result()) == 2
    assert handle.state is MeasurementState.FINISHED


def test_turns_that_outlast_the_scope_come_too(client):
    with known(client, Counting()):
        handle = client.run("count", "repeat now + 1s / 1s { now + 1s }", VALUES)

        assert handle.wait(60)

    assert len(handle.result()) == 2


def test_turns_that_fail_are_told(client):
    with known(client, Failing()):
        handle = client.run("fails", "repeat now + 1s / 1s", VALUES)
        assert handle.wait(60)

    assert handle.failures == ["no route to 10.0.37.2"] * 2
    assert handle.partial() is None


@pytest.mark.usefixtures("patient")
def test_an_interrupted_repetition_keeps_its_results(client):
    with known(client, Once()):
        handle = client.run("once", "repeat now ... future / 1s", VALUES)
        until(lambda: handle.rows >= 1)

        told = handle.cancel()

    assert told.startswith("interrupted: the component confirmed")
    assert handle.state is MeasurementState.INTERRUPTED
    assert len(handle.result()) >= 1


def test_an_interrupted_repetition_waits_for_the_turn_that_runs(client):
    class OnceThenGated(Gated):
        def run(self, specification, check_interrupt):
            if self.runs:
                return super().run(specification, check_interrupt)
            self.runs += 1
            return Once(self.capability()).run(specification, check_interrupt)

    service = OnceThenGated()
    with known(client, service):
        handle = client.run("gated", "repeat now ... future / 1s", VALUES)
        until(lambda: handle.rows == 1)
        assert service.began.wait(60)

        told = client.interrupt(handle, 60.0)

        assert "has not stopped yet" in told
        service.gate.set()
        client.hurry(handle)
        assert handle.wait(60)

    assert handle.state is MeasurementState.INTERRUPTED
    assert len(handle.result()) >= 2


class FailingLate(Gated):
    """Reports a row, and fails when its gate is opened."""

    def run(self, specification, check_interrupt):
        result = model.Result(specification=specification)
        result.set_result_value("rtt.us", 1)
        check_interrupt.report(result)
        super().run(specification, check_interrupt)
        raise OSError("no route")


def test_a_failure_is_filed_when_it_is_told(client):
    service = FailingLate()
    found = []
    with known(client, service):
        handle = client.run("gated", "now", VALUES)
        until(lambda: handle.rows)

        def look(measurement):
            if measurement.is_over:
                found.append((client.result_tokens(), client.receipt_tokens()))

        handle.on_change(look)
        service.gate.set()
        assert handle.wait(60)
        until(lambda: found)

    assert found[0] == ((handle.token,), ())
    assert handle.state is MeasurementState.FAILED
    assert handle.partial().count_result_rows() == 1


def test_a_failure_that_does_not_tell_its_token_is_of_what_was_redeemed(client):
    service = Gated()
    with known(client, service):
        handle = client.run("gated", "now", VALUES)
        envelope = model.Envelope()
        envelope.append_message(model.Exception(errmsg="no route"))

        client._take_partial(handle.token, handle, Answered(envelope, partial_first=0))

        assert handle.state is MeasurementState.FAILED
        assert client.result_tokens() == (handle.token,)
        service.gate.set()


def test_a_handle_can_be_awaited(client):
    async def main():
        return await client.run("once", "now", VALUES)

    with known(client, Once()):
        assert isinstance(asyncio.run(main()), model.Result)


def test_who_gives_up_awaiting_is_not_held_up_until_the_end(client):
    async def main():
        handle = client.run("count", "now + 60s", VALUES)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await handle
        return handle

    with known(client, Counting()):
        handle = asyncio.run(main())  # waits for the threads of its executor
        assert not handle.is_over
        handle.cancel()


def test_a_detached_handle_ends_the_await(client):
    async def main():
        handle = client.run("count", "now + 1h", VALUES)
        asyncio.get_running_loop().call_later(0.1, handle.detach)
        await handle

    with known(client, Counting()), pytest.raises(RemoteError, match="detached"):
        asyncio.run(main())


@pytest.mark.usefixtures("patient")
def test_two_measurements_at_once_do_not_mix(client):
    service = Counting()
    with known(client, service):
        handles = [
            client.run("count", "now + 1h", {"destination.ip4": f"10.0.0.{n}"})
            for n in range(5)
        ]
        until(lambda: all(handle.rows >= 1 for handle in handles))
        for handle in handles:
            handle.cancel()

    addresses = [
        str(handle.result(60).get_parameter_value("destination.ip4"))
        for handle in handles
    ]
    assert addresses == [f"10.0.0.{n}" for n in range(5)]


def test_one_thread_redeems_for_all(client):
    before = set(threading.enumerate())
    with known(client, Counting()):
        handles = [
            client.run("count", "now + 1h", {"destination.ip4": f"10.0.0.{n}"})
            for n in range(4)
        ]
        new = [thread.name for thread in set(threading.enumerate()) - before]
        for handle in handles:
            handle.cancel()

    assert new.count("mplane-redeemer") == 1


# after an interruption


@pytest.mark.usefixtures("patient")
def test_a_detached_measurement_goes_on_and_can_be_taken_up(client):
    service = Counting()
    with known(client, service):
        handle = client.run("count", "now + 1h", VALUES, "mine")
        saved = json.loads(json.dumps(handle.saved()))
        told = handle.detach()
        assert told.startswith("detached")
        assert not handle.wait(0)
        with pytest.raises(RemoteError, match="detached"):
            handle.result(0.1)

        with HttpInitiatorClient() as later:
            again = later.attach(saved)
            until(lambda: again.rows >= 3)
            assert again.label == "mine"
            assert again.state is MeasurementState.RUNNING
            assert again.starts == handle.starts
            assert again.ends == handle.ends
            assert again.cancel().startswith("interrupted: the component confirmed")
            assert again.result().count_result_rows() >= 3


@pytest.mark.parametrize("form", ["text", "receipt"])
def test_a_receipt_is_enough_to_take_it_up(client, form):
    with known(client, Counting(), immediate_seconds=0.05) as served:
        client.invoke_capability("count", "now", VALUES)
        receipt = client.result_for("count-0")
        given = model.unparse_json(receipt) if form == "text" else receipt
        with HttpInitiatorClient() as later:
            with pytest.raises(ValueError, match="give url"):
                later.attach(given)
            handle = later.attach(given, served.url)
            until(lambda: handle.rows)
            handle.cancel()


def test_what_is_no_receipt_cannot_be_taken_up(client):
    made = capability()

    with pytest.raises(ValueError, match="receipt"):
        client.attach(model.unparse_json(made), "http://127.0.0.1:1/")


def test_a_measurement_that_is_running_is_taken_up_once(client):
    with known(client, Counting()):
        handle = client.run("count", "now + 1h", VALUES)
        assert client.attach(handle.saved()) is handle
        handle.detach()
        again = client.attach(handle.saved())
        assert again is not handle
        until(lambda: again.rows)
        again.cancel()


def through(client, proxy, label):
    """Run something for an hour, and watch it through a proxy."""
    first = client.run(label, "now + 1h", VALUES)
    first.detach()
    return client.attach(first.saved(), f"http://127.0.0.1:{proxy.port}/")


def test_a_component_that_was_restarted_has_lost_the_measurement(client):
    first, second = known(client, Counting()), serve(Counting())
    with Proxy(first.port) as proxy:
        handle = through(client, proxy, "count")
        until(lambda: handle.rows)
        proxy.cut()
        until(lambda: handle.state is MeasurementState.LOST)
        assert not handle.is_over
        assert handle.trouble
        proxy.mend(second.port)

        assert handle.wait(60)

    assert handle.state is MeasurementState.LOST
    assert handle.is_over
    with pytest.raises(RemoteError, match="does not know this measurement"):
        handle.result()
    assert handle.partial().count_result_rows() >= 1
    first.close()
    second.close()


@pytest.mark.usefixtures("patient")
def test_a_component_that_comes_back_in_time_has_the_result(client):
    with known(client, Counting()) as served, Proxy(served.port) as proxy:
        handle = through(client, proxy, "count")
        until(lambda: handle.rows)
        proxy.cut()
        until(lambda: handle.state is MeasurementState.LOST)
        proxy.mend()
        until(lambda: handle.state is MeasurementState.RUNNING)
        assert handle.trouble == ""

        handle.cancel()

        assert handle.result(60).count_result_rows() >= 1


def test_a_component_that_stops_hands_over_the_rows(client, monkeypatch):
    served_by = "pilothouse.mplane.component"
    monkeypatch.setattr(f"{served_by}.listener._MOMENT_SECONDS", 60.0)
    monkeypatch.setattr(f"{served_by}.served._STOP_SECONDS", 60.0)
    monkeypatch.setattr(ListenerHttpComponent.stop, "__defaults__", (60.0,))
    service = Counting()
    with known(client, service) as served:
        handle = client.run("count", "now + 1h", VALUES)
        assert service.has_rows.wait(60)
        served.close()

    assert handle.wait(60)
    assert handle.result().count_result_rows() >= 3


def test_closing_detaches_what_is_not_over(client):
    with known(client, Counting()):
        handle = client.run("count", "now + 1h", VALUES)

        client.close()

        assert handle.is_detached
        assert not handle.wait(1)


@pytest.mark.parametrize("is_closed", [True, False])
def test_the_result_of_what_was_left_stays_at_its_component(client, is_closed):
    service = Gated()
    with known(client, service) as served:
        handle = client.run("gated", "now", VALUES)
        saved = handle.saved()
        client.close() if is_closed else handle.detach()
        service.gate.set()
        assert served.scheduler.jobs[handle.token].wait(60)

        # as the thread that had its turn when the handle was left
        assert client._redeem_in_background(handle.token) is None

        with HttpInitiatorClient() as later:
            assert isinstance(later.attach(saved).result(60), model.Result)


def test_a_result_whose_answer_got_lost_is_fetched_again(client):
    service = Gated()
    with known(client, service) as served, Proxy(served.port) as proxy:
        handle = through(client, proxy, "gated")
        proxy.swallow = b'"result": "measure"'
        service.gate.set()
        until(lambda: proxy.swallowed)
        proxy.swallow = None

        assert isinstance(handle.result(60), model.Result)


@pytest.mark.parametrize("is_taken", [True, False])
def test_a_specification_whose_answer_got_lost_is_asked_for(client, is_taken):
    with Proxy(0) as proxy:
        link = f"http://127.0.0.1:{proxy.port}/"
        with known(client, Counting(), link=link) as served:
            proxy.mend(served.port)
            proxy.swallow = b'"receipt": "measure"'
            proxy.passes_on = is_taken
            handle = client.run("count", "now + 1h", VALUES)
            assert handle.trouble
            proxy.swallow, proxy.passes_on = None, True
            if is_taken:
                until(lambda: handle.state is MeasurementState.RUNNING)
                until(lambda: handle.rows)
                handle.cancel()
            else:
                assert handle.wait(60)
                assert handle.state is MeasurementState.LOST


class Proxy:
    """Passes bytes on to a port, unless it is cut or swallows what comes back."""

    def __init__(self, target):
        self._target = target
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self.swallow = None
        self.passes_on = True
        self.swallowed = 0
        self._is_cut = False
        self._open = set()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def cut(self):
        with self._lock:
            self._is_cut = True
            for one in self._open:
                with contextlib.suppress(OSError):  # it is closed already
                    one.shutdown(socket.SHUT_RDWR)
            self._open.clear()

    def mend(self, target=None):
        self._target = target or self._target
        self._is_cut = False

    def _accept(self):
        while True:
            try:
                came, _ = self._server.accept()
            except OSError:
                return
            if self._is_cut:
                came.close()
                continue
            thread = threading.Thread(target=self._serve, args=(came,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, came):
        with self._lock:
            if self._is_cut:
                came.close()
                return
            self._open.add(came)
        try:
            with came:
                while data := self._message(came):
                    if not self.passes_on:
                        return
                    answer = self._ask(data)
                    if not answer:
                        return
                    if self.swallow is not None and self.swallow in answer:
                        self.swallowed += 1
                        return
                    came.sendall(answer)
        except OSError:
            pass

    def _message(self, one):
        """Return the next message on a connection; nothing when it has ended."""
        data = b""
        while self._missing(data):
            more = one.recv(65536)
            if not more:
                return b""
            data += more
        return data

    def _missing(self, data):
        head, end, body = data.partition(b"\r\n\r\n")
        if not end:
            return True
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                return int(line.partition(b":")[2]) - len(body) > 0
        return False

    def _ask(self, data):
        data = data.replace(b"Connection: keep-alive", b"Connection: close")
        with socket.create_connection(("127.0.0.1", self._target), 60) as to:
            to.sendall(data)
            return self._message(to)

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self.cut()
        for thread in self._threads:
            thread.join(60)


# TLS


def test_the_identity_of_a_component_comes_from_its_certificate(parties):
    rules = {
        "Roles": {"guest": [parties.client.identity]},
        "Authorizations": {"once": ["guest"]},
    }
    config = parties.component.json | {"Access": rules}
    with (
        serve(Once(), config=config) as served,
        HttpInitiatorClient(TlsState(parties.client.json)) as client,
    ):
        assert served.url.startswith("https://")
        client.retrieve_capabilities(served.url)
        result = client.run("once", "now", VALUES).result(60)

        assert client.identity_for("once") == parties.component.identity
        asked = client._tls.extract_peer_identity(served.url)

    assert isinstance(result, model.Result)
    assert asked == parties.component.identity


def test_a_component_of_another_authority_is_refused(parties):
    rules = {"Roles": {"guest": ["x"]}, "Authorizations": {"once": ["guest"]}}
    config = parties.component.json | {"Access": rules}
    with (
        serve(Once(), config=config) as served,
        HttpInitiatorClient(TlsState(parties.stranger.json)) as client,
        pytest.raises(ConnectError, match="TLS"),
    ):
        client.retrieve_capabilities(served.url)
