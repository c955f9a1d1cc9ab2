"""Secrets never show, and are looked for in three places."""

from __future__ import annotations

import copy
import dataclasses
import json
import logging
import pickle
import pprint
import traceback

import keyring
import keyring.backend
import orjson
import pytest
from IPython.lib.pretty import pretty

from pilothouse import secrets
from pilothouse.secrets import Secret

VALUE = "canary-7f3a"
URL = "https://suite.example"


@dataclasses.dataclass
class Holder:
    secret: Secret


class Backend(keyring.backend.KeyringBackend):
    """A real keyring backend that keeps its entries in memory."""

    priority = 1
    name = "memory"

    def __init__(self):
        super().__init__()
        self.entries = {}

    def get_password(self, service, username):
        return self.entries.get((service, username))

    def set_password(self, service, username, password):
        self.entries[service, username] = password


@pytest.fixture
def backend():
    before = keyring.get_keyring()
    keyring.set_keyring(Backend())
    yield keyring.get_keyring()
    keyring.set_keyring(before)


@pytest.fixture
def no_backend():
    from keyring.backends.fail import Keyring

    before = keyring.get_keyring()
    keyring.set_keyring(Keyring())
    yield
    keyring.set_keyring(before)


@pytest.mark.parametrize(
    "show",
    [
        repr,
        str,
        "{}".format,
        "{!r:>30}".format,
        lambda s: f"{s:>20}",
        lambda s: "%s %r" % (s, s),  # noqa: UP031
        lambda s: repr([s, {"a": s}, (s,)]),
        lambda s: repr(Holder(s)),
        lambda s: str(dataclasses.asdict(Holder(s))),
        pprint.pformat,
        pretty,
        lambda s: repr(copy.copy(s)) + repr(copy.deepcopy([s])),
        lambda s: logging.LogRecord("n", 10, "p", 1, "%s", (s,), None).getMessage(),
        lambda s: json.dumps(s, default=str),
    ],
)
def test_a_secret_never_shows(show):
    assert VALUE not in show(Secret(VALUE))


@pytest.mark.parametrize("write", [json.dumps, pickle.dumps, orjson.dumps, vars])
def test_what_would_store_a_secret_refuses_without_showing_it(write):
    with pytest.raises(TypeError) as caught:
        write(Secret(VALUE))

    assert VALUE not in str(caught.value)


def test_a_traceback_that_shows_locals_does_not_show_a_secret():
    def fail(secret):
        raise ValueError("no")

    secret = Secret(VALUE)

    with pytest.raises(ValueError) as caught:
        fail(secret)

    shown = traceback.TracebackException.from_exception(
        caught.value, capture_locals=True
    )
    text = "".join(shown.format())
    assert "secret = Secret(********)" in text
    assert VALUE not in text


def test_reveal_gives_it_and_equality_is_by_value():
    assert Secret(VALUE).reveal() == VALUE
    assert Secret(VALUE) == copy.deepcopy(Secret(VALUE))
    assert Secret(VALUE) != Secret("other")
    assert Secret(VALUE) != VALUE
    assert len({Secret(VALUE), Secret(VALUE)}) == 1
    assert Secret("ü") == Secret("ü")
    assert not Secret("")


def test_only_a_text_can_be_a_secret():
    with pytest.raises(TypeError):
        Secret(b"bytes")


def test_the_environment_comes_first(backend):
    backend.set_password(f"pilothouse {URL}", "ann", "from the keyring")

    found = secrets.find(
        "fastscore",
        url=URL,
        username="ann",
        environ={"PILOTHOUSE_FASTSCORE_PASSWORD": VALUE},
    )

    assert found is not None
    assert (found.secret.reveal(), found.origin) == (
        VALUE,
        "PILOTHOUSE_FASTSCORE_PASSWORD",
    )


def test_a_secret_bound_to_an_address_goes_to_no_other(no_backend):
    environ = {
        "PILOTHOUSE_FASTSCORE_PASSWORD": VALUE,
        "PILOTHOUSE_FASTSCORE_URL": URL + "/",
    }

    def asked(prompt):
        return ""

    def found(url):
        return secrets.find("fastscore", url=url, environ=environ, ask=asked)

    assert found(URL) is not None
    assert found("https://evil.example") is None


def test_the_keyring_comes_second_by_address_and_user(backend):
    assert secrets.remember(URL, "password", "ann", Secret(VALUE))

    found = secrets.find("fastscore", url=URL + "/", username="ann", environ={})
    other = secrets.find(
        "fastscore", url="https://x", username="ann", environ={}, ask=lambda prompt: ""
    )

    assert found is not None
    assert (found.secret.reveal(), found.origin) == (VALUE, "keyring")
    assert other is None
    assert secrets.keyring_backend() == "memory"


def test_a_question_comes_last_and_says_what_for(no_backend):
    asked = []

    def ask(prompt):
        asked.append(prompt)
        return VALUE

    found = secrets.find("fastscore", url=URL, username="ann", environ={}, ask=ask)

    assert found is not None
    assert (found.secret.reveal(), found.origin) == (VALUE, "asked")
    assert asked == [f"fastscore ann's password for {URL}: "]


def test_without_a_terminal_nobody_is_asked(no_backend, monkeypatch):
    monkeypatch.setattr("sys.stdin", None)

    assert secrets.find("fastscore", url=URL, environ={}) is None


def test_without_a_backend_nothing_is_remembered(no_backend):
    assert secrets.keyring_backend() is None
    assert not secrets.remember(URL, "password", "ann", Secret(VALUE))


def test_a_broken_backend_is_as_good_as_none():
    class Broken(Backend):
        def get_password(self, service, username):
            raise keyring.errors.KeyringLocked

    before = keyring.get_keyring()
    keyring.set_keyring(Broken())
    try:
        assert (
            secrets.find("fastscore", url=URL, environ={}, ask=lambda prompt: "")
            is None
        )
    finally:
        keyring.set_keyring(before)
