"""A plan as a library: order, failures, cancel, resume, awaited and iterated live."""

from __future__ import annotations

import asyncio
import threading

import pytest

from pilothouse.errors import AnswerTimeoutError
from pilothouse.flow import Flow, FlowError, PlanError, StepState, current, follow
from pilothouse.flow import names as names_of
from pilothouse.flow.task import Task
from waiting import until

SECONDS = 60


class Work:
    """Work of a peer of the test's own, with the four verbs."""

    def __init__(self, *, confirms=True):
        self.over = threading.Event()
        self.confirms = confirms
        self.asked = []
        self.value = "made far away"
        self.progress = "some of it"

    def wait(self, timeout=None):
        return self.over.wait(timeout)

    def result(self):
        self.over.wait(SECONDS)
        return self.value

    def partial(self):
        return "a part"

    def cancel(self):
        self.asked.append("cancel")
        if self.confirms:
            self.over.set()
            return "the peer has confirmed"
        return "the peer has not confirmed"

    def detach(self):
        self.asked.append("detach")
        return "it goes on far away"


def threads():
    return [t for t in threading.enumerate() if t.name.startswith("pilothouse-flow")]


@pytest.fixture(autouse=True)
def no_thread_is_left():
    yield
    until(lambda: not threads(), SECONDS, "the end of the threads")


def test_a_step_gets_the_results_that_its_parameters_name():
    flow = Flow()
    flow.step("both", lambda rows, factor: [factor * row for row in rows])

    @flow.step("rows")
    def rows():
        return [1, 2]

    flow.step("factor", lambda scale=3: scale)

    assert flow.start().result(SECONDS) == {
        "rows": [1, 2],
        "factor": 3,
        "both": [3, 6],
    }
    assert flow["both"] == [3, 6]
    assert repr(flow) == "<Flow flow: done: 3 steps>"


def test_independent_steps_run_side_by_side():
    meet = threading.Barrier(3, timeout=SECONDS)
    flow = Flow()
    for name in "abc":
        flow.step(name, meet.wait, needs=())

    assert sorted(flow.start().result(SECONDS).values()) == [0, 1, 2]


def test_no_more_steps_run_at_a_time_than_asked_for():
    seen, lock, most = [0], threading.Lock(), []

    def count():
        with lock:
            seen[0] += 1
            most.append(seen[0])
        with lock:
            seen[0] -= 1

    flow = Flow(at_once=1)
    for number in range(20):
        flow.step(f"s{number}", count)
    flow.start().result(SECONDS)

    assert most == [1] * 20


@pytest.mark.parametrize(
    ("steps", "told"),
    [
        ({"a": ["b"], "b": ["c"], "c": ["a"]}, "a needs b needs c needs a"),
        ({"a": ["a"]}, "a needs a"),
        ({"a": ["nobody"]}, "it needs 'nobody', and there is no such step"),
    ],
    ids=["ring", "itself", "unknown"],
)
def test_a_wrong_plan_does_not_begin(steps, told):
    flow, ran = Flow(), []
    flow.step("first", lambda: ran.append(1), needs=())
    for name, needs in steps.items():
        flow.step(name, lambda *_: ran.append(1), needs=needs)

    with pytest.raises(PlanError) as caught:
        flow.start()

    assert told in str(caught.value)
    assert not ran
    assert flow.state == "planned"


def test_a_name_that_stands_twice_is_refused():
    flow = Flow()
    flow.step("a", int)
    flow.step("a", int)

    with pytest.raises(PlanError, match="a step of that name already"):
        flow.start()


def test_a_failure_stops_those_that_need_it_and_no_others():
    flow = Flow()
    flow.step("good", lambda: 1)
    flow.step("bad", lambda: 1 / 0)
    flow.step("after_bad", lambda bad: bad)
    flow.step("last", lambda after_bad: after_bad)
    flow.step("after_good", lambda good: good + 1)

    with pytest.raises(FlowError, match="bad failed: ZeroDivisionError") as caught:
        flow.start().result(SECONDS)

    assert list(caught.value.errors) == ["bad"]
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert flow.results == {"good": 1, "after_good": 2}
    states = {one.name: one.state for one in flow.progress.steps}
    assert states["after_bad"] == states["last"] == StepState.SKIPPED
    text = str(flow)
    assert "skipped" in text
    assert "needs bad" in text


def test_resume_goes_on_with_what_is_done():
    calls, broken = [], [True]

    def rows():
        calls.append("rows")
        return [1, 2]

    def total(rows):
        calls.append("total")
        if broken[0]:
            raise ValueError("not yet")
        return sum(rows)

    flow = Flow()
    flow.step("rows", rows)
    flow.step("total", total)
    with pytest.raises(FlowError):
        flow.start().result(SECONDS)
    broken[0] = False

    assert flow.resume().result(SECONDS) == {"rows": [1, 2], "total": 3}
    assert calls == ["rows", "total", "total"]
    before = next(one for one in flow.progress.steps if one.name == "rows")
    assert (before.start, before.text) == (None, "done before")
    with pytest.raises(RuntimeError):
        flow.start()


