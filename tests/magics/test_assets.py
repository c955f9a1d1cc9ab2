"""A cell becomes a model, a schema, a stream or a sensor."""

from __future__ import annotations

import zipfile

import pytest

from pilothouse.errors import LineError
from pilothouse.fastscore import Model, Schema, Sensor, Stream
from waiting import until

MODEL = """# fastscore.schema.0: numbers
# fastscore.schema.1: numbers

def action(x):
    s = f"{x} $HOME {{}}"
    yield x + 1
"""


def test_a_cell_becomes_a_model_with_its_body_untouched(run, shell):
    found = run("%%model scorer\n" + MODEL)

    assert isinstance(found, Model)
    assert (found.name, found.mtype, found.source) == ("scorer", "python3", MODEL)
    assert shell.user_ns["scorer"] is found


def test_the_type_is_the_second_word_and_r_is_known(run):
    assert run("%%model m R\nx <- 1\n").mtype == "R"
    assert run("%%model m r\nx <- 1\n").mtype == "R"


def test_result_and_semicolon(run, shell):
    assert run("%%model scorer python3 -o other\n" + MODEL) is shell.user_ns["other"]
    assert run("%%model scorer;\n" + MODEL) is None
    assert run("%%model scorer\n" + MODEL + "x = 1;") is not None


def test_a_name_that_is_no_variable_gets_underscores(run, shell):
    assert run('%%schema in-1\n"int"').name == "in-1"
    assert shell.user_ns["in_1"].name == "in-1"


def test_defining_a_model_does_not_run_it(run):
    run("%%model trap\nraise SystemExit(3)\ndef action(x): yield x\n")


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("def action(x:\n    yield x\n", "line 2 of the cell, column 11"),
        ("x = 1\n\ndef begin(): pass\n", "no function 'action'"),
        (
            "# fastscore.action.0: handle\ndef action(x): yield x\n",
            "line 2 of the cell: no function 'handle' for the records of slot 0",
        ),
        ("\n# fastscore.recordsets.0: perhaps\ndef action(x): pass\n", "line 3 of the"),
    ],
)
def test_a_wrong_model_is_refused_with_the_line_of_the_cell(run, shell, body, says):
    with pytest.raises(LineError) as caught:
        run("%%model wrong\n" + body)

    assert says in caught.value.message
    assert "wrong" not in shell.user_ns


def test_the_error_shows_the_lines_around(shown):
    text = shown("%%model wrong\nx = 1\ndef action(x)\n    yield x\n")

    assert "---->   3 def action(x)" in text


def test_an_explicit_model_needs_no_action(run):
    run("%%model m\n# fastscore.action: unused\nfrom fastscore.io import Slot\n")


@pytest.mark.parametrize(
    ("body", "source"),
    [
        ('{"type": "array", "items": "int"}', {"type": "array", "items": "int"}),
        ('"int"', "int"),
        ("int", "int"),
        ("type: array\nitems: int\n", {"type": "array", "items": "int"}),
        ("{type: array, items: int,}  # short", {"type": "array", "items": "int"}),
    ],
    ids=["json", "json text", "name", "yaml", "yaml flow"],
)
def test_a_schema_is_json_or_yaml(run, shell, body, source):
    found = run("%%schema s\n" + body)

    assert isinstance(found, Schema)
    assert found.source == source
    assert shell.user_ns["s"] is found


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (
            '{\n  "type": "array"\n  "items": "int"\n}',
            "line 4 of the cell, column 3: Expecting ',' delimiter",
        ),
        ('{"type": "record", "name": "r"}', "schema 's'"),
        ('{\n"type": "array",\n"items": "foobar"}', "line 4 of the cell"),
        ("type: [a\nitems: 3", "of the cell"),
        ('{"a": 1,\n "a": 2}', "line 3 of the cell: key 'a' comes twice"),
        ("since: 2020-01-01", "no JSON value"),
    ],
)
def test_a_wrong_schema_is_refused_with_the_line_of_the_cell(run, shell, body, says):
    with pytest.raises(LineError) as caught:
        run("%%schema s\n" + body)

    assert says in caught.value.message
    assert "s" not in shell.user_ns


