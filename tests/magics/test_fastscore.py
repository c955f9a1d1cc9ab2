"""``%fastscore``: connect to a suite and look around."""

from __future__ import annotations

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.backends.fail import Keyring

from pilothouse.errors import (
    ConnectError,
    LineError,
    NotAuthorizedError,
    NotFoundError,
    SettingsError,
)
from pilothouse.fastscore.suite import Connect
from pilothouse.magics._session import Session
from pilothouse.settings import FILE_NAME


def test_bare_it_says_where_one_is_and_shows_examples(run):
    page = run("%fastscore")

    assert "not connected" in repr(page)
    assert "%fastscore connect" in repr(page)


def test_a_token_from_the_environment_is_enough(run, bare_suite, monkeypatch):
    monkeypatch.setenv("PILOTHOUSE_FASTSCORE_TOKEN", bare_suite.token)

    found = run(f"c = %fastscore connect {bare_suite.url} -o d\nc")

    assert isinstance(found, Connect)
    assert bare_suite.token not in repr(found)
    assert run("c is d")
    assert bare_suite.url in repr(run("%fastscore"))


def test_a_profile_is_enough(run, bare_suite, monkeypatch, quiet_place):
    monkeypatch.setenv("PILOTHOUSE_FASTSCORE_TOKEN", bare_suite.token)
    (quiet_place / FILE_NAME).write_text(
        f'[profiles.lab.fastscore]\nurl = "{bare_suite.url}"\ntimeout = 5\n'
        'engine = "engine-9"\n',
        encoding="utf-8",
    )

    assert run("%fastscore connect lab").preferred == {"engine": "engine-9"}

    run("%pilot use lab")
    assert run("%fastscore connect").proxy_prefix == bare_suite.url


def test_a_connect_of_the_users_is_taken_as_it_is(run, bare_suite, shell):
    mine = Connect(bare_suite.url, oauth_secret=bare_suite.token)
    shell.user_ns["mine"] = mine

    assert run("%fastscore connect mine") is mine
    assert run("%fastscore models") is not None


def test_a_wrong_token_is_refused_with_what_to_do(run, bare_suite, monkeypatch):
    monkeypatch.setenv("PILOTHOUSE_FASTSCORE_TOKEN", "wrong")

    with pytest.raises(NotAuthorizedError) as caught:
        run(f"%fastscore connect {bare_suite.url}")

    assert "--user" in caught.value.hint
    with pytest.raises(LineError, match="no suite yet"):
        run("%fastscore fleet")


def test_a_password_from_the_environment_logs_in(run, bare_suite, monkeypatch):
    monkeypatch.setenv("PILOTHOUSE_FASTSCORE_PASSWORD", bare_suite.token)

    run(f"%fastscore connect {bare_suite.url} --user pilothouse")

    assert run("%fastscore health")


def test_without_a_password_nobody_is_logged_in(run, bare_suite, monkeypatch):
    monkeypatch.setattr("sys.stdin", None)

    with pytest.raises(LineError, match="no password for ann"):
        run(f"%fastscore connect {bare_suite.url} --user ann")


def test_login_changes_the_credentials(run, connected, monkeypatch):
    monkeypatch.setenv("PILOTHOUSE_FASTSCORE_PASSWORD", connected.token)

    run("%fastscore login pilothouse")
    assert run("%fastscore health")

    monkeypatch.setenv("PILOTHOUSE_FASTSCORE_PASSWORD", "wrong")
    with pytest.raises(NotAuthorizedError):
        run("%fastscore login pilothouse")
    with pytest.raises(LineError, match="USER is missing"):
        run("%fastscore login")


def test_login_takes_a_token_too(run, connected, monkeypatch):
    assert run("%fastscore login --token").check_health()

    monkeypatch.setenv("PILOTHOUSE_FASTSCORE_TOKEN", "wrong")
    with pytest.raises(NotAuthorizedError):
        run("%fastscore login --token")
    monkeypatch.delenv("PILOTHOUSE_FASTSCORE_TOKEN")
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(LineError, match="nobody can be asked"):
        run("%fastscore login --token")


class Memory(KeyringBackend):
    """A keyring backend that keeps its entries in memory."""

    priority = 1

    def __init__(self):
        super().__init__()
        self.entries = {}

    def get_password(self, service, username):
        return self.entries.get((service, username))

    def set_password(self, service, username, password):
        self.entries[service, username] = password


@pytest.fixture
def ring():
    before = keyring.get_keyring()
    keyring.set_keyring(Memory())
    yield keyring.get_keyring()
    keyring.set_keyring(before)


