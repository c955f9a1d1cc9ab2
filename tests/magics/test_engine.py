"""``%engine``: load, attach, score, scale, watch."""

from __future__ import annotations

import pytest

from pilothouse.errors import FastScoreError, LineError, NotFoundError, RemoteError
from pilothouse.fastscore import ModelError, ScoreJob
from pilothouse.fastscore.suite import Engine
from pilothouse.jobs import JobBook

DOUBLE = """%%model double
# fastscore.schema.0: number
# fastscore.schema.1: number

def action(x):
    yield 2 * x
"""
NUMBER = "%%schema number\ndouble"


@pytest.fixture
def engine(run, suite, monkeypatch):
    """The shell, connected to a suite with two engines; the first one reset."""
    monkeypatch.setenv("PILOTHOUSE_FASTSCORE_TOKEN", suite.token)
    run(f"%fastscore connect {suite.url}")
    run("%engine reset")
    yield run("%engine engine-1")
    run("%engine reset")


@pytest.fixture
def running(run, engine):
    """An engine that doubles numbers, with chunked REST streams."""
    run(NUMBER)
    run(DOUBLE)
    run("%engine load double")
    run("%engine attach rest-chunked:")
    run("%engine attach rest-chunked:")
    assert engine.wait_for("RUNNING") == "RUNNING"
    return engine


def test_bare_it_shows_state_and_examples(run, running):
    page = run("%engine")

    assert "engine-1: RUNNING" in page
    assert "model: double (python3), 1 jet(s)" in page
    assert "slot 1: inline-" in page
    assert "%engine score rows" in page


def test_without_a_suite_it_says_how_to_get_one(run):
    assert "%fastscore connect" in run("%engine")
    with pytest.raises(LineError, match="no suite yet"):
        run("%engine state")


def test_with_a_name_it_is_that_engine(run, engine):
    found = run("%engine engine-2")

    assert isinstance(found, Engine)
    assert found.name == "engine-2"
    assert run("%engine engine-2 state") == "INIT"


def test_an_engine_of_ones_own_is_taken_as_it_is(run, engine, shell):
    shell.user_ns["mine"] = engine

    assert run("%engine mine state") == "INIT"


def test_an_unknown_engine_brings_those_that_are_there(run, engine):
    with pytest.raises(NotFoundError) as caught:
        run("%engine engine-3 state")

    assert "engine-1, engine-2" in caught.value.hint
    with pytest.raises(LineError, match="no engine but model-manage"):
        run("%engine model-manage-1 state")


def test_use_prefers_an_engine(run, engine):
    assert run("%engine use engine-2").name == "engine-2"
    assert "engine-2: INIT" in run("%engine")
    run("%engine use engine-1")


def test_load_and_attach_bring_it_to_run(run, running):
    assert run("%engine state") == "RUNNING"
    assert run("%engine attach rest: 2 --dry-run")
    assert sorted(running.active_streams) == [0, 1]


def test_a_stream_may_be_a_name_an_object_or_a_literal(run, engine, shell):
    run("%%stream inlet\nrest:\n")
    assert run("%engine attach inlet 0")[0].name == "inlet"
    run("del inlet")
    assert run("%engine attach inlet 2")[2].name == "inlet"
    assert 1 in run("%engine attach discard: 1")
    run("%engine detach 0")
    assert 0 not in engine.active_streams


def test_every_slot_taken_asks_for_one(run, engine):
    run("%engine attach rest: 0")
    run("%engine attach rest: 1")

    with pytest.raises(LineError, match="every slot has a stream"):
        run("%engine attach rest:")


def test_a_saved_model_is_loaded_by_name(run, engine):
    run(NUMBER)
    run(DOUBLE)
    run("del double")

    assert run("%engine load double").name == "double"
    with pytest.raises(NotFoundError):
        run("%engine load tripel")


def test_a_model_that_was_not_saved_is_loaded_with_its_schemata(run, engine):
    run(NUMBER.replace("number", "unsaved --no-save", 1))
    run(DOUBLE.replace("number", "unsaved").replace("double", "d2 --no-save", 1))

    assert run("%engine load d2").slots[0].schema == "double"


def test_verify_checks_without_loading(run, engine):
    run(NUMBER)
    run(DOUBLE)

    assert [slot.slot for slot in run("%engine verify double").slots] == [0, 1]
    assert engine.active_model is None


def test_input_output_and_roundtrip(run, engine):
    run(NUMBER)
    run(DOUBLE)
    run("%engine load double")
    run("%engine attach rest:")
    run("%engine attach rest:")
    engine.wait_for("RUNNING")

    assert run("%engine input 21") is None
    seen = None
    while seen is None:
        seen = run("%engine output")
    assert float(seen) == 42.0
    assert float(run("%engine roundtrip 1.5 --timeout 60")) == 3.0


def test_score_takes_rows_and_returns_scores(run, running, shell):
    assert list(run("%engine score [1, 2, 3]")["value"]) == [2.0, 4.0, 6.0]
    run("rows = [10.0] * 1000")
    found = run("%engine score rows -o scores")
    assert found is shell.user_ns["scores"]
    assert len(found) == 1000
    assert run("%engine score rows;") is None
    assert len(run("%engine score {rows[:5]}")) == 5


