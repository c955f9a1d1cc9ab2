"""From bytes to blocks, records and control records."""

import random

import pytest

from pilothouse.fastscore.wire.controls import Control, ControlRecord
from pilothouse.fastscore.wire.streams import parse_descriptor
from pilothouse.services.fastscore.engine.records import Block, Records
from pilothouse.services.fastscore.engine.splitting import splitter_of


def splitter(schema=None, **fields):
    transport = {"Type": "REST", "Mode": "chunked"}
    return splitter_of(parse_descriptor({"Transport": transport, **fields}), schema)


def records_of(entries):
    found = []
    for entry in entries:
        if isinstance(entry, ControlRecord):
            found.append(entry.control)
        elif isinstance(entry, Block):
            found += entry.data.split(entry.separator)[: entry.count]
        else:
            found += entry.items
    return found


def fed(splitter, data, step):
    entries = []
    for start in range(0, len(data), step):
        entries += splitter.feed([data[start : start + step]])
    return records_of(entries + splitter.finish())


@pytest.mark.parametrize("step", [1, 2, 3, 7, 1000])
def test_lines_are_found_however_the_bytes_come(step):
    data = b'1\n{"a":2}\n{"$fastscore": "set"}\n3\n{"$fastscore":"pig"}\n4'

    found = fed(splitter(Encoding="json"), data, step)

    assert found == [b"1", b'{"a":2}', Control.SET, b"3", Control.PIG, b"4"]


@pytest.mark.parametrize("step", [1, 2, 5, 1000])
def test_a_longer_separator_may_come_in_two_pieces(step):
    envelope = {"Type": "delimited", "Separator": "||"}

    found = fed(splitter(Encoding="utf-8", Envelope=envelope), b"a||b|c||d", step)

    assert found == [b"a", b"b|c", b"d"]


def test_lines_without_control_records_stay_in_one_block():
    (entry,) = splitter(Encoding="json").feed([b"1\n2\n3\n4"])

    assert (entry.data, entry.count) == (b"1\n2\n3\n", 3)


def test_text_that_only_mentions_fastscore_is_data():
    data = b'"fastscore"\n{"a":"$fastscore"}\n{"$fastscore":"other"}\n'

    found = records_of(splitter(Encoding="json").feed([data]))

    assert found == data.splitlines()


def test_empty_records_count_but_for_the_last():
    found = fed(splitter(Encoding="utf-8"), b"\na\n\nb\n", 100)

    assert found == [b"", b"a", b"", b"b"]


def test_the_end_marker_of_a_stream_ends_it():
    stream = splitter(Encoding="utf-8", EndMarker="$end-of-stream")

    assert fed(stream, b"a\n$end-of-stream\n", 100) == [b"a", Control.END]


def test_simple_mode_takes_each_body_as_a_record():
    simple = splitter_of(parse_descriptor({"Transport": "REST", "Encoding": "json"}))

    entries = simple.feed([b"1\n2", b'{"$fastscore":"end"}', b"3"])

    assert isinstance(entries[0], Records)
    assert records_of(entries) == [b"1\n2", Control.END, b"3"]
    assert simple.finish() == []


@pytest.mark.parametrize("seed", range(3))
def test_any_cut_gives_the_same_lines(seed):
    rng = random.Random(seed)
    lines = [b"x" * rng.randrange(20) for _ in range(500)]
    stream, found, data = splitter(Encoding="utf-8"), [], b"\n".join([*lines, b""])
    while data:
        size = rng.randrange(1, 100)
        found += stream.feed([data[:size]])
        data = data[size:]

    assert records_of(found + stream.finish()) == lines
