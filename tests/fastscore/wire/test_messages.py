"""Shapes of the REST API: what is read is what was written."""

import pytest

from pilothouse.errors import ProtocolError
from pilothouse.fastscore.wire import messages as m

SLOT = {"slot": 0, "schema": {"type": "int"}, "recordsets": False, "action": "action"}
INSTANCE = {
    "id": "366e5030",
    "name": "engine-1",
    "api": "engine",
    "host": "127.0.0.1",
    "port": 8003,
    "release": "1.10",
    "built_on": "Thu May 11 12:53:39 UTC 2017",
    "health": "ok",
}
SAMPLES = [
    (m.Health, {"id": "x", "release": "1.10", "built_on": "today"}),
    (m.InstanceInfo, INSTANCE),
    (m.SlotInfo, SLOT),
    (m.SlotInfo, {"slot": 1, "schema": None, "recordsets": True, "action": None}),
    (m.JetInfo, {"pid": 17, "sandbox": "0042"}),
    (
        m.ActiveModel,
        {
            "name": "m",
            "mtype": "python3",
            "source": "x",
            "slots": [SLOT],
            "attachments": ["a.zip"],
            "snapshots": "eof",
            "jets": [{"pid": 17, "sandbox": "1"}],
        },
    ),
    (
        m.ActiveStream,
        {"slot": 0, "name": "s", "descriptor": {"Transport": "REST"}, "eof": True},
    ),
    (
        m.VerifyInfo,
        {
            "slots": [SLOT],
            "install_libs": ["numpy"],
            "warn_libs": [],
            "attach_libs": ["mine"],
            "snapshots": "none",
        },
    ),
    (
        m.SnapshotInfo,
        {"id": "yu647a01", "created_on": "2018-03-05", "type": "ETS1", "size": 3},
    ),
    (m.SensorInfo, {"id": 8, "tap": "sys.memory"}),
    (m.ModelInfo, {"name": "m", "type": "R"}),
    (m.RateInfo, {"rps": 1.5, "mbps": 0.25}),
    (m.EngineState, {"state": "running"}),
]


@pytest.mark.parametrize(
    ("shape", "wire"), SAMPLES, ids=[f"{s[0].__name__}" for s in SAMPLES]
)
def test_reading_and_writing_are_inverse(shape, wire):
    value = shape.from_wire(wire)
    assert value.to_wire() == wire
    assert shape.from_wire(value.to_wire()) == value


@pytest.mark.parametrize(
    ("shape", "wire"), SAMPLES, ids=[f"{s[0].__name__}" for s in SAMPLES]
)
def test_what_is_no_object_is_refused(shape, wire):
    for other in (None, [], "x", 7, [wire]):
        with pytest.raises(ProtocolError):
            shape.from_wire(other)


@pytest.mark.parametrize(
    ("shape", "wire"), SAMPLES, ids=[f"{s[0].__name__}" for s in SAMPLES]
)
def test_unknown_fields_are_ignored(shape, wire):
    assert shape.from_wire({**wire, "later": 1}) == shape.from_wire(wire)


@pytest.mark.parametrize(
    ("shape", "wire"),
    [
        (m.Health, {"id": "x", "release": "1"}),
        (m.Health, {"id": 1, "release": "1", "built_on": ""}),
        (m.InstanceInfo, {**INSTANCE, "port": "8003"}),
        (m.InstanceInfo, {"id": "x"}),
        (m.SlotInfo, {"slot": True}),
        (m.SlotInfo, {"slot": 0, "recordsets": "yes"}),
        (m.SlotInfo, {"slot": 0, "action": 1}),
        (m.JetInfo, {"pid": 1, "sandbox": "jet-1"}),
        (m.JetInfo, {"pid": 1, "sandbox": ""}),
        (m.JetInfo, {"pid": 1, "sandbox": 1}),
        (m.ActiveModel, {"name": "m", "mtype": "R"}),
        (m.ActiveStream, {"slot": 0, "name": "s", "descriptor": "rest:"}),
        (m.VerifyInfo, {"install_libs": "numpy"}),
        (m.SnapshotInfo, {"id": "x", "created_on": "", "type": "t", "size": 1.5}),
        (m.SensorInfo, {"id": "1", "tap": "x"}),
        (m.EngineState, {"state": "sleeping"}),
        (m.EngineState, {"state": None}),
        (m.EngineState, {}),
    ],
)
def test_wrong_fields_are_refused(shape, wire):
    with pytest.raises(ProtocolError):
        shape.from_wire(wire)


def test_a_filtered_fleet_leaves_fields_out():
    info = m.InstanceInfo.from_wire({"name": "engine-1", "health": "fail", "id": None})
    assert (info.port, info.api, info.is_healthy) == (0, "", False)


@pytest.mark.parametrize("word", ["init", "Init", "INIT"])
def test_a_state_is_read_in_any_case_and_written_in_lower_case(word):
    state = m.EngineState.of(word)
    assert state is m.EngineState.INIT
    assert state == "INIT"
    assert state.to_wire() == {"state": "init"}


def test_even_slots_are_inputs():
    assert m.SlotInfo(slot=2).is_input
    assert not m.SlotInfo(slot=3).is_input


def test_verify_info_always_has_all_five_fields():
    assert m.VerifyInfo().to_wire() == {
        "slots": [],
        "install_libs": [],
        "warn_libs": [],
        "attach_libs": [],
        "snapshots": "none",
    }
