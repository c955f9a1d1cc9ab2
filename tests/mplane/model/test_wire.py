"""Messages as JSON: what is read, what is refused, what is written, byte for byte."""

from __future__ import annotations

import json

import pytest

from pilothouse.errors import ProtocolError
from pilothouse.mplane import model
from pilothouse.mplane.model import CORE_URI, MessageError

BASE = {"version": 1, "registry": CORE_URI, "when": "now"}
SPAN = "2016-02-18 ... 2016-02-19"


def capability(**more):
    return {"capability": "measure"} | BASE | more


def specification(**more):
    return {"specification": "measure"} | BASE | more


def result(**more):
    return {"result": "measure"} | BASE | {"when": SPAN} | more


def without(d, *keys):
    return {key: value for key, value in d.items() if key not in keys}


READ = {
    "an unknown key": capability(schedule="x", nonce=[1]),
    "version 0": capability(version=0),
    "version as text": capability(version="1"),
    "no version": without(capability(), "version"),
    "another verb": capability() | {"capability": "anything"},
    "two kinds: the first counts": capability(result="measure"),
    "no registry, nothing to look up": without(capability(), "registry"),
    "null where nothing is": capability(label=None, token=None, parameters=None),
    "a native number": specification(parameters={"source.port": 80}),
    "a native boolean": specification(parameters={"connectivity.ip": True}),
    "a null value": specification(parameters={"source.port": None}),
    "an array of values": specification(parameters={"source.port": [80, "81"]}),
    "a constraint with brackets": capability(parameters={"source.port": "[1 ... 9]"}),
    "an open value": specification(parameters={"source.port": "*"}),
    "short rows": result(results=["time", "rtt.us"], resultvalues=[[], ["now", "1"]]),
    "native rows": result(results=["rtt.us"], resultvalues=[[1], [2.0], [None]]),
    "an empty link": capability(link=""),
    "only a token": {"receipt": "measure", "registry": CORE_URI, "token": "t"},
    "an exception": {"exception": None, "message": "m"},
    "an empty envelope": {"envelope": "message", "contents": []},
    "an envelope with a token": {"envelope": "result", "token": "t", "contents": []},
}


@pytest.mark.parametrize("d", READ.values(), ids=READ)
def test_what_a_lenient_peer_takes_is_read(d):
    message = model.parse_json(json.dumps(d))

    assert message.kind_str() in d


REFUSED = {
    "no kind": {"version": 1},
    "an array": [],
    "a number": 7,
    "version 2": capability(version=2),
    "version 2 as text": capability(version="2"),
    "a version that is no number": capability(version="one"),
    "an array as version": capability(version=[1]),
    "a verb that is no text": capability(capability=1),
    "no scope": without(capability(), "when"),
    "a scope that is none": capability(when="later"),
    "a scope that is no text": capability(when=5),
    "a receipt without scope and token": without(specification(receipt="m"), "when"),
    "parameters without a registry": without(
        specification(parameters={"source.port": "1"}), "registry"
    ),
    "an unknown registry": capability(registry="http://example.com/registry"),
    "a registry that is no text": capability(registry=1),
    "an unknown element": capability(results=["no.such"]),
    "an unknown parameter": capability(parameters={"no.such": "*"}),
    "a parameter that cannot be": specification(parameters={"source.port": "x"}),
    "a constraint that cannot be": capability(parameters={"source.port": "1,x"}),
    "an object as value": specification(parameters={"source.port": {}}),
    "an array in an array": specification(parameters={"source.port": [[1]]}),
    "a list as parameters": specification(parameters=["source.port"]),
    "text as metadata": specification(metadata="x"),
    "text as results": capability(results="time"),
    "a number as result": capability(results=[1]),
    "an array as result": capability(results=[["time"]]),
    "text as rows": result(results=["time"], resultvalues="x"),
    "text as a row": result(results=["time"], resultvalues=["x"]),
    "a row too long": result(results=["time"], resultvalues=[["now", "1"]]),
    "rows without columns": result(resultvalues=[["1"]]),
    "a wrong value in a row": result(results=["rtt.us"], resultvalues=[["x"]]),
    "an object in a row": result(results=["rtt.us"], resultvalues=[[{}]]),
    "a token that is no text": capability(token=1),
    "a label that is no text": capability(label=[]),
    "an exception without message": {"exception": "t"},
    "an exception with a number": {"exception": 1, "message": "m"},
    "an envelope without contents": {"envelope": "message"},
    "an envelope of text": {"envelope": "message", "contents": ["x"]},
    "an envelope of no kind": {"envelope": 1, "contents": []},
    "an envelope of version 2": {"envelope": "message", "version": 2, "contents": []},
    "a wrong message in an envelope": {"envelope": "message", "contents": [{}]},
}


