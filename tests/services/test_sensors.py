"""Taps and sensors: activation, filters, aggregates, reports."""

import asyncio

import pytest

from pilothouse.errors import NotFoundError, ProtocolError
from pilothouse.services.fastscore.bus import Bus
from pilothouse.services.fastscore.sensors import Sensors, Taps
from pilothouse.services.fastscore.system_taps import SystemTaps

TAP = "manifold.0.records.count"


class Bench:
    """An instance's taps and sensors, and what they reported."""

    def __init__(self):
        self.bus = Bus()
        self.taps = Taps()
        self.tap = self.taps.add(TAP)
        self.sensors = Sensors("engine-1", self.taps, self.bus)
        self.reader = self.bus.subscribe()

    def install(self, tap=TAP, **fields):
        return self.sensors.install({"Tap": tap, **fields})

    @property
    def reports(self):
        return list(self.bus.history)

    @property
    def data(self):
        return [report.data for report in self.reports]

    async def wait(self, count=1):
        """Wait until so many reports have come."""
        async with asyncio.timeout(20):
            while len(self.bus.history) < count:
                await anext(self.reader)


def run(scene):
    """Run a scene on a loop; its sensors are uninstalled at the end."""

    async def play():
        bench = Bench()
        try:
            await scene(bench)
        finally:
            bench.sensors.close()
        assert not bench.tap.active
        return bench

    return asyncio.run(play())


def test_nobody_listens_until_a_sensor_is_installed():
    async def scene(bench):
        assert not bench.tap.active
        bench.tap.emit(1)
        sensor = bench.install()
        assert bench.tap.active
        bench.sensors.uninstall(sensor)
        assert not bench.tap.active
        bench.tap.emit(1)

    assert run(scene).reports == []


def test_a_reading_is_reported_at_once_by_default():
    async def scene(bench):
        bench.install()
        bench.tap.emit(5)
        bench.tap.emit(6)

    bench = run(scene)
    first = bench.reports[0]
    assert bench.data == [[5], [6]]
    assert (first.src, first.sid, first.point) == ("engine-1", 1, TAP)
    assert all(report.delta_time > 0 for report in bench.reports)


@pytest.mark.parametrize(
    ("aggregate", "data"),
    [
        ("accumulate", [5, 6, "text"]),
        ("sum", 14),
        ("count", 5),
        (None, "text"),
        ({"Type": "accumulate", "SampleSize": 0}, []),
    ],
)
def test_readings_are_aggregated_until_the_report(aggregate, data):
    """Text stands for three records here, as rejected ones do."""

    async def scene(bench):
        bench.install(Aggregate=aggregate, Report={"Interval": 0.02})
        bench.tap.emit(5)
        bench.tap.emit(6)
        bench.tap.emit("text", 3)
        await bench.wait()

    assert run(scene).data == [data]


def test_objects_of_numbers_are_summed_key_by_key():
    """CPU and profile readings; the real CLI sums them and asks for their keys."""

    async def scene(bench):
        bench.install(Aggregate="sum", Report={"Interval": 0.02})
        bench.tap.emit({"kernel": 1.5, "user": 2})
        bench.tap.emit({"kernel": 0.5, "user": 3})
        await bench.wait()

    assert run(scene).data == [{"kernel": 2.0, "user": 5}]


def test_a_sample_holds_no_more_than_its_size():
    async def scene(bench):
        aggregate = {"Type": "accumulate", "SampleSize": 3}
        bench.install(Aggregate=aggregate, Report={"Interval": 0.02})
        for number in range(100):
            bench.tap.emit(number)
        await bench.wait()

    sample = run(scene).data[0]
    assert len(set(sample)) == 3
    assert set(sample) <= set(range(100))


def test_what_accumulates_is_bounded():
    async def scene(bench):
        bench.install(Report={"Interval": 0.02})
        for number in range(5000):
            bench.tap.emit(number)
        bench.tap.emit("x" * 900_000)
        bench.tap.emit("y" * 900_000)
        await bench.wait()

    data = run(scene).data[0]
    assert len(data) <= 1000
    assert data[-1].startswith("y")


def test_silence_is_not_reported():
    async def scene(bench):
        bench.install(Aggregate="sum", Report={"Interval": 0.01})
        bench.tap.emit(1)
        await bench.wait()
        ticks = bench.taps.add("ticks", poll=lambda: 1)
        bench.install("ticks", Aggregate="sum", Report={"Interval": 0.01})
        assert ticks.active
        await bench.wait(5)

    points = [report.point for report in run(scene).reports]
    assert points.count(TAP) == 1


@pytest.mark.parametrize(
    ("wanted", "data"),
    [
        ({"Type": ">", "Threshold": 2}, [3]),
        ({"Type": ">=", "Threshold": 2}, [2, 3]),
        ({"Type": "<", "Threshold": 2}, [1]),
        ({"Type": "<=", "Threshold": 2}, [1, 2]),
        ({"Type": "within-range", "MinValue": 2, "MaxValue": 3}, [2, 3]),
        ({"Type": "outside-range", "MinValue": 2, "MaxValue": 3}, [1]),
        ({"Type": ">", "Threshold": "1K"}, []),
    ],
)
def test_a_filter_decides_which_readings_count(wanted, data):
    async def scene(bench):
        bench.install(Filter=wanted, Aggregate=None)
        for reading in (1, 2, 3, "text"):
            bench.tap.emit(reading)

    assert run(scene).data == data


