import threading
import time

from free_ports import free_port
from pilothouse.fastscore import Model
from pilothouse.fastscore.suite import Connect
from pilothouse.services.host import ServiceHost
from pilothouse_widgets import EngineMonitor
from pilothouse_widgets.engine_report import EngineError, EngineReport, SlotReport
from pilothouse_widgets.engine_watch import EngineWatch
from pilothouse_widgets.feed import the_feed
from pilothouse_widgets.tally import RECORDS, tap_of
from waiting import until
from widgets.frames import points_of
from widgets.seeing import few, seen

REPORT = EngineReport(
    state="RUNNING",
    model="root",
    mtype="python3",
    jets=((101, "1"), (102, "2")),
    slots=(
        SlotReport(
            slot=0, stream="in", transport="REST", rate=10.0, total=40, by_schema=2
        ),
        SlotReport(slot=1, stream="out", transport="REST", rate=9.0, total=38),
    ),
    rejected_rate=0.5,
    memory_bytes=50 * 1024 * 1024,
    at=1_700_000_000.0,
)


def channel(widget, comms):
    return next(c for c in comms if c.comm_id == widget.model_id)


# -- with no server


def test_a_report_becomes_traits_in_one_message(comms):
    monitor = EngineMonitor(name="engine-9")
    before = len(channel(monitor, comms).updates)
    monitor.show(REPORT)

    assert len(channel(monitor, comms).updates) == before + 1
    assert (monitor.state, monitor.model) == ("RUNNING", "root")
    assert monitor.rates == {"in": 10.0, "out": 9.0, "rejected": 0.5}
    assert monitor.totals == {"in": 40, "out": 38, "rejected": 2}
    assert monitor.jets[1] == {"pid": 102, "sandbox": "2"}


def test_the_first_line_has_the_key_numbers():
    monitor = EngineMonitor(name="engine-9")
    monitor.show(REPORT)

    assert repr(monitor) == (
        "engine-9: RUNNING, model root (python3); "
        "in 40, out 38, rejected 2 records, 2 jets"
    )


def test_the_state_is_said_in_words_without_numbers_that_change():
    """They are read out; a rate in them would never let a reader finish."""
    monitor = EngineMonitor(name="engine-9")
    monitor.show(REPORT)

    assert monitor.status == "running, model root, 2 jets"


def test_an_error_is_shown_and_in_the_snapshot():
    monitor = EngineMonitor(name="engine-9")
    error = EngineError(summary="ValueError: <b>", traceback='File "<model>", line 3')
    monitor.show(
        EngineReport(state="ERROR", model="root", mtype="python3", error=error, at=1.0)
    )

    html = monitor._repr_mimebundle_()[0]["text/html"]
    assert "ValueError: &lt;b&gt;" in html
    assert "File &quot;&lt;model&gt;&quot;, line 3" in html
    assert monitor.status.endswith("last error: ValueError: <b>")


def test_an_engine_that_had_failed_before_shows_why(deployed):
    deployed.input(b"-1\n", 0)
    until(lambda: deployed.state == "ERROR")
    monitor = EngineMonitor(deployed)

    until(lambda: "ValueError: math domain error" in monitor.status)


def test_rates_are_drawn(comms):
    monitor = EngineMonitor(name="engine-9")
    monitor.show(REPORT)
    assert the_feed().flush(60)

    content, buffers = channel(monitor, comms).custom[-1]
    points = points_of(content["append"], buffers[0])
    assert [points[i][2].tolist() for i in range(3)] == [[10.0], [9.0], [0.5]]


def test_other_slots_get_lines_of_their_own_and_keep_the_shared_ones():
    monitor = EngineMonitor(name="engine-9")
    monitor.show(REPORT)
    slots = (*REPORT.slots, SlotReport(slot=3, rate=4.0))
    monitor.show(EngineReport(state="RUNNING", slots=slots, at=1_700_000_001.0))

    labels = [line["label"] for line in monitor.series]
    assert labels == ["in 0", "out 1", "out 3", "rejected"]
    assert monitor._points.column(0)[1].tolist() == [10.0, 10.0]
    assert monitor._points.column(2)[1].tolist() == [4.0]


