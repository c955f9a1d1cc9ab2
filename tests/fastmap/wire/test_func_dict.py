"""The function dictionary and gzip."""

import gzip as python_gzip
import hashlib
import zlib

import msgpack
import pytest

from pilothouse.errors import ProtocolError
from pilothouse.fastmap.wire import func_dict
from pilothouse.fastmap.wire.func_dict import FunctionDict
from pilothouse.fastmap.wire.gz import bounded_gunzip, gzip

FUNCTION = FunctionDict(
    func=b"\x80\x04.",
    local_sources={"pkg": "", "pkg.mod": "x = 'é'\n"},
    installed_mods=("numpy",),
    requirements={"numpy": "2.0"},
)
PLAIN = {"func": b"f", "local_sources": {}, "installed_mods": [], "requirements": {}}


def test_unpacking_is_the_inverse_of_packing():
    assert func_dict.unpack(func_dict.pack(FUNCTION)) == FUNCTION


def test_the_same_function_gives_the_same_bytes():
    """The real client's time stamp made its cache useless (contract §0.3)."""
    assert func_dict.pack(FUNCTION) == func_dict.pack(FUNCTION)
    assert func_dict.pack(FUNCTION)[4:8] == b"\0\0\0\0"


def test_requirements_of_the_document_are_read():
    values = {**PLAIN, "requirements": ["numpy==2.0", "plain"]}
    blob = python_gzip.compress(msgpack.packb(values))

    assert func_dict.unpack(blob).requirements == {"numpy": "2.0", "plain": ""}


def test_both_hashes_have_sixteen_digits():
    assert func_dict.hash_of_blob(b"x") == hashlib.sha256(b"x").hexdigest()[:16]
    assert func_dict.hash_of_func(b"x") == func_dict.hash_of_blob(b"x")


@pytest.mark.parametrize(
    "changes",
    [
        {"func": b""},
        {"func": "x"},
        {"local_sources": []},
        {"local_sources": {"a": b"x"}},
        {"installed_mods": {}},
        {"installed_mods": [1]},
        {"requirements": {"a": 1}},
        {"requirements": [1]},
        {"requirements": "a"},
    ],
)
def test_another_shape_is_refused(changes):
    blob = gzip(msgpack.packb({**PLAIN, **changes}))

    with pytest.raises(ProtocolError):
        func_dict.unpack(blob)


def test_what_fits_exactly_is_opened():
    assert bounded_gunzip(gzip(b"x" * 1000), 1000) == b"x" * 1000


@pytest.mark.parametrize("level", [0, 1, 9])
def test_other_programs_read_what_is_written(level):
    assert python_gzip.decompress(gzip(b"abc" * 100, level)) == b"abc" * 100


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"x",
        zlib.compress(b"x"),
        gzip(b"x")[:-1],
        gzip(b"x") + b"\0",
        gzip(b"x") + gzip(b"y"),
        gzip(b"x" * 1001),
        gzip(b"x")[:-8] + b"\0" * 8,
    ],
    ids=["empty", "text", "zlib", "cut", "trailing", "two", "too long", "checksum"],
)
def test_anything_but_one_whole_small_member_is_refused(data):
    with pytest.raises(ProtocolError):
        bounded_gunzip(data, 1000)


def test_a_bomb_is_not_opened():
    """A gigabyte of zeros in a megabyte: no more than the limit comes out."""
    writer = zlib.compressobj(9, wbits=31)
    bomb = b"".join(writer.compress(bytes(2**24)) for _ in range(64)) + writer.flush()

    with pytest.raises(ProtocolError, match="more than"):
        bounded_gunzip(bomb, 1000)
