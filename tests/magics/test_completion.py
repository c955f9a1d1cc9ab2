"""Tab knows every word, option and live name; from a cache, evaluating nothing."""

from __future__ import annotations

import threading
import time

import pytest
from IPython.core.completer import provisionalcompleter

from pilothouse.errors import ConnectError
from pilothouse.magics import MAGICS
from pilothouse.magics._completion import _command
from pilothouse.magics._names import Name, Names
from pilothouse.magics._session import Session


@pytest.fixture
def names(shell):
    """Names of a suite, as its source would bring them."""
    session = Session.of(shell)
    known = {
        "engine": [Name("engine-1", "ok"), Name("engine-2", "ok")],
        "model": [Name("scorer", "python3"), Name("sorter", "R")],
        "stream": [Name("numbers-in")],
        "slot": [Name("0", "input"), Name("1", "output")],
        "instance": [Name("connect"), Name("engine-1")],
    }
    session.names.watch("fastscore", lambda: known)
    session.names.refresh().join(60)
    return session.names


def test_magics_themselves_complete(complete):
    assert "%pilot" in complete("%pil")
    assert "%%schema" in complete("%%sche")


@pytest.mark.parametrize(
    "lead", ["%pilot ", "  %pilot ", "x = %pilot ", "a.b = %pilot "]
)
def test_subcommands_complete_with_their_help(complete, lead):
    found = complete(lead)

    assert found["profiles"].startswith("subcommand: Show the profiles")
    assert list(found)[:3] == ["up", "down", "status"]


def test_a_word_that_is_begun_is_completed(complete):
    assert set(complete("%pilot pro")) == {"profiles"}
    assert set(complete("%pilot up --ser")) == {"--service"}


@pytest.mark.parametrize("name", sorted(MAGICS))
def test_every_subcommand_and_option_of_every_magic_completes(complete, name):
    command = _command(name)
    prefix = "%%" if command.is_cell else "%"
    for sub in command.subcommands.values():
        assert sub.name in complete(f"%{name} {sub.name[:-1]}")
    for sub in command.subcommands.values() or [command.itself]:
        for option in sub.all_options:
            for flag in option.spellings:
                if flag.startswith("--"):
                    line = f"{prefix}{name} {sub.name} {flag[:-1]}".replace("  ", " ")
                    assert flag in complete(line), line


@pytest.mark.parametrize("name", sorted(MAGICS))
def test_a_whole_word_is_offered_so_that_jedi_is_not_asked(complete, name):
    """Jedi takes longer than we may, to find nothing."""
    for sub in _command(name).subcommands:
        found = complete(f"%{name} {sub}")

        assert found, sub
        assert all(word.startswith(sub) for word in found)


def test_a_whole_value_and_a_whole_name_stand_for_themselves(complete, run):
    run("rows = [1, 2]")

    assert set(complete("%pilot up --service fastscore")) == {"fastscore"}
    assert set(complete("%engine score rows")) == {"rows"}
    assert set(complete("%engine score {rows")) == {"rows"}


FREE = {
    "USER": "the name of an account",
    "TEXT": "words of one's own",
    "URL": "an address",
    "NEWLABEL": "a label of one's own",
}
"""What nobody but the user can know, by how help names it."""


def values_of(name):
    """All places of a magic that take a value: what help calls it, and its reader."""
    command = _command(name)
    target = [("target", command.target.reader)] if command.target else []
    yield from target
    for sub in [command.itself, *command.subcommands.values()]:
        for argument in sub.arguments:
            yield f"{name} {sub.name} {argument.name}", argument.reader
        for option in sub.all_options:
            if option.reader is not None:
                yield f"{name} {sub.name} {option.flags[0]}", option.reader


@pytest.mark.parametrize("name", sorted(MAGICS))
def test_every_value_that_can_be_known_completes(name):
    for place, reader in values_of(name):
        known = reader.names or reader.choices or reader.offers
        assert known or reader.metavar in FREE, place


