"""Model Manage: models, schemas, streams, sensors, with every status."""

import threading

import pytest

from conftest import LocalSuite
from pilothouse.fastscore.wire.mime import MODEL_TYPES

MM = "model-manage-1/1"
PYTHON3 = "application/vnd.fastscore.model-python3"
PFA = "application/vnd.fastscore.model-pfa+json"


def put_model(suite: LocalSuite, name, body, mime=PYTHON3):
    path = f"{MM}/model/{name}"
    return suite.call("PUT", path, body, headers={"Content-Type": mime})


def test_a_model_is_created_replaced_read_and_deleted(bare_suite):
    source = "# ünïcode ☂\ndef action(x):\n    yield x\n".encode()
    assert put_model(bare_suite, "m", b"old").status == 201
    assert put_model(bare_suite, "m", source).status == 204
    answer = bare_suite.call("GET", f"{MM}/model/m")
    assert (answer.status, answer.body) == (200, source)
    assert answer.headers["Content-Type"] == PYTHON3
    assert bare_suite.call("DELETE", f"{MM}/model/m").status == 204
    for method in ("GET", "DELETE"):
        missing = bare_suite.call(method, f"{MM}/model/m")
        assert missing.status == 404
        assert missing.text == "model 'm' not found"


@pytest.mark.parametrize("mtype", MODEL_TYPES)
def test_every_type_of_model_can_be_stored(bare_suite, mtype):
    assert put_model(bare_suite, "m", b"{}", MODEL_TYPES[mtype]).status == 201
    answer = bare_suite.call("GET", f"{MM}/model/m")
    assert answer.headers["Content-Type"] == MODEL_TYPES[mtype]
    rows = bare_suite.call("GET", f"{MM}/model?return=type").json
    assert rows == [{"name": "m", "type": mtype}]


@pytest.mark.parametrize(
    ("body", "mime"),
    [
        (b"x", "text/plain"),
        (b"x", ""),
        (b"x", "application/vnd.fastscore.model-cobol"),
        (b"\xff\xfe", PYTHON3),
    ],
)
def test_an_unknown_type_or_no_text_is_refused(bare_suite, body, mime):
    assert put_model(bare_suite, "m", body, mime).status == 400
    assert bare_suite.call("GET", f"{MM}/model").json == []


@pytest.mark.parametrize("body", [b'{"a": 1}', b'"{\\"a\\": 1}"'])
def test_pfa_sent_as_text_or_as_an_object_is_the_object(bare_suite, body):
    put_model(bare_suite, "m", body, PFA)
    assert bare_suite.call("GET", f"{MM}/model/m").json == {"a": 1}


def test_names_may_hold_anything_printable(bare_suite):
    for name in ("a b", "a/b", "ü☂", "a%b", "..", "A", "a", "'; DROP TABLE model"):
        from urllib.parse import quote

        assert put_model(bare_suite, quote(name, safe=""), b"x").status == 201
    names = bare_suite.call("GET", f"{MM}/model").json
    assert names == sorted(
        ["a b", "a/b", "ü☂", "a%b", "..", "A", "a", "'; DROP TABLE model"]
    )


def test_lists_are_sorted_and_come_in_pages(bare_suite):
    for name in ("c", "a", "d", "b"):
        put_model(bare_suite, name, b"x")
    get = lambda q: bare_suite.call("GET", f"{MM}/model?{q}").json  # noqa: E731
    assert get("") == ["a", "b", "c", "d"]
    assert get("offset=1&limit=2") == ["b", "c"]
    assert get("limit=0") == []
    assert get("offset=9") == []
    assert get("limit=1&return=type") == [{"name": "a", "type": "python3"}]


def test_fields_of_models_can_be_asked_for(bare_suite):
    put_model(bare_suite, "m", b"x")
    answer = bare_suite.call("GET", f"{MM}/model?return=type,attachments,metadata")
    row = {"name": "m", "type": "python3", "attachments": [], "metadata": {}}
    assert answer.json == [row]
    assert bare_suite.call("GET", f"{MM}/model?return=secret").status == 403
    assert bare_suite.call("GET", f"{MM}/model?limit=x").status == 400
    assert bare_suite.call("GET", f"{MM}/model?limit=-1").status == 400


