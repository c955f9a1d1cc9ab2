"""Pneumo messages: what is read is what was written."""

import datetime

import pytest

from pilothouse.errors import ProtocolError
from pilothouse.fastscore.wire import pneumo

COMMON = {"src": "engine-1", "timestamp": "2018-03-05T17:52:45.664600Z"}
INPUT = {
    "slot": 0,
    "seqno": 99,
    "data": ['{"a": 1}', '{"a": 2}'],
    "batch_len": 180,
    "encoding": "json",
}
SAMPLES = [
    {"type": "health", "instance": "engine-1", "health": "fail"},
    {"type": "log", "level": 64, "text": "hello"},
    {"type": "model-console", "text": "one\ntwo\n"},
    {"type": "engine-state", "state": "running"},
    {"type": "engine-config", "item": "model", "op": "load"},
    {"type": "engine-config", "item": "stream", "op": "attach", "ref": 0},
    {"type": "engine-config", "item": "jet", "op": "start", "ref": "17"},
    {"type": "sensor-report", "id": 3, "tap": "sys.memory", "data": [1, 2]},
    {
        "type": "sensor-report",
        "id": 3,
        "tap": "sys.memory",
        "data": 5,
        "delta_time": 1.5,
    },
    {"type": "model-error", "input": INPUT, "console": "Traceback ..."},
    {"type": "model-error", "input": None, "console": ""},
    {"type": "metadata-event", "anything": {"goes": True}},
]
IDS = [f"{sample['type']}-{index}" for index, sample in enumerate(SAMPLES)]


@pytest.mark.parametrize("extra", SAMPLES, ids=IDS)
def test_reading_and_writing_are_inverse(extra):
    wire = {**COMMON, **extra}
    message = pneumo.read_message(wire)
    assert message.to_wire() == wire
    assert pneumo.read_message(message.to_wire()) == message
    assert pneumo.message_type(message) == extra["type"]
    assert message.src == "engine-1"


def test_the_names_of_the_real_sdk_are_there():
    report = pneumo.read_message({**COMMON, **SAMPLES[8]})
    assert (report.sid, report.point, report.data, report.delta_time) == (
        3,
        "sys.memory",
        5,
        1.5,
    )
    error = pneumo.read_message({**COMMON, **SAMPLES[9]})
    assert error.input.data == ('{"a": 1}', '{"a": 2}')
    assert (error.input.seqno, error.input.batch_len) == (99, 180)


@pytest.mark.parametrize(
    "wire",
    [
        None,
        [],
        "x",
        {},
        {"type": "log", "level": 64, "text": "no src", "timestamp": "2018-03-05"},
        {"src": "e", "type": "log", "level": 64, "text": "no timestamp"},
        {**COMMON, "type": "log", "level": "64", "text": "x"},
        {**COMMON, "type": "log", "level": True, "text": "x"},
        {**COMMON, "type": "log", "text": "x"},
        {**COMMON, "type": 3},
        {**COMMON, "type": "health", "instance": "x"},
        {**COMMON, "type": "engine-state", "state": 1},
        {**COMMON, "type": "engine-config", "item": "stream", "op": "x", "ref": 1.5},
        {**COMMON, "type": "engine-config", "item": "stream", "op": "x", "ref": True},
        {**COMMON, "type": "sensor-report", "id": 1, "tap": "x"},
        {**COMMON, "type": "sensor-report", "id": "1", "tap": "x", "data": 1},
        {**COMMON, "type": "model-error", "input": {"slot": 0}, "console": ""},
        {**COMMON, "type": "model-error", "input": 3, "console": ""},
        {**COMMON, "type": "model-error", "input": None},
        {**COMMON, "timestamp": "yesterday", "type": "log", "level": 1, "text": ""},
        {**COMMON, "timestamp": 17, "type": "log", "level": 1, "text": ""},
    ],
)
def test_what_breaks_the_grammar_is_refused(wire):
    with pytest.raises(ProtocolError):
        pneumo.read_message(wire)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("2018-03-05T17:52:45.664600Z", "2018-03-05T17:52:45.664600Z"),
        ("2018-03-05T17:52:45Z", "2018-03-05T17:52:45.000000Z"),
        ("2018-03-05T18:52:45.5+01:00", "2018-03-05T17:52:45.500000Z"),
        ("2018-03-05T17:52:45", "2018-03-05T17:52:45.000000Z"),
    ],
)
def test_timestamps_are_aware_and_written_in_utc(text, written):
    when = pneumo.read_timestamp(text)
    assert when.tzinfo is not None
    assert pneumo.timestamp_text(when) == written


def test_a_message_without_a_time_zone_cannot_be_made():
    with pytest.raises(ProtocolError, match="time zone"):
        pneumo.LogMsg(
            src="x", timestamp=datetime.datetime(2020, 1, 1), level=1, text=""
        )


@pytest.mark.parametrize(("level", "name"), [(64, "info"), (1, "emergency"), (3, "3")])
def test_log_levels_have_names(level, name):
    when = datetime.datetime.now(datetime.UTC)
    assert pneumo.LogMsg(src="x", timestamp=when, level=level, text="").severity == name
