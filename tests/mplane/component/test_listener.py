"""A component that clients come to: discovery, messages, refusals."""

import asyncio
import http.client
import json
import ssl
import threading
import time
from dataclasses import dataclass

import pytest

from measuring import Counting, Failing, Gated, Once, capability, specification
from pilothouse.errors import ServiceError
from pilothouse.mplane import model
from pilothouse.mplane.component import ListenerHttpComponent, serve
from pilothouse.mplane.media import MEDIA_TYPE, body_of
from waiting import until


@dataclass
class Reply:
    status: int
    type: str
    body: bytes
    headers: dict

    @property
    def message(self):
        assert self.type == MEDIA_TYPE
        return model.parse_json(self.body)


class Caller:
    """A plain HTTP client, kept alive."""

    def __init__(self, port, context=None):
        if context is None:
            self._to = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        else:
            self._to = http.client.HTTPSConnection(
                "127.0.0.1", port, timeout=60, context=context
            )

    def __call__(self, method, path, body=None, **headers):
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        self._to.request(method, path, body, names)
        answer = self._to.getresponse()
        found = dict(answer.getheaders())
        return Reply(answer.status, found.get("Content-Type", ""), answer.read(), found)

    def post(self, message, path="/", **headers):
        body = model.unparse_json(message).encode()
        return self("POST", path, body, Content_Type=MEDIA_TYPE, **headers)

    def close(self):
        self._to.close()


SERVICES = {
    "once": (Once, "rtt.us"),
    "count": (Counting, "rtt.ms"),
    "fails": (Failing, "packets.lost"),
}


@pytest.fixture(scope="module")
def component():
    """One of each service."""
    services = [
        kind(capability(name, column=column))
        for name, (kind, column) in SERVICES.items()
    ]
    with serve(services, immediate_seconds=60) as served:
        yield served


@pytest.fixture
def call(component):
    caller = Caller(component.port)
    yield caller
    caller.close()


@pytest.fixture
def gated():
    """A service behind a gate, and its component."""
    service = Gated()
    with serve(service, immediate_seconds=0.3) as served:
        yield service, served
        service.gate.set()


def token_of(component, label):
    for one in component.scheduler.capabilities_for(None):
        if one.get_label() == label:
            return one.get_token()
    raise LookupError(label)


def own(service_class, label, **options):
    """Return a component that offers one service only."""
    return serve(service_class(capability(label)), **options)


# discovery


def test_a_page_of_links_as_real_clients_read_it(component, call):
    reply = call("GET", "/capability")

    assert (reply.status, reply.type) == (200, "text/html")
    for label in SERVICES:
        token = token_of(component, label)
        assert f"<a href='/capability/{token}'>{token}</a>" in reply.body.decode()


def test_one_capability_has_its_token_and_link(component, call):
    token = token_of(component, "once")

    found = call("GET", f"/capability/{token}").message

    assert isinstance(found, model.Capability)
    assert found.get_token() == token
    assert found.get_link() == component.url


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/capabilities", {}),
        ("/capabilities/", {}),
        ("/capability", {"Accept": f"{MEDIA_TYPE}, text/html;q=0.5"}),
    ],
)
def test_all_capabilities_in_an_envelope(call, path, headers):
    envelope = call("GET", path, **headers).message

    assert isinstance(envelope, model.Envelope)
    assert [one.get_label() for one in envelope.messages()] == list(SERVICES)


def test_a_page_to_read(call):
    reply = call("GET", "/")

    assert (reply.status, reply.type) == (200, "text/html")
    assert reply.body.count(b"<pre>") == len(SERVICES)
    assert b"&quot;capability&quot;" in reply.body


def test_what_a_capability_says_is_no_markup():
    with own(Once, "<script>alert(1)</script>") as served:
        caller = Caller(served.port)
        page = caller("GET", "/").body
        caller.close()

    assert b"<script>" not in page


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/capability/nothing", 404),
        ("GET", "/elsewhere", 405),
        ("GET", "/specification", 405),
        ("POST", "/elsewhere", 404),
        ("PUT", "/", 405),
        ("DELETE", "/capability", 405),
    ],
)
def test_refusals_are_exceptions(call, method, path, status):
    reply = call(method, path, b"" if method == "POST" else None)

    assert reply.status == status
    assert isinstance(reply.message, model.Exception)
    assert reply.message.errmsg()


# messages


@pytest.mark.parametrize(
    "path", ["/", "/capability", "/capability/", "/capabilities", "/specification"]
)
def test_a_specification_is_answered_with_its_result(call, path):
    made = specification(capability("once"))

    result = call.post(made, path).message

    assert isinstance(result, model.Result)
    assert result.get_token() == made.get_token()


