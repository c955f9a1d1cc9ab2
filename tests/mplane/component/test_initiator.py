"""A component that goes to its client, and the client that waits for it."""

import asyncio
import http.client
import json
import ssl
import threading
import time
from dataclasses import dataclass
from datetime import timedelta

import pytest

from measuring import ADDRESS, Counting, Failing, Gated, Once, capability, specification
from pilothouse.errors import RemoteError, ServiceError, SettingsError
from pilothouse.mplane import model
from pilothouse.mplane.client import HttpListenerClient
from pilothouse.mplane.component import InitiatorHttpComponent, serve
from pilothouse.mplane.measurement import MeasurementState
from pilothouse.mplane.media import MEDIA_TYPE, NOBODY
from pilothouse.mplane.model import clock
from scripted_peer import Scripted
from waiting import until

VALUES = {"destination.ip4": ADDRESS}
LISTENER = {"Client": {"Listener": {"port": 0}}}


@pytest.fixture
def client():
    with HttpListenerClient(LISTENER) as made:
        yield made


def component_of(client, *services, config=None, **options):
    """Return a component of services that goes to the client every 50 ms."""
    settings = {"Component": {"Initiator": {"url": client.url}}} | (config or {})
    options = {"idle_seconds": 0.05, "retry_seconds": 0.05} | options
    return InitiatorHttpComponent(list(services), settings, **options)


@pytest.fixture
def call(client):
    """Send one request to the client."""

    def send(method, path, message=None, body=b"", **headers):
        if message is not None:
            body = model.unparse_json(message).encode()
            headers.setdefault("Content-Type", MEDIA_TYPE)
        to = http.client.HTTPConnection("127.0.0.1", client.port, timeout=60)
        to.request(method, path, body or None, headers)
        answer = to.getresponse()
        found = answer.status, answer.headers.get("Content-Type"), answer.read()
        to.close()
        return found

    return send


# the client's side, by hand


def callback_capability():
    return model.Capability(verb="callback", label="callback", when="now ... future")


def registration(*capabilities):
    envelope = model.Envelope()
    for each in capabilities:
        envelope.append_message(each)
    return envelope


def test_each_capability_is_registered(client, call):
    envelope = registration(
        capability("one"),
        model.Withdrawal(capability=capability("two", column="packets.lost")),
        model.Exception(token="t", errmsg="x"),
    )

    for path in ("/register/capability", "/register/capability/"):
        status, content_type, body = call("POST", path, envelope)

        assert (status, content_type) == (200, MEDIA_TYPE)
        assert json.loads(body) == {
            "one": {"registered": "ok"},
            "two": {"registered": "no", "reason": "Withdrawn"},
            "t": {"registered": "no", "reason": "Not a capability"},
        }
    assert client.capability_labels() == ("one",)
    assert client.wait_registered(0)


def test_nothing_to_register_is_registered(call):
    assert call("POST", "/register/capability", registration())[::2] == (200, b"{}")


def test_a_label_is_no_json(call):
    label = '"},"x":{"registered":"ok'
    _, _, body = call("POST", "/register/capability", registration(capability(label)))

    assert json.loads(body) == {label: {"registered": "ok"}}


@pytest.mark.parametrize(
    ("method", "path", "kind", "status"),
    [
        ("POST", "/register/capability", "capability", 400),
        ("POST", "/register/result", "capability", 401),
        ("POST", "/register/result", "envelope", 401),
        ("POST", "/show/specification", "envelope", 401),
        ("GET", "/register/capability", None, 401),
        ("GET", "/register/result", None, 401),
        ("GET", "/elsewhere", None, 405),
        ("PUT", "/register/result", None, 405),
    ],
)
def test_what_does_not_belong_there_is_refused(call, method, path, kind, status):
    messages = {
        "capability": capability(),
        "envelope": registration(capability()),
        None: None,
    }

    found, content_type, body = call(method, path, messages[kind])

    assert found == status
    assert content_type == MEDIA_TYPE
    assert isinstance(model.parse_json(body), model.Exception)


@pytest.mark.parametrize("path", ["/register/capability", "/register/result"])
@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", b"{}"),
        (f"{MEDIA_TYPE}; charset=utf-8", b"{}"),
        (MEDIA_TYPE, b"{"),
        (MEDIA_TYPE, b""),
        (MEDIA_TYPE, b"\xff"),
    ],
)
def test_what_is_no_message_is_refused(call, path, content_type, body):
    status, _, _ = call("POST", path, body=body, **{"Content-Type": content_type})

    assert status == 400


