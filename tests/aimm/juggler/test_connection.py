import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilothouse.aimm.juggler import (
    ClientConnection,
    Notify,
    Request,
    Response,
    ServerConnection,
    StateChanged,
    Wire,
)
from pilothouse.errors import ConnectionLostError, ProtocolError


def pair(wire=Wire.SEGMENTED, **options):
    return (
        ClientConnection(now=0.0, wire=wire, **options),
        ServerConnection(now=0.0, wire=wire, **options),
    )


def carried(sender, receiver):
    """Carry what one end has to say to the other; return what that makes of it."""
    return [
        event
        for frame in sender.take_outgoing()
        for event in receiver.receive(frame, 0.0)
    ]


wires = pytest.mark.parametrize("wire", [Wire.SEGMENTED, Wire.BARE])


@wires
def test_a_request_is_answered_by_its_id(wire):
    client, server = pair(wire)
    number = client.request("login", {"username": "u"})

    (request,) = carried(client, server)
    server.respond(request.id, {"success": True})

    assert request == Request(id=1, name="login", data={"username": "u"})
    assert carried(server, client) == [
        Response(id=number, success=True, data={"success": True})
    ]


@wires
def test_answers_may_come_in_any_order(wire):
    client, server = pair(wire)
    numbers = [client.request("", n) for n in range(3)]

    for request in reversed(carried(client, server)):
        server.respond(request.id, request.data)

    answers = {answer.id: answer.data for answer in carried(server, client)}
    assert answers == dict(zip(numbers, range(3), strict=True))


@wires
def test_the_state_follows_from_null(wire):
    client, server = pair(wire)
    server.change([{"op": "replace", "path": "", "value": {"models": {}}}])
    server.change([{"op": "add", "path": "/models/1", "value": "m"}])

    events = carried(server, client)

    assert [event.state for event in events] == [{"models": {}}, {"models": {"1": "m"}}]
    assert all(isinstance(event, StateChanged) for event in events)
    assert client.state == {"models": {"1": "m"}}


def test_a_notification_comes_through():
    client, server = pair()
    server.notify("news", [1])

    assert carried(server, client) == [Notify(name="news", data=[1])]


@given(st.text(max_size=40), st.integers(1, 9))
def test_a_message_cut_anywhere_arrives_whole(text, size):
    client, server = pair(max_payload=size)
    client.request("", text)

    (request,) = carried(client, server)

    assert request.data == text


def test_a_ping_between_the_segments_is_answered_at_once():
    client, server = pair(max_payload=10)
    client.request("", "x" * 30)
    first, *rest = client.take_outgoing()

    assert server.receive(first, 0.0) == []
    assert server.receive("2hello", 0.0) == []
    assert server.take_outgoing() == [b"3hello"]
    events = [event for frame in rest for event in server.receive(frame, 0.0)]
    assert [event.data for event in events] == ["x" * 30]


@pytest.mark.parametrize("frame", ["3", "3unasked", "1half"])
def test_a_pong_or_a_half_message_says_nothing_yet(frame):
    _, server = pair()

    assert server.receive(frame, 0.0) == []
    assert server.outgoing == []


@pytest.mark.parametrize(
    "frame",
    [
        "",
        "9x",
        "0not json",
        "0",
        '0{"type": "state", "diff": []}',
        '0{"type":"request"}',
    ],
)
def test_what_breaks_the_protocol_ends_the_connection(frame):
    _, server = pair()

    with pytest.raises(ProtocolError):
        server.receive(frame, 0.0)


def test_a_message_over_the_limit_ends_the_connection():
    _, server = pair(max_text=10)
    server.receive("1" + "x" * 8, 0.0)

    with pytest.raises(ProtocolError, match="at most 10"):
        server.receive("1" + "x" * 8, 0.0)


@pytest.mark.parametrize("wire", [Wire.SEGMENTED, Wire.BARE])
def test_an_end_that_waits_speaks_as_the_other_does(wire):
    client, server = pair(wire)
    server.wire = None
    client.request("", 1)

    (request,) = carried(client, server)
    server.respond(request.id, request.data)

    assert server.wire is wire
    assert carried(server, client)[0].data == 1


def test_the_oldest_wire_is_refused_by_name():
    client = ClientConnection(now=0.0)

    with pytest.raises(ProtocolError, match=r"juggler 0\.5"):
        client.receive('{"type": "DATA", "payload": []}', 0.0)


def test_a_silent_peer_is_asked_then_given_up():
    client, _ = pair()

    assert client.tick(29.0) == 30.0
    assert client.take_outgoing() == []
    assert client.tick(30.0) == 60.0
    assert client.take_outgoing() == [b"2"]
    assert client.tick(59.0) == 60.0
    with pytest.raises(ConnectionLostError, match="60 s"):
        client.tick(60.0)


def test_any_frame_is_a_sign_of_life():
    client, server = pair()
    client.tick(30.0)
    server.notify("x")

    client.receive(server.take_outgoing()[0], 45.0)

    assert client.tick(60.0) == 75.0


def test_a_wire_without_pings_is_never_asked():
    client, _ = pair(Wire.BARE)

    assert client.tick(1e6) is None


@given(st.lists(st.text(max_size=20), max_size=5))
def test_made_up_frames_give_events_or_a_protocol_error(frames):
    for end in (*pair(), ClientConnection(now=0.0), ServerConnection(now=0.0)):
        try:
            for frame in frames:
                end.receive(frame, 0.0)
        except ProtocolError:
            continue