def test_a_handle_is_waited_for_and_its_result_is_the_steps():
    work = Work()
    flow = Flow()
    flow.step("far", lambda: work, needs=())
    flow.step("near", lambda far: far.upper())
    flow.start()
    until(lambda: flow.progress.step == "far", SECONDS, "the step")
    assert not flow.wait(0)
    with pytest.raises(AnswerTimeoutError):
        flow.result(0.01)
    work.over.set()

    assert flow.result(SECONDS)["near"] == "MADE FAR AWAY"


def test_a_step_follows_a_handle_and_goes_on():
    work = Work()
    work.over.set()
    flow = Flow()
    flow.step("far", lambda: f"{follow(work)}, and here")
    assert current() is None
    assert follow(work) == "made far away"

    assert flow.start().result(SECONDS) == {"far": "made far away, and here"}


def waiting_for(*works, patience=SECONDS):
    flow = Flow("plan", patience=patience)
    for number, work in enumerate(works):
        flow.step(f"far{number}", lambda work=work: work, needs=())
    flow.step("after", lambda far0: far0)
    flow.start()

    def all_are_followed():
        told = [one.progress for one in flow.progress.steps]
        return sum(one is not None for one in told) == len(works)

    until(all_are_followed, SECONDS, "the handles")
    return flow


def test_a_cancel_says_who_has_confirmed_and_keeps_what_came():
    works = Work(), Work(confirms=False)  # for the latter it waits to the last
    said = (flow := waiting_for(*works, patience=5)).cancel()

    assert "far0: the peer has confirmed" in said
    assert "far1: the peer has not confirmed" in said
    assert said.startswith("cancelled: 0 of 3 steps done")
    assert flow.wait(0)
    assert flow.partial()["far0"] == "a part"
    states = {one.name: one.state for one in flow.progress.steps}
    assert states["after"] == StepState.SKIPPED
    with pytest.raises(FlowError, match="cancelled"):
        flow.result()
    assert flow.cancel() == said


def test_a_cancel_does_not_wait_for_a_peer_that_is_silent():
    class Silent(Work):
        def cancel(self):
            self.over.wait(SECONDS)
            return "at last"

    work = Silent()
    said = (flow := waiting_for(work, patience=1.8)).cancel()

    assert "far0: not confirmed in time: it may still run" in said
    assert flow.state == "cancelled"
    work.over.set()


@pytest.fixture
def who_is_left_ends_at_once(monkeypatch):
    """The step's thread is quicker than the one that stops the plan."""
    leave = Task.leave

    def left(self):
        leave(self)
        assert self.join(SECONDS)

    monkeypatch.setattr(Task, "leave", left)


@pytest.mark.usefixtures("who_is_left_ends_at_once")
def test_what_a_silent_peer_did_not_confirm_is_not_told_as_stopped():
    gate = threading.Event()

    class Silent(Work):
        def cancel(self):
            gate.wait(SECONDS)

    said = waiting_for(Silent(), patience=0.1).cancel()
    gate.set()

    assert "far0: not confirmed in time: it may still run" in said


@pytest.mark.usefixtures("who_is_left_ends_at_once")
def test_a_detached_step_is_detached_also_if_its_thread_is_quick():
    (flow := waiting_for(Work())).detach()

    assert flow.progress.steps[0].state == StepState.DETACHED
    assert flow.state == "detached"


def test_a_detach_leaves_the_work_where_it_is():
    work = Work()
    said = (flow := waiting_for(work)).detach()

    assert "far0: it goes on far away" in said
    assert work.asked == ["detach"]
    assert flow.state == "detached"
    work.over.set()


def test_a_step_that_computes_is_stopped_at_its_next_line():
    begun = threading.Event()

    def spin():
        while True:
            begun.set()

    flow = Flow(patience=SECONDS)
    flow.step("spin", spin)
    flow.start()
    assert begun.wait(SECONDS)

    assert "spin: stopped" in flow.cancel()
    until(lambda: not threads(), SECONDS, "the end of the thread")


def test_a_stopped_plan_resumes_as_if_nothing_had_been():
    work = Work()
    flow = waiting_for(work)
    flow.cancel()
    work.asked.clear()
    work.over.set()

    assert flow.resume().result(SECONDS)["after"] == "made far away"


def test_a_plan_resumes_while_those_who_watch_are_still_told_of_its_end():
    gate, calls = threading.Event(), []

    def once():
        calls.append(1)
        return 1 / (len(calls) - 1)

    def stay_at_the_end(flow):
        is_step = threading.current_thread() is not threading.main_thread()
        if is_step and flow.is_over:
            gate.wait(SECONDS)

    flow = Flow()
    flow.step("once", once)
    flow.on_change(stay_at_the_end)
    with pytest.raises(FlowError):
        flow.start().result(SECONDS)

    assert flow.resume().result(SECONDS) == {"once": 1.0}
    gate.set()