def test_a_web_page_is_refused(call):
    assert call("GET", "/show/specification", Origin="http://evil.example")[0] == 403


def test_without_specifications_there_is_an_empty_envelope(call):
    status, content_type, body = call("GET", "/show/specification")

    assert (status, content_type) == (200, MEDIA_TYPE)
    assert len(model.parse_json(body)) == 0


def test_a_specification_waits_once_and_names_where_the_result_goes(client, call):
    call("POST", "/register/capability", registration(capability("one")))
    made = client.invoke_capability("one", "now", VALUES)
    assert client.count_waiting() == 1

    fetched = list(model.parse_json(call("GET", "/show/specification/")[2]).messages())
    again = model.parse_json(call("GET", "/show/specification")[2])

    assert [one.get_token() for one in fetched] == [made.get_token()]
    assert fetched[0].get_link() == f"http://127.0.0.1:{client.port}/register/result"
    assert fetched[0].get_label() == "one-0"
    assert len(again) == 0


def test_a_link_of_the_configuration_goes_with_the_specification(call):
    config = {"Client": {"Listener": {"port": 0, "link": "http://there:1/result"}}}
    with HttpListenerClient(config) as client:
        client.handle_message(capability("one"), NOBODY)
        made = client.invoke_capability("one", "now", VALUES)

    assert made.get_link() == "http://there:1/result"


def test_receipt_result_and_exception_are_taken(client, call):
    call("POST", "/register/capability", registration(capability("one")))
    made = client.invoke_capability("one", "now", VALUES)
    receipt = model.Receipt(specification=made)
    result = model.Result(specification=made, when="2016-02-18")

    assert call("POST", "/register/result", receipt) == (200, "text/html", b"")
    assert client.receipt_labels() == ("one-0",)
    assert call("POST", "/register/result", result)[0] == 200
    assert client.receipt_labels() == ()
    assert client.result_labels() == ("one-0",)


def test_one_path_for_capabilities_and_results():
    paths = {"capability-path": "here", "result-path": "here"}
    config = {"Client": {"Listener": {"port": 0, **paths}}}
    with HttpListenerClient(config) as client:
        settings = {
            "Component": {
                "Initiator": {
                    "capability-url": f"{client.url}here",
                    "specification-url": f"{client.url}show/specification",
                    "result-url": f"{client.url}here",
                }
            }
        }
        with InitiatorHttpComponent(Once(), settings, idle_seconds=0.05):
            assert client.wait_registered(60)
            assert isinstance(
                client.run("once", "now", VALUES).result(60), model.Result
            )


# both sides


def test_capabilities_are_registered_with_token_and_a_callback(client):
    told = []
    service = Once()
    with component_of(client, service, on_event=told.append) as component:
        assert component.wait_registered(60)

        assert component.registered == {"once": "ok", "callback": "ok"}
        assert client.capability_labels() == ("once", "callback")
        assert client.capability_for("callback").verb() == "callback"
        token = service.capability().get_token()
        assert client.capability_for("once").get_token() == token
        assert client.capability_for("once").get_link() == ""
    assert "once: registered" in told


def test_an_instant_result_is_not_lost(client):
    with component_of(client, Once()):
        assert client.wait_registered(60)
        for number in range(20):
            result = client.run("once", "now", VALUES, f"run-{number}").result(60)
            assert result.get_label() == f"run-{number}"

    assert client.receipt_tokens() == ()
    assert len(client.result_tokens()) == 20


def test_receipt_then_result(client):
    service = Gated()
    states = []
    with component_of(client, service):
        assert client.wait_registered(60)
        with client._lock:  # the component cannot fetch it meanwhile
            handle = client.run("gated", "now", VALUES)
            assert handle.state is MeasurementState.SENT
            handle.on_change(lambda m: states.append(m.state))
        until(lambda: handle.state is MeasurementState.RUNNING)
        assert client.receipt_labels() == ("gated-0",)
        service.gate.set()
        assert handle.wait(60)
        until(lambda: len(states) == 2)

    assert states == [MeasurementState.RUNNING, MeasurementState.FINISHED]
    assert client.result_labels() == ("gated-0",)


