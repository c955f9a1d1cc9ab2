"""Lines in, lines out: the words of the reference shell (contract §7.1)."""

import json
import re

import pytest

from pilothouse.mplane.shell.loop import Shell
from pilothouse.mplane.shell.telling import BANNER
from pilothouse.mplane.shell.words import COMMANDS, split_line, split_options
from waiting import until


class Talk:
    """A shell whose lines and answers are lists."""

    def __init__(self, commands, answers=(), **options):
        self.said = []
        self.asked = []
        self._answers = iter(answers)
        self.shell = Shell(commands, self.said.append, self._answer, **options)

    def _answer(self, prompt):
        self.asked.append(prompt)
        found = next(self._answers, None)
        if found is None:
            raise EOFError
        return found

    def line(self, text):
        """Say one line; return what came back, as lines."""
        self.said.clear()
        assert self.shell.run(text)
        return "\n".join(self.said).split("\n") if self.said else []


@pytest.fixture
def talk(commands):
    return Talk(commands)


@pytest.fixture
def informed(known):
    return Talk(known)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["seturl"], ["Usage: seturl [url]"]),
        (["seturl http://127.0.0.1:9/"], []),
        (["getcap"], ["Usage: getcap [url]"]),
        (["getcap nonsense"], ["Bad format for url"]),
        (["listcap"], []),
        (["showcap"], ["Usage: showcap [label-or-token]"]),
        (["showcap nope"], ["Usage: showcap [label-or-token]"]),
        (["when"], ["when = None"]),
        (["when now + 1m/1s"], ["Invalid temporal scope now + 1m/1s"]),
        (["when now + 60s / 1s"], ["when = now + 1m / 1s"]),
        (["when now", "when x", "when"], ["when = now"]),
        (["set"], ["Couldn't set default "]),
        (["set a b   c"], ["a = b c"]),
        (["set a 1", "unset a"], ["ok"]),
        (["set a 1", "unset"], ["ok"]),
        (["unset a b"], ["Couldn't unset default(s) a b"]),
        (["show"], ["   0 defaults"]),
        (["set a 1", "set b 2", "show"], ["   2 defaults", "a = 1", "b = 2"]),
        (["set a 1", "set b 2", "show b"], ["b = 2"]),
        (["show a"], ["No such default a"]),
        (["listmeas"], []),
        (["tbenable"], []),
        (["nonsense 1"], ["*** Unknown command: nonsense"]),
        ([""], []),
        (["   "], []),
    ],
    ids=lambda value: "/".join(value) if isinstance(value, list) else None,
)
def test_a_line_is_answered_in_the_words_of_the_reference_shell(talk, lines, said):
    for line in lines[:-1]:
        talk.line(line)
    assert talk.line(lines[-1]) == said


def test_an_error_is_told_and_the_shell_goes_on(talk):
    said = talk.line("showmeas nope")
    assert said[:2] == ["An exception occurred:", "no such token or label nope"]
    after = ["You can try to continue, but client state may be inconsistent.", *BANNER]
    assert said[-len(after) :] == after
    assert not any("Traceback" in line for line in said)
    talk.line("tbenable")
    assert any("Traceback" in line for line in talk.line("showmeas nope"))


def test_the_end_of_the_input_is_said(talk):
    assert not talk.shell.run("EOF")
    assert talk.said == ["Ciao!"]


@pytest.mark.parametrize("line", ["help", "?"])
def test_help_lists_every_command(talk, line):
    said = "\n".join(talk.line(line))
    for name in COMMANDS:
        assert re.search(rf"\b{name}\b", said)


@pytest.mark.parametrize("line", ["help runcap", "? runcap", "?runcap"])
def test_help_explains_a_command(talk, line):
    assert talk.line(line)[0].startswith("runcap [label-or-token] [relabel]")


def test_capabilities_are_listed_and_shown(informed, component):
    said = informed.line("listcap")
    assert said == sorted(said)
    token = informed.shell.commands.showcap("test-loopback").get_token()
    assert f"Capability test-loopback (token {token})" in said
    assert informed.line("showcap test-loopback") == [
        "capability: measure",
        "    label       : test-loopback",
        f"    link        : {component}",
        f"    token       : {token}",
        "    when        : now ... future",
        "    registry    : urn:pilothouse:registry:probes",
        "    parameters  ( 1): ",
        "                              test.input: *",
        "    results     ( 1):",
        "        test.output",
        "",
    ]


def test_getcap_says_ok(talk, component):
    assert talk.line(f"getcap {component}capability") == ["ok"]