@pytest.mark.parametrize("d", REFUSED.values(), ids=REFUSED)
def test_what_breaks_the_grammar_is_refused(d):
    with pytest.raises(MessageError) as refused:
        model.parse_json(json.dumps(d))

    assert isinstance(refused.value, ValueError)
    assert isinstance(refused.value, ProtocolError)
    assert str(refused.value)


@pytest.mark.parametrize(
    "text", ["", "{", "nothing", b"\xff", '{"a": NaN}', '"\ud800"']
)
def test_what_is_no_json_is_refused(text):
    with pytest.raises(ValueError, match="not JSON"):
        model.parse_json(text)


def nested(depth):
    message = {"envelope": "message", "contents": []}
    for _ in range(depth - 1):
        message = {"envelope": "message", "contents": [message]}
    return message


def test_envelopes_may_lie_in_envelopes_to_a_depth():
    assert len(model.message_from_dict(nested(8))) == 1
    for depth in (9, 500):
        with pytest.raises(ValueError, match="more than 8 deep"):
            model.message_from_dict(nested(depth))


def test_an_unknown_element_is_a_key_error_too():
    with pytest.raises(
        KeyError, match=r"Key error: no\.such not present in registries"
    ):
        model.message_from_dict(capability(results=["no.such"]))


def test_strings_are_constraints_in_a_capability_and_values_elsewhere():
    parameters = {"source.port": "7"}
    offered = model.message_from_dict(capability(parameters=parameters))
    asked = model.message_from_dict(specification(parameters=parameters))

    assert offered.get_single_parameter_value("source.port") == 7
    assert offered.get_parameter_value("source.port") is None
    assert asked.get_parameter_value("source.port") == 7


def test_a_withdrawal_that_was_read_can_be_sent_on():
    withdrawal = {"withdrawal": "measure"} | BASE | {"parameters": {"source.port": "7"}}

    assert model.message_from_dict(withdrawal).to_dict() == withdrawal


def test_an_export_is_an_export():
    """Release 0.9.0 reads it as the link."""
    read = model.message_from_dict(capability(export="mplane-https://example.com/"))

    assert read.get_export() == "mplane-https://example.com/"
    assert read.get_link() is None


def test_an_array_of_values_is_a_parameter_that_takes_lists():
    read = model.message_from_dict(
        specification(parameters={"source.ip4": ["10.0.0.1"]})
    )

    assert read.parameter("source.ip4").wire() == ["10.0.0.1"]
    assert read.to_dict()["parameters"] == {"source.ip4": ["10.0.0.1"]}


def test_values_are_written_in_their_canonical_form():
    read = model.message_from_dict(
        specification(
            parameters={
                "source.port": "0080",
                "source.ip6": "2001:DB8::0001",
                "connectivity.ip": "true",
                "cpuload": "5",
            },
            metadata={"start": "2016-2-18"},
        )
    )

    assert read.to_dict()["parameters"] == {
        "source.port": "80",
        "source.ip6": "2001:db8::1",
        "connectivity.ip": "True",
        "cpuload": "5.0",
    }
    assert read.to_dict()["metadata"] == {"start": "2016-02-18 00:00:00.000000"}


def test_rows_are_written_in_their_canonical_form_before_and_after_a_look():
    read = model.message_from_dict(
        result(
            results=["rtt.us", "time", "rtt.ms"],
            resultvalues=[["007", "None"], [7.0, "now", "*"]],
        )
    )
    rows = [["7", "*", "*"], ["7", "now", "*"]]

    assert read.to_dict()["resultvalues"] == rows
    assert read.count_result_rows() == 2
    assert list(read.result_column("time")) == [None, model.time_now]
    assert read.to_dict()["resultvalues"] == rows


