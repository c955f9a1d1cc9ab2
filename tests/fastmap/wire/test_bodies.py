"""Bodies of requests, in both directions."""

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilothouse.errors import ProtocolError
from pilothouse.fastmap.wire import limits
from pilothouse.fastmap.wire.bodies import (
    EMPTY,
    DoneRequest,
    InitRequest,
    MapRequest,
    ResultsRequest,
    RunsRequest,
    read_empty,
)

HASH = "db6f7f9db340fd4b"
RUN = "404957e63bd7dcaf"
VECTORS = [
    pytest.param(
        InitRequest(func_hash=HASH),
        "81a966756e635f68617368b064623666376639646233343066643462",
        id="init",
    ),
    pytest.param(
        MapRequest(func_hash=HASH, batch=b"\x1f\x8b", label="", run_id=RUN),
        "84a966756e635f68617368b064623666376639646233343066643462a56261746368c4021f8b"
        "a56c6162656ca0a672756e5f6964b034303439353765363362643764636166",
        id="map",
    ),
    pytest.param(
        DoneRequest(func_hash=HASH, run_id=RUN),
        "82a966756e635f68617368b064623666376639646233343066643462a672756e5f6964b0"
        "34303439353765363362643764636166",
        id="done",
    ),
]
MORE = [
    InitRequest(func_hash=HASH, func=b"x", payload_part=2, payload_len=3),
    MapRequest(
        func_hash=HASH,
        batch=b"x" * 70_000,
        label="é\n",
        run_id="a-_Z",
        index=7,
        count=8,
        name="f",
        defer=True,
    ),
    DoneRequest(func_hash=HASH, run_id=RUN, keep=True),
    ResultsRequest(run_id=RUN, index=0),
    RunsRequest(run_id=RUN),
]


@pytest.mark.parametrize(("request_", "body"), VECTORS)
def test_a_body_is_what_the_real_client_sends(request_, body):
    """Vectors of the contract §2.1, from fastmap 0.0.6."""
    assert request_.to_bytes().hex() == body
    assert type(request_).from_bytes(bytes.fromhex(body)) == request_


@pytest.mark.parametrize("request_", MORE)
def test_reading_is_the_inverse_of_writing(request_):
    assert type(request_).from_bytes(request_.to_bytes()) == request_


def test_a_map_request_without_extras_has_the_four_keys_of_the_document():
    body = MapRequest(func_hash=HASH, batch=b"", run_id=RUN).to_bytes()

    assert list(msgpack.unpackb(body)) == ["func_hash", "batch", "label", "run_id"]


def test_auth_is_one_byte():
    assert EMPTY == b"\x80"
    read_empty(EMPTY)


def test_to_ask_for_all_runs_is_one_byte_too():
    assert RunsRequest().to_bytes() == EMPTY
    assert RunsRequest.from_bytes(EMPTY) == RunsRequest()


INIT = {"func_hash": HASH, "func": b"x", "payload_part": 0, "payload_len": 1}
MAP = {"func_hash": HASH, "batch": b"", "label": "", "run_id": RUN}


def wrong(kind, base, **changes):
    values = {k: v for k, v in {**base, **changes}.items() if v is not ...}
    shown = " ".join(f"{k}={str(v)[:20]!r}" for k, v in changes.items())
    return pytest.param(kind, msgpack.packb(values), id=f"{kind.__name__} {shown}")


