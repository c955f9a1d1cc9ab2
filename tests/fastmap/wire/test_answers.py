"""Bodies of answers, in both directions."""

import msgpack
import pytest

from pilothouse.errors import ProtocolError
from pilothouse.fastmap.wire.answers import (
    BatchInfo,
    BatchState,
    Credits,
    Features,
    InitError,
    InitStep,
    ProcessError,
    Reason,
    RunInfo,
    Runs,
    RunState,
)

RUN = RunInfo(
    run_id="r",
    func_hash="0" * 16,
    name="f",
    label="é",
    state=RunState.KEPT,
    created=1.5,
    done=9,
    failed=1,
    queued=2,
    running=3,
    batches=(BatchInfo(index=0, count=9, state=BatchState.DONE),),
)
ALL = [
    Features(features=("bind", "resume"), pythons=("3.11",), workers=2),
    InitStep(init_step="queued"),
    InitError(init_error="ImportError('x')", init_tb="Traceback ..."),
    ProcessError(exception="ValueError(1)", traceback="T", bad_modules=("x",)),
    ProcessError(
        exception="E", index=3, item="4", partial=True, error=b"\x80", logs="hello"
    ),
    Reason(reason="no"),
    Reason(),
    Credits(credits_used=1.5),
    Runs(),
    Runs(runs=(RUN,)),
]


@pytest.mark.parametrize("answer", ALL)
def test_reading_is_the_inverse_of_writing(answer):
    assert type(answer).from_bytes(answer.to_bytes()) == answer


@pytest.mark.parametrize("kind", [Features, InitStep, InitError, ProcessError, Reason])
def test_a_server_that_tells_nothing_is_read(kind):
    assert kind.from_bytes(b"\x80") == (
        kind(exception="") if kind is ProcessError else kind()
    )


def test_keys_of_other_servers_are_ignored():
    assert Reason.from_bytes(msgpack.packb({"x": 1, "reason": "r"})).reason == "r"


def test_credits_may_be_a_whole_number():
    assert Credits.from_bytes(msgpack.packb({"credits_used": 7})).credits_used == 7.0


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (Features, {"features": "bind"}),
        (Features, {"features": [1]}),
        (Features, {"workers": -1}),
        (InitStep, {"init_step": 1}),
        (ProcessError, {"exception": b"x"}),
        (ProcessError, {"index": -1}),
        (ProcessError, {"index": True}),
        (ProcessError, {"error": "x"}),
        (Credits, {"credits_used": True}),
        (Credits, {"credits_used": "1"}),
        (Runs, {}),
        (Runs, {"runs": [1]}),
        (
            Runs,
            {"runs": [{"run_id": "r", "func_hash": "h", "state": "ready", "done": -1}]},
        ),
        (Runs, {"runs": [{"run_id": "r", "func_hash": "h", "state": "odd"}]}),
    ],
)
def test_another_shape_is_refused(kind, values):
    with pytest.raises(ProtocolError):
        kind.from_bytes(msgpack.packb(values))
