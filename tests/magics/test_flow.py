"""``%%pilot flow`` in a shell: steps, faults before it runs, failures, resume."""

from __future__ import annotations

import threading

import pytest

from pilothouse.errors import LineError
from pilothouse.flow import Flow, FlowError
from waiting import until

SECONDS = 60


@pytest.fixture(autouse=True)
def no_thread_is_left():
    yield

    def left():
        names = [thread.name for thread in threading.enumerate()]
        return [name for name in names if name.startswith("pilothouse-flow")]

    until(lambda: not left(), SECONDS, "the end of the threads")


def dry(run, cell):
    """Return which steps of a cell need which."""
    table = run(f"%%pilot flow --dry-run\n{cell}")
    return {row["step"]: row["needs"] for row in table}


def test_steps_bind_names_whatever_their_order(run, shell):
    found = run("""%%pilot flow sums -o plan
total = sum(squares)
# what everything begins with
rows = [1, 2, 3]
squares = [square(row) for row in rows]
def square(n):
    return n ** power
power = 2
""")

    assert isinstance(found, Flow)
    assert shell.user_ns["plan"] is found
    assert shell.user_ns["total"] == found["total"] == 14
    assert run("%pilot flow sums") is found
    shown = {one.name: one for one in found.progress.steps}
    assert list(shown) == ["rows", "power", "squares", "total"]
    assert shown["rows"].step.title == "what everything begins with"
    assert shown["total"].step.line == 2


def test_who_needs_whom_is_told_without_running(run, shell):
    found = dry(
        run,
        """
import math
a = 1
b = a + 1
c = [math.sqrt(n) for n in (a, b)]
print(c)
d = %fastmap math.sqrt c -o e
f = %aimm predict 1 {d[0] + g} x=b
g = 2
%engine attach rest-chunked: 0
%engine reset
""",
    )

    assert found["b"] == "a"
    assert found["c"] == "b, math"
    assert found["line 7"] == "c"
    assert found["d, e"] == "line 7"
    assert found["f"] == "d, e, g"
    assert found["engine attach"] == "f"
    assert found["engine reset"] == "engine attach"
    assert "a" not in shell.user_ns


@pytest.mark.parametrize(
    ("step", "told"),
    [
        ("b = nobody + 1", "line 3: no name 'nobody' in this notebook or this plan"),
        ("b = %fastmap len nobody", "line 3: no name 'nobody' in this notebook"),
        ("b = %fastmap len a --polcy LOCAL", "line 3: no option '--polcy'; did you"),
        ("b = %fastmap len a --policy FAR", "line 3: 'FAR' is none of ADAPTIVE"),
        ("b = %aimm create", "line 3: TYPE is missing"),
        ("b = %aimm predict 1 {a +}", "line 3: 'a +'"),
        ("b = %engine scale two", "line 3: 'two' is no whole number"),
        ("b = %pilot nothing", "line 3: %pilot has no 'nothing'"),
        ("b = %pilot flow other", "line 3: a plan is no step of a plan"),
        ("b = %timeit a", "line 3 of the cell: %timeit is no magic of pilothouse"),
        ("b = %%fastmap --over a", "line 3 of the cell: %%fastmap has no body"),
        ("!ls", "line 3 of the cell: a step is no command of the shell"),
        ("b = (a", "line 3 of the cell: '(' was never closed"),
        ("return a", "line 3 of the cell: 'return' outside function"),
        ("a = 2", "line 3: line 2 binds 'a' already"),
        ("b = c\nc = b", "line 3: it needs itself: b needs c needs b"),
    ],
)
def test_what_is_wrong_is_told_with_its_line_before_anything_runs(
    run, shell, step, told
):
    with pytest.raises(LineError) as caught:
        run(f"%%pilot flow\na = 1\n{step}\n")

    assert told in str(caught.value)
    assert "a" not in shell.user_ns


def test_all_faults_are_told_at_once(run):
    with pytest.raises(LineError) as caught:
        run("%%pilot flow\na = b1\nc = %fastmap len d1\n")

    assert "2 faults" in str(caught.value)
    assert "line 2: no name 'b1'" in str(caught.value)
    assert "line 3: no name 'd1'" in str(caught.value)


def test_a_service_that_is_not_there_is_told_at_the_start(run, shell):
    with pytest.raises(LineError) as caught:
        run("%%pilot flow\na = 1\nb = %mplane runcap tcp-4\nc = %engine state\n")

    assert "line 3: no component yet" in str(caught.value)
    assert "line 4: no suite yet" in str(caught.value)
    assert "a" not in shell.user_ns


def test_a_service_that_has_gone_is_told_at_the_start(run, shell, monkeypatch):
    from pilothouse.services.host import ServiceHost

    monkeypatch.setattr("pilothouse.magics._flow_places._SECONDS", 60.0)
    with ServiceHost(["fastmap"]) as host:
        monkeypatch.setenv("PILOTHOUSE_FASTMAP_SECRET", host.fastmap.secret)
        run(f"%fastmap connect {host.fastmap.url} --policy CLOUD")

    with pytest.raises(LineError, match=r"line 3: Fastmap: .*nothing listens there"):
        run("%%pilot flow\na = 1\nb = %fastmap len {[[a]]}\n")
    assert "a" not in shell.user_ns


def test_names_of_a_loop_may_stand_twice(run, shell):
    run("""%%pilot flow
found = []
for one in range(3):
    found.append(one)
for one in found[:]:
    found.append(10 * one)
""")

    assert shell.user_ns["found"] == [0, 1, 2, 0, 10, 20]