def test_a_cancelled_plan_is_not_over_before_its_last_change_is_told(monkeypatch):
    work, others, is_early = Work(confirms=False), [], []
    flow = waiting_for(work, patience=0.05)
    end = Task.end

    def end_while_another_looks(task, *how):
        ended = end(task, *how)
        others.append(threading.Thread(target=flow._advance))
        others[-1].start()
        others[-1].join(0.2)
        is_early.append(flow.is_over)
        return ended

    with monkeypatch.context() as patch:
        patch.setattr(Task, "end", end_while_another_looks)
        flow.cancel()
    work.over.set()
    for other in others:
        other.join()

    assert is_early
    assert not any(is_early)
    assert [str(one.state) for one in flow][-1] == "cancelled"


def test_a_plan_is_not_over_before_it_can_say_what_became_of_it(monkeypatch):
    is_early = []
    so_far = Flow._so_far

    def so_far_while_another_looks(flow, *state):
        is_early.append(flow.is_over)
        return so_far(flow, *state)

    monkeypatch.setattr(Flow, "_so_far", so_far_while_another_looks)
    flow = Flow()
    flow.step("a", lambda: 1)

    flow.start().wait(SECONDS)

    assert is_early == [False]
    assert flow.outcome == "done: 1 step"


def test_iterating_tells_each_change():
    flow = Flow()
    flow.step("a", lambda: 1)
    flow.step("b", lambda a: a / 0)
    flow.step("c", lambda b: b)
    flow.start()

    assert [(one.name, str(one.state)) for one in flow] == [
        ("a", "running"),
        ("a", "done"),
        ("b", "running"),
        ("b", "failed"),
        ("c", "skipped"),
    ]


def test_a_plan_is_awaited_and_giving_up_leaves_it_alone():
    work = Work()

    async def both():
        flow = waiting_for(work)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(flow, 0.05)
        work.over.set()
        return await flow

    assert asyncio.run(both())["after"] == "made far away"


def test_a_plan_is_a_step_of_another():
    inner, outer = Flow("inner"), Flow("outer")
    inner.step("a", lambda: 1)
    outer.step("inner", lambda: inner.start())
    outer.step("sum", lambda inner: sum(inner.values()))

    assert outer.start().result(SECONDS)["sum"] == 1


@pytest.mark.parametrize(
    ("source", "binds", "needs", "later"),
    [
        ("x = y + 1", "x", "y", ""),
        ("a, (b, c) = f(d)", "a b c", "f d", ""),
        ("x: int = y", "x", "y int", ""),
        ("import os.path as p", "p", "", ""),
        ("z = [f(i) for i in rows]", "z", "f rows", ""),
        ("z = {i: [g(j, i) for j in {k for k in i}] for i in i}", "z", "g i", ""),
        ("z = [y := i for i in rows]", "y z", "rows", ""),
        ("f = lambda x: x * factor", "f", "factor", ""),
        ("def f(a, b=k):\n    return f(a) + q", "f", "k", "q"),
        ("@d\ndef f():\n    def g(): return h\n    return g", "f", "d", "h"),
        ("class A(B):\n    x = C\n    def m(self): return D", "A", "B C", "D"),
        ("for i in rows:\n    total = i", "total", "rows", ""),
        ("with open(p) as file:\n    text = file.read()", "text", "open p", ""),
        ("print(x)", "", "print x", ""),
        ("x = (y := z)", "x y", "z", ""),
        ("x.attribute = 1", "", "x", ""),
    ],
)
def test_names_of_a_statement(source, binds, needs, later):
    found = names_of.of_statement(source)

    assert found.binds == set(binds.split())
    assert found.needs == set(needs.split())
    assert found.later == set(later.split())


def test_what_a_function_reads_is_needed_by_who_uses_it():
    later = {"f": {"g", "k"}, "g": {"f", "m"}}

    assert names_of.with_later({"f", "x"}, later) == {"f", "x", "g", "k", "m"}


def test_a_step_that_must_not_be_broken_off_goes_on_to_its_end():
    begun, go = threading.Event(), threading.Event()

    def careful():
        begun.set()
        while not go.wait(0.01):
            pass
        current().stop_if_asked()

    flow = Flow()
    flow.step("careful", careful, is_breakable=False)
    flow.start()
    assert begun.wait(SECONDS)

    assert "careful: asked to stop; it goes on to its end" in flow.cancel()
    with pytest.raises(FlowError, match="careful has not ended yet"):
        flow.resume()
    go.set()
    until(lambda: not threads(), SECONDS, "the end of the thread")
    assert flow.resume().result(SECONDS) == {"careful": None}
