"""What a plugin says of itself: the latest of it, as JSON, and never too much."""

import numpy as np
import pytest

from pilothouse.services.aimm.reports import Reports, as_json
from waiting import until


class Strange:
    def __repr__(self):
        raise RuntimeError("not even that")


def test_a_flood_is_thinned_and_its_last_word_is_told():
    said = []
    reports = Reports(said.append)
    report = reports.reporter(7, None)

    for n in range(20_000):
        report({"epoch": n})
    reports.finish()

    assert said[0] == {"job": 7, "report": {"epoch": 0}, "place": None}
    assert said[-1]["report"] == {"epoch": 19_999}
    assert len(said) < 5000


def test_the_last_word_is_told_also_while_the_plugin_goes_on():
    said = []
    report = Reports(said.append).reporter(7, "X")

    report("begun")
    report("half")
    report("waiting for the data")

    until(lambda: said[-1]["report"] == "waiting for the data")
    assert said[-1] == {"job": 7, "report": "waiting for the data", "place": "X"}


def test_each_place_has_its_own_say():
    said = []
    reports = Reports(said.append)

    reports.reporter(7, "0")("one")
    reports.reporter(7, "1")("two")

    assert [word["report"] for word in said] == ["one", "two"]


def test_what_is_reported_may_be_changed_afterwards():
    said = []
    reports = Reports(said.append)
    state = {"epoch": [1]}
    reports.reporter(7, None)(state)
    state["epoch"].append(2)

    assert said[0]["report"] == {"epoch": [1]}


circle = {}
circle["me"] = circle


@pytest.mark.parametrize(
    ("state", "shown"),
    [
        ({"a": [1, None, "é"]}, {"a": [1, None, "é"]}),
        ({"loss": np.float32(0.5)}, {"loss": 0.5}),
        ({"loss": float("nan")}, {"loss": "nan"}),
        ({"deep": [{"n": np.int64(3)}]}, {"deep": [{"n": 3}]}),
        ({(1, 2): 3}, {"(1, 2)": 3}),
        (b"bytes", "b'bytes'"),
        (Strange(), "<Strange>"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_no_json_is_told_as_nearly_as_can_be(state, shown):
    assert as_json(state) == shown


def test_what_holds_itself_is_told_to_some_depth():
    assert "me" in as_json(circle)


def test_a_report_that_is_too_long_is_cut():
    told = as_json({"text": "x" * 1_000_000})

    assert len(told) < 5000
    assert told.startswith('{"text": "xxx')
