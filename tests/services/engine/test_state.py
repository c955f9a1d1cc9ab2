"""Cells and pools: who gets what when several jets ask."""

import pytest

from pilothouse.errors import ProtocolError
from pilothouse.services.fastscore.engine.state import SharedState


class Asker:
    """A jet that notes its replies."""

    def __init__(self, state):
        self.state = state
        self.replies = []

    def __call__(self, op, key="n", pool=None, **more):
        request = {"op": op, "pool": pool, "key": key, **more}
        before = len(self.replies)
        self.state.ask(self, request, self.replies.append)
        return self.replies[-1] if len(self.replies) > before else "waits"


@pytest.fixture
def state():
    return SharedState()


def test_what_is_set_is_there_for_all(state):
    one, other = Asker(state), Asker(state)

    one("set", value="1")

    assert other("get") == {"value": "1"}
    assert other("get", pool="p") == {"value": None}


def test_an_update_holds_the_item_for_others(state):
    one, other = Asker(state), Asker(state)

    assert one("hold") == {"value": None}
    assert other("hold") == "waits"
    assert other("get") == {"value": None}
    one("put", value="1")

    assert other.replies[-1] == {"value": "1"}
    other("put", value="2")
    assert one("get") == {"value": "2"}


def test_a_set_waits_for_an_update(state):
    one, other = Asker(state), Asker(state)

    one("hold")
    assert other("set", value="9") == "waits"
    one("put", value="1")

    assert other.replies == [{"value": None}]
    assert one("get") == {"value": "9"}


def test_a_jet_may_set_what_it_holds(state):
    one = Asker(state)

    one("hold")

    assert one("set", value="5") == {"value": None}
    assert one("put", value="6") == {"value": None}
    assert one("get") == {"value": "6"}


def test_an_update_within_an_update_of_the_same_item_is_refused(state):
    one = Asker(state)

    one("hold")

    assert "error" in one("hold")


def test_a_dropped_update_changes_nothing(state):
    one, other = Asker(state), Asker(state)

    one("hold")
    other("hold")
    one("drop")

    assert other.replies == [{"value": None}]


def test_a_jet_that_goes_frees_what_it_held(state):
    one, other, third = Asker(state), Asker(state), Asker(state)

    one("hold")
    other("hold")
    third("hold")
    state.release(other)
    state.release(one)

    assert third.replies == [{"value": None}]
    assert other.replies == []


@pytest.mark.parametrize(
    "request_",
    [
        {"op": "steal", "key": "n"},
        {"op": "get"},
        {"op": "get", "key": 1},
        {"op": "set", "key": "n", "value": 1},
        {"op": "put", "key": "n", "value": "1"},
    ],
    ids=["operation", "no key", "key", "value", "not held"],
)
def test_what_makes_no_sense_is_refused(state, request_):
    replies = []

    state.ask(object(), request_, replies.append)

    assert "error" in replies[0]


def test_a_snapshot_is_text_and_brings_everything_back(state):
    one = Asker(state)
    one("set", value='"\u00e9"')
    one("set", pool="p", key="k", value="[1]")
    blob = state.snapshot()
    blob.decode()

    state.clear()
    assert one("get") == {"value": None}
    state.restore(blob)

    assert one("get") == {"value": '"\u00e9"'}
    assert one("get", pool="p", key="k") == {"value": "[1]"}


@pytest.mark.parametrize("blob", [b"", b"\xff", b"{}", b"[]", b'{"format":"other"}'])
def test_what_is_no_snapshot_is_refused(state, blob):
    with pytest.raises(ProtocolError):
        state.restore(blob)