def test_the_cell_of_a_map_is_indented_below_it(run, shell):
    run("""%%pilot flow
factor = 3
# three times each
times = %%fastmap --over {range(4)} --policy LOCAL
    wide = item * factor

    wide + 1
count = len(times)
""")

    assert shell.user_ns["times"] == [1, 4, 7, 10]
    assert shell.user_ns["count"] == 4


def test_a_failure_shows_on_the_line_of_the_cell(run, shown, shell):
    text = shown("""%%pilot flow rates
rows = [1, 0]
inverse = [1 / row for row in rows]
mean = sum(inverse)
other = len(rows)
""")

    assert "FlowError: failed: 2 of 4 steps done; inverse failed: ZeroDi" in text
    assert "Cell In[1], line 3" in text
    assert "---->   3 inverse = [1 / row for row in rows]" in text
    assert "%pilot flow rates --resume goes on from there" in text
    assert "mean" not in shell.user_ns
    assert shell.user_ns["other"] == 2


def test_a_magic_that_fails_shows_on_its_line_with_the_far_traceback(shown):
    text = shown("""%%pilot flow
rows = [1, 0]
roots = %%fastmap --over rows --policy LOCAL
    # too short
    1 / item
""")

    assert "Cell In[1], line 3, in step roots" in text
    assert "Cell In[1], line 5, in cell_1" in text
    assert "ZeroDivisionError: division by zero" in text


def test_resume_runs_what_is_not_done_has_changed_or_needs_that(run, shell):
    run("calls = []")
    plan = """%%pilot flow again {resume}
def note(name, value):
    calls.append(name)
    return value
rows = note("rows", [4, {zero}])
other = note("other", 1)
inverse = [note("inverse", 1 / row) for row in rows]
last = note("last", {last})
"""
    with pytest.raises(FlowError):
        run(plan.format(resume="", zero=0, last=1))
    shell.user_ns["calls"].clear()

    run(plan.format(resume="--resume", zero=2, last="2"))

    assert sorted(shell.user_ns["calls"]) == ["inverse", "inverse", "last", "rows"]
    assert shell.user_ns["inverse"] == [0.25, 0.5]
    shell.user_ns["calls"].clear()
    run("del other")
    run(plan.format(resume="--resume", zero=2, last="2"))
    assert shell.user_ns["calls"] == ["other"]


def test_a_line_resumes_the_plan_of_that_name(run, shell):
    run("zero = 0")
    with pytest.raises(FlowError):
        run("%%pilot flow again\na = 1 / zero\nb = a + 1")
    run("zero = 4")

    run("%pilot flow again --resume")

    assert shell.user_ns["b"] == 1.25


@pytest.mark.parametrize(
    ("cell", "told"),
    [
        ("%pilot flow", "no plan 'flow' has run in this kernel"),
        ("%%pilot flow x --resume\na = 1", "no plan 'x' has run in this kernel"),
        ("%%pilot flow\n# nothing", "the cell has no steps"),
        ("%%pilot\na = 1", "what is the cell?"),
        ("%%pilot status\na = 1", "%%pilot status takes no cell"),
    ],
)
def test_a_wrong_use_is_told(run, cell, told):
    with pytest.raises(LineError) as caught:
        run(cell)

    assert told in str(caught.value)


def test_a_detached_plan_goes_on_behind_the_cell(run, shell):
    run("import threading; go = threading.Event()")
    plan = run("%%pilot flow later --detach\na = go.wait(60)\nb = not a")
    assert plan.state == "running"
    with pytest.raises(LineError, match="the plan 'later' still runs"):
        run("%%pilot flow later\na = 1")

    shell.user_ns["go"].set()

    assert plan.result(SECONDS) == {"a": True, "b": False}
    assert shell.user_ns["b"] is False


def test_handles_are_waited_for(run, shell):
    run("from pilothouse import fastmap\nconfig = fastmap.init(exec_policy='LOCAL')")
    run("%%pilot flow\nroots = config.submit(abs, [-1, -2])\ncount = len(roots)")

    assert shell.user_ns["roots"] == [1, 2]
    assert shell.user_ns["count"] == 2


def test_help_tells_that_it_takes_a_cell(run):
    assert "usage: %%pilot flow [PLAN]" in run("%pilot flow -h")


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("d = %fastmap len ro", "rows"),
        ("d = %fastmap sq", "square"),
        ("d = %fastmap len {sum(ro", "rows"),
        ("%engine score ro", "rows"),
        ("d = %%fastmap --over ro", "rows"),
        ("d = %fastmap len rows --pol", "--policy"),
        ("d = sum(ro", "rows"),
    ],
)
def test_names_of_steps_complete_in_the_cell(complete, shell, line, offered):
    cell = "%%pilot flow\nrows = [1]\ndef square(n):\n    return n\n"

    assert offered in complete(cell + line)
    assert "rows" not in shell.user_ns


def test_names_of_a_plan_are_offered_in_that_plan_only(complete):
    assert "rows" not in complete("rows = 1\nd = %fastmap len ro")


def test_options_and_names_of_plans_complete(run, complete):
    run("%%pilot flow delays\na = 1")

    assert complete("%%pilot flow del")["delays"] == "plan: a plan"
    assert complete("%%pilot flow delays --re")["--resume"].startswith("option")