def test_an_immediate_result_leaves_in_less_than_five_milliseconds(call):
    times = []
    for _ in range(50):
        made = specification(capability("once"))
        began = time.perf_counter()
        reply = call.post(made)
        times.append(time.perf_counter() - began)
        assert reply.status == 200

    # Of a machine that others share, the moments that are ours.
    assert sorted(times)[len(times) // 10] < 0.005


def test_a_slow_service_gives_a_receipt_and_later_its_result_once(gated):
    service, served = gated
    call = Caller(served.port)
    began = time.monotonic()
    receipt = call.post(specification(service.capability())).message
    assert 0.25 < time.monotonic() - began < 20
    assert isinstance(receipt, model.Receipt)
    assert list(receipt.parameter_names()) == ["destination.ip4"]

    early = call.post(model.Redemption(receipt=receipt)).message
    service.gate.set()
    job = served.scheduler.job_for_message(receipt)
    assert job.wait(60)
    result = call.post(model.Redemption(receipt=receipt)).message
    late = call.post(model.Redemption(receipt=receipt)).message
    call.close()

    assert isinstance(early, model.Receipt)
    assert isinstance(result, model.Result)
    assert late.errmsg() == "Unknown job"


def test_a_component_is_not_deaf_while_a_client_waits():
    service, quick = Gated(), Once(capability("once", column="packets.lost"))
    quick.run = lambda spec, check: model.Result(specification=spec)
    with serve([service, quick], immediate_seconds=60) as served:
        waiting, other = Caller(served.port), Caller(served.port)
        answers = []
        thread = threading.Thread(
            target=lambda: answers.append(
                waiting.post(specification(service.capability())).message
            )
        )
        thread.start()
        assert service.began.wait(60)

        reply = other.post(specification(quick.capability()))
        meanwhile = list(answers)
        service.gate.set()
        thread.join(30)

        assert reply.status == 200
        assert meanwhile == []
        assert isinstance(answers[0], model.Result)
        waiting.close()
        other.close()


def test_an_interrupt_stops_and_keeps_the_rows():
    service = Counting()
    with serve(service, immediate_seconds=0.05) as served:
        call = Caller(served.port)
        receipt = call.post(specification(service.capability())).message
        assert service.has_rows.wait(60)
        reply = call.post(model.Interrupt(specification=receipt)).message
        assert isinstance(reply, model.Receipt | model.Result)
        assert served.scheduler.job_for_message(receipt).wait(60)

        result = call.post(model.Redemption(receipt=receipt)).message
        call.close()

    assert result.count_result_rows() >= 3


def test_a_failure_is_an_exception_with_status_200():
    service = Failing()
    with serve(service, immediate_seconds=60) as served:
        call = Caller(served.port)
        made = specification(service.capability())
        reply = call.post(made)
        call.close()

    assert reply.status == 200
    assert reply.message.get_token() == made.get_token()
    assert reply.message.errmsg() == "no route to 10.0.37.2"


def test_the_same_specification_twice_runs_once():
    service = Once()
    with serve(service, immediate_seconds=60) as served:
        call = Caller(served.port)
        made = specification(service.capability())
        replies = [call.post(made).message for _ in range(2)]
        call.close()

    assert service.runs == 1
    assert model.unparse_json(replies[0]) == model.unparse_json(replies[1])


def test_a_repeated_specification_gives_its_receipt_at_once():
    service = Once()
    with serve(service, immediate_seconds=60) as served:
        call = Caller(served.port)
        began = time.monotonic()
        receipt = call.post(
            specification(service.capability(), "repeat now + 1s / 1s", label="mine")
        ).message
        assert time.monotonic() - began < 20
        assert served.scheduler.job_for_message(receipt).wait(60)
        envelope = call.post(model.Redemption(receipt=receipt)).message
        late = call.post(model.Redemption(receipt=receipt)).message
        call.close()

    assert isinstance(receipt, model.Receipt)
    assert envelope.get_token() == receipt.get_token()
    assert envelope.get_label() == "mine"
    assert len(envelope) == 2
    assert late.errmsg() == "Unknown job"


def test_scheduler_exceptions_are_sent_with_status_200(call):
    made = specification(capability(column="hops.ip"))

    unknown = call.post(made)
    job = call.post(model.Redemption(receipt=model.Receipt(specification=made)))

    assert (unknown.status, job.status) == (200, 200)
    assert unknown.message.errmsg() == "No service registered for specification"
    assert job.message.errmsg() == "Unknown job"


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        (f"{MEDIA_TYPE}; charset=utf-8", 406),
        ("application/json", 406),
        ("", 406),
        (MEDIA_TYPE, 400),
    ],
)
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"5",
        b"\xff\xfe",
        b'{"nothing": "measure"}',
        b'{"specification": "measure", "version": 2}',
        b'{"specification": "measure", "version": 1, "when": "now"',
        b'{"envelope": "message", "contents": 5}',
        b'{"redemption": "measure"}',
        b"[" * 100_000,
        b'{"specification": "measure", "version": 1, "when": "now",'
        b' "registry": "http://ict-mplane.eu/registry/core", "results": ["nothing"]}',
        b'{"specification": "measure", "version": 1, "when": "now",'
        b' "registry": "file:///etc/passwd", "results": ["rtt.us"]}',
    ],
    ids=range(13),
)
def test_what_is_no_message_is_refused_with_an_exception(
    call, content_type, status, body
):
    reply = call("POST", "/", body, Content_Type=content_type)

    assert reply.status == status
    assert isinstance(reply.message, model.Exception)
    assert b"/etc" not in reply.body.replace(b"file:///etc/passwd", b"")