def test_a_permanent_sensor_ends_after_its_reads():
    async def scene(bench):
        bench.install(Activate={"Type": "permanent", "MaxReads": 2}, Aggregate=None)
        for reading in (1, 2, 3):
            bench.tap.emit(reading)
        assert not bench.tap.active

    assert run(scene).data == [1, 2]


def test_a_permanent_sensor_ends_after_its_duration():
    async def scene(bench):
        bench.install(Activate={"Type": "permanent", "Duration": 0.02}, Aggregate=None)
        bench.tap.emit(1)
        async with asyncio.timeout(20):
            while bench.tap.active:
                await asyncio.sleep(0)
        bench.tap.emit(2)

    assert run(scene).data == [1]


def test_a_regular_sensor_takes_one_reading_each_interval():
    async def scene(bench):
        bench.install(Activate={"Type": "regular", "Interval": 0.05}, Aggregate=None)
        for _ in range(2):
            async with asyncio.timeout(20):
                while not bench.tap.active:
                    await asyncio.sleep(0)
            bench.tap.emit("first")
            bench.tap.emit("second")

    assert run(scene).data == ["first", "first"]


def test_a_random_sensor_listens_now_and_then():
    async def scene(bench):
        activate = {"Type": "random", "Intensity": 100, "MaxReads": 2}
        bench.install(Activate=activate, Aggregate=None)
        async with asyncio.timeout(20):
            while not bench.tap.active:
                await asyncio.sleep(0)
        for reading in (1, 2, 3):
            bench.tap.emit(reading)

    assert run(scene).data == [1, 2]


def test_a_polled_tap_is_read_once_for_each_report():
    async def scene(bench):
        counter = iter(range(100))
        bench.taps.add("polled", poll=lambda: next(counter))
        bench.install("polled", Aggregate="sum", Report={"Interval": 0.02})
        await bench.wait(3)

    assert run(scene).data[:3] == [0, 1, 2]


def test_a_polled_tap_is_read_at_each_regular_activation():
    async def scene(bench):
        bench.taps.add("polled", poll=lambda: 7)
        activate = {"Type": "regular", "Interval": 0.02}
        bench.install("polled", Activate=activate, Aggregate=None)
        await bench.wait(3)

    assert run(scene).data[:3] == [7, 7, 7]


def test_a_polled_tap_that_fails_does_not_end_the_sensor(caplog):
    readings = iter([ValueError("broken"), 5])

    def poll():
        if isinstance(reading := next(readings, 5), Exception):
            raise reading
        return reading

    async def scene(bench):
        bench.taps.add("polled", poll=poll)
        bench.install("polled", Aggregate=None, Report={"Interval": 0.01})
        await bench.wait()

    assert run(scene).data[0] == 5
    assert "cannot be read" in caplog.text


def test_ids_count_from_one_and_are_never_used_again():
    async def scene(bench):
        assert [bench.install(), bench.install()] == [1, 2]
        bench.sensors.uninstall(2)
        assert bench.install() == 3
        assert [info.id for info in bench.sensors.infos()] == [1, 3]
        with pytest.raises(NotFoundError):
            bench.sensors.uninstall(2)

    run(scene)


def test_the_old_names_of_slots_are_understood():
    async def scene(bench):
        bench.install("manifold.input.records.count", Aggregate=None)
        bench.tap.emit(1)

    assert run(scene).reports[0].point == TAP


@pytest.mark.parametrize(
    ("descriptor", "text"),
    [
        ({"Tap": "nope"}, "no tapping point 'nope'"),
        ({}, "Tap"),
        ([], "object"),
        ({"Tap": TAP, "Activate": "sometimes"}, "Type"),
        ({"Tap": TAP, "Sink": {"Type": "Kafka", "Topic": "t"}}, "not supported"),
        ({"Tap": TAP, "Report": {"Interval": -1}}, "Interval"),
    ],
)
def test_a_bad_descriptor_is_refused(descriptor, text):
    async def scene(bench):
        with pytest.raises(ProtocolError, match=text):
            bench.sensors.install(descriptor)
        assert bench.sensors.infos() == []

    run(scene)


def test_a_removed_tap_takes_its_sensors_along():
    async def scene(bench):
        bench.install()
        bench.taps.remove(TAP)
        bench.taps.remove(TAP)
        assert bench.sensors.infos() == []
        assert bench.taps.names() == []

    run(scene)


def test_adding_a_tap_again_gives_the_same_one():
    taps = Taps()
    first = taps.add("a")
    assert taps.add("a") is first
    assert taps.add("a", poll=lambda: 1).poll is not None


def test_the_number_of_sensors_is_bounded(monkeypatch):
    monkeypatch.setattr("pilothouse.services.fastscore.sensors.MAX_SENSORS", 2)

    async def scene(bench):
        bench.install()
        bench.install()
        with pytest.raises(ProtocolError, match="already"):
            bench.install()

    run(scene)


def test_system_taps_tell_about_this_process():
    taps = Taps()
    system = SystemTaps()
    system.add_to(taps)
    assert 1_000_000 < system.memory() < 100_000_000_000
    assert set(system.cpu_utilization()) == {"kernel", "user"}
    assert [name for name in taps.names() if name.startswith("sys.test")] == [
        "sys.test.bytes",
        "sys.test.float",
        "sys.test.int",
        "sys.test.tagged.bytes",
        "sys.test.tagged.float",
        "sys.test.tagged.int",
    ]
    for name in taps.names():
        tap = taps.get(name)
        assert tap is not None
        assert tap.poll is not None
        assert tap.poll() is not None
