"""Tokens and schema hashes are those of release 0.9.0 (``vectors/token.json``).

All 31 vectors hold as they are. Three statements that a message cannot carry (open
parameters) are made from the capability instead, as they were when they were measured.
"""

from __future__ import annotations

import json
from datetime import datetime
from hashlib import md5
from pathlib import Path

import pytest

from pilothouse.mplane import model

VECTORS = json.loads((Path(__file__).parent / "vectors" / "token.json").read_text())
VECTORS = VECTORS["vectors"]
SEED = VECTORS[0]["statement"]

OPEN_SCOPES = {
    "specification fresh from capability (before values)": None,
    "specification, scope set, destination unset": "2017-12-24 22:18:42 + 1m / 1s",
}


def by_name(name):
    return next(vector for vector in VECTORS if vector["name"] == name)


@pytest.fixture(autouse=True)
def other_registry(tmp_path):
    """The registry of the vector "other registry uri": the core, under its own name."""
    core = json.loads(
        (Path(model.__file__).parent / "registries" / "core.json").read_text()
    )
    core["registry-uri"] = "http://example.com/reg"
    file = tmp_path / "other.json"
    file.write_text(json.dumps(core))
    model.preload_registry(file)


def made(vector):
    if "statement_error" not in vector:
        return model.message_from_dict(vector["statement"])
    scope = OPEN_SCOPES[vector["name"]]
    specification = model.Specification(capability=model.Capability(SEED))
    if scope is not None:
        specification.set_when(scope, force=True)
    return specification


def derived(vector):
    """What inherits its token, made from what it inherits from."""
    source = by_name("specification complete (seed values)")["statement"]
    specification = model.Specification(source)
    match vector["kind"]:
        case "result":
            return model.Result(specification=specification)
        case "receipt":
            return model.Receipt(specification=specification)
        case "redemption":
            receipt = model.Receipt(specification=specification)
            return model.Redemption(receipt=receipt)
        case "interrupt":
            return model.Interrupt(specification=specification)
    return model.Withdrawal(capability=model.Capability(SEED))


@pytest.mark.parametrize("vector", VECTORS, ids=lambda v: v["name"])
def test_the_token_is_that_of_release_0_9_0(vector):
    statement = made(vector)
    if vector["how"] == "inherited":
        statement = derived(vector)
    elif vector["how"] == "explicit":
        statement.set_token(vector["token"])
    elif vector["how"].startswith("retoken"):
        with model.clock.frozen(datetime.fromisoformat(vector["now_utc"])):
            statement.retoken()

    assert statement.get_token() == vector["token"]
    assert statement.get_token(8) == vector["token"][:8]


@pytest.mark.parametrize("vector", VECTORS, ids=lambda v: v["name"])
def test_the_schema_hash_is_that_of_release_0_9_0(vector):
    assert made(vector).schema_hash() == vector["schema_hash"]


@pytest.mark.parametrize("vector", VECTORS, ids=lambda v: v["name"])
def test_the_repr_is_that_of_release_0_9_0(vector):
    statement = made(vector)
    statement.set_token(vector["token"])
    if vector["how"] == "inherited" and vector["kind"] == "result":
        assert statement.count_result_rows() == 1

    assert repr(statement) == vector["repr"]


@pytest.mark.parametrize(
    "vector", [v for v in VECTORS if "statement" in v], ids=lambda v: v["name"]
)
def test_a_statement_is_written_as_it_was_read(vector):
    assert made(vector).to_dict() == vector["statement"]


@pytest.mark.parametrize(
    "vector", [v for v in VECTORS if "token_preimage" in v], ids=lambda v: v["name"]
)
def test_a_token_is_the_hash_of_the_text_it_is_said_to_be(vector):
    """The vectors themselves are sound: nothing but MD5 lies between."""
    text = vector["token_preimage"].encode()

    assert md5(text, usedforsecurity=False).hexdigest() == vector["token"]


def test_a_token_stays_as_it_is_when_the_content_changes():
    capability = model.Capability(SEED)
    before = capability.get_token()

    capability.add_result_column("time")

    assert capability.get_token() == before
    capability.set_token()
    assert capability.get_token() != before
