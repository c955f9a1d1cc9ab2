"""An interrupt that comes as the work ends: nothing lost, and nothing untrue said."""

from __future__ import annotations

import pytest

from promises.works import KINDS, WORKS, error_of, finish, fresh, goes_on, patient

pytestmark = [pytest.mark.faults, pytest.mark.slow, pytest.mark.timeout(240)]

STEPS = {"fastscore": 40, "fastmap": 10, "aimm": 5, "mplane": 2}
"""Few, but enough for the progress to be shown."""
DELAYS = {
    "fastscore": (0.0, 0.01, 0.03, 0.06, 0.1, 0.15),
    "fastmap": (0.0, 0.02, 0.04, 0.06, 0.08, 0.12),
    "aimm": (0.03, 0.05, 0.06, 0.07, 0.08, 0.1),
    "mplane": (1.0, 1.02, 1.1, 1.3),
}
"""Seconds from the beginning of the last step; an mPlane probe's begin in order."""
TOO_LATE = "too late to cancel: "
IN_FOUND = "; the result is in found"
NONE = "(no jobs are out there)"
AT_THE_CALL_OF = """import signal, sys
def struck(frame, event, _arg):
    code = frame.f_code
    if event == "call" and code.co_qualname == {name!r}:
        sys.setprofile(None)
        signal.raise_signal(signal.SIGINT)
found = None
sys.setprofile(struck)
"""
STRIKING = """import os, signal
struck = threading.Event()
def strike(n, delay):
    while len(os.listdir(seen)) < n and not struck.wait(0.005):
        pass
    struck.wait(delay)
    os.kill(os.getpid(), signal.SIGINT)
    struck.set()
found = None
threading.Thread(target=strike, args=({n}, {delay}), name="striking").start()
"""
BEGUN = 'pathlib.Path(seen, "0").touch()\n'
BEHIND = "\nstruck.wait(60)\nthreading.Event().wait(60)"


def line_of(kind):
    return f"{WORKS[kind].line.format(n=STEPS[kind])} -o found"


def is_whole(kernel, kind):
    work, n = WORKS[kind], STEPS[kind]
    return kernel.result(work.value.format(n=n)) == work.expected


MOMENTS = [(kind, "_Widget.end") for kind in KINDS] + [("fastscore", "ScoreJob.join")]


@pytest.mark.parametrize(("kind", "moment"), MOMENTS)
def test_a_result_that_has_come_is_not_lost(kernel, home, kind, moment):
    fresh(kernel, home)
    line = line_of(kind)
    error = error_of(kernel.run(f"{AT_THE_CALL_OF.format(name=moment)}{line}"))

    assert error["ename"] == WORKS[kind].error
    assert error["evalue"].startswith(TOO_LATE)
    assert error["evalue"].endswith(IN_FOUND)
    assert is_whole(kernel, kind)
    assert kernel.result("%pilot jobs") == NONE
    goes_on(kernel)


@pytest.mark.parametrize("kind", KINDS)
def test_around_the_end_it_has_ended_or_is_cancelled_and_never_both(kernel, home, kind):
    for delay in DELAYS[kind]:
        fresh(kernel, home)
        n, line = STEPS[kind], line_of(kind)
        if kind == "mplane":  # its steps leave no files
            n, line = 1, BEGUN + line
        kernel.result(STRIKING.format(n=n, delay=delay))
        error = error_of(kernel.run(line + BEHIND))
        told = error["evalue"]

        if error["ename"] == "KeyboardInterrupt":  # behind the line
            assert is_whole(kernel, kind)
        elif told.startswith(TOO_LATE):
            assert error["ename"] == WORKS[kind].error
            assert told.endswith(IN_FOUND)
            assert is_whole(kernel, kind)
        else:
            assert error["ename"] == WORKS[kind].error
            assert "confirmed" in told
            assert is_not_all(kernel, kind), told
            if WORKS[kind].confirmed not in told:  # on a very slow machine
                finish(kernel, kind)
        assert kernel.result("%pilot jobs") == NONE
        goes_on(kernel)


def is_not_all(kernel, kind):
    """Whether what was kept of cancelled work is less than its result."""
    if kind == "aimm":
        return kernel.result("found is None or 'step' in found") == "True"
    if kind == "mplane":  # it waits a moment behind its last row
        return True
    return int(kernel.result("len(found)")) < STEPS[kind]


def test_work_that_ends_amid_its_cancel_is_not_called_cancelled(kernel, home):
    """The engine has all records, and scores them within the time of the cancel."""
    fresh(kernel, home)
    kernel.result(STRIKING.format(n=2, delay=0.0))
    line = WORKS["fastscore"].line.format(n=STEPS["fastscore"])
    with patient(kernel):
        error = error_of(kernel.run(f"{line} -o found"))
    came = int(kernel.result("len(found)"))

    assert ("cancelled" in error["evalue"]) == (came < STEPS["fastscore"])
    assert (TOO_LATE in error["evalue"]) == (came == STEPS["fastscore"])
    finish(kernel, "fastscore")
    goes_on(kernel)