@pytest.mark.parametrize("name", sorted(MAGICS))
def test_every_choice_of_every_magic_completes(complete, name):
    command = _command(name)
    prefix = "%%" if command.is_cell and not command.subcommands else "%"
    for sub in [command.itself, *command.subcommands.values()]:
        lead = f"{prefix}{name} {sub.name}".rstrip()
        for option in sub.options:
            for word in option.reader.choices if option.reader else ():
                for flag in option.flags:
                    assert word in complete(f"{lead} {flag} {word[:-1]}")
                    assert word in complete(f"{lead} {flag}={word[:-1]}")
        before = ""
        for argument in sub.arguments:
            for word in argument.reader.choices:
                assert word in complete(f"{lead}{before} {word[:-1]}")
            before += " x" if not argument.many else ""


def test_options_already_given_are_not_offered_again(complete):
    assert "--history" not in complete("%fastscore pneumo --history --")


def test_live_names_complete_with_their_kind(complete, names):
    assert complete("%engine ")["engine-2"] == "engine: ok"
    assert complete("%engine load s") == {
        "scorer": "model: python3",
        "sorter": "model: R",
    }
    assert complete("%engine engine-2 load sc") == {"scorer": "model: python3"}
    assert "numbers-in" in complete("%engine attach n")
    assert complete("%engine attach rest: ")["1"] == "slot: output"
    assert "engine-1" in complete("%%model scorer --deploy ")
    assert "engine-1" in complete("%%model scorer --deploy=e")
    assert "engine-1" in complete("%fastscore pneumo --src e")


def test_literals_of_streams_complete(complete):
    assert "rest-chunked:" in complete("%engine attach re")


def test_choices_complete(complete):
    assert complete("%%model scorer py") == {"python3": "choice", "python": "choice"}
    assert "log" in complete("%fastscore pneumo --type ")


def test_objects_of_the_user_complete_by_type(complete, run):
    run("rows = [1, 2]\nimport os\ndef f(): pass")

    found = complete("%engine score ro")

    assert found == {"rows": "list in this notebook"}
    assert "os" not in complete("%engine score o")
    assert "f" not in complete("%engine score f")


def test_profiles_complete_from_files(complete, quiet_place):
    (quiet_place / "pilothouse.toml").write_text(
        '[profiles.lab]\ndescription = "in the lab"\n', encoding="utf-8"
    )

    assert complete("%pilot use ")["lab"] == "profile: in the lab"


@pytest.fixture
def files(quiet_place):
    (quiet_place / "rows of may").mkdir()
    for name in ("rows.zip", "rows 2.tgz", ".hidden", "other.pem"):
        (quiet_place / name).touch()
    (quiet_place / "rows of may" / "one.zip").touch()
    return quiet_place


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("%%model m --attach ro", {'"rows of may/', "rows.zip", '"rows 2.tgz"'}),
        ("%%model m --attach=ro", {'"rows of may/', "rows.zip", '"rows 2.tgz"'}),
        ("%%model m --attach=rows.", {"rows.zip"}),
        ('%%model m --attach "rows of', {"rows of may/"}),
        ('%%model m --attach "rows of may/', {"rows of may/one.zip"}),
        ('%%model m --attach="rows 2', {"rows 2.tgz"}),
        ("%fastscore connect --ca ./o", {"./other.pem"}),
        ("%pilot up --data-dir .", {".hidden"}),
    ],
)
def test_files_complete_as_one_word(complete, files, typed, offered):
    found = {text.replace("\\", "/") for text in complete(typed)}

    assert found == offered


def test_where_a_file_goes_only_files_are_offered(complete, files):
    assert set(complete("%pilot up --data-dir ").values()) == {"file", "folder"}