def test_a_message_that_is_too_long_is_refused(call, component):
    reply = call(
        "POST", "/", None, Content_Type=MEDIA_TYPE, Content_Length=str(5 << 20)
    )
    assert reply.status == 400

    again = Caller(component.port)
    assert again("GET", "/capabilities").status == 200
    again.close()


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_web_pages_are_refused(call, method):
    reply = call(method, "/", Origin="http://evil.example")

    assert reply.status == 403
    assert isinstance(reply.message, model.Exception)


def test_a_client_that_goes_away_while_it_waits_harms_nobody(gated, caplog):
    service, served = gated
    call = Caller(served.port)
    body = model.unparse_json(specification(service.capability())).encode()
    call._to.request("POST", "/", body, {"Content-Type": MEDIA_TYPE})
    assert service.began.wait(60)

    call.close()

    other = Caller(served.port)
    assert other("GET", "/capabilities").status == 200
    other.close()
    assert "Traceback" not in caplog.text


# our additions


def test_rows_so_far_for_who_asks():
    service = Counting()
    with serve(service, immediate_seconds=0.05) as served:
        call = Caller(served.port)
        receipt = call.post(specification(service.capability())).message
        assert service.has_rows.wait(60)

        redemption = model.Redemption(receipt=receipt)
        plain = call.post(redemption)
        asked = call.post(redemption, Prefer="partial-results")
        rest = call.post(redemption, Prefer="partial-results=2, again")
        call.close()

    assert isinstance(plain.message, model.Receipt)
    assert asked.headers["Preference-Applied"] == "partial-results=0"
    assert asked.message.get_token() is None
    receipt_again, part = asked.message.messages()
    assert isinstance(receipt_again, model.Receipt)
    assert part.count_result_rows() >= 3
    assert rest.headers["Preference-Applied"] == "partial-results=2"
    first = next(list(rest.message.messages())[1].schema_dict_iterator())
    assert first["rtt.us"] == 2


def test_rows_of_a_failure_for_who_asks():
    service = Failing(rows=3)
    with serve(service, immediate_seconds=60) as served:
        call = Caller(served.port)
        made = specification(service.capability())
        assert isinstance(call.post(made).message, model.Exception)
        redemption = model.Redemption(receipt=model.Receipt(specification=made))
        failure, part = call.post(
            redemption, Prefer="partial-results"
        ).message.messages()
        call.close()

    assert failure.errmsg() == "no route to 10.0.37.2"
    assert part.count_result_rows() == 3


def test_a_receipt_comes_soon_for_who_asks():
    service = Gated()
    with serve(service, immediate_seconds=60) as served:
        call = Caller(served.port)
        began = time.monotonic()

        reply = call.post(specification(service.capability()), Prefer="respond-async")
        call.close()
        took = time.monotonic() - began
        service.gate.set()

    assert isinstance(reply.message, model.Receipt)
    assert took < 10


def test_withdrawals_are_listed_for_who_asks():
    first = Once(capability("one"))
    second = Failing(capability("two", column="packets.lost"))
    with serve([first, second]) as served:
        served.remove_service(second)
        call = Caller(served.port)
        plain = list(call("GET", "/capabilities").message.messages())
        asked = list(
            call("GET", "/capabilities", Prefer="withdrawals").message.messages()
        )
        one = call("GET", f"/capability/{second.capability().get_token()}").message
        reply = call.post(specification(second.capability())).message
        call.close()

    assert [each.get_label() for each in plain] == ["one"]
    assert [type(each) for each in asked] == [model.Capability, model.Withdrawal]
    assert isinstance(one, model.Withdrawal)
    assert isinstance(reply, model.Withdrawal)