def test_a_score_that_is_over_is_crossed_out_with_its_result(
    run, shown, running, late_threads
):
    run("%engine score [1, 2]")
    assert not JobBook().records()

    shown("%engine score [1, None]")
    assert not JobBook().records()


def test_score_can_be_detached(run, running):
    job = run("%engine score [1, 2] --detach")

    assert isinstance(job, ScoreJob)
    assert list(job.result(60)["value"]) == [2.0, 4.0]


def test_a_model_that_fails_shows_the_line_of_its_cell(run, shown, engine):
    run("%%model bad\n\ndef action(x):\n    y = x - 1\n    yield 1 / y\n")
    cell = len(run("In")) - 2
    run("%engine load bad")
    run("%engine attach rest-chunked:")
    run("%engine attach rest-chunked:")
    engine.wait_for("RUNNING")

    text = shown("%engine score [3, 2, 1]")

    assert "\nModelError: " in f"\n{text}"  # on a slow machine after its progress
    assert "ZeroDivisionError" in text
    assert f"Cell In[{cell}], line 5, in action" in text
    assert "---->   5     yield 1 / y" in text
    assert "site-packages" not in text


def test_so_it_does_when_python_called_the_engine(run, shown, engine, shell):
    run("%%model bad\n\ndef action(x):\n    yield 1 / x\n")
    run("%engine load bad")
    run("%engine attach rest-chunked:")
    run("%engine attach rest-chunked:")
    engine.wait_for("RUNNING")
    shell.user_ns["mine"] = engine

    text = shown("mine.score([0])")

    assert text.startswith("ModelError: ")
    assert "line 4, in action" in text
    assert "Traceback (most recent call last)" in shown("%tb")
    shell.user_ns["ModelError"] = ModelError
    assert (
        run("try:\n    mine.score([0])\nexcept Exception as e:\n    e = repr(e)")
        is None
    )


def test_deploy_from_the_cell(run, engine):
    run(NUMBER)
    run(DOUBLE.replace("double", "double --deploy engine-1", 1))

    assert engine.active_model.name == "double"


def test_pause_unpause_scale_reset(run, running):
    assert run("%engine pause") == "PAUSED"
    assert run("%engine unpause") == "RUNNING"
    assert len(run("%engine scale 2").jets) == 2
    with pytest.raises(RemoteError, match="cannot unload"):
        run("%engine unload")
    assert run("%engine reset") == "INIT"


def test_unload_leaves_the_streams(run, engine):
    run(NUMBER)
    run(DOUBLE)
    run("%engine load double")
    run("%engine attach rest: 0")

    assert run("%engine unload") == "INIT"
    assert engine.active_model is None
    assert sorted(engine.active_streams) == [0]


def test_sensors_are_listed_installed_and_removed(run, engine):
    before = run("%engine sensors").ids()
    assert "sys.memory" in run("%engine sensors --points")

    after = run("%engine sensors --install sys.memory")
    new = set(after.ids()) - set(before)
    assert [after[each].tap for each in new] == ["sys.memory"]
    run(f"%engine sensors --uninstall {new.pop()}")
    assert run("%engine sensors").ids() == before


def test_a_stream_is_sampled(run, engine):
    assert run("%engine sample inline:1,2,3 2") == [b"1", b"2"]
    with pytest.raises(FastScoreError):
        run("%engine sample rest:")


def test_a_policy_is_set_and_shown(run, engine, quiet_place, shell):
    (quiet_place / "policy.txt").write_text("math: install\n", encoding="utf-8")
    before = run("%engine policy python3")

    assert run("%engine policy python3 --file policy.txt") == "math: install\n"
    run("text = 'json: install\\n'")
    assert run("%engine policy python3 --set text") == "json: install\n"
    shell.user_ns["before"] = str(before)
    assert run("%engine policy python3 --set before") == before


COUNTER = """%%model counter
# fastscore.snapshots: eof
# fastscore.schema.1: number
import fastscore

seen = fastscore.cells("seen")

def begin():
    if seen.value is None:
        seen.set(0)

def action(x):
    seen.update(lambda n: n + 1)
    yield float(seen.value)
"""


def test_snapshots_are_listed_and_restored(run, engine):
    run(NUMBER)
    run(COUNTER)
    run("%engine load counter")
    run("%engine attach inline:1,2,3 0")
    run("%engine attach discard: 1")
    engine.wait_for("FINISHED")

    snapshot = run("%engine snapshots").browse(count=1)[0]
    run("%engine reset")
    with pytest.raises(LineError, match="no model is loaded"):
        run("%engine snapshots")
    assert run("%engine restore --model counter").id == snapshot.id
    assert run(f"%engine restore {snapshot.id[:4]} --model counter").id == snapshot.id


def test_what_an_engine_refuses_is_an_error(run, engine):
    with pytest.raises(RemoteError):
        run("%engine detach 0")
    with pytest.raises(FastScoreError, match="inline"):
        run("%engine attach inlin:1 0")