def test_a_failure_comes_too(client):
    with component_of(client, Failing()):
        assert client.wait_registered(60)
        with pytest.raises(RemoteError, match="no route to"):
            client.run("fails", "now", VALUES).result(60)

    assert client.result_for("fails-0").errmsg() == "no route to 10.0.37.2"


def test_a_refusal_comes_too(client):
    service = Once()
    with component_of(client, service):
        assert client.wait_registered(60)
        service.capability().set_when("now ... future / 1s")

        with pytest.raises(RemoteError, match="No service registered"):
            client.run("once", "now", VALUES).result(60)


def test_a_repeated_measurement_comes_with_all_its_results(client, monkeypatch):
    monkeypatch.setattr("pilothouse.mplane.measurement._LATE_SECONDS", 60.0)
    with component_of(client, Once()):
        assert client.wait_registered(60)
        handle = client.run("once", "repeat now + 1s / 1s", VALUES)

        assert handle.wait(60)
        until(lambda: client.receipt_tokens() == ())

    assert len(handle.result()) == 2
    assert isinstance(client.result_for("once-0"), model.Envelope)
    assert client.receipt_tokens() == ()


def turns_of(measurement, count, start):
    """Return what a component sends of a repeated measurement on its way."""
    envelope = model.Envelope(
        token=measurement.token, when=f"{start} ... {start + timedelta(seconds=1)} / 1s"
    )
    for number in range(count):
        result = model.Result(
            specification=measurement.specification,
            when=str(start + timedelta(seconds=number)),
        )
        result.set_result_value("rtt.us", number)
        result.set_token(f"turn-{number}")
        envelope.append_message(result)
    return envelope


def test_a_last_turn_that_still_runs_when_the_scope_has_ended_is_waited_for(client):
    client.handle_message(capability("one"), NOBODY)
    start = clock.now()
    with clock.frozen(start):
        handle = client.run("one", "repeat now + 1s / 1s", VALUES)
    with clock.frozen(start + timedelta(seconds=1.5)):
        client.handle_message(turns_of(handle, 1, start), NOBODY)
        assert not handle.is_over

        client.handle_message(turns_of(handle, 2, start), NOBODY)

    assert handle.state is MeasurementState.FINISHED
    assert len(handle.result()) == 2


def test_a_turn_that_never_comes_is_not_waited_for_for_ever(client):
    client.handle_message(capability("one"), NOBODY)
    start = clock.now()
    with clock.frozen(start):
        handle = client.run("one", "repeat now + 1s / 1s", VALUES)
    with clock.frozen(start + timedelta(seconds=10)):
        client.handle_message(turns_of(handle, 1, start), NOBODY)

    assert handle.state is MeasurementState.FINISHED
    assert len(handle.result()) == 1


def receipts_at_the_end(client, handle):
    """Return a list that gets the client's receipts when a measurement is over."""
    found = []

    def look(measurement):
        if measurement.is_over:
            found.append(client.receipt_tokens())

    client.handle_message(model.Receipt(specification=handle.specification), NOBODY)
    handle.on_change(look)
    return found


def test_what_is_over_with_its_last_envelope_has_no_receipt_any_more(client):
    client.handle_message(capability("one"), NOBODY)
    start = clock.now()
    with clock.frozen(start):
        handle = client.run("one", "repeat now + 1s / 1s", VALUES)
    found = receipts_at_the_end(client, handle)
    with clock.frozen(start + timedelta(seconds=1.5)):
        client.handle_message(turns_of(handle, 2, start), NOBODY)

    assert found == [()]


def test_what_is_over_with_its_scope_has_no_receipt_any_more(client):
    client.handle_message(capability("one"), NOBODY)
    start = clock.now()
    with clock.frozen(start):
        handle = client.run("one", "repeat now + 1s / 1s", VALUES)
    found = receipts_at_the_end(client, handle)
    handle.take(turns_of(handle, 1, start))
    assert not handle.is_over

    client._expect_end(handle, start - timedelta(hours=1))

    until(lambda: found)
    assert found == [()]


@pytest.mark.usefixtures("patient")
def test_an_interrupt_is_fetched_and_the_rows_come(client):
    service = Counting()
    with component_of(client, service):
        assert client.wait_registered(60)
        handle = client.run("count", "now + 1h", VALUES)
        assert service.has_rows.wait(60)
        until(lambda: client.receipt_labels())

        told = handle.cancel()

    assert told.startswith("interrupted: the component confirmed")
    assert handle.result().count_result_rows() >= 3