class TurnByTurn(Once):
    """Waits in its second turn until the test opens its gate."""

    def __init__(self):
        super().__init__()
        self.gate = threading.Event()

    def run(self, specification, check_interrupt):
        result = super().run(specification, check_interrupt)
        assert result.result_column("rtt.us")[0] == 1 or self.gate.wait(60)
        return result


def test_what_ends_while_its_rows_are_asked_for_is_not_cut_short(monkeypatch):
    service = TurnByTurn()
    with serve(service) as served:
        call, scheduler = Caller(served.port), served.scheduler
        made = specification(service.capability(), "repeat now + 1s / 1s")
        receipt = call.post(made).message
        job = scheduler.job_for_message(receipt)
        until(lambda: service.runs == 2 and job.count_partial == 1)
        process = scheduler.process_message

        def end_behind(*words, **options):
            reply = process(*words, **options)
            service.gate.set()
            assert job.wait(60)
            return reply

        redemption = model.Redemption(receipt=receipt)
        monkeypatch.setattr(scheduler, "process_message", end_behind)
        first = call.post(redemption, Prefer="partial-results")
        last = call.post(redemption, Prefer="partial-results")
        call.close()

    assert first.headers["Preference-Applied"] == "partial-results=0"
    head, part = first.message.messages()
    assert isinstance(head, model.Receipt)
    assert len(part) == 2
    assert "Preference-Applied" not in last.headers
    assert last.message.get_token() == receipt.get_token()
    assert len(last.message) == 2


# start and stop


def test_the_same_service_can_be_served_again_with_another_link():
    service = Once()
    links = []
    for _ in range(2):
        with serve(service) as served:
            call = Caller(served.port)
            envelope = call("GET", "/capabilities").message
            links.append([one.get_link() for one in envelope.messages()])
            assert links[-1] == [served.url]
            call.close()

    assert links[0] != links[1]


def test_a_link_of_the_configuration_is_shown():
    config = {"Component": {"Listener": {"port": 0, "link": "http://probe:1/"}}}
    with serve(Once(), config=config) as served:
        call = Caller(served.port)
        envelope = call("GET", "/capabilities").message
        call.close()

    assert [one.get_link() for one in envelope.messages()] == ["http://probe:1/"]


@pytest.fixture
def long_goodbye(monkeypatch):
    """A component that closes waits for its clients, however busy the machine is."""
    listener = "pilothouse.mplane.component.listener"
    monkeypatch.setattr(f"{listener}._MOMENT_SECONDS", 60.0)
    monkeypatch.setattr(ListenerHttpComponent.stop, "__defaults__", (60.0,))
    monkeypatch.setattr("pilothouse.mplane.component.served._STOP_SECONDS", 60.0)


def test_closing_interrupts_what_runs_and_may_be_done_twice(monkeypatch):
    monkeypatch.setattr("pilothouse.mplane.component.served._STOP_SECONDS", 60.0)
    service = Counting()
    served = serve(service, immediate_seconds=0.05)
    call = Caller(served.port)
    receipt = call.post(specification(service.capability())).message
    job = served.scheduler.job_for_message(receipt)
    began = time.monotonic()

    served.close()
    served.close()

    assert time.monotonic() - began < 20
    assert job.finished()
    assert not served.is_running
    assert "closed" in repr(served)
    call.close()
    with pytest.raises(OSError):
        Caller(served.port)("GET", "/")


@pytest.mark.usefixtures("long_goodbye")
def test_rows_of_what_closing_interrupts_can_be_redeemed():
    service = Counting()
    served = serve(service, immediate_seconds=0.05)
    call = Caller(served.port)
    receipt = call.post(specification(service.capability())).message
    assert service.has_rows.wait(60)
    ending = threading.Thread(target=served.close)
    ending.start()
    assert served.scheduler.job_for_message(receipt).wait(60)

    result = call.post(model.Redemption(receipt=receipt)).message
    ending.join(60)
    call.close()

    assert result.count_result_rows() >= 3
    assert not served.is_running


class Long(Once):
    """Gives so many rows that they are written on a thread."""

    def run(self, specification, check_interrupt):
        result = super().run(specification, check_interrupt)
        for row in range(2500):
            result.set_result_value("rtt.us", row, row)
        return result