@pytest.mark.parametrize(
    "line",
    [
        "%engine score ro",
        "%engine score {ro",
        "%engine score {list(map(str, ro",
        "%engine score 'ro",
        '%engine score "ro',
        "%engine score [ro",
        "%fastmap f ro",
        "%fastmap f rows --kwargs by={ro",
        "%aimm fit 1 X ro",
        "%aimm predict 1 rows ro",
        "%%model m --score ro",
        "%%model m --score=ro",
        "%%fastmap --over=ro",
        "y = %fastmap f ro",
        "d['k'] = %fastmap f ro",
        'd["a = b"] = %fastmap f ro',
        "a.b = %fastmap f ro",
        "if True:\n    y = %fastmap f ro",
    ],
)
def test_names_of_the_user_complete_wherever_a_line_takes_them(complete, run, line):
    run("rows = [1]\nrowing = [2]")

    assert {"rows", "rowing"} & set(complete(line)) == {"rows", "rowing"}


def test_in_the_middle_of_a_line_what_stands_behind_does_not_count(shell):
    code = "x = %pilot pro --help\nprint(1)"
    with provisionalcompleter():
        found = list(shell.Completer.completions(code, code.index(" --help")))

    assert [one.text for one in found] == ["profiles"]
    assert (found[0].start, found[0].end) == (11, 14)


@pytest.mark.parametrize(
    "line", ["print('%pilot ", "s = '%pilot ", "# x = %pilot ", "a['x = %pilot "]
)
def test_a_text_is_no_magics_line(complete, line):
    assert "profiles" not in complete(line)


def test_other_lines_are_left_alone(complete, run):
    run("rows = [1]")

    assert "profiles" not in complete("print(1) # %pilot ")
    assert "profiles" not in complete("'%pilot ")
    assert "append" in "".join(complete("rows.app"))


def test_only_the_first_line_of_a_cell_is_the_magics(complete):
    assert "--deploy" in complete("%%model a --dep")
    assert "--deploy" not in complete("%%model a\nx = 1\n%%model a --dep")


def test_nothing_of_the_users_text_is_evaluated(complete, run, shell):
    run(
        "class Trap:\n"
        "    hits = 0\n"
        "    def __getattr__(self, name):\n"
        "        Trap.hits += 1\n"
        "        return 1\n"
        "    def __repr__(self):\n"
        "        Trap.hits += 1\n"
        "        return ''\n"
        "    @property\n"
        "    def value(self):\n"
        "        Trap.hits += 1\n"
        "trap = Trap()\n"
    )
    for line in (
        "%engine score {trap.value} --sl",
        "%engine score {trap.boom()} --",
        "%engine score tr",
        "%%model trap --score trap --dep",
        "%engine load tr",
        "%engine load {__import__('os').abort()} --in",
    ):
        complete(line)

    assert shell.user_ns["Trap"].hits == 0


@pytest.mark.parametrize(
    "line",
    [
        "%engine score '",
        "%engine score {",
        '%engine input {"x": 1',
        "%nosuch ",
        "%engine nosuch ",
        "%engine nosuch nosuch ",
        "%pilot up --port=",
        "%%model",
    ],
)
def test_half_written_lines_do_no_harm(complete, line, capsys):
    complete(line)

    assert "Traceback" not in capsys.readouterr().err


def test_completion_takes_less_than_five_milliseconds(shell, names, complete):
    from pilothouse.magics._completion import complete as our_part

    session = Session.of(shell)
    many = {"model": [Name(f"model-{i}", "python3") for i in range(500)]}
    session.names.watch("fastscore", lambda: many)
    session.names.refresh().join(60)
    shell.user_ns.update({f"v{i}": i for i in range(500)})
    lines = ["load mod", "score v", "", "attach rest: ", "score v1 --"] * 40
    took = []
    for line in lines:  # time of this thread: other tests share the machine
        start = time.thread_time()
        our_part(session, "engine", line)
        took.append(time.thread_time() - start)

    assert sorted(took)[int(len(took) * 0.95)] < 0.005


