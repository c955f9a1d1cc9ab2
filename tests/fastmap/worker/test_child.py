"""What runs in the worker, without the process: it fits Python 3.8 and its bounds."""

import ast
import gzip
import io
import sys
import zlib
from pathlib import Path

import pytest

from pilothouse.fastmap.worker import child


def test_its_one_file_is_python_3_8_and_needs_nothing_but_dill():
    tree = ast.parse(Path(child.__file__).read_text(), feature_version=(3, 8))

    imported = {
        name.partition(".")[0]
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }

    assert imported - sys.stdlib_module_names == {"dill"}


def opened(data, limit=10**6):
    reader = child.Opened(bytearray(data), limit)
    read = io.BufferedReader(reader).read()
    reader.check_end()
    return read


def test_a_member_is_opened_as_it_is_read():
    data = bytes(range(256)) * 2000

    assert opened(gzip.compress(data)) == data
    assert opened(zlib.compress(data, 0, wbits=31)) == data


def test_a_bomb_opens_to_its_bound_and_no_further():
    reader = child.Opened(bytearray(gzip.compress(bytes(50_000_000))), 1_000_000)

    with pytest.raises(child.TooLong):
        io.BufferedReader(reader).read()


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(gzip.compress(b"x" * 1000)[:-6], id="cut off"),
        pytest.param(gzip.compress(b"x") + b"more", id="bytes behind it"),
        pytest.param(gzip.compress(b"x") + gzip.compress(b"y"), id="two members"),
    ],
)
def test_what_is_not_one_whole_member_is_refused(data):
    with pytest.raises((ValueError, EOFError)):
        opened(data)


def test_what_is_written_is_counted_and_bounded():
    squeeze = child.Squeeze(100, plain=True)

    squeeze.write(b"x" * 60)

    with pytest.raises(child.TooLong):
        squeeze.write(b"x" * 41)


def test_what_does_not_get_smaller_is_only_wrapped():
    import random

    dense = random.Random(1).randbytes(1_000_000)
    squeeze = child.Squeeze(10**7, plain=False)
    squeeze.write(dense)

    told = squeeze.value()

    assert gzip.decompress(told) == dense
    assert len(told) < len(dense) + 1000
    assert told[4:8] == bytes(4), "no time stamp: the same results give the same bytes"


@pytest.mark.parametrize("name", ["json", "os.path", "dill", "dill.session", "sys"])
def test_local_sources_never_win_over_the_standard_library(name):
    finder = child.LocalSources({name: "raise RuntimeError"})

    assert finder.find_spec(name) is None


def test_parents_that_are_missing_are_empty_packages():
    finder = child.LocalSources({"made.up.leaf": "x = 1"})

    package, leaf = finder.find_spec("made.up"), finder.find_spec("made.up.leaf")

    assert package.submodule_search_locations == []
    assert leaf.submodule_search_locations is None
    assert finder.get_source("made.up") == ""


class Nasty:
    def __repr__(self):
        raise SystemExit


def test_text_of_anything_can_be_had():
    assert "cannot be had: SystemExit" in child._text(Nasty(), repr)
    assert len(child._text("x" * 10**6, repr)) <= 4096
    assert child._text("\ud800", str) == "\\ud800"