@pytest.mark.usefixtures("long_goodbye")
def test_closing_waits_for_an_answer_that_is_being_written(monkeypatch):
    writing, is_closed = threading.Event(), threading.Event()

    def write_while_it_closes(message):
        if isinstance(message, model.Result):
            writing.set()
            is_closed.wait(0.3)  # it has to wait for this
        return body_of(message)

    monkeypatch.setattr("pilothouse.mplane.web.body_of", write_while_it_closes)
    service = Long()
    served = serve(service, immediate_seconds=60)
    server = served._component._server
    close = server.close

    async def close_and_tell():
        await close()
        is_closed.set()

    monkeypatch.setattr(server, "close", close_and_tell)
    call = Caller(served.port)
    ending = threading.Thread(target=lambda: writing.wait(60) and served.close())
    ending.start()

    result = call.post(specification(service.capability())).message
    ending.join(60)
    call.close()

    assert result.count_result_rows() == 2500
    assert not served.is_running


def test_a_port_that_is_taken_is_told(component):
    with pytest.raises(ServiceError, match="cannot start"):
        serve(Once(), port=component.port)


def test_it_runs_on_a_loop_that_there_is():
    async def main():
        made = ListenerHttpComponent(Once(), port=0)
        await made.start()
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", made.port)
            writer.write(b"GET /capabilities HTTP/1.0\r\n\r\n")
            answer = await asyncio.wait_for(reader.read(), 60)
            writer.close()
            return answer
        finally:
            await made.stop()

    answer = asyncio.run(main())

    assert b"200 OK" in answer
    assert len(json.loads(answer.partition(b"\r\n\r\n")[2])["contents"]) == 1


# TLS


@pytest.fixture(scope="module")
def secure(parties):
    """A component with TLS; the client may do the one, the supervisor all."""
    config = parties.component.json | {
        "Access": {
            "Roles": {
                "guest": [parties.client.identity, parties.supervisor.identity],
                "admin": [parties.supervisor.identity],
            },
            "Authorizations": {"open": ["guest"], "hidden": ["admin"]},
        },
        "Component": {"Listener": {"port": 0}},
    }
    services = [
        Once(capability("open")),
        Counting(capability("hidden", column="packets.lost")),
    ]
    with serve(services, config=config, immediate_seconds=60) as served:
        yield served


def context_of(party):
    context = ssl.create_default_context(cafile=party.ca)
    context.load_cert_chain(party.cert, party.key)
    return context


def test_an_identity_sees_and_runs_only_what_is_granted(secure, parties):
    hidden = secure.scheduler.services[1].capability().get_token()
    call = Caller(secure.port, context_of(parties.client))

    seen = [one.get_label() for one in call("GET", "/capabilities").message.messages()]
    page = call("GET", "/capability").body.decode()
    direct = call("GET", f"/capability/{hidden}")
    refused = call.post(specification(secure.scheduler.services[1].capability()))
    allowed = call.post(specification(secure.scheduler.services[0].capability()))
    call.close()

    assert seen == ["open"]
    assert hidden not in page
    assert direct.status == 404
    assert refused.message.errmsg().startswith("User has no permission")
    assert isinstance(allowed.message, model.Result)


def test_another_identity_sees_more_and_cannot_take_the_jobs(secure, parties):
    one = Caller(secure.port, context_of(parties.supervisor))
    two = Caller(secure.port, context_of(parties.client))
    seen = [each.get_label() for each in one("GET", "/capabilities").message.messages()]
    made = specification(secure.scheduler.services[1].capability())
    receipt = one.post(made, Prefer="respond-async").message

    stolen = two.post(model.Redemption(receipt=receipt)).message
    stopped = two.post(model.Interrupt(specification=receipt)).message
    forged = two.post(
        model.Redemption(receipt=receipt),
        Forged_MPlane_Identity=parties.supervisor.identity,
    ).message
    one.post(model.Interrupt(specification=receipt))

    assert seen == ["open", "hidden"]
    assert {m.errmsg() for m in (stolen, stopped, forged)} == {"Unknown job"}
    until(lambda: secure.scheduler.job_for_message(receipt).finished())
    one.close()
    two.close()


@pytest.mark.parametrize("who", ["nobody", "stranger"])
def test_who_is_not_known_gets_no_connection(secure, parties, who):
    context = ssl.create_default_context(cafile=parties.component.ca)
    if who == "stranger":
        context.load_cert_chain(parties.stranger.cert, parties.stranger.key)
    call = Caller(secure.port, context)

    with pytest.raises((ssl.SSLError, ConnectionError, http.client.HTTPException)):
        call("GET", "/capabilities")
    call.close()
