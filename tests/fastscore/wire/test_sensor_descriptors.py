"""Sensor descriptors."""

import pytest

from pilothouse.errors import ProtocolError
from pilothouse.fastscore.wire import sensors
from pilothouse.fastscore.wire.sensors import (
    Activate,
    Filter,
    SensorDescriptor,
    Sink,
    parse_sensor,
)

TAP = "manifold.0.records.count"


def test_prep_makes_what_the_real_sdk_makes():
    assert sensors.prep(TAP) == {
        "Tap": TAP,
        "Activate": "permanent",
        "Aggregate": "sum",
        "Sink": "pneumo",
        "Report": {"Interval": 1.0},
    }


def test_a_prepared_descriptor_is_read():
    assert parse_sensor(sensors.prep(TAP, aggregate="count", interval=0.5)) == (
        SensorDescriptor(tap=TAP, aggregate="count", report_interval=0.5)
    )


@pytest.mark.parametrize(
    ("wire", "value"),
    [
        ({}, SensorDescriptor(tap=TAP)),
        ({"Aggregate": None}, SensorDescriptor(tap=TAP, aggregate=None)),
        ({"aggregate": "SUM"}, SensorDescriptor(tap=TAP, aggregate="sum")),
        (
            {"Aggregate": {"Type": "accumulate", "SampleSize": 5}},
            SensorDescriptor(tap=TAP, sample_size=5),
        ),
        (
            {"Activate": {"Type": "regular", "Interval": 5, "Duration": 1}},
            SensorDescriptor(
                tap=TAP, activate=Activate(kind="regular", interval=5.0, duration=1.0)
            ),
        ),
        (
            {"Activate": {"Type": "random", "Intensity": 0.1, "MaxReads": 3}},
            SensorDescriptor(
                tap=TAP, activate=Activate(kind="random", intensity=0.1, max_reads=3)
            ),
        ),
        (
            {"Filter": {"Type": ">", "Threshold": "1G"}},
            SensorDescriptor(tap=TAP, filter=Filter(kind=">", low=2.0**30)),
        ),
        (
            {"Filter": {"Type": "within-range", "MinValue": 1, "MaxValue": "2.5k"}},
            SensorDescriptor(
                tap=TAP, filter=Filter(kind="within-range", low=1.0, high=2560.0)
            ),
        ),
        ({"Sink": {"Type": "pneumo"}}, SensorDescriptor(tap=TAP)),
        (
            {"Sink": {"Topic": "t", "Partition": 2}},
            SensorDescriptor(tap=TAP, sink=Sink(kind="kafka", topic="t", partition=2)),
        ),
        ({"Report": {"Interval": 0.0}}, SensorDescriptor(tap=TAP)),
        ({"Report": None}, SensorDescriptor(tap=TAP)),
        (
            {"Version": "1.2", "Description": "x", "Report": {"interval": 2}},
            SensorDescriptor(tap=TAP, report_interval=2.0),
        ),
    ],
)
def test_descriptors_are_read(wire, value):
    assert parse_sensor({"Tap": TAP, **wire}) == value
    assert parse_sensor({"tap": TAP, **wire}) == value


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("manifold.input.records.count", "manifold.0.records.count"),
        ("manifold.output.records.size", "manifold.1.records.size"),
        ("manifold.2.records", "manifold.2.records"),
        ("sys.memory", "sys.memory"),
    ],
)
def test_names_from_before_slots_are_understood(old, new):
    assert parse_sensor({"Tap": old}).tap == new


@pytest.mark.parametrize(
    "wire",
    [
        None,
        [],
        "sys.memory",
        {},
        {"Tap": None},
        {"Tap": ""},
        {"Tap": 3},
        {"Tap": TAP, "tap": TAP},
        {"Tap": TAP, "Activate": "sometimes"},
        {"Tap": TAP, "Activate": {"Type": "regular"}},
        {"Tap": TAP, "Activate": {"Type": "regular", "Interval": 0}},
        {"Tap": TAP, "Activate": {"Type": "random"}},
        {"Tap": TAP, "Activate": {"Type": "permanent", "MaxReads": -1}},
        {"Tap": TAP, "Filter": ">"},
        {"Tap": TAP, "Filter": {"Type": "=", "Threshold": 1}},
        {"Tap": TAP, "Filter": {"Type": ">"}},
        {"Tap": TAP, "Filter": {"Type": ">", "Threshold": "lots"}},
        {"Tap": TAP, "Filter": {"Type": ">", "Threshold": True}},
        {"Tap": TAP, "Filter": {"Type": "within-range", "MinValue": 1}},
        {"Tap": TAP, "Filter": {"Type": "within-range", "MinValue": 2, "MaxValue": 1}},
        {"Tap": TAP, "Aggregate": "average"},
        {"Tap": TAP, "Aggregate": {"Type": "sum", "SampleSize": -1}},
        {"Tap": TAP, "Sink": "file"},
        {"Tap": TAP, "Sink": {"Type": "Kafka"}},
        {"Tap": TAP, "Report": 1.0},
        {"Tap": TAP, "Report": {"Interval": -1}},
        {"Tap": TAP, "Report": {"Interval": "1"}},
        {"Tap": TAP, "Report": {"Interval": float("nan")}},
    ],
)
def test_wrong_descriptors_are_refused(wire):
    with pytest.raises(ProtocolError):
        parse_sensor(wire)


@pytest.mark.parametrize(
    ("filter_", "passing", "stopped"),
    [
        (Filter(kind=">", low=5), [6, 5.1], [5, 4]),
        (Filter(kind=">=", low=5), [6, 5], [4.9]),
        (Filter(kind="<", low=5), [4], [5, 6]),
        (Filter(kind="<=", low=5), [5, 4], [6]),
        (Filter(kind="within-range", low=1, high=2), [1, 1.5, 2], [0, 3]),
        (Filter(kind="outside-range", low=1, high=2), [0, 3], [1, 1.5, 2]),
    ],
)
def test_a_filter_lets_numbers_pass(filter_, passing, stopped):
    assert all(filter_.passes(reading) for reading in passing)
    assert not any(filter_.passes(reading) for reading in stopped)
    assert not any(filter_.passes(reading) for reading in ("6", None, True, [6]))
