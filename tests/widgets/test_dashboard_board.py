"""What a dashboard shows, as values: rows, trails, events, and deltas of them."""

import pytest

from pilothouse_widgets.dashboard_board import MOST_EVENTS, SECTIONS, TRAIL, Board


@pytest.fixture
def board():
    return Board(clock=lambda: 100.0)


def applied(whole, delta):
    """Apply a delta to a whole as the page does it."""
    for name, part in delta.get("sections", {}).items():
        section = whole["sections"][name]
        section["head"].update(part.get("head", {}))
        for key, fields in part.get("rows", {}).items():
            section["rows"].setdefault(key, {}).update(fields)
        if "order" in part:
            section["order"] = part["order"]
            for key in set(section["rows"]) - set(part["order"]):
                del section["rows"][key]
    for path, (first, values) in delta.get("trails", {}).items():
        start, known = whole["trails"].setdefault(path, [first, []])
        if first > start + len(known):
            start, known = first, []
        known = [*known, *values[start + len(known) - first :]]
        cut = max(len(known) - TRAIL, 0)
        whole["trails"][path] = [start + cut, known[cut:]]
    last = whole["events"][-1]["id"] if whole["events"] else -1
    whole["events"] += [e for e in delta.get("events", []) if e["id"] > last]
    whole["events"] = whole["events"][-MOST_EVENTS:]
    whole["now"] = delta["now"]
    return whole


def test_a_new_board_has_every_section_and_nothing_in_it(board):
    whole = board.whole()

    assert tuple(whole["sections"]) == SECTIONS
    assert all(not part["rows"] for part in whole["sections"].values())
    assert board.take() == {"now": 100.0}


def test_a_delta_has_the_fields_that_changed_and_no_more(board):
    board.put("engines", {"one": {"state": "INIT", "jets": 0}}, {"known": True})
    board.take()

    board.put("engines", {"one": {"state": "RUNNING", "jets": 0}})

    assert board.take() == {
        "now": 100.0,
        "sections": {"engines": {"rows": {"one": {"state": "RUNNING"}}}},
    }


def test_a_field_that_is_gone_is_none(board):
    board.put("engines", {"one": {"state": "INIT", "model": "root"}})
    board.take()

    board.put("engines", {"one": {"state": "INIT"}})

    assert board.take()["sections"]["engines"]["rows"] == {"one": {"model": None}}


def test_a_new_order_is_told_whole(board):
    board.put("runs", {"a": {"n": 1}, "b": {"n": 2}})
    board.take()

    board.put("runs", {"b": {"n": 2}})

    assert board.take()["sections"] == {"runs": {"order": ["b"]}}


def test_points_and_events_are_sent_once(board):
    board.note("services", "aimm", 1.25)
    board.tell("aimm", "is up", level=32)
    first, second = board.take(), board.take()

    assert first["trails"] == {"services/aimm": [0, [1.25]]}
    assert [event["text"] for event in first["events"]] == ["is up"]
    assert second == {"now": 100.0}


def test_the_line_of_a_row_goes_with_it(board):
    board.put("runs", {"a": {}, "b": {}})
    board.note("runs", "a", 1.0)

    board.put("runs", {"b": {}})

    assert board.trail("runs", "a") == []


def test_deltas_keep_up_with_the_whole_whatever_happens(board):
    page = board.whole()
    for turn in range(3 * TRAIL):
        names = [f"r{n}" for n in range(turn % 5)]
        board.put("runs", {n: {"done": turn, "of": len(n)} for n in names}, {"t": turn})
        for name in names:
            board.note("runs", name, turn if turn % 7 else None)
        board.note("services", "aimm", turn)
        board.patch("services", "aimm", ms=turn, state="up" if turn % 3 else "down")
        board.tell("aimm", f"turn {turn}")
        if turn % 4 == 0:
            delta = board.take()
            page = applied(applied(page, delta), delta)  # twice does no harm
    page = applied(page, board.take())

    whole = board.whole()
    assert page["sections"] == whole["sections"]
    assert page["events"] == whole["events"]
    assert page["trails"]["services/aimm"] == whole["trails"]["services/aimm"]


def test_nothing_grows_without_bound(board):
    for turn in range(1000):
        board.note("services", "aimm", turn)
        board.tell("aimm", str(turn))

    assert len(board.trail("services", "aimm")) == TRAIL
    assert len(board.events) == MOST_EVENTS
    delta = board.take()
    assert delta["trails"]["services/aimm"] == [940, list(range(940, 1000))]
    assert len(delta["events"]) == MOST_EVENTS