def test_few_messages_for_many_reports(comms):
    monitor = EngineMonitor(name="engine-9")
    began = time.monotonic()
    while time.monotonic() - began < 1.0:
        monitor.put(REPORT)
        threading.Event().wait(0.005)

    assert few(channel(monitor, comms))


def test_a_click_without_an_engine_does_nothing(comms):
    monitor = EngineMonitor(name="engine-9")
    channel(monitor, comms).hear({"ask": "reset"})

    assert not monitor.steerable


# -- with the local suite


def test_it_begins_with_what_the_engine_is_now(deployed):
    monitor = EngineMonitor(deployed)

    seen(monitor, lambda: monitor.state == "RUNNING")
    assert (monitor.model, monitor.link, len(monitor.jets)) == ("root", "live", 1)
    assert [slot["transport"] for slot in monitor.slots] == ["REST chunked"] * 2
    assert [slot["stream"] for slot in monitor.slots] == ["literal"] * 2
    until(lambda: monitor.memory > 0)


def test_it_counts_records_and_rejections(deployed):
    monitor = EngineMonitor(deployed, interval=0.2)
    until(lambda: len(monitor._watch._sensors) == 7)
    deployed.input(b'1\n4\n"x"\n9\n', 0)

    until(lambda: monitor.totals.get("rejected") == 1, what="a rejection")
    until(lambda: monitor.totals.get("out") == 3, what="three outputs")
    assert monitor.slots[0]["by_schema"] == 1
    until(lambda: monitor.rates["in"] == 0, what="a rate of nothing")


def test_a_report_that_overtakes_the_id_of_its_sensor_is_counted(deployed, monkeypatch):
    """The answer that holds the id comes late."""
    tap = tap_of(0, RECORDS)
    reported = threading.Event()
    measured, install = EngineWatch._measured, deployed.install_sensor

    def hear(watch, message):
        measured(watch, message)
        if message.point == tap:
            reported.set()

    def late(sensor):
        sid = install(sensor)
        if sensor.tap == tap:
            deployed.input(b"1\n4\n9\n", 0)
            assert reported.wait(60)
        return sid

    monkeypatch.setattr(EngineWatch, "_measured", hear)
    monkeypatch.setattr(deployed, "install_sensor", late)
    monitor = EngineMonitor(deployed, interval=0.2)

    until(lambda: monitor.totals.get("in") == 3, what="all three records")


def test_it_shows_what_the_model_raised(deployed):
    monitor = EngineMonitor(deployed, interval=0.2)
    until(lambda: monitor.state == "RUNNING")
    deployed.input(b"-1\n", 0)

    until(lambda: monitor.error)
    assert monitor.error["summary"] == "ValueError: math domain error"
    assert "line 7, in action" in monitor.error["traceback"]
    assert monitor.error["record"].startswith("-1")
    until(lambda: monitor.state == "ERROR")


def test_the_buttons_steer_the_engine(deployed, comms):
    monitor = EngineMonitor(deployed, interval=0.2)
    until(lambda: monitor.state == "RUNNING")
    hear = channel(monitor, comms).hear

    hear({"ask": "pause"})
    until(lambda: monitor.state == "PAUSED")
    assert deployed.state == "PAUSED"
    hear({"ask": "unpause"})
    until(lambda: monitor.state == "RUNNING")
    hear({"ask": "scale", "jets": 2})
    until(lambda: len(monitor.jets) == 2)
    hear({"ask": "reset"})
    until(lambda: monitor.state == "INIT" and not monitor.model)
    assert deployed.state == "INIT"


def test_a_refusal_is_shown_in_the_view(deployed, comms):
    monitor = EngineMonitor(deployed, interval=0.2)
    deployed.input(b"-1\n", 0)
    until(lambda: monitor.state == "ERROR")
    channel(monitor, comms).hear({"ask": "scale", "jets": 3})

    until(lambda: monitor.refused)
    assert monitor.refused.startswith("scale: ")
    until(lambda: not monitor.doing)