def test_an_interrupt_by_label(client):
    service = Counting()
    with component_of(client, service):
        assert client.wait_registered(60)
        client.invoke_capability("count", "now + 1h", VALUES)
        until(lambda: client.receipt_labels())
        client.interrupt_capability("count-0")
        until(lambda: client.result_labels())
        with pytest.raises(KeyError):
            client.interrupt_capability("nothing")


def test_what_nobody_has_fetched_can_be_cancelled(client, call):
    call("POST", "/register/capability", registration(capability("one")))
    handle = client.run("one", "now", VALUES)

    told = handle.cancel()

    assert "before the component has fetched it" in told
    assert handle.state is MeasurementState.INTERRUPTED
    assert client.count_waiting() == 0


def test_cancelling_says_when_the_component_does_not_come(client, call):
    call("POST", "/register/capability", registration(capability("one")))
    handle = client.run("one", "now", VALUES)
    call("GET", "/show/specification")

    assert handle.cancel().startswith("not confirmed yet")


@dataclass
class Visit:
    """What a component has fetched, how long it then wants to pause, and when."""

    count: int
    pause: float
    began: float
    ended: float


def visits_of(component):
    """Return a list that grows with each envelope that a component fetches."""
    visits = []
    handle_all = component._handle_all

    def handle_and_note(message):
        began = time.monotonic()
        pause = handle_all(message)
        visits.append(Visit(len(message), pause, began, time.monotonic()))
        return pause

    component._handle_all = handle_and_note
    return visits


def pauses_for_a_second_behind(visits, count):
    """Tell whether the envelope of so many messages had its callback honoured."""
    until(lambda: any(visit.count == count for visit in visits))
    at = next(at for at, visit in enumerate(visits) if visit.count == count)
    until(lambda: len(visits) > at + 1)
    assert visits[at].pause == 1.0
    return visits[at + 1].began - visits[at].ended > 0.99


def test_a_callback_and_a_measurement_in_one_envelope_are_both_honoured(client):
    component = component_of(client, Once(), idle_seconds=0.3)
    visits = visits_of(component)
    with component:
        assert component.wait_registered(60)
        handle = client.run("once", "now", VALUES, callback_when="now + 1s")
        assert isinstance(handle.result(60), model.Result)

        assert pauses_for_a_second_behind(visits, 2)
        assert client.run("once", "now", VALUES).wait(60)


def test_specification_and_callback_are_never_fetched_apart(client, monkeypatch):
    for each in (capability("one"), callback_capability()):
        client.handle_message(each, NOBODY)
    fetched = []
    thread = threading.Thread(
        target=lambda: fetched.extend(client.take_waiting(NOBODY))
    )
    callback_of = client._callback_of

    def look_while_a_component_asks(identity):
        thread.start()
        thread.join(0.3)  # it has to wait until both are there
        return callback_of(identity)

    monkeypatch.setattr(client, "_callback_of", look_while_a_component_asks)
    client.run("one", "now", VALUES, callback_when="now + 1s")
    thread.join(60)

    assert [one.get_label() for one in fetched] == ["one-0", "callback"]


def test_a_callback_in_front_and_nested_envelopes_are_honoured(client, call):
    component = component_of(client, Once(), idle_seconds=0.3)
    visits = visits_of(component)
    with component:
        assert component.wait_registered(60)
        token = client.capability_for("callback")
        callback = model.Specification(
            capability=token, when="now + 1s", label="callback"
        )
        with client._lock:
            handle = client.run("once", "now", VALUES)
            waiting = client.take_waiting(NOBODY)
            inner = model.Envelope()
            inner.append_message(callback)
            for one in waiting:
                inner.append_message(one)
            client.put_back(NOBODY, [inner])

        assert isinstance(handle.result(60), model.Result)
        assert pauses_for_a_second_behind(visits, 1)
        assert client.run("once", "now", VALUES).wait(60)


def test_a_result_goes_where_its_link_leads(client):
    with HttpListenerClient(LISTENER) as other, component_of(client, Once()):
        assert client.wait_registered(60)
        made = specification(client.capability_for("once"), label="mine")
        made.set_link(f"{other.url}register/result")
        client.put_back(NOBODY, [made])

        until(lambda: other.result_labels() == ("mine",))

    assert client.result_labels() == ()