def test_a_stream_is_json_yaml_or_a_literal(run):
    assert isinstance(run("%%stream a\nrest:\n"), Stream)
    assert run("%%stream a\nrest:\n").desc == {"Transport": "REST", "Encoding": "json"}
    assert (
        run("%%stream b\nTransport: REST\nEncoding: json\n").desc["Encoding"] == "json"
    )
    with pytest.raises(LineError, match="stream 'c'"):
        run('%%stream c\n{"Encoding": "json"}')
    with pytest.raises(LineError, match="stream 'd', line 2"):
        run("%%stream d\nfile:relative\n")


def test_a_sensor_is_json_or_yaml(run):
    found = run('%%sensor s\n{"Tap": "sys.memory", "Report": {"Interval": 1.0}}')

    assert isinstance(found, Sensor)
    assert found.tap == "sys.memory"
    with pytest.raises(LineError, match="sensor 't'"):
        run("%%sensor t\nActivate: permanent\n")


def test_what_is_made_is_saved_when_there_is_a_suite(run, connected):
    run("%%schema numbers\nint")
    run("%%model scorer\n" + MODEL)
    run("%%stream inlet\nrest:\n")
    run("%%sensor memory\nTap: sys.memory\n")

    assert run("%fastscore models scorer").source == MODEL
    assert run("%fastscore schemata").names() == ["numbers"]
    assert run("%fastscore streams").names() == ["inlet"]
    assert run("%fastscore sensors").names() == ["memory"]


def test_saving_is_up_to_you(run, connected):
    run("%%schema one --no-save\nint")
    run("%config Pilothouse.save = False")
    run("%%schema two\nint")
    run("%%schema three --save\nint")

    assert run("%fastscore schemata").names() == ["three"]


def test_saving_without_a_suite_is_an_error_only_when_asked_for(run):
    run("%%schema one\nint")

    with pytest.raises(LineError, match="no suite yet"):
        run("%%schema one --save\nint")


def test_a_name_just_saved_completes_at_once(run, connected, complete):
    run("%%model scorer\n" + MODEL)

    assert "scorer" in complete("%engine load scor")
    until(lambda: complete("%engine load scor")["scorer"] == "model: python3")


def test_attachments_go_along(run, connected, quiet_place):
    with zipfile.ZipFile(quiet_place / "data.zip", "w") as archive:
        archive.writestr("data.txt", "42")

    run("%%model scorer --attach data.zip\n" + MODEL)

    assert run("%fastscore models scorer").attachments.names() == ["data.zip"]


def test_the_schemata_of_the_notebook_go_with_the_model(run):
    run("%%schema numbers\nint")

    assert run("%%model scorer\n" + MODEL).schemas["numbers"].source == "int"


def test_score_shows_scores_before_anything_is_saved(run, connected, shell):
    run("%%schema numbers\nint")

    scores = run("%%model scorer --score [1,2,3]\n" + MODEL)

    assert list(scores["value"]) == [2, 3, 4]
    assert shell.user_ns["scorer"].name == "scorer"


def test_rows_that_do_not_fit_are_told_in_a_note(run, shown):
    run("%%schema numbers\nint")

    text = shown('%%model scorer --score [1,"a",3]\n' + MODEL)

    assert "1 of 3 records rejected" in text
    assert "Int expected" in text
    assert "Warning" not in text


def test_a_model_that_fails_here_shows_its_line_of_the_cell(run, shown):
    text = shown("%%model bad --score [1]\n\ndef action(x):\n    yield x / 0\n")

    assert "ZeroDivisionError" in text
    assert "Cell In[1], line 4, in action" in text
    assert "---->   4     yield x / 0" in text


@pytest.mark.parametrize("kind", ["model", "schema", "stream", "sensor"])
def test_bare_it_lists_what_there_is(run, kind):
    page = repr(run(f"%{kind}"))

    assert "in this notebook: none" in page
    assert f"%%{kind}" in page


def test_the_line_form_returns_one_by_name(run, connected):
    made = run("%%schema numbers\nint")

    assert run("%schema numbers") is made
    connected.model("remote")
    assert run("%model remote").source.startswith("def action")


def test_a_cell_without_a_name_is_an_error(run):
    with pytest.raises(LineError, match="NAME is missing"):
        run("%%schema\nint")
