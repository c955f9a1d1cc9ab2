"""Values of headers."""

import platform

import pytest

from pilothouse.errors import ProtocolError
from pilothouse.fastmap.wire.headers import PythonVersion, Spent, decimal


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("3.6.3", "CPython 3.6"),
        (" 3.11", "CPython 3.11"),
        ("3.8.18 (default, May  9 2026, 07:33:04) [GCC 12.2.0]", "CPython 3.8"),
        ("3.13.0rc1", "CPython 3.13"),
        ("3.9.16 (feeb267ead3e) [PyPy 7.3.11 with GCC 10.2.1]", "PyPy 3.9"),
    ],
)
def test_a_version_is_read_from_what_clients_send(text, shown):
    assert str(PythonVersion.parse(text)) == shown


@pytest.mark.parametrize("text", [None, "", "3", "three.six", "v3.6", "٣.٦"])
def test_an_unreadable_version_is_refused(text):
    with pytest.raises(ProtocolError, match="X-Python-Version"):
        PythonVersion.parse(text)


def test_our_own_version_is_the_one_that_runs():
    assert PythonVersion.own() == PythonVersion.parse(platform.python_version())


def test_spent_is_the_same_there_and_back():
    spent = Spent(
        service_id="w-1", application_seconds=1.5, map_seconds=1e-7, credits=0.25
    )

    assert Spent.from_headers(spent.to_headers()) == spent


def test_numbers_are_plain_decimal_text():
    assert [decimal(n) for n in (0, 0.25, 1e-7, 12)] == ["0", "0.25", "0.0000001", "12"]


def test_what_a_server_leaves_out_counts_as_nothing():
    assert Spent.from_headers({}) == Spent()


@pytest.mark.parametrize("text", ["x", "-1", "nan", "inf", "1e999", "1,5", "٣"])
def test_what_is_no_number_is_refused(text):
    with pytest.raises(ProtocolError, match="X-Credits"):
        Spent.from_headers({"X-Credits": text})
