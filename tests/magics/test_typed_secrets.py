"""Which words of a line for connecting or logging in are secrets."""

from __future__ import annotations

import pytest

from audit.made_up import HEX, Maker
from pilothouse.errors import LineError
from pilothouse.magics._line import split
from pilothouse.magics._typed_secrets import _secrets

KNOWN = {
    "login": frozenset({"--token", "--remember", "-o", "--out"}),
    "connect": frozenset({"--user", "--policy", "--config", "-o", "--out"}),
    "getcap": frozenset({"--token", "-o", "--out"}),
}


def found(line):
    word, *words = split(line)
    known = KNOWN[word.text]
    return [secret.reveal() for secret in _secrets(word.text, words, known)]


@pytest.mark.parametrize(
    "line",
    [
        "connect --password {}",
        "connect --password={}",
        "connect --password '{}'",
        "connect https://a.example --user ann --password {}",
        "connect --api-key {}",
        "connect --client-secret={} https://a.example",
        "connect -pwd {}",
        "login --token {}",
        "login --token={}",
        "login ann {}",
        "login ann {} --remember",
    ],
)
@pytest.mark.parametrize("seed", range(20))
def test_after_a_telling_name_or_as_one_word_too_many(line, seed):
    secret = Maker(seed).word(8 + seed)
    assert found(line.format(secret)) == [secret]


@pytest.mark.parametrize(
    "line",
    [
        "connect https://ann:{}@a.example",
        "connect ws://ann:{}@a.example --user ann",
        "getcap https://ann:{}@a.example/x",
        "connect https://{}@a.example",
    ],
)
def test_in_an_address(line):
    secret = Maker(3).word(14)
    assert any(secret in each for each in found(line.format(secret)))


@pytest.mark.parametrize("line", ["connect {}", "login {}", "connect --user ann {}"])
def test_a_token_as_a_word_whatever_chance_made_of_it(line):
    maker = Maker(1)
    made = [maker.scrambled(43) for _ in range(1000)]
    # An orderly one: few digits, long runs of one kind.
    made.append("auiSklMxETdcD-7QcylhAzl-SbpAJpx5TLBtbQHLHeX")
    made += [f"-{token[1:]}" for token in made]
    made += [maker.word(64, HEX) for _ in range(100)]

    missed = [token for token in made if found(line.format(token)) != [token]]
    assert not missed


@pytest.mark.parametrize(
    "line",
    [
        "connect",
        "connect local",
        "connect https://suite.example:8000/prefix --user ann",
        "connect my-very-long-profile-for-the-models-of-the-lab",
        "connect TheProfileOfTheWholeLaboratoryInTheBasement",
        "connect --policy CLOUD -o maps",
        "connect --config certificates/client.conf",
        "login ann",
        "login ann --remember",
        "login --token",
        "login ann -o suite",
        "getcap https://probe.example:8888/ --token 1a2b",
    ],
)
def test_a_line_without_one_is_let_through(line):
    assert found(line) == []


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("%fastscore connect --password {}", "--user NAME asks"),
        ("%fastscore login ann {}", "login USER asks"),
        ("%aimm connect --password={}", "PILOTHOUSE_AIMM_PASSWORD"),
        ("%fastmap connect --secret {}", "PILOTHOUSE_FASTMAP_SECRET"),
        ("%mplane getcap https://ann:{}@probe.example", "certificates"),
    ],
)
def test_the_line_is_refused_and_blotted_out_of_what_the_shell_keeps(
    run, shell, line, hint
):
    secret = Maker(5).word(20)
    with pytest.raises(LineError, match="nothing was done") as caught:
        run(line.format(secret))

    assert hint in caught.value.hint
    assert "Delete this line" in str(caught.value)
    assert secret not in str(caught.value)
    manager = shell.history_manager
    kept = [*manager.input_hist_raw, *manager.input_hist_parsed, manager._i00]
    assert any("********" in text for text in kept)
    assert not [text for text in kept if secret in text]
    inputs = {k: v for k, v in shell.user_ns.items() if k.startswith("_i")}
    assert secret not in repr(inputs)
