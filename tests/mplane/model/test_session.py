"""The whole session of the reference document, as it is printed there."""

from __future__ import annotations

import doctest
from datetime import datetime
from pathlib import Path

from pilothouse.mplane import model

SESSION = Path(__file__).parent / "session.txt"


def test_the_session_of_the_document_goes_as_printed():
    with model.clock.frozen(datetime(2016, 2, 18)):
        failed, tried = doctest.testfile(str(SESSION), module_relative=False)

    assert tried >= 50
    assert not failed


def test_a_scope_of_the_session_has_long_passed_when_the_clock_runs():
    capability = model.Capability(when="now ... future / 1s")
    specification = model.Specification(capability=capability)

    refused = False
    try:
        specification.set_when("2017-12-24 22:18:42 + 1m / 1s")
    except ValueError as exc:
        refused = "2017-12-24 22:18:42.000000 + 1m / 1s" in str(exc)

    assert refused
