"""``%fastmap``: a function over items, from the shortest line that says it."""

from __future__ import annotations

import pytest

from pilothouse.errors import LineError, NotAuthorizedError, PilothouseError
from pilothouse.fastmap import FastmapException, Run
from pilothouse.fastmap.wire.answers import BatchInfo, BatchState, RunInfo, RunState
from pilothouse.jobs import JobBook
from pilothouse.magics import _fastmap
from pilothouse.magics._fastmap_jobs import MapInterrupt, sent_of
from pilothouse.magics._session import Session
from waiting import until


@pytest.fixture
def secret(fastmap_service, monkeypatch):
    """The secret in the environment, bound to its service."""
    monkeypatch.setenv("PILOTHOUSE_FASTMAP_SECRET", fastmap_service.to_dict()["secret"])
    monkeypatch.setenv("PILOTHOUSE_FASTMAP_URL", fastmap_service.url)
    return fastmap_service.to_dict()["secret"]


@pytest.fixture
def connected(run, secret, fastmap_service, patient):
    """A shell connected to the service, all maps going there."""
    run(f"%fastmap connect {fastmap_service.url} --policy CLOUD")
    run("def double(n, plus=0): return 2 * n + plus")
    return fastmap_service


def test_bare_it_tells_where_maps_run_and_shows_examples(run):
    page = repr(run("%fastmap"))

    assert "no service: maps run on this machine" in page
    assert "results = %fastmap f items" in page


def test_without_a_service_it_maps_on_this_machine(run):
    run("def double(n): return 2 * n")

    assert run("%fastmap double {range(5)}") == [0, 2, 4, 6, 8]
    assert run("%fastmap policy") == "LOCAL"
    with pytest.raises(LineError, match="no service yet"):
        run("%fastmap policy CLOUD")


def test_the_service_of_the_profile_is_taken_by_itself(run, secret, fastmap_service):
    assert fastmap_service.url in repr(run("%fastmap"))
    assert run("%fastmap policy") == "ADAPTIVE"


@pytest.mark.parametrize(
    "line",
    [
        "%fastmap double numbers",
        "%fastmap {lambda n: 2 * n} numbers",
        "%fastmap double [1, 2, 3]",
        "%fastmap double {[n for n in numbers]} --quiet",
        "%fastmap double numbers --policy local",
        "%fastmap double numbers --label 'two words'",
    ],
)
def test_a_line_says_function_and_items(run, connected, line):
    run("numbers = [1, 2, 3]")

    assert run(line) == [2, 4, 6]


def test_the_result_can_be_bound(run, shell, connected):
    run("%fastmap double [1, 2] -o doubled;")
    run("again = %fastmap double doubled")

    assert shell.user_ns["again"] == [4, 8]


def test_more_arguments_are_expressions(run, connected):
    run("two = 2")

    assert run('%fastmap double [1, 2] --kwargs plus="two * 5"') == [12, 14]
    assert run("%fastmap double [1, 2] --kwargs plus={two}") == [4, 6]


def test_builtins_and_attributes_are_functions_too(run, connected):
    run("import math")

    assert run('%fastmap len ["a", "bc"]') == [1, 2]
    assert run("%fastmap math.sqrt [4, 9]") == [2.0, 3.0]


def test_a_cell_is_the_function_of_an_item(run, shell, connected):
    run("factor = 3\nnumbers = [1, 2]")
    run("%%fastmap --over numbers -o tripled\nscaled = item * factor\nscaled\n")

    assert shell.user_ns["tripled"] == [3, 6]


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("%fastmap doubl [1]", "no name 'doubl' in this notebook; did you mean"),
        ("%fastmap double", "ITEMS are missing"),
        ("%fastmap double 3", "int cannot be iterated over"),
        ("%fastmap two [1]", "two is no function but int"),
        ("%fastmap double [1] --polcy CLOUD", "did you mean '--policy'"),
        ("%fastmap double [1] --policy NEAR", "none of ADAPTIVE, CLOUD, LOCAL"),
        ("%fastmap double [1] --kwargs plus", "is no NAME=EXPRESSION"),
        ("%fastmap --over numbers", "--over needs a cell"),
        ("%%fastmap double [1]\nitem", "items come with --over"),
        ("%%fastmap\nitem", "items come with --over"),
        ("%%fastmap --over [1]\nx = item", "no expression"),
        ("%%fastmap runs\nitem", "takes no cell"),
        ("%fastmap conect", "did you mean 'connect'"),
        ("%fastmap cancel 1234", "no run of this notebook begins with '1234'"),
        ("%fastmap connect http://me:secret@host/", "would stay in the notebook"),
    ],
)
def test_a_mistake_is_an_error_that_says_what(run, connected, cell, said):
    run("numbers = [1]\ntwo = 2")

    with pytest.raises(LineError) as caught:
        run(cell)
    assert said in str(caught.value)


