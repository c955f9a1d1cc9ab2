"""Annotations bind the slots of a model."""

import json

import pytest

from pilothouse.errors import ProtocolError
from pilothouse.fastscore.wire.annotations import (
    AnnotationError,
    ModelOptions,
    SlotOptions,
    iter_annotations,
    options_of_pfa,
    parse_options,
)

IN = SlotOptions(action="action")
OUT = SlotOptions()


def of(*lines, mtype="python3"):
    return parse_options("\n".join(lines), mtype)


def slots(*lines, mtype="python3"):
    return dict(of(*lines, mtype=mtype).slots)


def test_without_annotations_slots_0_and_1_are_in_use():
    assert of("def action(x): yield x") == ModelOptions(slots={0: IN, 1: OUT})


TABLE = [
    (
        "schemas by number",
        ["# fastscore.schema.0: in", "# fastscore.schema.1: out"],
        {
            0: SlotOptions(schema_name="in", action="action"),
            1: SlotOptions(schema_name="out"),
        },
    ),
    (
        "all slots",
        ["# fastscore.schema: s"],
        {
            0: SlotOptions(schema_name="s", action="action"),
            1: SlotOptions(schema_name="s"),
        },
    ),
    (
        "a number wins over $in and $in over $all, in any order",
        [
            "# fastscore.schema.2: two",
            "# fastscore.schema.$in: inputs",
            "# fastscore.schema.$all: all",
        ],
        {
            0: SlotOptions(schema_name="inputs", action="action"),
            1: SlotOptions(schema_name="all"),
            2: SlotOptions(schema_name="two", action="action"),
        },
    ),
    (
        "$out",
        ["# fastscore.schema.$out: o", "# fastscore.slot.3: in-use"],
        {0: IN, 1: SlotOptions(schema_name="o"), 3: SlotOptions(schema_name="o")},
    ),
    (
        "record sets",
        ["# fastscore.recordsets.$all: yes"],
        {
            0: SlotOptions(recordsets=True, action="action"),
            1: SlotOptions(recordsets=True),
        },
    ),
    (
        "record sets of one slot",
        ["# fastscore.recordsets.0: TRUE", "# fastscore.recordsets.1: no"],
        {0: SlotOptions(recordsets=True, action="action"), 1: OUT},
    ),
    (
        "record sets, the old way",
        ["# fastscore.recordsets: both"],
        {
            0: SlotOptions(recordsets=True, action="action"),
            1: SlotOptions(recordsets=True),
        },
    ),
    (
        "record sets of the input, the old way",
        ["# fastscore.recordsets: input"],
        {0: SlotOptions(recordsets=True, action="action"), 1: OUT},
    ),
    (
        "schemas, the old way",
        ["# fastscore.input: i", "# fastscore.output: o"],
        {
            0: SlotOptions(schema_name="i", action="action"),
            1: SlotOptions(schema_name="o"),
        },
    ),
    (
        "actions",
        ["# fastscore.action.0: score", "# fastscore.action.2: learn"],
        {0: SlotOptions(action="score"), 1: OUT, 2: SlotOptions(action="learn")},
    ),
    (
        "one action for all inputs",
        ["# fastscore.action: score", "# fastscore.slot.2: in-use"],
        {0: SlotOptions(action="score"), 1: OUT, 2: SlotOptions(action="score")},
    ),
    ("a sink", ["# fastscore.slot.1: unused"], {0: IN}),
    ("a source", ["# fastscore.slot.0: unused"], {1: OUT}),
    (
        "unused cancels what came before",
        ["# fastscore.schema.1: s", "# fastscore.slot.1: unused"],
        {0: IN},
    ),
    (
        "and not what comes later",
        ["# fastscore.slot.1: unused", "# fastscore.schema.1: s"],
        {0: IN, 1: SlotOptions(schema_name="s")},
    ),
    (
        "unused for all, then some",
        ["# fastscore.slot.$all: unused", "# fastscore.slot.4: in-use"],
        {4: IN},
    ),
    (
        "slots by name",
        ["# fastscore.schema.input: i", "# fastscore.recordsets.output: yes"],
        {
            0: SlotOptions(schema_name="i", action="action"),
            1: SlotOptions(recordsets=True),
        },
    ),
    (
        "odg and ModelOp",
        ["#odg.schema.0: a", "# ModelOp.schema.1: b"],
        {
            0: SlotOptions(schema_name="a", action="action"),
            1: SlotOptions(schema_name="b"),
        },
    ),
    (
        "the value begins after the first colon",
        ["# fastscore.schema.0: ns:name "],
        {0: SlotOptions(schema_name="ns:name", action="action"), 1: OUT},
    ),
    (
        "spaces",
        ["   #   fastscore.schema.0 :  a  "],
        {0: SlotOptions(schema_name="a", action="action"), 1: OUT},
    ),
    (
        "unknown tags",
        ["# fastscore.mood: good", "# fastscore.x.y.z: 1"],
        {0: IN, 1: OUT},
    ),
    ("a comment behind code", ["x = 1 # fastscore.schema.0: a"], {0: IN, 1: OUT}),
    ("another comment", ["# schema.0: a", "# fastscore schema.0: a"], {0: IN, 1: OUT}),
]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [row[1:] for row in TABLE],
    ids=[row[0] for row in TABLE],
)
def test_annotations_bind_slots(lines, expected):
    assert slots(*lines) == expected


