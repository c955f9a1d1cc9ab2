"""One table for parsing, help and completion."""

from __future__ import annotations

import pytest

from pilothouse.errors import LineError
from pilothouse.magics._arguments import Argument, Command, Option, Subcommand
from pilothouse.magics._help import manual, page
from pilothouse.magics._line import split
from pilothouse.magics._readers import (
    DATA,
    IDENTIFIER,
    INTEGER,
    NUMBER,
    RAW,
    Scope,
    choice,
    live,
)
from pilothouse.magics._readers import text as text_reader

PUSH = Subcommand(
    "push",
    "Push things",
    (Argument("what", DATA, "what to push"), Argument("slot", INTEGER, "slot", 0)),
    (
        Option(("--rate",), NUMBER, "records a second"),
        Option(("--attach", "-a"), text_reader(), "files", many=True),
        Option(("--save",), None, "save it", True, negative=True),
        Option(("--force", "-f"), None, "even so", False),
        Option(("--mode",), choice("fast", "slow"), "how"),
    ),
    "push X 1",
)
COMMAND = Command(
    "thing",
    "Steer a thing.",
    target=Argument("thing", text_reader(), "which", None),
    subcommands={"push": PUSH, "pull": Subcommand("pull", "Pull things")},
)


def parse(line, **names):
    return COMMAND.parse(split(line), Scope(names))


def test_arguments_and_options_in_any_order():
    found = parse("push --rate 2.5 [1,2] -f 3 --attach a b --no-save").arguments

    assert found.what == [1, 2]
    assert found.slot == 3
    assert found.rate == 2.5
    assert found.force is True
    assert found.attach == ["a", "b"]
    assert found.save is False
    assert found.out is None
    assert found.thing is None


def test_defaults_hold_when_nothing_is_given():
    found = parse("push 1").arguments

    assert (found.slot, found.rate, found.attach) == (0, None, [])
    assert (found.save, found.force) == (True, False)


def test_a_value_may_follow_an_equals_sign_and_options_may_repeat():
    found = parse("push 1 --rate=7 -a x -a y -o out").arguments

    assert (found.rate, found.attach, found.out) == (7.0, ["x", "y"], "out")


def test_two_dashes_end_the_options():
    command = Command(
        "t", "T.", (Argument("words", text_reader(), "words", many=True),)
    )

    found = command.parse(split("a -- -b --c"), Scope({}))

    assert found.arguments.words == ["a", "-b", "--c"]


def test_a_target_may_stand_before_the_subcommand():
    assert parse("one push 1").arguments.thing == "one"
    assert parse("one push 1").subcommand.name == "push"
    assert parse("one").arguments.thing == "one"
    assert parse("one").subcommand.name == ""


def test_a_name_of_the_user_is_taken_as_that_object():
    rows = [{"x": 1}]

    assert parse("push rows", rows=rows).arguments.what is rows
    assert parse("push {rows[0]}", rows=rows).arguments.what is rows[0]
    assert parse("push 1 slot", slot=4).arguments.slot == 4


def test_json_is_read_as_json():
    assert parse('push {"x": [1, null]}').arguments.what == {"x": [1, None]}
    assert parse("push true").arguments.what is True
    assert parse("push -3").arguments.what == -3
    assert parse("push '[1, 2]'").arguments.what == [1, 2]
    assert parse("push 'plain words'").arguments.what == "plain words"


def test_a_dotted_path_is_looked_up():
    class Box:
        inside = (1,)

    assert parse("push box.inside", box=Box).arguments.what is Box.inside


def test_names_in_braces_are_filled_into_a_text_unless_quoted():
    command = Command("t", "T.", (Argument("text", text_reader(), "text"),))

    def text(line):
        return command.parse(split(line), Scope({"n": 7})).arguments.text

    assert text("file:/a/{n}.json") == "file:/a/7.json"
    assert text("'file:/a/{n}.json'") == "file:/a/{n}.json"
    assert text("{n}") == "7"


def test_raw_text_stays_as_typed():
    command = Command("t", "T.", (Argument("data", RAW, "data"),))

    def data(line, **names):
        return command.parse(split(line), Scope(names)).arguments.data

    assert data('{"x":  1}') == '{"x":  1}'
    assert data("rows", rows=b"1\n") == b"1\n"
    assert data("1") == "1"


def test_a_live_name_takes_objects_of_its_type_only():
    reader = live("number", "NUMBER", "fractions:Fraction")
    command = Command("t", "T.", (Argument("it", reader, "it"),))
    from fractions import Fraction

    half = Fraction(1, 2)

    def it(line, **names):
        return command.parse(split(line), Scope(names)).arguments.it

    assert it("half", half=half) is half
    assert it("half", half=0.5) == "half"
    assert it("other") == "other"


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("psuh 1", "%thing has no 'psuh'; did you mean 'push'?"),
        ("one psuh 1", "%thing has no 'psuh'; did you mean 'push'?"),
        ("push 1 --forse", "no option '--forse'; did you mean '--force'?"),
        ("push 1 --rate", "--rate needs a value: --rate NUMBER"),
        ("push 1 --rate fast", "'fast' is no number"),
        ("push 1 --force=1", "--force takes no value"),
        ("push 1 two", "'two' is no whole number"),
        ("push 1 2 3", "'3' is one word too many"),
        ("push", "DATA is missing: what to push"),
        ("push rosw", "no name 'rosw' in this notebook; did you mean 'rows'?"),
        ("push 1 --mode fsat", "'fsat' is none of fast, slow; did you mean 'fast'?"),
        ("push 1 -o 2x", "'2x' cannot be a variable's name"),
        ("push 1 -o class", "'class' cannot be a variable's name"),
        ("push {1 +}", "is neither JSON nor an expression"),
        ("push rows.nothing", "has no attribute 'nothing'"),
        ("push 1,2", "is neither a name in this notebook nor JSON"),
    ],
)
def test_a_wrong_line_says_what_is_wrong(line, says):
    with pytest.raises(LineError) as caught:
        parse(line, rows=[1])

    assert says in caught.value.message
    assert caught.value.hint


def test_the_hint_of_a_wrong_line_is_its_usage():
    with pytest.raises(LineError) as caught:
        parse("push")

    assert caught.value.hint.startswith("usage: %thing push DATA [N] [--rate NUMBER]")


def test_the_namespace_nearest_to_the_call_wins():
    scope = Scope({"a": 1}, {"a": 2, "b": 3})

    assert scope.lookup("a") == 1
    assert scope.lookup("b") == 3
    assert scope.evaluate("a + b") == 4


def test_the_manual_names_everything():
    text = manual(COMMAND)

    assert "usage: %thing [TEXT] [WORD ...] [-o NAME]" in text
    assert "push DATA [N]  Push things" in text
    assert "%thing push X 1" in text


def test_the_page_of_a_subcommand_names_its_options():
    text = page(COMMAND, PUSH)

    for word in ("--rate", "--attach, -a", "--save, --no-save", "fast, slow", "-o"):
        assert word in text


def test_an_identifier_is_a_variables_name():
    command = Command("t", "T.", (Argument("name", IDENTIFIER, "name"),))

    assert command.parse(split("scorer"), Scope({})).arguments.name == "scorer"