def test_a_wrong_secret_is_told_before_anything_is_sent(
    run, fastmap_service, monkeypatch
):
    monkeypatch.setenv("PILOTHOUSE_FASTMAP_SECRET", "0" * 64)

    with pytest.raises(NotAuthorizedError) as caught:
        run(f"%fastmap connect {fastmap_service.url}")
    assert "PILOTHOUSE_FASTMAP_SECRET" in caught.value.hint


def test_without_a_secret_the_error_says_where_it_would_come_from(run, monkeypatch):
    monkeypatch.delenv("PILOTHOUSE_FASTMAP_SECRET", raising=False)

    with pytest.raises(LineError, match="no secret for http"):
        run("%fastmap connect http://127.0.0.1:1")


def test_the_secret_shows_nowhere(run, shown, secret, connected):
    said = [repr(run(line)) for line in ("%fastmap", "%fastmap runs", "%pilot jobs")]
    said += [shown("%fastmap {lambda n: 1 / n} [1, 0]"), shown("%tb")]
    said.append(repr(vars(Session.of(run.__closure__[0].cell_contents)).keys()))

    assert secret not in "".join(said)
    assert secret[32:] not in "".join(said)


def test_an_item_that_fails_is_named_on_the_line_of_its_cell(run, shown, connected):
    run("def inverse(n):\n    m = n\n    return 1 / m\n")

    text = shown("%fastmap inverse [4, 2, 0, 1]")

    assert "ZeroDivisionError" in text
    assert "item 2" in text
    assert "line 3, in inverse" in text
    assert "---->   3     return 1 / m" in text
    assert "what came back is in _partial" in text


def test_of_chained_errors_the_users_own_call_is_shown(run, shown, connected):
    run(
        "def read(text):\n"
        "    try:\n"
        "        return int(text)\n"
        "    except ValueError as exc:\n"
        "        raise LookupError('no number') from exc\n"
    )

    text = shown("%fastmap read ['7', 'seven']")

    assert "line 5, in read" in text
    assert "invalid literal" not in text
    assert "invalid literal" in shown("%tb")


def test_items_that_fail_can_be_results(run, connected):
    run("def inverse(n): return 1 / n")

    found = run("%fastmap inverse [2, 0, 1] --keep-errors")

    assert found[0] == 0.5
    assert isinstance(found[1], ZeroDivisionError | FastmapException)
    assert found[2] == 1.0


def test_a_detached_run_is_returned_at_once(run, connected):
    handle = run("%fastmap double {range(40)} --detach")

    assert isinstance(handle, Run)
    assert handle.result(60) == [2 * n for n in range(40)]
    rows = {row["run"]: row for row in run("%fastmap runs")}
    row = rows[handle.run_id[:8]]
    assert (row["function"], row["state"], row["items"]) == ("double", "done", 40)


SLOW = "def slow(n):\n    import time\n    time.sleep(0.2)\n    return n\n"
GATED = """def gated(n):
    import pathlib
    import time
    while not pathlib.Path({gate!r}).exists():
        time.sleep(0.01)
    return 12 / n
"""


@pytest.fixture
def gate(run, tmp_path):
    """The file that lets the items of ``gated`` go on."""
    gate = tmp_path / "gate"
    run(GATED.format(gate=str(gate)))
    yield gate
    gate.touch()


def test_a_run_under_way_is_in_the_book_and_can_be_cancelled(run, connected, complete):
    run(SLOW)
    handle = run("%fastmap slow {range(1000)} --detach --label long")

    (record,) = JobBook().records("fastmap")
    assert record.id == handle.run_id
    assert record.url.rstrip("/") == connected.url.rstrip("/")
    assert record.label == "long over 1,000 items"
    (row,) = run("%pilot jobs")
    assert row["job"] == handle.run_id[:8]
    until(lambda: handle.run_id[:8] in complete("%fastmap cancel "))

    said = repr(run(f"%fastmap cancel {handle.run_id[:8]}"))

    assert "cancelled: " in said
    until(lambda: not JobBook().records())
    assert repr(run("%fastmap cancel")) == "no run is under way"


def test_an_interrupt_while_a_run_is_written_down_cancels_it(
    run, connected, gate, monkeypatch
):
    def interrupted(book, record):
        raise KeyboardInterrupt

    run("%config Pilothouse.interrupt_timeout = 60")
    monkeypatch.setattr(JobBook, "remember", interrupted)

    with pytest.raises(KeyboardInterrupt, match="cancelled: ") as caught:
        run("%fastmap gated {range(1000)}")

    assert isinstance(caught.value, MapInterrupt)
    states = {row["run"]: row["state"] for row in run("%fastmap runs")}
    assert states[caught.value.run.run_id[:8]] == "cancelled"


def test_a_finished_run_is_crossed_out_with_its_result(run, connected, late_threads):
    run("%fastmap double {range(10)}")

    assert not JobBook().records()


def test_a_run_left_to_the_service_is_taken_up_again(run, connected, gate):
    handle = run("%fastmap gated {range(1, 13)} --detach")
    handle.detach()
    assert len(JobBook().records()) == 1
    gate.touch()

    found = run(f"%pilot attach {handle.run_id[:8]}")
    assert found == [12 / n for n in range(1, 13)]
    assert JobBook().records() == []