def test_a_link_that_cannot_be_used_is_passed_over(client):
    with component_of(client, Once()):
        assert client.wait_registered(60)
        made = specification(client.capability_for("once"), label="mine")
        made.set_link("ssh://nowhere")
        client.put_back(NOBODY, [made])

        until(lambda: client.result_labels() == ("mine",))


def test_a_component_waits_for_a_client_that_comes_later(closed_port):
    told = []
    settings = {"Component": {"Initiator": {"url": f"http://127.0.0.1:{closed_port}/"}}}
    component = InitiatorHttpComponent(
        Once(), settings, retry_seconds=0.05, idle_seconds=0.05, on_event=told.append
    )
    with component:
        until(lambda: told)
        assert "not there" in told[0]
        with HttpListenerClient(
            {"Client": {"Listener": {"port": closed_port}}}
        ) as client:
            assert component.wait_registered(60)
            assert isinstance(
                client.run("once", "now", VALUES).result(60), model.Result
            )


def test_a_result_waits_for_a_client_that_is_away():
    service = Gated()
    client = HttpListenerClient(LISTENER)
    client.listen_in_background()
    with component_of(client, service):
        assert client.wait_registered(60)
        handle = client.run("gated", "now", VALUES)
        until(lambda: client.receipt_labels())
        port, saved = client.port, handle.saved()
        client.close()
        service.gate.set()
        with HttpListenerClient({"Client": {"Listener": {"port": port}}}) as later:
            again = later.attach(saved)

            assert isinstance(again.result(60), model.Result)
            assert again.label == "gated-0"


@pytest.mark.parametrize("identity", [NOBODY, "somebody.else"])
def test_a_result_that_is_quicker_than_attach_is_taken_from_who_was_asked(
    client, identity
):
    made = specification(capability("once"), label="mine")
    result = Once().run(made, lambda: False)
    client.handle_message(result, identity)

    handle = client.attach(model.Receipt(specification=made))

    if identity == NOBODY:
        assert handle.result(0) == result
        assert client.count_waiting() == 0
        assert client.result_labels() == ("mine",)
    else:
        assert not handle.is_over
        assert client.count_waiting() == 1


def test_a_refusal_that_is_quicker_than_attach_is_asked_for_again(client):
    made = specification(capability("once"), label="mine")
    client.handle_message(model.Exception(token=made.get_token(), errmsg="no"), NOBODY)

    handle = client.attach(model.Receipt(specification=made))

    assert not handle.is_over
    assert client.count_waiting() == 1


def test_a_measurement_that_the_component_does_not_know_is_lost(client, call):
    made = specification(capability("once"), label="mine")
    with component_of(client, Once()):
        assert client.wait_registered(60)
        handle = client.attach(model.Receipt(specification=made))

        assert handle.wait(60)

    assert handle.state is MeasurementState.LOST


def test_a_client_that_refuses_is_told_and_not_asked_again():
    with serve(Once()) as nobody:  # a component is no client
        settings = {"Component": {"Initiator": {"url": nobody.url}}}
        component = InitiatorHttpComponent(Once(capability("mine")), settings)
        with component:
            assert component.wait(60)
            assert not component.wait_registered(0)

    assert "refuses" in component.failure
    assert component.is_done


def test_without_anything_granted_there_is_nothing_to_do(client):
    rules = {"Access": {"Roles": {"guest": [NOBODY]}, "Authorizations": {}}}
    with component_of(client, Once(), config=rules) as component:
        assert component.wait(60)

    assert component.failure == "no capability is granted to the client"


def test_a_withdrawn_capability_is_not_registered(client):
    first, second = Once(capability("a")), Once(capability("b", column="packets.lost"))
    component = component_of(client, first, second)
    component.scheduler.remove_service(second)
    with component:
        assert component.wait_registered(60)

    assert component.registered["b"] == "Withdrawn"
    assert client.capability_labels() == ("a", "callback")


@pytest.mark.parametrize("status", [428, 401])
def test_a_client_that_does_not_know_us_any_more_is_told_again(status):
    peer = Scripted()
    peer.answers["POST /register/capability"] = (200, MEDIA_TYPE, b"{}")
    peer.message("/show/specification", model.Exception(errmsg="who?"), status=status)
    settings = {"Component": {"Initiator": {"url": peer.url}}}
    with InitiatorHttpComponent(Once(), settings, idle_seconds=0.02) as component:
        until(lambda: peer.paths.count("POST /register/capability") >= 3)
        peer.message("/show/specification", model.Envelope())
        count = len(peer.paths)
        until(lambda: len(peer.paths) > count + 3)
        assert peer.paths[-1] == "GET /show/specification"
        assert not component.is_done
    peer.close()