@pytest.mark.parametrize("word", ["unused", "none", "UNUSED"])
def test_a_model_without_an_action_is_explicit(word):
    options = of(f"# fastscore.action: {word}", "# fastscore.recordsets.0: yes")
    assert options.explicit
    assert options.slots[0] == SlotOptions(recordsets=True)


def test_modules_and_snapshots():
    options = of(
        "# fastscore.module-attached: a",
        "# fastscore.module-attached: b.c",
        "# fastscore.snapshots: EOF",
    )
    assert options.attached_modules == ("a", "b.c")
    assert options.snapshots == "eof"
    assert of("").snapshots == "none"


def test_inputs_and_outputs_are_told_apart():
    options = of("# fastscore.slot.3: in-use", "# fastscore.slot.2: in-use")
    assert options.inputs == (0, 2)
    assert options.outputs == (1, 3)


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("# fastscore.schema.0:", "names no schema"),
        ("# fastscore.schema.$any: s", "no slot is named"),
        ("# fastscore.schema.-1: s", "no slot is named"),
        ("# fastscore.recordsets.0: maybe", "yes or no"),
        ("# fastscore.recordsets.0: input", "yes or no"),
        ("# fastscore.recordsets: perhaps", "yes or no"),
        ("# fastscore.action.1: f", "is an output"),
        ("# fastscore.action.$out: f", "is an output"),
        ("# fastscore.action.0: not a name", "not the name of a function"),
        ("# fastscore.action:", "not the name of a function"),
        ("# fastscore.slot.0: sometimes", "in-use or unused"),
        ("# fastscore.slot: in-use", "needs a slot number"),
        ("# fastscore.slot.$in: in-use", "needs a slot number"),
        ("# fastscore.snapshots: always", "none or eof"),
        ("# fastscore.module-attached:", "names no module"),
    ],
)
def test_a_wrong_annotation_is_refused_with_its_line(line, text):
    with pytest.raises(AnnotationError, match=text) as caught:
        of("import x", "", line)
    assert caught.value.line == 3
    assert "line 3" in str(caught.value)


@pytest.mark.parametrize(
    ("mtype", "line"),
    [
        ("python", "# fastscore.schema.0: s"),
        ("R", "# fastscore.schema.0: s"),
        ("r", "# fastscore.schema.0: s"),
        ("java", "// fastscore.schema.0: s"),
        ("c", "// fastscore.schema.0: s"),
        ("c", " * fastscore.schema.0: s"),
        ("octave", "% fastscore.schema.0: s"),
        ("octave", "# fastscore.schema.0: s"),
        ("sas", "* fastscore.schema.0: s"),
    ],
)
def test_each_language_has_its_comment_mark(mtype, line):
    assert slots(line, mtype=mtype)[0].schema_name == "s"
    assert list(iter_annotations(line, "R" if mtype == "r" else mtype)) == [
        (1, "schema.0", "s")
    ]


PFA = {"input": "double", "output": {"type": "array", "items": "int"}, "action": []}


@pytest.mark.parametrize(
    ("metadata", "recordsets", "snapshots"),
    [
        ({}, (False, False), "none"),
        ({"recordsets": "both"}, (True, True), "none"),
        ({"recordsets": "input", "snapshots": "eof"}, (True, False), "eof"),
        ({"recordsets": "output"}, (False, True), "none"),
        ({"recordsets": "none", "snapshots": "none"}, (False, False), "none"),
    ],
)
def test_a_pfa_document_says_it_itself(metadata, recordsets, snapshots):
    options = parse_options(json.dumps({**PFA, "metadata": metadata}), "pfa-json")
    assert options == ModelOptions(
        slots={
            0: SlotOptions(schema="double", recordsets=recordsets[0], action="action"),
            1: SlotOptions(schema=PFA["output"], recordsets=recordsets[1]),
        },
        snapshots=snapshots,
    )


def test_pfa_in_yaml_is_the_same():
    source = "input: double\noutput: {type: array, items: int}\naction: []\n"
    assert parse_options(source, "pfa-yaml") == options_of_pfa(PFA)


@pytest.mark.parametrize(
    ("source", "mtype"),
    [
        ("{", "pfa-json"),
        ("[]", "pfa-json"),
        ('{"input": "int"}', "pfa-json"),
        ('{"output": "int"}', "pfa-json"),
        (json.dumps({**PFA, "metadata": []}).replace("[]}", "[1]}"), "pfa-json"),
        (json.dumps({**PFA, "metadata": {"recordsets": "some"}}), "pfa-json"),
        (json.dumps({**PFA, "metadata": {"snapshots": "often"}}), "pfa-json"),
        ("{unbalanced", "pfa-yaml"),
        ("just text", "pfa-yaml"),
        ("input: double\noutput: double\naction: input + 1", "pfa-pretty"),
    ],
)
def test_what_is_no_pfa_document_is_refused(source, mtype):
    with pytest.raises(ProtocolError):
        parse_options(source, mtype)


def test_an_unknown_model_type_is_refused():
    with pytest.raises(ValueError, match="unknown model type"):
        parse_options("", "cobol")


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_are_counted_as_python_counts_them(end):
    source = end.join(["x = '\u2028'", "\f", "# fastscore.schema.0: a"])
    assert list(iter_annotations(source)) == [(3, "schema.0", "a")]
