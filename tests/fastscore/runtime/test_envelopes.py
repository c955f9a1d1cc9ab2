"""Envelopes: the same records, however the bytes come."""

import io
import json
import tracemalloc

import fastavro
import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilothouse.fastscore.runtime.csv_envelope import CsvSplitter
from pilothouse.fastscore.runtime.envelopes import (
    DelimitedJoiner,
    DelimitedSplitter,
    EnvelopeError,
    FixedJoiner,
    FixedSplitter,
    WholeSplitter,
    joiner_of,
    splitter_of,
)
from pilothouse.fastscore.runtime.ocf_envelope import OcfJoiner, OcfSplitter
from pilothouse.fastscore.runtime.value_splitters import AvroSplitter, MsgpackSplitter
from pilothouse.fastscore.wire.avro import parse_schema
from pilothouse.fastscore.wire.controls import Control, ControlRecord, produce
from pilothouse.fastscore.wire.streams import (
    DelimitedCsv,
    OcfBlock,
    parse_descriptor,
)

POINT = parse_schema(
    {
        "type": "record",
        "name": "P",
        "fields": [
            {"name": "x", "type": "double"},
            {"name": "y", "type": {"type": "array", "items": ["null", "string"]}},
            {"name": "z", "type": {"type": "map", "values": "bytes"}},
        ],
    }
)


def cut(splitter, data, sizes):
    """Feed data in pieces of some sizes, over and over."""
    records, at, turn = [], 0, 0
    while at < len(data):
        size = sizes[turn % len(sizes)]
        records += splitter.feed(data[at : at + size])
        at, turn = at + size, turn + 1
    return records + splitter.finish()


SIZES = st.lists(st.integers(1, 9), min_size=1, max_size=4)
BITS = st.lists(st.sampled_from([b"a", b"\r", b"\n", b"#", b'"', b",", b"xyz"])).map(
    b"".join
)


@given(BITS, SIZES, st.sampled_from([b"\n", b"\r\n", b"##", b"#\n#"]))
def test_delimited_records_do_not_depend_on_the_pieces(data, sizes, separator):
    expected = data.split(separator)
    if not expected[-1]:
        expected.pop()
    assert cut(DelimitedSplitter(separator), data, sizes) == expected


@given(BITS, SIZES, st.sampled_from([b"\n", b"\r\n", b"##"]))
def test_blocks_hold_the_same_records(data, sizes, separator):
    splitter, at, blocks, total = DelimitedSplitter(separator), 0, b"", 0
    for turn in range(len(data)):
        if at >= len(data):
            break
        size = sizes[turn % len(sizes)]
        block, count = splitter.feed_block(data[at : at + size])
        assert block.count(separator) == count
        blocks, total, at = blocks + block, total + count, at + size
    block, count = splitter.finish_block()
    blocks, total = blocks + block, total + count
    expected = data.split(separator)
    if not expected[-1]:
        expected.pop()
    assert blocks == b"".join(record + separator for record in expected)
    assert total == len(expected)


@pytest.mark.parametrize(
    ("data", "records"),
    [
        (b"", []),
        (b"a", [b"a"]),
        (b"a\n", [b"a"]),
        (b"a\n\n", [b"a", b""]),
        (b"\n", [b""]),
        (b"\na", [b"", b"a"]),
        (b"a\n\nb\n", [b"a", b"", b"b"]),
    ],
)
def test_an_empty_record_is_dropped_only_at_the_end(data, records):
    assert cut(DelimitedSplitter(), data, [100]) == records


@given(st.lists(st.binary().map(lambda data: data.replace(b"\n", b""))))
def test_joining_and_splitting_are_inverse(records):
    joiner = DelimitedJoiner(b"\n")
    data = joiner.start() + joiner.join(records)
    assert cut(DelimitedSplitter(), data, [5]) == records


@given(st.binary(), SIZES, st.integers(1, 7))
def test_fixed_records_do_not_depend_on_the_pieces(data, sizes, size):
    data = data[: len(data) - len(data) % size]
    expected = [data[at : at + size] for at in range(0, len(data), size)]
    assert cut(FixedSplitter(size), data, sizes) == expected


def test_fixed_records_are_padded_or_cut():
    assert FixedJoiner(3).join([b"a", b"abc", b"abcdef", b""]) == b"a\0\0abcabc\0\0\0"


def test_a_stream_must_not_end_within_a_fixed_record():
    splitter = FixedSplitter(4)
    assert splitter.feed(b"abcdef") == [b"abcd"]
    with pytest.raises(EnvelopeError, match="2 bytes are left"):
        splitter.finish()