@pytest.mark.parametrize("name", sorted(MAGICS))
def test_it_does_so_for_every_subcommand_of_every_magic(shell, names, name):
    from pilothouse.magics._completion import complete as our_part

    session = Session.of(shell)
    shell.user_ns.update({f"v{i}": i for i in range(500)})
    heads = ["", *(f"{sub} " for sub in _command(name).subcommands)]
    lines = [f"{head}{more}" for head in heads for more in ("", "--", "v")]
    took = []
    for line in lines * 20:
        start = time.thread_time()
        our_part(session, name, line)
        took.append(time.thread_time() - start)

    assert sorted(took)[int(len(took) * 0.95)] < 0.005


def test_names_never_wait_for_a_slow_service():
    names = Names(lambda: 0.0)
    asked, answer = threading.Event(), threading.Event()

    def slow():
        asked.set()
        answer.wait(10)
        return {"engine": [Name("late")]}

    names.watch("fastscore", slow)
    assert asked.wait(60)
    start = time.perf_counter()
    assert names.get("engine") == ()
    assert time.perf_counter() - start < 8

    answer.set()
    names.refresh().join(60)
    assert names.get("engine") == (Name("late"),)
    names.close()


def test_names_are_asked_for_again_when_old():
    now = [0.0]
    names = Names(lambda: 5.0, lambda: now[0])
    calls = []

    def source():
        calls.append(1)
        return {"engine": [Name(f"engine-{len(calls)}")]}

    names.watch("fastscore", source)
    names.refresh().join(60)  # the thread of `watch`, or one more when that is done
    first = names.get("engine")
    asked = len(calls)
    assert first == (Name(f"engine-{asked}"),)
    now[0] = 4.9
    names.get("engine")
    assert len(calls) == asked
    now[0] = 5.1
    names.get("engine")
    names.refresh().join(60)
    assert names.get("engine") != first
    names.close()


def test_a_service_that_fails_keeps_its_last_names():
    names = Names(lambda: 0.0)
    state = {"works": True}

    def source():
        if not state["works"]:
            raise ConnectError("gone")
        return {"engine": [Name("engine-1")]}

    names.watch("fastscore", source)
    names.refresh().join(60)
    state["works"] = False
    names.get("engine")
    names.refresh().join(60)

    assert names.get("engine") == (Name("engine-1"),)
    assert isinstance(names.errors["fastscore"], ConnectError)
    names.close()


def test_a_part_that_fails_keeps_its_last_names():
    names = Names(lambda: 0.0)
    state = {"works": True}

    def source():
        if state["works"]:
            return {"engine": [Name("engine-1")], "model": [Name("double")]}
        names.add("fastscore", "model", Name("fresh"))  # made while it is asked
        return {"engine": [Name("engine-2")]}

    names.watch("fastscore", source)
    names.refresh().join(60)
    state["works"] = False
    names.refresh().join(60)

    assert names.get("engine") == (Name("engine-2"),)
    assert names.get("model") == (Name("double"), Name("fresh"))
    names.close()


def test_a_name_just_made_is_known_at_once(names):
    names.add("fastscore", "model", Name("fresh", "python3"))

    assert "fresh" in {name.text for name in names.get("model")}


def test_a_name_made_while_they_are_asked_for_is_kept():
    names = Names(lambda: 3600.0)
    asked, answer = threading.Event(), threading.Event()

    def before_it_was_made():
        asked.set()
        assert answer.wait(60)
        return {"model": [Name("old"), Name("changed", "R")]}

    names.watch("fastscore", before_it_was_made)
    assert asked.wait(60)
    asking = names.refresh()
    names.add("fastscore", "model", Name("fresh", "python3"))
    names.add("fastscore", "model", Name("changed", "python3"))
    answer.set()
    asking.join(60)

    known = {name.text: name.help for name in names.get("model")}
    assert known == {"old": "", "fresh": "python3", "changed": "python3"}
    names.refresh().join(60)  # from now on the service knows best
    assert {name.text for name in names.get("model")} == {"old", "changed"}
    names.close()


def test_forgetting_a_service_forgets_its_names(names):
    names.forget("fastscore")

    assert names.get("engine") == ()
