"""Frames as RFC 6455 has them: what is written is read, whatever the pieces."""

import socket
import struct
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pilothouse.transport.frames import TEXT, FrameReader, masked

sizes = st.sampled_from([0, 1, 3, 125, 126, 127, 4096, 4097, 65_535, 65_536, 300_001])


def content(size):
    return bytes(n * 7 & 255 for n in range(251)) * (size // 251 + 1)


def read_masked(stream):
    """Read the frames of a client, as the RFC says, one byte after another."""
    found, at = [], 0
    while at < len(stream):
        assert stream[at] == 128 | TEXT
        assert stream[at + 1] & 128
        size, at = stream[at + 1] & 127, at + 2
        if size == 126:
            size, at = struct.unpack_from("!H", stream, at)[0], at + 2
        elif size == 127:
            size, at = struct.unpack_from("!Q", stream, at)[0], at + 8
        key, payload = stream[at : at + 4], stream[at + 4 : at + 4 + size]
        keys = (key * (size // 4 + 1))[:size]
        found.append(bytes(a ^ b for a, b in zip(payload, keys, strict=True)))
        at += 4 + size
    return found


@pytest.mark.parametrize("numpy", ["with numpy", "without numpy"])
@settings(max_examples=20, deadline=None)
@given(st.lists(sizes, max_size=5))
def test_what_leaves_is_what_was_given(numpy, chosen):
    messages = [content(size)[:size] for size in chosen]
    with pytest.MonkeyPatch.context() as patch:
        if numpy == "without numpy":
            patch.delitem(sys.modules, "numpy", raising=False)
        else:
            pytest.importorskip("numpy")
        stream = b"".join(bytes(part) for part in masked(messages, TEXT))

    assert read_masked(stream) == messages


def test_many_short_frames_leave_together_with_a_key_each():
    (stream,) = [bytes(part) for part in masked([b"same"] * 500, TEXT)]

    frames = {stream[i : i + 10] for i in range(0, len(stream), 10)}
    assert len(frames) > 400


def frame(payload, flags=128 | TEXT, mask=0):
    size = len(payload)
    if size < 126:
        return bytes([flags, mask | size]) + payload
    if size < 1 << 16:
        return struct.pack("!BBH", flags, mask | 126, size) + payload
    return struct.pack("!BBQ", flags, mask | 127, size) + payload


class Dripping:
    """Gives a stream in portions of a size."""

    def __init__(self, stream, portion):
        self._stream, self._portion, self._at = stream, portion, 0

    def recv_into(self, buffer):
        part = self._stream[self._at : self._at + min(self._portion, len(buffer))]
        buffer[: len(part)] = part
        self._at += len(part)
        return len(part)


@settings(max_examples=30, deadline=None)
@given(st.lists(sizes, max_size=6), st.sampled_from([1 << 10, 65_537, 1 << 20]))
def test_what_comes_in_portions_is_read_whole(chosen, portion):
    messages = [content(size)[:size] for size in chosen]
    source = Dripping(b"".join(map(frame, messages)), portion)
    reader = FrameReader(source, 1 << 20)

    found = [bytes(reader.read().payload) for _ in messages]

    assert found == messages
    assert not reader.has_ahead
    with pytest.raises(ConnectionResetError):
        reader.read()


@pytest.mark.parametrize(
    ("stream", "text"),
    [
        (frame(b"x" * 200), "at most 100"),
        (frame(b"x", mask=128), "masks nothing"),
        (frame(b"x", flags=128 | 64 | TEXT), "flags"),
        (frame(b"x", flags=128 | 5), "flags"),
        (frame(b"", flags=9), "control frame"),
        (frame(b"x" * 126, flags=128 | 9), "at most|control frame"),
    ],
    ids=["long", "masked", "compressed", "unknown", "half a ping", "long ping"],
)
def test_what_no_server_may_send_is_refused(stream, text):
    with pytest.raises(ValueError, match=text):
        FrameReader(Dripping(stream, 1000), 100).read()


def test_a_socket_is_a_source():
    one, other = socket.socketpair()
    with one, other:
        one.sendall(frame(b"hello") + frame(b"again"))
        reader = FrameReader(other, 100)

        assert bytes(reader.read().payload) == b"hello"
        assert reader.has_ahead
        assert bytes(reader.read().payload) == b"again"