def test_what_to_dict_gave_may_be_changed():
    read = model.message_from_dict(
        result(
            parameters={"source.port": "80"},
            results=["rtt.us"],
            resultvalues=[["1"]],
        )
    )
    before = json.dumps(read.to_dict())
    d = read.to_dict()
    d["parameters"]["source.port"] = "x"
    d["results"].append("x")
    d["resultvalues"][0][0] = "x"

    assert json.dumps(read.to_dict()) == before


def test_the_name_of_a_column_counts_once():
    read = model.message_from_dict(capability(results=["time", "time"]))

    assert list(read.result_column_names()) == ["time"]


TEXTS = [
    "plain",
    'quote" back\\slash',
    "\n\t\r\b\f\x00\x1f\x7f",
    "µ é 漢",
    "\U0001f300",
    "/",
]


@pytest.mark.parametrize("text", TEXTS)
def test_json_is_written_as_the_real_peer_writes_it(text):
    message = model.Exception(token=text, errmsg=text)
    d = message.to_dict()

    written = model.unparse_json(message)

    expected = json.dumps(d, sort_keys=True, indent=2, separators=(",", ": "))
    assert written == expected
    assert model.parse_json(written).to_dict() == d


def test_text_that_is_no_unicode_cannot_be_written():
    with pytest.raises(ValueError, match="cannot be written"):
        model.unparse_json(model.Exception(errmsg="\ud800"))


def test_a_message_that_is_not_valid_is_rendered_all_the_same():
    """It came by wire, and somebody wants to see it."""
    read = model.message_from_dict(result(when="now + 1s"))

    assert "when        : now + 1s\n" in model.render(read)
    with pytest.raises(ValueError):
        read.to_dict()


def test_texts_of_any_length_are_read_and_not_kept():
    long = "1," * 5000 + "1"
    scope = f"repeat now ... future cron {long} * * * * *"
    digits = "9" * 5000

    read = model.message_from_dict(
        capability(when=scope, parameters={"source.port": long})
    )
    assert str(read.when()).startswith("repeat now ... future cron 1 ")
    assert read.to_dict()["parameters"] == {"source.port": "1"}
    with pytest.raises(ValueError):
        model.message_from_dict(specification(parameters={"source.port": digits}))


def test_a_dictionary_of_another_kind_makes_no_capability():
    with pytest.raises(ValueError, match="is no capability"):
        model.Capability(specification())
    with pytest.raises(NotImplementedError):
        model.Statement(capability())


RENDERED = """\
result: measure
    label       : l
    token       : t
    when        : 2016-02-18 00:00:00.000000
    registry    : http://ict-mplane.eu/registry/core
    parameters  ( 2):{blank}
                             source.port: 2
                         destination.ip4: 1.2.3.4
    metadata    ( 1):{blank}
                          System_version: 0.1
    resultvalues( 1):
          result 0:
                                        time: 2016-02-18 00:00:00.000000

"""


def test_a_result_is_rendered_as_release_0_9_0_renders_it():
    read = model.message_from_dict(
        result(
            label="l",
            token="t",
            when="2016-02-18",
            parameters={"source.port": "2", "destination.ip4": "1.2.3.4"},
            metadata={"System_version": "0.1"},
            results=["time"],
            resultvalues=[["2016-02-18"]],
        )
    )

    assert model.render(read) == RENDERED.format(blank=" ")


def test_other_messages_are_rendered(capsys):
    offered = capability(link="", results=["time"])
    envelope = model.message_from_dict(
        {
            "envelope": "message",
            "contents": [offered, {"exception": "t", "message": "m"}],
        }
    )

    assert model.render_text(envelope) is None
    assert capsys.readouterr().out == (
        "capability: measure\n"
        "    link        : \n"
        "    when        : now\n"
        "    registry    : http://ict-mplane.eu/registry/core\n"
        "    results     ( 1):\n"
        "        time\n"
        "\n"
        "exception: t\n"
        "    message     : m\n"
        "\n"
    )