KINDS = ("schema", "stream", "sensor")


@pytest.mark.parametrize("kind", KINDS)
def test_an_asset_is_created_replaced_read_and_deleted(bare_suite, kind):
    path = f"{MM}/{kind}/n"
    assert bare_suite.json("PUT", path, {"a": 1}).status == 201
    assert bare_suite.json("PUT", path, {"z": [1, None], "a": 2.0}).status == 204
    answer = bare_suite.call("GET", path)
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.body == b'{"z":[1,null],"a":2.0}'
    assert bare_suite.call("GET", f"{MM}/{kind}").json == ["n"]
    others = [k for k in KINDS if k != kind]
    assert [bare_suite.call("GET", f"{MM}/{k}").json for k in others] == [[], []]
    assert bare_suite.call("DELETE", path).status == 204
    for method in ("GET", "DELETE"):
        missing = bare_suite.call(method, path)
        assert missing.status == 404
        assert missing.text == f"{kind} 'n' not found"


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        pytest.param(b'{"type": "int"}', {"type": "int"}, id="object"),
        pytest.param(b'"int"', "int", id="name of a type"),
        pytest.param(b'"\\"int\\""', "int", id="name as JSON text"),
        pytest.param(b'"{\\"type\\": \\"int\\"}"', {"type": "int"}, id="JSON text"),
        pytest.param(b"", {}, id="empty body: the real SDK drops {}"),
        pytest.param(b'["null", "int"]', ["null", "int"], id="union"),
        pytest.param(b"null", None, id="null"),
        pytest.param(b"0", 0, id="zero"),
        pytest.param(b"false", False, id="false"),
        pytest.param(b'"foobar"', "foobar", id="no such type: only verify tells"),
    ],
)
def test_a_schema_is_stored_as_the_json_value_that_was_meant(bare_suite, body, wanted):
    headers = {"Content-Type": "application/json"}
    path = f"{MM}/schema/s"
    assert bare_suite.call("PUT", path, body, headers=headers).status == 201
    answer = bare_suite.call("GET", path)
    assert answer.status == 200
    assert answer.json == wanted


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"{", id="broken"),
        pytest.param(b"int", id="a bare word"),
        pytest.param(b"\xff", id="no UTF-8"),
        pytest.param(b'"\\ud800"', id="half a character"),
        pytest.param(b"[" * 300 + b"]" * 300, id="deep"),
        pytest.param(b"[" * 5000 + b"]" * 5000, id="deeper"),
        pytest.param(b'"' + b"[" * 9000 + b"]" * 9000 + b'"', id="deep inside text"),
        pytest.param(b'"' + b"9" * 5000 + b'"', id="a long number inside text"),
        pytest.param(b'"' + b"9" * 50 + b'"', id="beyond 64 bits inside text"),
    ],
)
def test_what_is_no_json_is_refused(bare_suite, body):
    assert bare_suite.call("PUT", f"{MM}/schema/s", body).status in (201, 400)
    assert bare_suite.call("GET", f"{MM}/schema/s").status in (200, 404)


@pytest.mark.usefixtures("lingering")
def test_a_body_too_long_is_refused(bare_suite):
    body = b'"' + b"x" * (16 * 1024 * 1024) + b'"'
    assert bare_suite.call("PUT", f"{MM}/schema/s", body).status == 413


def test_twenty_writers_at_once_lose_nothing(bare_suite):
    created = []

    def write(number):
        for turn in range(5):
            status = bare_suite.json("PUT", f"{MM}/stream/s{turn}", number).status
            created.append(status)

    threads = [threading.Thread(target=write, args=(n,)) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(created) == [201] * 5 + [204] * 95
    assert len(bare_suite.call("GET", f"{MM}/stream").json) == 5