@pytest.mark.parametrize(
    "answer",
    [
        (500, "text/plain", b"oh"),
        (404, "text/plain", b"nothing to do"),
        (200, MEDIA_TYPE, b"{"),
        (200, "text/html", b"<p>"),
        (200, MEDIA_TYPE, b'{"envelope": "message", "contents": [{"x": 1}]}'),
    ],
    ids=["500", "404", "no JSON", "no message", "no contents"],
)
def test_a_client_that_answers_oddly_is_asked_again(answer):
    peer = Scripted()
    peer.answers["POST /register/capability"] = (200, MEDIA_TYPE, b"[]")
    peer.answers["GET /show/specification"] = answer
    settings = {"Component": {"Initiator": {"url": peer.url}}}
    with InitiatorHttpComponent(Once(), settings, idle_seconds=0.02) as component:
        until(lambda: peer.paths.count("GET /show/specification") >= 3)
        assert not component.is_done
    peer.close()


def test_a_result_that_the_client_cannot_take_now_is_sent_again():
    peer = Scripted()
    made = specification(capability("once"), label="mine")
    envelope = model.Envelope()
    envelope.append_message(made)
    pages = iter([envelope])
    peer.answers["POST /register/capability"] = (200, MEDIA_TYPE, b"{}")
    peer.answers["GET /show/specification"] = lambda: (
        200,
        MEDIA_TYPE,
        model.unparse_json(next(pages, model.Envelope())).encode(),
    )
    tries = iter([503, 503])
    peer.answers["POST /register/result"] = lambda: (
        next(tries, 200),
        "text/html",
        b"",
    )
    settings = {"Component": {"Initiator": {"url": peer.url}}}
    with InitiatorHttpComponent(Once(), settings, idle_seconds=0.02):
        until(lambda: any(b'"result": "measure"' in body for body in peer.bodies))
        until(lambda: next(tries, None) is None)

    kinds = [
        next(iter(model.parse_json(body).to_dict()))
        for body, path in zip(peer.bodies, peer.paths, strict=True)
        if path == "POST /register/result"
    ]
    assert kinds == sorted(kinds)  # every try of the receipt, then the result
    assert kinds[-1] == "result"
    peer.close()


def test_services_that_come_and_go_are_registered_anew(client):
    first, second = Once(capability("a")), Once(capability("b", column="packets.lost"))
    with component_of(client, first) as component:
        assert component.wait_registered(60)
        component.scheduler.add_service(second)
        until(lambda: "b" in client.capability_labels())
        component.scheduler.remove_service(first)
        until(lambda: "a" not in client.capability_labels())

    assert set(client.capability_labels()) == {"b", "callback"}


def test_stopping_interrupts_and_sends_the_rows(client):
    service = Counting()
    component = component_of(client, service).start()
    assert client.wait_registered(60)
    handle = client.run("count", "now + 1h", VALUES)
    assert service.has_rows.wait(60)
    until(lambda: client.receipt_labels())

    component.stop()
    component.stop()

    assert handle.wait(60)
    assert handle.result().count_result_rows() >= 3
    assert component.is_done


def test_stopping_sends_the_rows_of_a_job_that_has_just_ended(client):
    service = Counting()
    component = component_of(client, service).start()
    assert client.wait_registered(60)
    handle = client.run("count", "now + 1h", VALUES)
    assert service.has_rows.wait(60)
    until(lambda: client.receipt_labels())
    (job,) = component.scheduler.jobs.values()
    is_stopped = threading.Event()
    job.on_change(lambda: job.finished() and is_stopped.wait(60))

    component.stop(60)
    is_stopped.set()

    assert handle.wait(60)
    assert handle.result().count_result_rows() >= 3


