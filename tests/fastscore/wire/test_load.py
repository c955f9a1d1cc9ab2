"""Loading a model: plain and multipart, as the real SDK sends it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilothouse.errors import ProtocolError
from pilothouse.fastscore.wire.disposition import disposition, parse_header
from pilothouse.fastscore.wire.load import (
    ExternalAttachment,
    InlineAttachment,
    LoadRequest,
    build_load,
    parse_load,
    read_source,
)

# Recorded from the real SDK 1.10.3: one attachment by reference, one schema.
SDK_BODY = (
    b"\r\n--aabbccddeeff001122334455\r\n"
    b'Content-Disposition: attachment; filename="att 1"\r\n'
    b"Content-Type: message/external-body; access-type=x-model-manage; "
    b'ref="urn:fastscore:attachment:m1:att 1"\r\n'
    b"\r\n"
    b"Content-Type: application/zip\r\n"
    b"Content-Length: 1234\r\n"
    b"\r\n"
    b"\r\n--aabbccddeeff001122334455\r\n"
    b'Content-Disposition: x-schema; name="in1"\r\n'
    b"Content-Type: application/vnd.fastscore.schema-avro\r\n"
    b"\r\n"
    b'"int"'
    b"\r\n--aabbccddeeff001122334455\r\n"
    b'Content-Disposition: x-model; name="m1"\r\n'
    b"Content-Type: application/vnd.fastscore.model-python3\r\n"
    b"\r\n"
    b"def action(x):\n    yield x\n"
    b"\r\n--aabbccddeeff001122334455--\r\n"
)
SDK_TYPE = "multipart/mixed; boundary=aabbccddeeff001122334455"
SDK_LOAD = LoadRequest(
    name="m1",
    mtype="python3",
    source="def action(x):\n    yield x\n",
    attachments=(ExternalAttachment(name="att 1", atype="zip", size=1234, model="m1"),),
    schemas={"in1": "int"},
)


def test_what_the_real_sdk_sends_is_read():
    assert parse_load(SDK_TYPE, None, SDK_BODY) == SDK_LOAD


def test_the_same_bytes_are_built():
    headers, body = build_load(
        name="m1",
        mtype="python3",
        source=SDK_LOAD.source,
        attachments=SDK_LOAD.attachments,
        schemas={"in1": '"int"'},
        boundary="aabbccddeeff001122334455",
    )
    assert headers == {"Content-Type": SDK_TYPE}
    assert body == SDK_BODY


def test_without_attachments_and_schemas_the_body_is_the_source():
    headers, body = build_load(name="m", mtype="r", source="# grün\n")
    assert headers == {
        "Content-Type": "application/vnd.fastscore.model-r",
        "Content-Disposition": 'x-model; name="m"',
    }
    assert body == "# grün\n".encode()


def test_a_random_boundary_has_24_hex_digits():
    headers, _ = build_load(name="m", mtype="c", source="", schemas={"s": "int"})
    boundary = parse_header(headers["Content-Type"])[1]["boundary"]
    assert len(boundary) == 24
    int(boundary, 16)


names = st.text(min_size=1, max_size=20).filter(str.strip)
attachments = st.one_of(
    st.builds(
        InlineAttachment,
        name=names,
        atype=st.sampled_from(["zip", "tgz"]),
        data=st.binary(max_size=100) | st.just(b"\r\n--\r\n\r\nx"),
    ),
    st.builds(
        ExternalAttachment,
        name=names.filter(lambda name: ":" not in name),
        atype=st.sampled_from(["zip", "tgz"]),
        size=st.integers(0, 2**40),
        model=st.from_regex(r"[a-z0-9 :-]{1,10}", fullmatch=True),
    ),
)
sources = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)


def encodable(name):
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


@given(
    name=names.filter(encodable),
    source=sources,
    attached=st.lists(
        attachments.filter(lambda a: encodable(a.name) and a.name.isprintable()),
        max_size=3,
        unique_by=lambda a: a.name,
    ),
    schemas=st.dictionaries(
        names.filter(encodable),
        st.sampled_from(["int", {"type": "string"}]),
        max_size=2,
    ),
)
def test_building_and_reading_are_inverse(name, source, attached, schemas):
    headers, body = build_load(
        name=name,
        mtype="python3",
        source=source,
        attachments=attached,
        schemas={key: json.dumps(value) for key, value in schemas.items()},
    )
    read = parse_load(headers["Content-Type"], headers.get("Content-Disposition"), body)
    assert read == LoadRequest(
        name=name,
        mtype="python3",
        source=source,
        attachments=tuple(attached),
        schemas=schemas,
    )


def test_an_attachment_that_the_cli_overrides_refers_to_another_name():
    body = SDK_BODY.replace(b"attachment:m1:att 1", b"attachment:m1:override")
    (attachment,) = parse_load(SDK_TYPE, None, body).attachments
    assert attachment.name == "att 1"
    assert attachment.stored_name == "override"


def test_a_preamble_and_missing_first_newline_are_tolerated():
    assert parse_load(SDK_TYPE, None, b"preamble" + SDK_BODY) == SDK_LOAD
    assert parse_load(SDK_TYPE, None, SDK_BODY[2:]) == SDK_LOAD


PLAIN = "application/vnd.fastscore.model-python3"


@pytest.mark.parametrize(
    ("content_type", "where", "body"),
    [
        pytest.param(PLAIN, None, b"", id="no name"),
        pytest.param(PLAIN, "x-model", b"", id="no name in the header"),
        pytest.param(PLAIN, 'x-schema; name="m"', b'"int"', id="no model"),
        pytest.param(PLAIN, 'x-other; name="m"', b"", id="unknown tag"),
        pytest.param("text/plain", 'x-model; name="m"', b"", id="unknown type"),
        pytest.param("", 'x-model; name="m"', b"", id="empty type"),
        pytest.param(None, 'x-model; name="m"', b"", id="no type"),
        pytest.param(PLAIN, 'x-model; name="m"', b"\xff\xfe", id="no utf-8"),
        pytest.param("multipart/mixed", None, SDK_BODY, id="no boundary"),
        pytest.param(
            "multipart/mixed; boundary=x", None, SDK_BODY, id="other boundary"
        ),
        pytest.param(SDK_TYPE, None, SDK_BODY[:-20], id="cut short"),
        pytest.param(SDK_TYPE, None, b"", id="empty"),
        pytest.param(
            SDK_TYPE, None, SDK_BODY.replace(b"x-model;", b"x-schema;"), id="model lost"
        ),
        pytest.param(
            SDK_TYPE,
            None,
            SDK_BODY.replace(b'x-schema; name="in1"', b'x-model; name="m2"').replace(
                b"vnd.fastscore.schema-avro", b"vnd.fastscore.model-c"
            ),
            id="two models",
        ),
        pytest.param(SDK_TYPE, None, SDK_BODY.replace(b'"int"', b"{"), id="schema"),
        pytest.param(
            SDK_TYPE, None, SDK_BODY.replace(b": 1234", b": many"), id="length"
        ),
        pytest.param(
            SDK_TYPE, None, SDK_BODY.replace(b"urn:fastscore", b"urn:x"), id="reference"
        ),
        pytest.param(
            SDK_TYPE, None, SDK_BODY.replace(b"x-model-manage", b"ftp"), id="access"
        ),
        pytest.param(
            SDK_TYPE, None, SDK_BODY.replace(b"application/zip", b"image/png"), id="png"
        ),
        pytest.param(
            SDK_TYPE,
            None,
            SDK_BODY.replace(b'Content-Disposition: x-model; name="m1"\r\n', b""),
            id="part without disposition",
        ),
        pytest.param(
            SDK_TYPE,
            None,
            SDK_BODY.replace(b'filename="att 1"', b'filename=""'),
            id="attachment without a name",
        ),
    ],
)
def test_what_breaks_the_grammar_is_refused(content_type, where, body):
    with pytest.raises(ProtocolError):
        parse_load(content_type, where, body)


def test_the_same_attachment_twice_is_refused():
    twin = InlineAttachment(name="a", atype="zip", data=b"")
    headers, body = build_load(name="m", mtype="c", source="", attachments=(twin, twin))
    with pytest.raises(ProtocolError, match="twice"):
        parse_load(headers["Content-Type"], None, body)


@pytest.mark.parametrize(
    ("mtype", "body", "source"),
    [
        ("pfa-json", b'{"input": "int"}', '{"input": "int"}'),
        ("pfa-json", b'"{\\"input\\": \\"int\\"}"', '{"input": "int"}'),
        ("pfa-json", b'"unfinished', '"unfinished'),
        ("python", b'"a docstring"', '"a docstring"'),
        ("pfa-yaml", b"input: int", "input: int"),
    ],
)
def test_pfa_that_the_sdk_sent_as_a_json_string_is_unpacked(mtype, body, source):
    assert read_source(mtype, body) == source


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ('x-model; name="m"', ("x-model", {"name": "m"})),
        ("x-model;name=m", ("x-model", {"name": "m"})),
        ('X-Model; Name="a b; c=d"', ("x-model", {"name": "a b; c=d"})),
        (r'x; name="a\"b\\c"', ("x", {"name": 'a"b\\c'})),
        ("x; name*=UTF-8''gr%C3%BCn", ("x", {"name": "grün"})),
        ('x; name="grün"', ("x", {"name": "grün"})),
        ('x; name="gr\udcfcn"', ("x", {"name": "grün"})),
        ('x; name="\ud800"', ("x", {"name": "\ud800"})),
        ('x; name="gr\udcc3\udcbcn"', ("x", {"name": "grün"})),
        ("x", ("x", {})),
        ("", ("", {})),
    ],
)
def test_headers_are_read_leniently(header, expected):
    assert parse_header(header) == expected


@pytest.mark.parametrize("name", ["m", "a b", 'q"q', "back\\slash", "grün", "a\r\nb"])
def test_every_name_survives_a_header(name):
    header = disposition("x-stream", "name", name)
    assert "\r" not in header
    assert header.isascii()
    assert parse_header(header) == ("x-stream", {"name": name})
