"""A plan with a step of each kind of work, interrupted: true of each step, and soon."""

from __future__ import annotations

import pytest

from magics.kernels import DEADLINE
from promises.works import (
    KINDS,
    WORKS,
    counts,
    fresh,
    goes_on,
    interrupted,
    patient,
    steps,
    ticks_of,
    told,
)
from waiting import until

pytestmark = [pytest.mark.faults, pytest.mark.slow, pytest.mark.timeout(240)]

LONG = 9_000
TICKS = 45
"""Those of two seconds, and a few for who is late."""
NONE = "(no jobs are out there)"
QUICK = """from pilothouse.magics import _flow
share, _flow._SHARE = _flow._SHARE, 0.5
"""
"""Leaves half of the two seconds to tell what became of each step."""


def begun_all(kernel, home):
    """Run a plan of all four until they are under way; the request."""
    seen = {kind: fresh(kernel, home) for kind in KINDS}
    for kind, folder in seen.items():
        kernel.result(f"seen_{kind} = {str(folder)!r}")
    kernel.result(f"seen = {str(seen['fastmap'])!r}")
    lines = []
    for kind in KINDS:
        line = WORKS[kind].line.format(n=LONG)
        if kind != "fastmap":
            line = line.replace("seen", f"seen_{kind}")
        lines.append(f"by_{kind} = {line}")
    request = kernel.send("\n".join(["%%pilot flow four", *lines, "after = by_aimm"]))
    kernel.widget(request)
    for kind, folder in seen.items():
        if kind != "mplane":
            until(lambda at=folder: steps(at) >= 2, DEADLINE, f"two steps of {kind}")
    told(kernel, has_measured, "a row of the measurement")
    return request


def has_measured(state):
    """Whether the row of the measurement counts what has come."""
    rows = {row["name"]: row for row in state.get("rows", ())}
    return "so far" in rows.get("by_mplane", {}).get("far", "")


def told_of(error):
    """Return what is said of each step."""
    parts = error["evalue"].split("; by_")[1:]
    return {part.partition(": ")[0]: part.partition(": ")[2] for part in parts}


def test_peers_that_answer_confirm_each_for_its_own_step(kernel, home):
    with patient(kernel):
        request = begun_all(kernel, home)
        error = interrupted(kernel, request)

    assert error["ename"] == "FlowInterrupt"
    assert "cancelled: 0 of 5 steps done" in error["evalue"]
    said = told_of(error)
    assert sorted(said) == sorted(KINDS)
    for kind in KINDS:
        assert WORKS[kind].confirmed in said[kind]
    assert kernel.result("sorted(_partial)") == str([f"by_{k}" for k in sorted(KINDS)])
    assert kernel.result("%pilot jobs") == NONE
    goes_on(kernel)


def test_of_peers_that_are_frozen_none_is_said_to_have_confirmed(
    kernel, home, services
):
    counts(kernel)
    kernel.result(QUICK)
    request = begun_all(kernel, home)
    with services.frozen():
        error = interrupted(kernel, request)
    ticks = ticks_of(kernel)
    kernel.result("_flow._SHARE = share")

    assert error["ename"] == "FlowInterrupt"
    said = told_of(error)
    assert sorted(said) == sorted(KINDS)
    for kind in KINDS:
        assert "confirmed" in said[kind]
        assert WORKS[kind].confirmed not in said[kind]
    assert 0 < ticks <= TICKS
    goes_on(kernel)