def test_a_measurement_from_the_capability_to_the_result(informed):
    assert informed.line("when now + 2s") == ["when = now + 2s"]
    assert informed.line("set test.input hello") == ["test.input = hello"]
    assert informed.line("runcap test-loopback") == ["ok"]
    informed.line("waitmeas test-loopback-0 60")
    (line,) = informed.line("listmeas")
    assert re.fullmatch(
        r"Result  test-loopback-0 \(token [0-9a-f]{32}\): "
        r"\d{4}-\d\d-\d\d .* \.\.\. \d{4}-\d\d-\d\d .*",
        line,
    )
    said = informed.line("showmeas test-loopback-0")
    assert said[0] == "result: measure"
    assert said[-2].split() == ["test.output:", "hello"]


def test_a_script_finds_a_result_that_takes_a_moment(known):
    """As with the reference shell, whose runcap waits for the component."""
    talk = Talk(known, patience=60.0)
    talk.line("runcap ping-4 mine --set destination.ip4=127.0.0.1 --when 'now + 2s'")
    (line,) = talk.line("listmeas")
    assert line.startswith("Result  mine (token ")


def test_a_receipt_is_listed_with_its_scope(informed):
    informed.line("set destination.ip4 127.0.0.1")
    informed.line("when now + 1h / 1s")
    assert informed.line("runcap ping-4 mine") == ["ok"]
    (line,) = informed.line("listmeas")
    assert re.fullmatch(r"Receipt mine \(token [0-9a-f]{32}\): now \+ 1h / 1s", line)
    assert informed.line("showmeas mine")[0] == "receipt: measure"
    (measurement,) = informed.shell.commands.client.measurements()
    until(lambda: measurement.rows)
    assert informed.line("stopmeas mine") == []
    assert informed.line("waitmeas mine 60")[0] == "result: measure"


def test_what_is_missing_is_asked_for_until_it_will_do(known):
    talk = Talk(known, ["now", "now + 1s / 1s", "nonsense", "127.0.0.1"])
    assert talk.line("runcap ping-average-ip4 mine") == ["ok"]
    assert talk.asked == ["|when| = "] * 2 + ["destination.ip4 = "] * 2
    assert known.defaults == {"destination.ip4": "127.0.0.1"}
    assert talk.line("when") == ["when = now + 1s / 1s"]


def test_a_bad_scope_at_the_prompt_is_an_error(known):
    talk = Talk(known, ["whenever"])
    assert talk.line("runcap test-loopback")[0] == "An exception occurred:"


def test_a_value_that_is_fixed_is_said_and_not_asked(known):
    from pilothouse.mplane import model

    one = model.Capability(label="fixed", when="now ... future")
    one.add_parameter("source.ip4", "127.0.0.1")
    one.add_result_column("time")
    known.client.handle_message(one)
    talk = Talk(known, ["now"])
    assert "source.ip4 = 127.0.0.1" in talk.line("runcap fixed")
    assert talk.asked == ["|when| = "]


def test_scope_and_values_can_stand_in_the_line(informed):
    line = "runcap ping-4 mine --set destination.ip4=127.0.0.1 --when 'now + 1s / 1s'"
    assert informed.line(line) == ["ok"]
    assert informed.asked == []


@pytest.mark.parametrize(
    "line",
    [
        "runcap",
        "runcap a b c",
        "runcap a --when",
        "runcap a --set x",
        "runcap a --nope 1",
        "runcap 'a",
    ],
)
def test_a_wrong_line_gets_the_usage(talk, line):
    assert talk.line(line)[0].startswith("Usage: runcap [label-or-token]")


def test_with_json_each_command_says_one_line(known):
    talk = Talk(known, as_json=True)
    (listed,) = talk.line("listcap")
    assert "ping-4" in {one["label"] for one in json.loads(listed)}
    assert json.loads(talk.line("when now")[0]) == "now"
    assert json.loads(talk.line("set test.input hello")[0]) == {"test.input": "hello"}
    assert json.loads(talk.line("runcap test-loopback x")[0])["label"] == "x"
    (result,) = talk.line("waitmeas x 60")
    assert json.loads(result)["resultvalues"] == [["hello"]]


@pytest.mark.parametrize(
    ("line", "parts"),
    [
        ("getcap  http://h:1/ ", ("getcap", "http://h:1/")),
        ("", ("", "")),
        ("? set", ("help", "set")),
        ("set a  b", ("set", "a  b")),
    ],
)
def test_a_line_is_split(line, parts):
    assert split_line(line) == parts


@pytest.mark.parametrize(
    ("rest", "parts"),
    [
        ("a", (["a"], None, {})),
        ("a b", (["a", "b"], None, {})),
        (
            'a --when "now + 1s" --set x.y="1, 2" --set=z=3',
            (["a"], "now + 1s", {"x.y": "1, 2", "z": "3"}),
        ),
        ("a --when='now / 1s'", (["a"], "now / 1s", {})),
        ("a --set u=http://h/?a=b", (["a"], None, {"u": "http://h/?a=b"})),
    ],
)
def test_options_of_a_run_are_split(rest, parts):
    assert split_options(rest) == parts