REFUSED = [
    wrong(InitRequest, INIT, func_hash=...),
    wrong(InitRequest, INIT, func_hash=b"0" * 16),
    wrong(InitRequest, INIT, func_hash="A" * 16),
    wrong(InitRequest, INIT, func_hash=HASH + "\n"),
    wrong(InitRequest, INIT, func_hash="../../etc/passwd"),
    wrong(InitRequest, INIT, func=b""),
    wrong(InitRequest, INIT, func="x"),
    wrong(InitRequest, INIT, func=None),
    wrong(InitRequest, INIT, func=b"x" * (limits.PART_BYTES + 1)),
    wrong(InitRequest, INIT, payload_part=1),
    wrong(InitRequest, INIT, payload_part=-1),
    wrong(InitRequest, INIT, payload_part=False),
    wrong(InitRequest, INIT, payload_len=True),
    wrong(InitRequest, INIT, payload_len=0),
    wrong(InitRequest, INIT, payload_len=1.0),
    wrong(InitRequest, INIT, payload_len=limits.PARTS + 1),
    wrong(InitRequest, INIT, run_id=RUN),
    wrong(MapRequest, MAP, batch="x"),
    wrong(MapRequest, MAP, batch=...),
    wrong(MapRequest, MAP, run_id=...),
    wrong(MapRequest, MAP, run_id=""),
    wrong(MapRequest, MAP, run_id="a b"),
    wrong(MapRequest, MAP, run_id="a" * 129),
    wrong(MapRequest, MAP, label=None),
    wrong(MapRequest, MAP, label=b""),
    wrong(MapRequest, MAP, index=-1),
    wrong(MapRequest, MAP, index=True),
    wrong(MapRequest, MAP, count=1.5),
    wrong(MapRequest, MAP, defer=1),
    wrong(MapRequest, MAP, func=b"x"),
    wrong(DoneRequest, {"func_hash": HASH, "run_id": RUN}, batch=b""),
    wrong(DoneRequest, {"func_hash": HASH, "run_id": RUN}, keep=0),
    wrong(DoneRequest, {"func_hash": HASH}),
    wrong(ResultsRequest, {"run_id": RUN, "index": -1}),
    wrong(ResultsRequest, {"run_id": RUN, "index": 2**60}),
    wrong(RunsRequest, {}, run_id="a b"),
    wrong(RunsRequest, {}, run_id=None),
    wrong(RunsRequest, {"run_id": RUN}, index=0),
]


@pytest.mark.parametrize(("kind", "body"), REFUSED)
def test_another_shape_is_refused(kind, body):
    with pytest.raises(ProtocolError):
        kind.from_bytes(body)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\x80\x80",
        b"\xc0",
        b"\x90",
        b"\xc1",
        b"\x81\x01\x02",
        b"\x81\xc4\x01a\x02",
        b"\xdf\xff\xff\xff\xff",
        b"\x81\xa1a" + b"\x91" * 10_000,
        b"\x81\xa1a" + b"\x91" * 20 + b"\xc0",
        b"\x81\xa1a\xd6\xff\0\0\0\0",
        b"\x81\xa1a\xd4\x05\0",
        b"\x81\xa1\xff\xc0",
    ],
)
def test_what_is_no_plain_map_is_refused(body):
    """Trailing bytes, other types, other keys, lies on lengths, depth, extensions."""
    for read in (read_empty, InitRequest.from_bytes, MapRequest.from_bytes):
        with pytest.raises(ProtocolError):
            read(body)


@pytest.mark.parametrize("request_", [p.values[0] for p in VECTORS] + MORE)
def test_a_body_of_one_endpoint_passes_at_no_other(request_):
    """A signature covers the body only, so a body says where it belongs."""
    readers = [
        InitRequest.from_bytes,
        MapRequest.from_bytes,
        DoneRequest.from_bytes,
        ResultsRequest.from_bytes,
        RunsRequest.from_bytes,
        read_empty,
    ]
    passed = 0
    for read in readers:
        try:
            read(request_.to_bytes())
        except ProtocolError:
            continue
        passed += 1

    assert passed == 1


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(body):
    for kind in (InitRequest, MapRequest, DoneRequest, ResultsRequest):
        try:
            found = kind.from_bytes(body)
        except ProtocolError:
            continue
        assert kind.from_bytes(found.to_bytes()) == found


def test_a_body_full_of_containers_is_refused_at_once():
    """Twenty million empty maps would be gigabytes of objects."""
    many = b"\xdd\x01\x00\x00\x00" + b"\x80" * 2**24

    with pytest.raises(ProtocolError):
        MapRequest.from_bytes(b"\x81\xa1x" + many)


@pytest.mark.parametrize("length", [0, 255, 256, 65_535, 65_536])
def test_a_map_request_in_pieces_is_the_same(length):
    """Its batch is not copied, however long."""
    request = MapRequest(
        func_hash=HASH, batch=b"x" * length, run_id="r", label="é", index=0, count=3
    )
    pieces = request.to_pieces()

    assert pieces[1] is request.batch
    assert b"".join(pieces) == request.to_bytes()
    assert MapRequest.from_bytes(b"".join(pieces)) == request
