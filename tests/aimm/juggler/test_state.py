import contextlib
import copy

import jsonpatch
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilothouse.aimm.juggler import patched
from pilothouse.errors import ProtocolError

documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=3), inner, max_size=4)
    ),
    max_leaves=12,
)
operations = st.fixed_dictionaries(
    {"op": st.sampled_from(["add", "remove", "replace", "move", "copy", "test", "x"])},
    optional={
        "path": st.sampled_from(["", "/", "/a", "/0", "/-", "/a/b", "/~0", "x"])
        | documents,
        "from": st.sampled_from(["", "/a", "/0"]) | documents,
        "value": documents,
    },
)


@given(documents, documents)
def test_a_difference_leads_from_one_state_to_the_other(before, after):
    diff = jsonpatch.make_patch(before, after).patch

    assert patched(before, diff) == after


@given(documents, st.lists(operations | documents, max_size=3))
def test_any_diff_gives_a_state_or_a_protocol_error(state, diff):
    kept = copy.deepcopy(state)
    with contextlib.suppress(ProtocolError):
        patched(state, diff)

    assert state == kept


@given(documents, st.lists(operations, max_size=3))
def test_what_a_library_takes_leads_to_the_same_state(state, diff):
    try:
        after = jsonpatch.JsonPatch(diff).apply(state)
    except (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException, TypeError):
        return

    assert patched(state, diff) == after


def test_what_has_not_changed_is_shared():
    state = {"models": {"1": {"a": 1}, "2": {"a": 2}}, "actions": {}}

    after = patched(state, [{"op": "replace", "path": "/models/1/a", "value": 3}])

    assert after["models"]["2"] is state["models"]["2"]
    assert after["actions"] is state["actions"]
    assert after["models"]["1"] == {"a": 3}


def test_the_first_message_makes_the_root():
    diff = [{"op": "replace", "path": "", "value": {"models": {}, "actions": {}}}]

    assert patched(None, diff) == {"models": {}, "actions": {}}


@pytest.mark.parametrize(
    ("state", "operation", "after"),
    [
        ({}, {"op": "add", "path": "/a", "value": 1}, {"a": 1}),
        ({"a": 1}, {"op": "replace", "path": "/a", "value": 2}, {"a": 2}),
        ({"a": 1}, {"op": "remove", "path": "/a"}, {}),
        ([1], {"op": "add", "path": "/-", "value": 2}, [1, 2]),
        ({"a": 1}, {"op": "move", "from": "/a", "path": "/b"}, {"b": 1}),
        ({"a": 1}, {"op": "copy", "from": "/a", "path": "/b"}, {"a": 1, "b": 1}),
        ({"a/b~": 1}, {"op": "remove", "path": "/a~1b~0"}, {}),
        ({"a": 1}, {"op": "test", "path": "/a", "value": 1}, {"a": 1}),
        ({}, {"op": "replace", "path": "/a", "value": 1}, {"a": 1}),
        ({"a": 1}, {"op": "remove", "path": ""}, None),
    ],
    ids=[
        "add",
        "replace",
        "remove",
        "end of a list",
        "move",
        "copy",
        "escapes",
        "test",
        "replace makes a missing member, as hat-json does",
        "remove of the root gives null, as hat-json does",
    ],
)
def test_an_operation_changes_the_state(state, operation, after):
    assert patched(state, [operation]) == after


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "add", "path": "/b/c", "value": 1},
        {"op": "remove", "path": "/b"},
        {"op": "test", "path": "/a", "value": 2},
        {"op": "append", "path": "/a", "value": 2},
        {"op": "add", "path": "/a"},
        {"path": "/a"},
        "add",
    ],
)
def test_an_operation_that_does_not_fit_is_refused(operation):
    with pytest.raises(ProtocolError, match="the state cannot change"):
        patched({"a": 1}, [operation])


def test_a_state_given_out_never_changes():
    first = patched(None, [{"op": "replace", "path": "", "value": {"a": [1]}}])
    second = patched(first, [{"op": "add", "path": "/a/-", "value": 2}])

    assert (first, second) == ({"a": [1]}, {"a": [1, 2]})
