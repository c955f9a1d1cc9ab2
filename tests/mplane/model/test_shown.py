"""Results as DataFrames, messages as HTML."""

from __future__ import annotations

import subprocess
import sys
from ipaddress import ip_address

import pandas as pd
import pytest

from pilothouse.mplane import model

COLUMNS = [
    "time",
    "delay.twoway.icmp.us",
    "cpuload",
    "connectivity.ip",
    "System_type",
    "content.url",
    "source.ip4",
]


def result(rows, **more):
    return model.message_from_dict(
        {
            "result": "measure",
            "label": "ping",
            "token": "t",
            "registry": model.CORE_URI,
            "when": "2016-02-18 12:00:00 + 10s",
            "parameters": {"destination.ip4": "10.0.37.2"},
            "metadata": {"System_version": "0.1"},
            "results": COLUMNS,
            "resultvalues": rows,
        }
        | more
    )


ROW = ["2016-02-18 12:00:01.5", "33155", "0.5", "True", "a", "http://b", "10.0.0.1"]


def test_a_frame_has_the_types_of_the_elements():
    frame = result([ROW, []]).to_frame()

    assert list(frame.columns) == COLUMNS
    assert list(map(str, frame.dtypes)) == [
        "datetime64[us, UTC]",
        "Int64",
        "Float64",
        "boolean",
        "string",
        "string",
        "object",
    ]
    assert frame["time"][0] == pd.Timestamp("2016-02-18 12:00:01.5", tz="UTC")
    assert frame["delay.twoway.icmp.us"][0] == 33155
    assert frame["source.ip4"][0] == ip_address("10.0.0.1")
    assert frame.iloc[1].isna().all()


def test_units_and_parameters_are_attributes():
    attrs = result([ROW]).to_frame().attrs

    assert attrs == {
        "label": "ping",
        "token": "t",
        "verb": "measure",
        "when": "2016-02-18 12:00:00.000000 + 10s",
        "units": {"delay.twoway.icmp.us": "µs"},
        "parameters": {"destination.ip4": "10.0.37.2"},
        "metadata": {"System_version": "0.1"},
    }


def test_a_result_without_rows_is_an_empty_typed_frame():
    frame = result([]).to_frame()

    assert len(frame) == 0
    assert str(frame["time"].dtype) == "datetime64[us, UTC]"


def test_values_that_no_dtype_holds_stay_as_they_are():
    huge = str(2**70)
    frame = result([["now", huge], ["2016-02-18", "1"]]).to_frame()

    assert frame["delay.twoway.icmp.us"][0] == 2**70
    assert frame["time"][0] is model.time_now


def test_results_in_an_envelope_follow_each_other_by_their_start():
    envelope = model.Envelope(token="e", label="pings")
    for second in (1, 2):
        when = f"2016-02-18 12:00:0{second} + 1s"
        envelope.append_message(result([ROW, ROW], when=when))
    envelope.append_message(model.Exception(errmsg="failed"))

    frame = envelope.to_frame()

    assert len(frame) == 4
    assert frame.index.name == "start"
    assert frame.index[2] == pd.Timestamp("2016-02-18 12:00:02", tz="UTC")
    assert str(frame["delay.twoway.icmp.us"].dtype) == "Int64"
    assert frame.attrs["label"] == "pings"
    assert frame.attrs["token"] == "e"
    assert frame.attrs["units"] == {"delay.twoway.icmp.us": "µs"}
    assert len(model.Envelope().to_frame()) == 0


def test_the_model_is_light_until_a_frame_is_asked_for():
    program = (
        "import sys; from pilothouse import mplane; mplane.model.initialize_registry();"
        "heavy = {'pandas', 'numpy', 'IPython', 'requests', 'tornado', 'asyncio'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == "[]"


EVIL = "<script>alert(1)</script>&"


def messages():
    capability = model.Capability(label=EVIL, verb=EVIL)
    capability.add_parameter("measurement.identifier", EVIL)
    capability.add_metadata("System_version", EVIL)
    capability.add_result_column("delay.twoway.icmp.us")
    capability.set_link(EVIL)
    capability.set_token(EVIL)
    envelope = model.Envelope(label=EVIL, token=EVIL, content_type=EVIL)
    envelope.append_message(capability)
    envelope.append_message(model.Exception(token=EVIL, errmsg=EVIL))
    measured = result([["now", "1", "*", "*", EVIL, EVIL]], label=EVIL)
    return [capability, model.Exception(EVIL, errmsg=EVIL), envelope, measured]


@pytest.mark.parametrize("message", messages(), ids=lambda m: m.kind_str())
def test_what_a_peer_sent_is_escaped(message):
    shown = message._repr_html_()

    assert "<script" not in shown
    assert "&lt;script&gt;alert(1)&lt;/script&gt;&amp;" in shown


@pytest.mark.parametrize("message", messages(), ids=lambda m: m.kind_str())
def test_colours_come_from_the_page(message):
    """No colour of its own: what is readable on white has to be on black."""
    shown = message._repr_html_()

    assert "#" not in shown.replace("&#", "")
    for word in ("white", "black", "rgb("):
        assert word not in shown


def test_a_capability_shows_parameters_and_units():
    capability = model.Capability(label="ping", when="now ... future / 1s")
    capability.add_parameter("destination.ip4")
    capability.add_result_column("delay.twoway.icmp.us.mean")

    shown = capability._repr_html_()

    for text in ("ping", "now ... future / 1s", "destination.ip4", "µs"):
        assert text in shown


def test_long_results_are_cut_and_it_is_said():
    shown = result([ROW] * 120)._repr_html_()

    assert "and 70 more rows" in shown
    assert shown.count("<tr>") < 80