def test_that_errors_are_kept_is_known_when_a_run_is_taken_up_again(
    run, connected, gate
):
    handle = run("%fastmap gated {[1, 0, 4]} --keep-errors --detach")
    handle.detach()
    gate.touch()

    found = run(f"%pilot attach {handle.run_id[:8]}")

    assert len(found) == 3
    assert isinstance(found[1], FastmapException)


def test_a_run_of_an_earlier_kernel_can_be_stopped(run, connected):
    run(SLOW)
    handle = run("%fastmap slow {range(500)} --detach")
    handle.detach()

    said = repr(run(f"%pilot stop {handle.run_id[:8]}"))

    assert "cancelled" in said
    assert JobBook().records() == []


def test_a_run_that_was_taken_up_and_cancelled_is_crossed_out(run, connected):
    run(SLOW)
    handle = run("%fastmap slow {range(500)} --detach")
    handle.detach()
    again = run(f"%pilot attach {handle.run_id[:8]} --detach")
    assert len(JobBook().records()) == 1

    assert "cancelled" in again.cancel()

    until(lambda: not JobBook().records())
    assert repr(run("%pilot jobs")) == "(no jobs are out there)"


@pytest.fixture
def abandoned(shell, secret, connected):
    """The session's service has gone away since it was connected."""
    known = Session.of(shell).kept(_fastmap.SERVICE)
    url = "http://127.0.0.1:1"
    known.config = known.config.with_options(cloud_url=url, retry_timeout=0.1)
    return url


def test_runs_are_shown_also_when_the_service_is_away(run, shown, connected, abandoned):
    run("%fastmap double {range(5)} --policy LOCAL")

    (row,) = run("%fastmap runs")
    assert (row["function"], row["state"]) == ("double", "done")
    assert "no connection to 127.0.0.1:1" in shown("%fastmap runs")


def test_that_a_map_did_without_the_service_is_said_once(
    run, shown, connected, abandoned
):
    run(SLOW)

    text = shown("_ = %fastmap slow {range(12)} --policy ADAPTIVE")
    assert "without the service: auth failed: no connection" in text
    assert "without" not in shown("_ = %fastmap slow {range(12)} --policy ADAPTIVE")


def test_an_error_before_the_first_result_promises_none(run, connected, abandoned):
    with pytest.raises(FastmapException) as caught:
        run("%fastmap double {range(5)}")

    assert "what came back" not in str(caught.value)
    assert "pilothouse up" in caught.value.hint


def test_completion_offers_functions_items_options_and_words(run, complete, connected):
    run("numbers = [1]\nword = 'w'\nnot_callable = 3")

    first = complete("%fastmap ")
    assert {"double", "connect", "policy", "runs", "cancel"} <= set(first)
    assert "not_callable" not in first
    assert "numbers" in complete("%fastmap double ")
    assert {"ADAPTIVE", "CLOUD", "LOCAL"} == set(
        complete("%fastmap double numbers --policy ")
    )
    assert {"--label", "--kwargs", "--quiet", "--detach"} <= set(
        complete("%fastmap double numbers --")
    )
    assert "numbers" in complete("%%fastmap --over ")
    assert "local" in complete("%pilot up --dask ")
    assert "CLOUD" in complete("%fastmap policy ")


def test_leaving_gives_what_runs_to_the_service(run, shell, connected, monkeypatch):
    monkeypatch.setattr(_fastmap, "_LEAVE_SECONDS", 60.0)
    run(SLOW)
    handle = run("%fastmap slow {range(8)} --detach")
    shell.run_line_magic("unload_ext", "pilothouse")

    assert str(handle.state) in ("detached", "done")
    assert _fastmap.SERVICE not in vars(Session.of(shell))["_kept"]


def test_an_error_of_the_items_comes_as_it_is(run, connected):
    run("def broken():\n    yield 1\n    raise KeyError('mine')\n")

    with pytest.raises(KeyError, match="mine"):
        run("%fastmap double {broken()}")


def test_a_service_that_is_gone_is_an_error_with_a_hint(run, monkeypatch):
    monkeypatch.setenv("PILOTHOUSE_FASTMAP_SECRET", "0" * 64)

    with pytest.raises(PilothouseError, match="auth") as caught:
        run("%fastmap connect http://127.0.0.1:1")

    assert caught.value.hint == (
        "is there a service at http://127.0.0.1:1? pilothouse up starts one here"
    )


def test_items_that_have_come_to_the_service_are_counted_once():
    """Parts of a batch stand beside it, once it was halved."""
    spans = [(0, 4), (8, 2), (0, 2), (2, 2), (9, 3)]
    batches = tuple(
        BatchInfo(index=index, count=count, state=BatchState.QUEUED)
        for index, count in spans
    )
    info = RunInfo(
        run_id="r",
        func_hash="0" * 16,
        name="f",
        label="",
        state=RunState.READY,
        created=0.0,
        batches=batches,
    )
    assert sent_of(info) == 8
