"""What a model prints, on its way to Pneumo."""

import asyncio
from types import SimpleNamespace

import pytest

from pilothouse.services.fastscore.engine import console
from pilothouse.services.fastscore.engine.console import MAX_TEXT_PER_SECOND, Console


class Pipe:
    def __init__(self):
        self.events = []

    def pause_reading(self):
        self.events.append("pause")

    def resume_reading(self):
        self.events.append("resume")

    def is_closing(self):
        return False


@pytest.fixture
def one_second(monkeypatch):
    """All that is printed comes in the same second: the clock stands still."""
    monkeypatch.setattr(console, "time", SimpleNamespace(monotonic=lambda: 0.0))


def run(*pieces, pipe=None):
    async def scenario():
        told = []
        console = Console(told.append)
        console.pipe = pipe
        for piece in pieces:
            console.take(piece)
        console.flush()
        return told

    return asyncio.run(scenario())


def test_lines_go_on_together():
    assert run(b"one\ntw", b"o\nrest") == ["one\ntwo\nrest"]


def test_bytes_that_are_no_text_are_replaced():
    assert run(b"\xff!\n", "\u00e9".encode()[:1], "\u00e9".encode()[1:]) == [
        "\ufffd!\n\u00e9"
    ]


@pytest.mark.usefixtures("one_second")
def test_a_flood_is_thinned_and_counted():
    line = b"x" * 99 + b"\n"

    told = run(*[line * 100] * 20)

    assert sum(map(len, told)) < 2 * MAX_TEXT_PER_SECOND
    assert "lines left out" in told[-1]


@pytest.mark.usefixtures("one_second")
def test_a_flood_is_not_even_read():
    pipe = Pipe()

    run(*[b"x" * 100_000] * 20, pipe=pipe)

    assert "pause" in pipe.events


def test_nothing_is_told_of_nothing():
    assert run(b"", b"\n") == []