def test_login_remembers_in_the_keyring_when_told_to(run, connected, ring, monkeypatch):
    monkeypatch.setenv("PILOTHOUSE_FASTSCORE_PASSWORD", connected.token)
    run("%fastscore login pilothouse")
    assert not ring.entries

    run("%fastscore login pilothouse --remember")
    monkeypatch.delenv("PILOTHOUSE_FASTSCORE_PASSWORD")
    monkeypatch.delenv("PILOTHOUSE_FASTSCORE_TOKEN")

    assert run(f"%fastscore connect {connected.url} --user pilothouse").fleet()


def test_without_a_keyring_remembering_is_an_error(run, connected, monkeypatch):
    monkeypatch.setenv("PILOTHOUSE_FASTSCORE_PASSWORD", connected.token)
    before = keyring.get_keyring()
    keyring.set_keyring(Keyring())
    try:
        with pytest.raises(LineError, match="no keyring to remember it"):
            run("%fastscore login pilothouse --remember")
    finally:
        keyring.set_keyring(before)


def test_an_address_where_nobody_listens_is_an_error_soon(run):
    with pytest.raises(ConnectError):
        run("%fastscore connect http://127.0.0.1:9 --timeout 2")


def test_a_password_in_an_address_is_refused(run):
    with pytest.raises(LineError, match="would stay in the notebook"):
        run("%fastscore connect https://ann:secret@suite.example")


def test_a_lost_suite_points_to_the_doctor(run, shown, connected):
    connected.host.stop()

    assert "Hint: %pilot doctor looks for the cause" in shown("%fastscore fleet")


def test_a_word_that_is_neither_address_nor_profile_is_an_error(run):
    with pytest.raises(SettingsError, match="no profile named 'lap'"):
        run("%fastscore connect lap")


@pytest.mark.parametrize(
    "words", ["fleet", "models", "streams", "config", "health", "pneumo --history"]
)
def test_without_a_suite_the_error_says_how_to_get_one(run, words):
    with pytest.raises(LineError, match="no suite yet") as caught:
        run(f"%fastscore {words}")

    assert "%fastscore connect" in caught.value.hint


def test_the_suites_things_are_returned_as_the_client_has_them(run, connected):
    assert [each["api"] for each in run("%fastscore fleet")] == ["model-manage"]
    for words in ("models", "schemata", "streams", "sensors"):
        assert run(f"%fastscore {words}").names() == []


def test_one_thing_is_returned_by_name(run, connected):
    run("%%schema numbers\nint")

    assert run("%fastscore schemata numbers").source == "int"
    with pytest.raises(NotFoundError, match="'numbrs' not found") as caught:
        run("%fastscore schemata numbrs")
    assert caught.value.hint == "schemata are: numbers; did you mean 'numbers'?"


def test_the_configuration_is_shown_and_set(run, connected):
    assert run("%fastscore config") is None

    run("settings = {'db': {'type': 'sqlite'}, 'topic': 't'}")
    assert run("%fastscore config --set settings")["topic"] == "t"
    assert run("%fastscore config db") == {"type": "sqlite"}
    with pytest.raises(LineError, match="a mapping"):
        run("%fastscore config --set 3")


def test_health_asks_every_instance(run, connected):
    rows = run("%fastscore health")

    assert [row["instance"] for row in rows] == ["connect", "model-manage-1"]
    assert all(row["health"] == "ok" for row in rows)
    assert "model-manage-1" in repr(rows)
    assert "<table>" in rows._repr_html_()


def test_history_is_filtered(run, connected):
    assert run("%fastscore pneumo --history --type sensor-report") == []


def test_a_new_connection_closes_the_one_before(run, connected, shell):
    first = Session.of(shell).kept("fastscore")
    run(f"%fastscore connect {connected.url}")

    assert Session.of(shell).kept("fastscore") is not first


def test_names_for_completion_come_from_the_suite(run, connected, complete, shell):
    connected.model("saved_elsewhere")
    session = Session.of(shell)
    session.names.refresh().join(60)
    run("%config Pilothouse.refresh = 0")
    session.names.get("model")
    session.names.refresh().join(60)

    assert "saved_elsewhere" in complete("%fastscore models sav")
    assert "model-manage-1" in complete("%fastscore pneumo --src ")


def test_no_secret_shows_anywhere(run, shown, connected):
    for cell in ("%fastscore", "%fastscore fleet", "%pilot doctor", "%pilot profiles"):
        assert connected.token not in shown(cell)