def test_pieces_are_records_where_the_transport_keeps_them_apart():
    splitter = WholeSplitter()
    assert splitter.feed(b"a\nb") == [b"a\nb"]
    assert splitter.feed(b"") == [b""]
    assert splitter.finish() == []


CELLS = st.lists(
    st.lists(st.sampled_from(["a", ",", '"', "\n", "\r\n"]), max_size=4).map("".join),
    min_size=2,
    max_size=3,
)


@given(st.lists(CELLS), SIZES)
def test_csv_rows_do_not_depend_on_the_pieces(rows, sizes):
    written = [
        ",".join('"' + cell.replace('"', '""') + '"' for cell in row).encode()
        for row in rows
    ]
    data = b"\r\n".join(written)
    envelope = DelimitedCsv(skip_header=False)
    assert cut(CsvSplitter(envelope), data, sizes) == written


@pytest.mark.parametrize(
    ("envelope", "data", "rows", "header"),
    [
        (DelimitedCsv(), b"a,b\r\n1,2\r\n", [b"1,2"], b"a,b"),
        (DelimitedCsv(), b"a,b\n1,2\n3,4", [b"1,2", b"3,4"], b"a,b"),
        (DelimitedCsv(), b"a,b", [], b"a,b"),
        (DelimitedCsv(), b"", [], None),
        (DelimitedCsv(skip_header=False), b"\r\n1\r\n\r\n", [b"1"], None),
        (
            DelimitedCsv(skip_header=False, skip_blank_lines=False),
            b"\r\n1\r\n\r\n",
            [b"", b"1", b""],
            None,
        ),
        (
            DelimitedCsv(skip_header=False, separator=b";;"),
            b'1;;"a;;b";;2',
            [b"1", b'"a;;b"', b"2"],
            None,
        ),
        (
            DelimitedCsv(skip_header=False),
            b'"a\r\nb",1\r\n2\r\n',
            [b'"a\r\nb",1', b"2"],
            None,
        ),
    ],
)
def test_csv_headers_and_blank_lines_are_skipped_where_wanted(
    envelope, data, rows, header
):
    for sizes in ([1], [2, 3], [1000]):
        splitter = CsvSplitter(envelope)
        assert cut(splitter, data, sizes) == rows
        assert splitter.header == header


VALUES = st.fixed_dictionaries(
    {
        "x": st.floats(allow_nan=False),
        "y": st.lists(st.none() | st.text(max_size=3), max_size=3),
        "z": st.dictionaries(st.text(max_size=3), st.binary(max_size=5), max_size=2),
    }
)


@given(st.lists(VALUES, max_size=5), SIZES)
def test_avro_values_do_not_depend_on_the_pieces(values, sizes):
    records = [POINT.to_binary(value) for value in values]
    assert cut(AvroSplitter(POINT), b"".join(records), sizes) == records


def test_avro_control_records_are_cut_too():
    schema = parse_schema("string")
    mark = produce("avro-binary", ControlRecord(control=Control.PIG, id=3))
    records = [schema.to_binary("a"), mark, schema.to_binary("b"), mark]
    for sizes in ([1], [7], [1000]):
        assert cut(AvroSplitter(schema), b"".join(records), sizes) == records


def test_large_avro_values_are_found_in_small_pieces():
    value = {"x": 1.5, "y": [None, "grün"] * 50_000, "z": {"k": b"v" * 200_000}}
    small = {"x": 0, "y": [], "z": {}}
    records = [POINT.to_binary(each) for each in (small, value, small, value)]
    assert cut(AvroSplitter(POINT), b"".join(records), [65_536]) == records
    assert cut(AvroSplitter(POINT), b"".join(records), [70_001]) == records