def test_stopping_sends_what_was_fetched_just_before(client, monkeypatch):
    component = component_of(client, Once())
    process, close = component.scheduler.process_message, component._outbox.close
    is_closed = threading.Event()

    def process_while_it_stops(*words, **options):
        reply = process(*words, **options)
        assert component._ending.wait(60)
        is_closed.wait(0.3)  # it has to wait for this
        return reply

    def close_and_tell(*words):
        found = close(*words)
        is_closed.set()
        return found

    monkeypatch.setattr(component.scheduler, "process_message", process_while_it_stops)
    monkeypatch.setattr(component._outbox, "close", close_and_tell)
    with component:
        assert client.wait_registered(60)
        handle = client.run("once", "now", VALUES)
        until(lambda: any(j.finished() for j in component.scheduler.jobs.values()))
        component.stop(60)

    assert isinstance(handle.result(60), model.Result)


def test_a_result_that_is_put_again_while_it_is_sent_is_sent_once(client):
    messages = []
    client._export = lambda message, _: messages.append(message)
    component = component_of(client, Once())
    deliver = component._deliver_result

    def put_again_and_deliver(url, job):
        component._send_result(job.receipt.get_token())
        return deliver(url, job)

    component._deliver_result = put_again_and_deliver
    with component:
        assert client.wait_registered(60)
        assert client.run("once", "now", VALUES).wait(60)

    assert sum(isinstance(one, model.Result) for one in messages) == 1


def test_a_configuration_without_a_client_is_told():
    with pytest.raises(SettingsError, match="where the client"):
        InitiatorHttpComponent(Once(), None)


# the listening itself


def test_a_port_that_is_taken_is_told(client):
    other = HttpListenerClient({"Client": {"Listener": {"port": client.port}}})

    with pytest.raises(ServiceError, match="cannot listen"):
        other.listen_in_background()


def test_it_listens_on_a_loop_that_there_is():
    async def main():
        client = HttpListenerClient(LISTENER)
        await client.start()
        try:
            component = component_of(client, Once()).start()
            assert await asyncio.to_thread(component.wait_registered, 60)
            handle = client.run("once", "now", VALUES)
            found = await handle
            await asyncio.to_thread(component.stop)
            return found
        finally:
            await client.stop()

    assert isinstance(asyncio.run(main()), model.Result)


def test_it_listens_on_a_loop_that_is_given():
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    client = HttpListenerClient(LISTENER, io_loop=loop)
    until(lambda: client.port)
    with component_of(client, Once()):
        assert client.wait_registered(60)
        assert isinstance(client.run("once", "now", VALUES).result(60), model.Result)
    asyncio.run_coroutine_threadsafe(client.stop(), loop).result(60)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(60)
    loop.close()
    client.close()


# TLS


@pytest.fixture
def secure(parties):
    """A listening client with TLS."""
    with HttpListenerClient(parties.supervisor.json | LISTENER) as made:
        yield made


def rules_for(parties, *labels):
    return {
        "Access": {
            "Roles": {"guest": [parties.supervisor.identity]},
            "Authorizations": {label: ["guest"] for label in labels},
        }
    }


def test_both_know_each_other_by_their_certificates(secure, parties):
    services = [Once(), Counting(capability("hidden", column="packets.lost"))]
    config = parties.component.json | rules_for(parties, "once")
    with component_of(secure, *services, config=config) as component:
        assert component.wait_registered(60)
        assert component.registered == {"once": "ok", "callback": "ok"}
        assert secure.identity_for("once") == parties.component.identity
        handle = secure.run("once", "now", VALUES)
        assert isinstance(handle.result(60), model.Result)


def test_what_waits_for_one_component_is_not_for_another(secure, parties):
    config = parties.component.json | rules_for(parties, "gated")
    service = Gated()
    with component_of(secure, service, config=config) as component:
        assert component.wait_registered(60)
        component.stop()
    handle = secure.run("gated", "now", VALUES)
    context = ssl.create_default_context(cafile=parties.client.ca)
    context.load_cert_chain(parties.client.cert, parties.client.key)
    to = http.client.HTTPSConnection("127.0.0.1", secure.port, context=context)

    to.request("GET", "/show/specification")
    fetched = model.parse_json(to.getresponse().read())
    forged = model.Result(specification=handle.specification, when="2016-02-18")
    body = model.unparse_json(forged).encode()
    to.request("POST", "/register/result", body, {"Content-Type": MEDIA_TYPE})
    to.getresponse().read()
    to.close()

    assert len(fetched) == 0
    assert secure.count_waiting(parties.component.identity) == 1
    assert not handle.is_over
    service.gate.set()