def test_who_catches_up_is_answered_behind_a_look(deployed, monkeypatch):
    looks, look = [], EngineWatch._look

    def counted(watch):
        looks.append(watch)
        look(watch)

    class Asked(list):
        def append(self, asked):
            super().append(asked)
            assert asked.wait(60)  # the thread is as quick as can be

    monkeypatch.setattr(EngineWatch, "_look", counted)
    monitor = EngineMonitor(deployed, interval=0.02)
    until(lambda: monitor.state == "RUNNING")
    monitor._watch._asked = Asked()
    before = len(looks)

    assert monitor._watch.catch_up(60)
    assert len(looks) > before


def watchers():
    return {t for t in threading.enumerate() if t.name.startswith("pilothouse-w")}


def test_closing_removes_its_sensors_and_threads(engine):
    before, watching = set(engine.active_sensors.keys()), watchers()
    monitor = EngineMonitor(engine, interval=0.2)
    until(lambda: len(engine.active_sensors) > len(before))
    monitor.close()

    until(lambda: set(engine.active_sensors.keys()) == before, what="no sensor of it")
    until(lambda: watchers() <= watching, what="the end of its thread")


def test_a_suite_that_cannot_be_reached_is_a_state_and_is_retried():
    with Connect("http://127.0.0.1:9", timeout=1.0) as nowhere:
        from pilothouse.fastscore.suite import Engine

        monitor = EngineMonitor(Engine("engine-1", nowhere), interval=0.2)
        seen(monitor, lambda: monitor.link == "lost")
        assert monitor.link_text
        assert monitor.link_text in repr(monitor)
        monitor.close()


def test_a_lost_suite_is_shown(fresh_suite):
    with Connect(fresh_suite.url, oauth_secret=fresh_suite.token) as connect:
        monitor = EngineMonitor(connect.get("engine-1"), interval=0.2)
        until(lambda: monitor.state == "INIT")
        fresh_suite.host.stop()
        until(lambda: monitor.link == "lost", what="the loss")
        monitor.close()


def test_a_suite_that_comes_back_is_found_again(tmp_path):
    """Its sensors are installed anew, and the numbers go on."""
    port = free_port()
    places = {"data_dir": tmp_path / "data", "ports": {"fastscore": port}}
    with ServiceHost(["fastscore"], **places) as host:
        url, token = host.fastscore.url, host.fastscore.token
        connect = Connect(url, oauth_secret=token, timeout=5.0)
        monitor = EngineMonitor(connect.get("engine-1"), interval=0.2)
        until(lambda: monitor.state == "INIT")
    until(lambda: monitor.link == "lost")

    with ServiceHost(["fastscore"], **places, token=token):
        until(lambda: monitor.link == "live", 60, "the connection")
        monitor.updated = 0.0
        until(lambda: monitor.updated > 0)
        engine = connect.get("engine-1")
        until(lambda: "sys.memory" in [s.tap for s in engine.active_sensors.values()])
        until(lambda: monitor.memory > 0)
        monitor.close()
    connect.close()


def test_the_token_is_in_no_message(deployed, suite, comms):
    monitor = EngineMonitor(deployed, interval=0.2)
    until(lambda: monitor.state == "RUNNING")
    deployed.input(b"-1\n", 0)
    until(lambda: monitor.error)
    monitor.close()

    told = repr([(c.opened, c.messages, c.buffers) for c in comms])
    assert suite.token not in told
    assert suite.token not in monitor._repr_mimebundle_()[0]["text/html"]


def test_a_model_with_more_slots_shows_them(engine):
    source = (
        "# fastscore.slot.3: in-use\n"
        "def action(x):\n    yield (1, x)\n    yield (3, x)\n"
    )
    monitor = EngineMonitor(engine, interval=0.2)
    Model("fork", "python3", source).deploy(
        engine, streams=dict.fromkeys((0, 1, 3), "rest-chunked:"), wait=20
    )
    until(lambda: [s["slot"] for s in monitor.slots] == [0, 1, 3])
    engine.input(b"1\n2\n", 0)

    until(lambda: monitor.slots[2]["total"] == 2)