ITEMS = st.recursive(
    st.none() | st.integers(-(2**63), 2**64 - 1) | st.text(max_size=5) | st.binary(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=5,
)


@given(st.lists(ITEMS, max_size=5), SIZES)
def test_msgpack_values_do_not_depend_on_the_pieces(values, sizes):
    records = [msgpack.packb(value) for value in values]
    assert cut(MsgpackSplitter(), b"".join(records), sizes) == records


def test_large_msgpack_values_are_found_in_small_pieces():
    records = [msgpack.packb("a" * 300_000), msgpack.packb([1] * 200_000)]
    assert cut(MsgpackSplitter(), b"".join(records), [65_536]) == records


@given(
    st.lists(st.lists(VALUES, min_size=1, max_size=3), max_size=3),
    SIZES,
    st.sampled_from([None, "deflate"]),
)
def test_container_blocks_do_not_depend_on_the_pieces(batches, sizes, compress):
    envelope = OcfBlock(compress=compress)
    joiner = OcfJoiner(envelope, POINT)
    coded = [[POINT.to_binary(value) for value in batch] for batch in batches]
    data = joiner.start() + b"".join(joiner.join(records) for records in coded)
    splitter = OcfSplitter(envelope)
    assert cut(splitter, data, sizes) == [b"".join(records) for records in coded]
    if data:
        assert json.loads(splitter.schema_json)["name"] == "P"


@pytest.mark.parametrize("codec", ["null", "deflate"])
def test_container_files_of_another_implementation_are_read(codec):
    out = io.BytesIO()
    rows = [{"x": 1.5, "y": ["a"], "z": {}}] * 100
    fastavro.writer(out, fastavro.parse_schema(POINT.json), rows, codec=codec)
    blocks = cut(OcfSplitter(OcfBlock()), out.getvalue(), [1000])
    assert b"".join(blocks) == POINT.to_binary(rows[0]) * 100


def test_our_container_files_are_read_by_another_implementation():
    joiner = joiner_of(
        parse_descriptor(
            {
                "Transport": {"Type": "file", "Path": "/x"},
                "Encoding": "avro-binary",
                "Envelope": {"Type": "ocf-block", "Compress": "deflate"},
            }
        ),
        POINT,
    )
    rows = [{"x": 1.5, "y": ["a", None], "z": {"k": b"v"}}] * 3
    data = joiner.start() + joiner.join([POINT.to_binary(row) for row in rows])
    assert list(fastavro.reader(io.BytesIO(data + joiner.join([])))) == rows


def test_blocks_without_a_header_have_the_marker_of_the_descriptor():
    envelope = OcfBlock(sync_marker=b"0123456789abcdef", skip_header=False)
    joiner = OcfJoiner(envelope, POINT)
    assert joiner.start() == b""
    data = joiner.join([b"abc"])
    assert data == b"\x02\x06abc0123456789abcdef"
    assert OcfSplitter(envelope).feed(data) == [b"abc"]
    with pytest.raises(EnvelopeError, match="marker"):
        OcfSplitter(envelope).feed(data[:-1] + b"!")


@pytest.mark.parametrize(
    ("splitter", "data", "text"),
    [
        (lambda: OcfSplitter(OcfBlock()), b"{}{}{}{}", "magic"),
        (lambda: OcfSplitter(OcfBlock()), b"Obj\x01\x02\x01", "a text of -1 bytes"),
        (
            lambda: OcfSplitter(OcfBlock()),
            b"Obj\x01\x02\x14avro.codec\x0csnappy\0" + bytes(16),
            "unknown codec",
        ),
        (lambda: OcfSplitter(OcfBlock(skip_header=False)), b"\x02\x01", "-1 bytes"),
        (lambda: OcfSplitter(OcfBlock(skip_header=False)), b"\xff" * 20, "64 bits"),
        (
            lambda: OcfSplitter(OcfBlock(skip_header=False, compress="deflate")),
            b"\x02\x06abc" + bytes(16),
            "inflated",
        ),
        (MsgpackSplitter, b"\xc1", "not msgpack"),
        (lambda: AvroSplitter(POINT), bytes(8) + b"\x02\x08", "not Avro data"),
        (lambda: AvroSplitter(parse_schema("null")), b"a", "no bytes to cut"),
    ],
)
def test_bytes_that_break_the_envelope_are_refused(splitter, data, text):
    with pytest.raises(EnvelopeError, match=text):
        splitter().feed(data)


@pytest.mark.parametrize(
    ("splitter", "data"),
    [
        (lambda: OcfSplitter(OcfBlock()), b"Obj\x01"),
        (lambda: OcfSplitter(OcfBlock(skip_header=False)), b"\x02\x06ab"),
        (MsgpackSplitter, b"\x93\x01"),
        (lambda: AvroSplitter(POINT), b"1234"),
    ],
)
def test_a_stream_must_not_end_within_a_value(splitter, data):
    cutter = splitter()
    assert cutter.feed(data) == []
    with pytest.raises(EnvelopeError, match="ends within"):
        cutter.finish()


@pytest.mark.parametrize(
    ("splitter", "piece"),
    [
        (lambda: DelimitedSplitter(max_record_bytes=1000), b"x" * 100),
        (lambda: DelimitedSplitter(b"\r\n", max_record_bytes=1000), b"x" * 100),
        (lambda: CsvSplitter(DelimitedCsv(), max_record_bytes=1000), b'"' + b"x" * 99),
        (
            lambda: AvroSplitter(parse_schema("string"), max_record_bytes=1000),
            b"\x80\x80\x80\x01" + b"x" * 96,
        ),
        (
            lambda: MsgpackSplitter(max_record_bytes=1000),
            b"\xdb\0\xff\xff\xff" + b"x" * 95,
        ),
        (
            lambda: OcfSplitter(OcfBlock(skip_header=False), max_record_bytes=1000),
            b"\x02\x80\x80\x80\x01",
        ),
    ],
)
def test_a_record_without_end_is_not_waited_for(splitter, piece):
    cutter = splitter()

    def feed_on():
        for _ in range(50):
            cutter.feed(piece)

    with pytest.raises(EnvelopeError, match=r"longer than 1000|a block of"):
        feed_on()


def test_a_deflated_block_that_swells_is_refused():
    joiner = OcfJoiner(OcfBlock(compress="deflate", skip_header=False), POINT)
    data = joiner.join([bytes(10_000_000)])
    envelope = OcfBlock(compress="deflate", skip_header=False)
    tracemalloc.start()
    with pytest.raises(EnvelopeError, match="longer than 20000"):
        OcfSplitter(envelope, max_record_bytes=20_000).feed(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000


FILE = {"Type": "file", "Path": "/x"}


@pytest.mark.parametrize(
    ("wire", "kind"),
    [
        ({"Transport": FILE, "Encoding": "json"}, DelimitedSplitter),
        ({"Transport": FILE, "Encoding": "csv"}, CsvSplitter),
        ({"Transport": FILE, "Envelope": {"Type": "fixed", "Size": 3}}, FixedSplitter),
        (
            {"Transport": FILE, "Encoding": "avro-binary", "Envelope": "ocf-block"},
            OcfSplitter,
        ),
        ({"Transport": FILE, "Encoding": "avro-binary"}, AvroSplitter),
        ({"Transport": FILE, "Encoding": "msgpack"}, MsgpackSplitter),
        (
            {"Transport": FILE, "Encoding": "soap-rpc", "Schema": None},
            DelimitedSplitter,
        ),
        ({"Transport": "REST", "Encoding": "json"}, WholeSplitter),
        ({"Transport": "REST", "Encoding": "avro-binary"}, WholeSplitter),
    ],
)
def test_the_descriptor_decides_how_to_cut(wire, kind):
    assert type(splitter_of(parse_descriptor(wire), POINT)) is kind
    joiner_of(parse_descriptor(wire), POINT)


@pytest.mark.parametrize(
    "wire",
    [
        {"Transport": FILE, "Encoding": "avro-binary"},
        {"Transport": FILE, "Encoding": "avro-binary", "Envelope": "ocf-block"},
    ],
)
def test_avro_needs_a_schema_somewhere(wire):
    make = joiner_of if "Envelope" in wire else splitter_of
    with pytest.raises(EnvelopeError, match="schema"):
        make(parse_descriptor(wire))


def test_csv_output_begins_with_a_header_where_input_does():
    wire = {"Transport": FILE, "Encoding": "csv"}
    schema = parse_schema(
        {
            "type": "record",
            "name": "R",
            "fields": [{"name": "a", "type": "int"}, {"name": "b", "type": "int"}],
        }
    )
    joiner = joiner_of(parse_descriptor(wire), schema)
    data = joiner.start() + joiner.join([b"1,2"])
    assert data == b"a,b\r\n1,2\r\n"
    assert cut(splitter_of(parse_descriptor(wire), schema), data, [4]) == [b"1,2"]
    bare = {**wire, "Envelope": {"Type": "delimited-csv", "SkipHeader": False}}
    assert joiner_of(parse_descriptor(bare), schema).start() == b""
    assert joiner_of(parse_descriptor(wire)).start() == b""


def test_several_writers_one_after_the_other_make_one_stream():
    rows = CsvSplitter(DelimitedCsv())
    assert cut(rows, b"a,b\r\n1,2\r\na,b\r\n3,4\r\n", [5]) == [b"1,2", b"3,4"]
    one, two = OcfJoiner(OcfBlock(), POINT), OcfJoiner(OcfBlock(), POINT)
    data = one.start() + one.join([b"ab"]) + two.start() + two.join([b"cd"])
    for sizes in ([1], [7], [1000]):
        assert cut(OcfSplitter(OcfBlock()), data, sizes) == [b"ab", b"cd"]
