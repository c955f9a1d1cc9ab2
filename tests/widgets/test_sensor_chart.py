import pytest

from pilothouse.errors import FastScoreError
from pilothouse.fastscore import Sensor
from pilothouse_widgets import SensorChart
from waiting import until


def test_a_tap_is_installed_drawn_as_a_rate_and_removed(deployed):
    before = set(deployed.active_sensors.keys())
    chart = SensorChart(deployed, "manifold.0.records.count", interval=0.2)
    until(lambda: chart.link == "live")
    deployed.input(b"1\n" * 100, 0)

    _, y = until(
        lambda: c if len((c := chart.column("records.count"))[1]) else None,
        what="a report",
    )
    assert y[0] > 0
    assert chart.unit == "records/s"
    chart.close()
    assert set(deployed.active_sensors.keys()) == before


def test_an_installed_sensor_is_followed_and_stays(engine):
    sensor = engine.install_sensor(
        Sensor.prep("sys.memory", aggregate=None, interval=0.2)
    )
    chart = SensorChart(engine, sensor)
    until(lambda: len(chart.column("sys.memory")[1]) > 1)

    assert chart.column("sys.memory")[1][-1] > 1e6
    chart.close()
    assert sensor in engine.active_sensors
    engine.uninstall_sensor(sensor)


def test_a_reading_with_parts_has_a_line_for_each(engine):
    chart = SensorChart(engine, "sys.cpu.utilization", interval=0.2)
    until(lambda: len(chart.column("user")[1]) > 1)

    assert [line["label"] for line in chart.series] == ["kernel", "user"]


def test_a_list_of_readings_is_drawn_one_by_one(engine):
    sensor = Sensor.prep("sys.test.int", aggregate="accumulate", interval=0.2)
    chart = SensorChart(engine, sensor)

    until(lambda: len(chart.column("sys.test.int")[1]) > 2)


def test_an_unknown_tap_is_refused_at_once(engine):
    with pytest.raises(FastScoreError):
        SensorChart(engine, "no.such.tap")


def test_silence_is_drawn_as_nothing(deployed):
    """A counter sends no report when nothing happens."""
    chart = SensorChart(deployed, "manifold.0.records.count", interval=0.2)
    until(lambda: chart.link == "live")
    deployed.input(b"1\n" * 100, 0)

    until(lambda: len(y := chart.column("records.count")[1]) > 3 and y[-1] == 0)
    assert chart.column("records.count")[1][0] > 0
