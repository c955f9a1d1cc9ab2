import datetime
import threading

import pytest

from pilothouse.fastscore.pneumo import (
    LogMsg,
    ModelConsoleMsg,
    ModelErrorMsg,
    ModelInputInfo,
    Pneumo,
    SensorReportMsg,
)
from pilothouse.fastscore.suite import Connect
from pilothouse_widgets import PneumoConsole
from pilothouse_widgets.feed import the_feed
from pilothouse_widgets.pneumo_lines import line_of
from waiting import until
from widgets.seeing import seen, seldom

AT = {
    "src": "engine-1",
    "timestamp": datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC),
}
ERROR = ModelErrorMsg(
    **AT,
    input=ModelInputInfo(slot=0, seqno=7, data=('{"x": 1}',), batch_len=1),
    console="Traceback:\n  File \"<model m>\", line 3, in action\nKeyError: 'y'",
)


def custom(widget, comms, kind):
    assert the_feed().flush(60)
    found = next(c for c in comms if c.comm_id == widget.model_id)
    return [content[kind] for content, _ in found.custom if kind in content]


@pytest.mark.parametrize(
    ("message", "level", "text"),
    [
        (LogMsg(**AT, level=16, text="low"), 16, "low"),
        (ModelConsoleMsg(**AT, text="a\nb\n"), 64, "a"),
        (ERROR, 8, "KeyError: 'y'"),
        (
            SensorReportMsg(
                **AT, sid=3, point="manifold.0.records.count", data=5, delta_time=0.5
            ),
            128,
            "manifold.0.records.count = 5 in 0.50 s",
        ),
    ],
    ids=["log", "console", "error", "sensor"],
)
def test_a_message_is_one_line(message, level, text):
    line = line_of(message)

    assert (line["level"], line["text"]) == (level, text)
    assert line["src"] == "engine-1"
    assert line["at"] == AT["timestamp"].timestamp()


def test_an_error_unfolds_to_its_record_and_traceback():
    more = line_of(ERROR)["more"]

    assert more.startswith('slot 0, record 7, batch of 1:\n{"x": 1}\n')
    assert "line 3, in action" in more


def test_several_lines_of_a_model_unfold():
    assert line_of(ModelConsoleMsg(**AT, text="a\nb\n"))["more"] == "a\nb"


def test_a_flood_in_one_message_is_cut_and_says_so():
    more = line_of(ModelConsoleMsg(**AT, text="a\n" + "b" * 100_000))["more"]

    assert len(more) < 21_000
    assert "more characters" in more


def test_lines_go_out_as_deltas(comms):
    console = PneumoConsole()
    console.show(LogMsg(**AT, level=64, text="one"))
    console.show(LogMsg(**AT, level=64, text="two"))

    texts = [x["text"] for d in custom(console, comms, "delta") for x in d["lines"]]
    assert texts == ["one", "two"]


def test_the_tail_is_bounded():
    console = PneumoConsole(limit=100)
    for i in range(1000):
        console.show(LogMsg(**AT, level=64, text=str(i)))

    assert [line["text"] for line in console.lines] == [
        str(i) for i in range(900, 1000)
    ]
    assert len(console.get_state("_whole")["_whole"]["lines"]) == 100


def test_a_flood_of_messages_makes_few_comm_messages(comms):
    console = PneumoConsole()
    for i in range(5000):
        console.show(LogMsg(**AT, level=64, text=str(i)))

    deltas = custom(console, comms, "delta")
    found = next(c for c in comms if c.comm_id == console.model_id)
    sent = zip(found.times, found.messages, strict=True)
    assert seldom([at for at, m in sent if "delta" in m.get("content", {})])
    assert deltas[-1]["lines"][-1]["text"] == "4999"


def test_the_first_line_tells_how_many_and_the_newest():
    console = PneumoConsole()
    assert repr(console) == "Pneumo: no messages (live)"
    console.show(ERROR)

    assert repr(console).startswith("Pneumo: 1 message, 1 error; newest: ")
    assert repr(console).endswith("engine-1 model-error KeyError: 'y'")


def test_the_snapshot_has_the_newest_lines_and_unfolds_errors():
    console = PneumoConsole()
    for i in range(50):
        console.show(LogMsg(**AT, level=64, text=f"<line {i}>"))
    console.show(ERROR)

    html = console._repr_mimebundle_()[0]["text/html"]
    assert "&lt;line 49&gt;" in html
    assert "&lt;line 3&gt;" not in html
    assert "and 21 more" in html
    assert "<details><summary>KeyError" in html


def test_an_unknown_level_is_refused():
    with pytest.raises(ValueError, match="level 'loud'"):
        PneumoConsole(level="loud")


def test_it_begins_with_the_history_and_follows(connect, deployed):
    console = PneumoConsole(connect)
    until(lambda: console.link == "live")
    assert any(line["type"] == "engine-config" for line in console.lines)

    deployed.input(b"-1\n", 0)
    until(lambda: any(line["type"] == "model-error" for line in console.lines))
    console.close()


def test_it_is_live_when_the_history_is_shown(connect, deployed, monkeypatch):
    usual = Pneumo.history
    made = threading.Event()
    links = []

    def looking(self, **options):
        assert made.wait(60)
        assert the_feed().flush(60)
        links.append(console.link)
        return usual(self, **options)

    monkeypatch.setattr(Pneumo, "history", looking)
    console = PneumoConsole(connect)
    made.set()
    until(lambda: console.link == "live")
    assert any(line["type"] == "engine-config" for line in console.lines)
    console.close()
    assert links == ["connecting"]


def test_nothing_falls_between_the_history_and_the_socket(
    connect, deployed, monkeypatch
):
    """An error comes just behind the history that was read."""
    usual = Pneumo.history
    between = set()

    def errors(messages):
        return {m.timestamp for m in messages if isinstance(m, ModelErrorMsg)}

    def before_the_error(self, **options):
        past = usual(self, **options)
        deployed.input(b"-1\n", 0)
        between.update(until(lambda: errors(usual(self)) - errors(past)))
        return past

    monkeypatch.setattr(Pneumo, "history", before_the_error)
    console = PneumoConsole(connect)

    def shown():
        return [line["at"] for line in console.lines if line["type"] == "model-error"]

    def new():
        return {at.timestamp() for at in between}

    until(lambda: new() and new() <= set(shown()), 60, "the error")
    console.close()
    assert [shown().count(at) for at in new()] == [1] * len(new())


def test_the_suite_filters_by_source_and_type(connect, deployed):
    console = PneumoConsole(connect, "engine-1", "engine-state")
    until(lambda: console.link == "live")
    deployed.pause()

    until(lambda: console.lines and console.lines[-1]["text"] == "state PAUSED")
    assert {line["type"] for line in console.lines} == {"engine-state"}
    assert console.about == "source engine-1, type engine-state"


def test_a_suite_that_cannot_be_reached_is_a_state():
    with Connect("http://127.0.0.1:9", timeout=1.0) as nowhere:
        console = PneumoConsole(nowhere)
        seen(console, lambda: console.link == "lost")

        assert console.link_text
        console.close()
