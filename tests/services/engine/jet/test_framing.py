"""Frames between an engine and a jet."""

import struct

import pytest

from pilothouse.services.fastscore.engine.jet.framing import FrameError, Frames, pack

FRAMES = [({"k": "batch", "id": 1}, b"1\n2\n"), ({"k": "end"}, b""), ({}, b"x" * 3000)]


@pytest.mark.parametrize("step", [1, 3, 8, 100, 10_000])
def test_frames_come_out_as_they_went_in(step):
    data = b"".join(pack(head, body) for head, body in FRAMES)
    frames = Frames()
    found = []

    for start in range(0, len(data), step):
        found += frames.feed(data[start : start + step])

    assert found == FRAMES


@pytest.mark.parametrize(
    "data",
    [
        struct.pack(">II", 2**32 - 1, 0),
        struct.pack(">II", 2, 2**32 - 1),
        struct.pack(">II", 2, 0) + b"no",
        struct.pack(">II", 2, 0) + b"[]",
    ],
    ids=["head", "body", "not JSON", "no object"],
)
def test_what_is_no_frame_is_refused(data):
    with pytest.raises(FrameError):
        list(Frames().feed(data))
