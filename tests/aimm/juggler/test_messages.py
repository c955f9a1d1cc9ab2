import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilothouse.aimm.juggler import Notify, Raw, Request, Response, State, Wire
from pilothouse.aimm.juggler.messages import read_request, read_server_message
from pilothouse.errors import ProtocolError

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
    ),
    max_leaves=10,
)
server_messages = st.one_of(
    st.builds(Response, id=values, success=st.booleans(), data=values),
    st.builds(State, diff=st.lists(values, max_size=3)),
    st.builds(Notify, name=st.text(), data=values),
)


def text_of(message):
    return b"".join(message.to_pieces())


@given(server_messages)
def test_what_a_server_sends_is_read_as_it_was(message):
    assert read_server_message(text_of(message)) == message


@given(st.builds(Request, id=values, name=st.text(), data=values))
def test_what_a_client_sends_is_read_as_it_was(request):
    assert read_request(text_of(request)) == request


@given(st.text() | values.map(json.dumps))
def test_whatever_comes_in_is_a_message_or_a_protocol_error(text):
    for read in (read_request, read_server_message):
        try:
            read(text.encode())
        except ProtocolError:
            continue


@given(values, values)
def test_a_result_that_is_text_already_goes_out_as_it_stands(number, data):
    raw = Response(id=number, success=True, data=Raw(json.dumps(data).encode()))

    assert read_server_message(text_of(raw)) == Response(
        id=number, success=True, data=data
    )


def test_texts_are_ascii_whatever_they_say():
    assert text_of(Notify(name="é\u2028\ud800")).isascii()


def test_numbers_that_strict_json_lacks_are_taken_as_the_real_peers_do():
    text = '{"type": "response", "id": 1, "success": true, "data": [NaN, -Infinity]}'

    nan, infinity = read_server_message(text.encode()).data

    assert math.isnan(nan)
    assert infinity == -math.inf


@pytest.mark.parametrize(
    "text",
    [
        "",
        "not json",
        "[]",
        "1",
        "[" * 100_000,
        "{}",
        '{"type": "state", "diff": []}',
        '{"type": "request", "name": "x"}',
        '{"type": "request", "id": 1}',
        '{"type": "request", "id": 1, "name": 2}',
    ],
    ids=lambda text: text[:40] or "empty",
)
def test_what_is_no_request_is_refused(text):
    with pytest.raises(ProtocolError):
        read_request(text.encode())


@pytest.mark.parametrize(
    "text",
    [
        '{"type": "request", "id": 1, "name": "x"}',
        '{"type": "response", "id": 1}',
        '{"type": "response", "success": true}',
        '{"type": "response", "id": 1, "success": 1}',
        '{"type": "state"}',
        '{"type": "state", "diff": {}}',
        '{"type": "notify"}',
    ],
)
def test_what_no_server_sends_is_refused(text):
    with pytest.raises(ProtocolError):
        read_server_message(text.encode())


def test_a_refusal_does_not_repeat_what_may_be_a_password():
    text = text_of(Request(id=1, name="login", data={"password": "hunter2"}))

    with pytest.raises(ProtocolError) as refusal:
        read_server_message(text)

    assert "hunter2" not in str(refusal.value)


@pytest.mark.parametrize(
    ("frame", "wire"),
    [
        ("0{}", Wire.SEGMENTED),
        ("1", Wire.SEGMENTED),
        ("2hello", Wire.SEGMENTED),
        ('{"type": "state", "diff": []}', Wire.BARE),
        ('{"type": "request", "id": 1, "name": ""}', Wire.BARE),
        ('{"type": "DATA", "payload": []}', Wire.SYMMETRIC),
        ('{"type": "MESSAGE", "payload": 1}', Wire.SYMMETRIC),
    ],
)
def test_the_first_frame_tells_the_wire(frame, wire):
    assert Wire.of_first_frame(frame.encode()) is wire


@pytest.mark.parametrize("frame", ["", "9x", "hello", "{"])
def test_a_first_frame_of_no_juggler_is_refused(frame):
    with pytest.raises(ProtocolError):
        Wire.of_first_frame(frame.encode())
