import re
import threading
import time
import urllib.parse
from xml.etree import ElementTree

import numpy as np
import pytest

from pilothouse_widgets import LiveChart, Series
from pilothouse_widgets.busy import the_cell_clock
from pilothouse_widgets.feed import the_feed
from waiting import until
from widgets.frames import points_of


@pytest.fixture
def chart(comms):
    return LiveChart(["a", "b"], unit="records/s", title="Rates")


def channel(widget, comms):
    return next(c for c in comms if c.comm_id == widget.model_id)


def appends(widget, comms):
    return [
        (content["append"], buffers[0])
        for content, buffers in channel(widget, comms).custom
        if "append" in content
    ]


def test_points_reach_the_browser_in_binary(chart, comms):
    chart.append({"a": [1, 2], "b": [3, 4]}, x=[10, 11])
    assert the_feed().flush(60)

    ((description, data),) = appends(chart, comms)

    assert description["seq"] == 1
    assert points_of(description, data)[1][2].tolist() == [3, 4]


def test_a_window_is_not_overtaken_by_what_is_newer(chart, comms, monkeypatch):
    """Points that come amid an answer to the browser follow behind that."""
    chart._sight.seen = True
    snapshot = chart._points.snapshot

    def and_then_more_comes():
        found = snapshot()
        chart.append([3, 4], x=11)
        chart._appends.flush(0.2)
        return found

    monkeypatch.setattr(chart._points, "snapshot", and_then_more_comes)
    chart._send_window()
    assert the_feed().flush(60)

    kinds = [next(iter(content)) for content, _ in channel(chart, comms).custom]
    assert kinds == ["window", "append"]


def test_values_may_be_given_in_order_or_bare(comms):
    both, one = LiveChart(["a", "b"], axis="number"), LiveChart(["a"], axis="number")

    both.append([1, 2], x=0)
    one.append(3, x=0)

    assert [both.column(label)[1].tolist() for label in "ab"] == [[1], [2]]
    assert one.column("a")[1].tolist() == [3]


def test_x_is_now_when_left_out(chart):
    before = time.time()
    chart.append([1, 2])

    assert before <= chart.column("a")[0][0] <= time.time()


def test_a_label_that_is_none_of_the_chart_is_refused(chart):
    with pytest.raises(KeyError, match="c"):
        chart.append({"c": 1})


def test_two_series_of_one_label_are_refused():
    with pytest.raises(ValueError, match="different labels"):
        LiveChart(["a", Series("a")])


def test_a_base_load_append_takes_less_than_two_kilobytes(comms):
    """4 series, 100 points an update, 20 Hz: buffer, content and 900 of envelope."""
    chart = LiveChart(list("abcd"), window=0, points=2500, axis="number")
    rng = np.random.default_rng(1)
    for i in range(20):
        x = np.arange(i * 25, i * 25 + 25) / 500
        chart.append(rng.normal(size=(4, 25)), x=x)
        assert the_feed().flush(60)

    sizes = [
        len(data) + len(str(description)) for description, data in appends(chart, comms)
    ]

    assert max(sizes) + 900 < 2000


def test_no_more_than_twenty_appends_a_second_are_sent(chart, comms):
    stop = threading.Event()

    def source():
        while not stop.is_set():
            chart.append([1, 2])
            stop.wait(0.002)

    thread = threading.Thread(target=source)
    thread.start()
    until(lambda: len(appends(chart, comms)) >= 15)
    stop.set()
    thread.join()

    found = channel(chart, comms)
    times = [
        at
        for at, message in zip(found.times, found.messages, strict=False)
        if "append" in message.get("content", ())
    ]
    assert (len(times) - 2) / (times[-1] - times[0]) <= 20.5


