"""Status words of the document and of the released clients."""

import pytest

from pilothouse.errors import ProtocolError
from pilothouse.fastmap.wire.words import Status, read_status, word_for

SEED = {s: s.value for s in Status}
RELEASE = {
    **SEED,
    Status.OK: "AUTHORIZED",
    Status.EXISTS: "FOUND",
    Status.DOES_NOT_EXIST: "NOT_FOUND",
    Status.INITIALIZING: "INITALIZING",
}


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        (None, SEED),
        ("", SEED),
        ("0.0.3", SEED),
        ("0.0.4", RELEASE),
        ("0.0.5", RELEASE),
        ("0.0.6", RELEASE),
        ("0.0.7", RELEASE),
        ("0.0.8", SEED),
        ("0.0.12", SEED),
        ("0.0.60", SEED),
        ("10.0.6", SEED),
        ("1.0", SEED),
        ("9.9", SEED),
    ],
)
def test_the_clients_version_chooses_the_words(version, expected):
    assert {s: word_for(s, version) for s in Status} == expected


def test_a_setting_pins_the_words():
    assert word_for(Status.OK, "0.0.6", "seed") == "OK"
    assert word_for(Status.OK, None, "release") == "AUTHORIZED"


@pytest.mark.parametrize(
    ("word", "status"),
    [
        *((s.value, s) for s in Status),
        ("AUTHORIZED", Status.OK),
        ("FOUND", Status.EXISTS),
        ("INITALIZING", Status.INITIALIZING),
        ("INIT_WORKER", Status.INITIALIZING),
        ("INIT_WORKER_ERROR", Status.INITIALIZATION_ERROR),
        ("WORKER_EXECUTION_ERROR", Status.PROCESS_ERROR),
    ],
)
def test_the_words_of_all_servers_are_read(word, status):
    assert read_status(word) is status


@pytest.mark.parametrize("word", ["", "ok", "Ok", "INITIALISING", "x" * 10_000])
def test_any_other_word_is_refused_and_not_repeated_at_length(word):
    with pytest.raises(ProtocolError, match="no status word") as caught:
        read_status(word)

    assert len(str(caught.value)) < 200
