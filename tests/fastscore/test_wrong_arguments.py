"""What is wrong before anything is sent is told as a FastScoreError."""

from __future__ import annotations

import pytest

from pilothouse.fastscore import FastScoreError, Model, Schema, Stream


@pytest.mark.parametrize("slot", ["a", None, 1.5, "1"])
@pytest.mark.parametrize(
    "call",
    [
        lambda engine, slot: engine.input(b"1", slot),
        lambda engine, slot: engine.output(slot),
        lambda engine, slot: engine.roundtrip(b"1", input_slot=slot),
        lambda engine, slot: engine.detach_stream(slot),
        lambda engine, slot: Stream.expand("rest:").attach(engine, slot),
    ],
)
def test_what_is_no_slot_is_told(engine, call, slot):
    with pytest.raises(FastScoreError, match="a slot is a number, not") as caught:
        call(engine, slot)
    assert repr(slot) in str(caught.value)


@pytest.mark.parametrize("name", [None, 1.5, b"m"])
def test_what_is_no_name_is_told(mm, name):
    for asset in (Model(name, "python3", "x = 1"), Schema(name, "int")):
        with pytest.raises(FastScoreError, match="a name is text, not"):
            asset.update(mm)
    assert mm.models.names() == mm.schemata.names() == []


def test_what_is_no_model_is_told(engine):
    for wrong in (None, "m", 7):
        with pytest.raises(FastScoreError, match="a Model can be loaded, not"):
            engine.load_model(wrong)