def test_a_later_view_gets_the_whole_window(chart):
    """The serialiser of the trait computes it when it is asked for."""
    for i in range(100):
        chart.append([i, -i], x=i)

    window = chart.get_state("_window")["_window"]
    points = points_of(window, window["data"])

    assert points[0][2].tolist() == list(range(39, 100))
    assert points[1][2][-1] == -99


def test_until_a_browser_answers_the_window_is_repeated(chart, comms):
    """A message before the view's module is loaded is lost, and must be healed."""
    chart.append([1, 1])

    def repeated():
        chart.append([1, 1])
        return any("window" in content for content, _ in channel(chart, comms).custom)

    assert until(repeated)
    channel(chart, comms).hear({"ask": "painted", "seq": 1})
    sent = len([c for c, _ in channel(chart, comms).custom if "window" in c])
    assert chart._sight.seen
    assert sent >= 1


def test_a_browser_that_falls_behind_gets_merged_appends(chart, comms):
    channel(chart, comms).hear({"ask": "painted", "seq": 0})

    def behind():
        chart.append([1, 1])
        return chart.merging

    until(behind, timeout=60)
    began = time.monotonic()
    before = len(appends(chart, comms))
    for _ in range(30):
        chart.append([1, 1])
        threading.Event().wait(0.025)
    sent = len(appends(chart, comms)) - before
    assert sent - 2 <= time.monotonic() - began

    channel(chart, comms).hear({"ask": "painted", "seq": chart._points.seq})
    chart.append([1, 1])
    until(lambda: not chart.merging)
    total = sum(len(points_of(*one)[0][2]) for one in appends(chart, comms))
    chart.append([1, 1])
    assert the_feed().flush(60)
    assert total <= len(chart.column("a")[0])


def test_a_browser_that_missed_points_gets_the_window(chart, comms):
    chart.append([1, 2], x=3)
    channel(chart, comms).hear({"ask": "window"})

    content, buffers = until(
        lambda: next(
            (c for c in channel(chart, comms).custom if "window" in c[0]), None
        )
    )

    assert points_of(content["window"], buffers[0])[1][2].tolist() == [2]


def test_the_plain_text_has_the_last_values(chart):
    chart.append([1234.5, 0.25])

    assert repr(chart) == "Rates: a 1.23k records/s, b 0.25 records/s"


def drawing_in(html):
    """Return the image of a snapshot; its words are none of the page's."""
    address = re.search(r'<img alt="[^"]+" src="data:image/svg\+xml,([^"]+)"', html)[1]
    assert not set("<>#") & set(address)
    drawing = urllib.parse.unquote(address)
    assert ElementTree.fromstring(drawing).tag == "{http://www.w3.org/2000/svg}svg"
    return drawing


def test_the_static_snapshot_is_a_drawing_and_a_table(chart):
    for i in range(50):
        chart.append([i, i * 2], x=i)

    html = chart._repr_mimebundle_()[0]["text/html"]

    drawing = drawing_in(html)
    assert drawing.count("<path") == 2
    assert ">50</text>" in drawing
    assert "<th" in html
    assert "98" in html


def test_a_chart_without_data_has_a_snapshot(chart):
    assert "no data yet" in chart._repr_mimebundle_()[0]["text/html"]


def test_numbers_that_are_none_break_nothing(chart):
    chart.append([float("nan"), float("inf")], x=1)
    chart.append([1, 2], x=2)

    assert "a 1 " in repr(chart)
    assert "<path" in drawing_in(chart._repr_mimebundle_()[0]["text/html"])


def test_answers_that_wait_behind_a_cell_hold_nothing_back(chart, comms, monkeypatch):
    """While a cell runs the browser's silence means nothing: the chart moves on."""
    monkeypatch.setattr(type(the_cell_clock()), "busy_for", 2.0)
    channel(chart, comms).hear({"ask": "painted", "seq": 0})

    def sent_past_the_limit():
        chart.append([1, 1])
        return len(appends(chart, comms)) > 50

    until(sent_past_the_limit, timeout=60)
    assert not chart.merging
