"""Connect: fleet and configuration."""

from urllib.parse import quote

import pytest

from conftest import LocalSuite

YAML = {"Content-Type": "application/x-yaml"}


def test_the_fleet_lists_all_but_connect(fresh_suite: LocalSuite):
    rows = fresh_suite.call("GET", "connect/1/connect").json
    assert [row["name"] for row in rows] == ["model-manage-1", "engine-1", "engine-2"]
    assert {row["health"] for row in rows} == {"ok"}
    assert {row["port"] for row in rows} == {int(fresh_suite.url.rpartition(":")[2])}
    assert set(rows[0]) == {
        *("id", "name", "api", "host", "port", "release", "built_on", "health")
    }


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("name=model-manage-1", ["model-manage-1"]),
        ("name=nope", []),
        ("name=connect", []),
        ("api=model-manage", ["model-manage-1"]),
        ("health=ok&api=model-manage", ["model-manage-1"]),
        ("health=fail", []),
        ("host=127.0.0.1", ["model-manage-1"]),
        ("port=1", []),
        ("release=0", []),
    ],
)
def test_the_fleet_is_filtered(bare_suite, query, names):
    rows = bare_suite.call("GET", f"connect/1/connect?{query}").json
    assert [row["name"] for row in rows] == names


def test_only_the_wanted_fields_are_returned(bare_suite):
    answer = bare_suite.call("GET", "connect/1/connect?return=name,health")
    assert answer.json == [{"name": "model-manage-1", "health": "ok"}]


@pytest.mark.parametrize("query", ["return=secret", "colour=red"])
def test_an_unknown_parameter_or_field_is_refused(bare_suite, query):
    assert bare_suite.call("GET", f"connect/1/connect?{query}").status == 403


def test_an_instance_that_fails_is_shown_so_and_pneumo_tells(bare_suite):
    instance = bare_suite.suite.model_manage

    async def fail():
        instance.set_health(False)

    bare_suite.host.run(fail())
    rows = bare_suite.call("GET", "connect/1/connect?health=fail").json
    assert [row["name"] for row in rows] == ["model-manage-1"]
    last = bare_suite.call("GET", "connect/2/pneumo").json[-1]
    assert (last["type"], last["instance"], last["health"]) == (
        "health",
        "model-manage-1",
        "fail",
    )


def test_a_configuration_is_set_then_replaced(bare_suite):
    assert bare_suite.call("GET", "connect/1/config").status == 404
    text = b"fastscore:\n  db: {type: mysql, port: 3306}\ntopic: t\n"
    put = lambda: bare_suite.call("PUT", "connect/1/config", text, headers=YAML)  # noqa: E731
    assert put().status == 201
    assert put().status == 204
    wanted = {"fastscore": {"db": {"type": "mysql", "port": 3306}}, "topic": "t"}
    assert bare_suite.call("GET", "connect/1/config").json == wanted


def test_a_section_is_found_at_the_top_or_below_fastscore(bare_suite):
    text = b"fastscore:\n  db: {type: mysql}\n  topic: inner\ntopic: outer\n"
    bare_suite.call("PUT", "connect/1/config", text, headers=YAML)
    section = lambda q: bare_suite.call("GET", f"connect/1/config?q={quote(q)}")  # noqa: E731
    assert section("db").json == {"type": "mysql"}
    assert section("topic").json == "outer"
    assert section("zzz").status == 404


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("application/json", "application/json"),
        ("*/*", "application/json"),
        ("application/x-yaml", "application/x-yaml"),
        ("application/x-yaml, application/json", "application/json"),
        ("text/plain", "text/plain"),
        ("image/png", "application/json"),
    ],
)
def test_the_form_follows_accept(bare_suite, accept, content_type):
    bare_suite.call("PUT", "connect/1/config", b"a: 1", headers=YAML)
    answer = bare_suite.call("GET", "connect/1/config", headers={"Accept": accept})
    assert answer.headers["Content-Type"] == content_type
    assert (
        answer.json == {"a": 1} if "json" in content_type else answer.text == "a: 1\n"
    )


def test_json_is_taken_too_and_nothing_stands_for_an_empty_object(bare_suite):
    headers = {"Content-Type": "application/json"}
    for body, wanted in ((b'{"a": [1, null]}', {"a": [1, None]}), (b"", {})):
        bare_suite.call("PUT", "connect/1/config", body, headers=headers)
        assert bare_suite.call("GET", "connect/1/config").json == wanted


def _laughs():
    lines = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    for old, new in zip("abcdefg", "bcdefgh", strict=True):
        lines.append(f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]")
    return "\n".join(lines).encode()


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"[1, 2]", id="no object"),
        pytest.param(b"just text", id="a word"),
        pytest.param(b"a: [", id="broken"),
        pytest.param(b"a: \xff", id="no UTF-8"),
        pytest.param(b"a: !!python/object/apply:os.system [id]", id="code"),
        pytest.param(b"a: !!binary aGk=", id="bytes"),
        pytest.param(b"a: 99999999999999999999999", id="beyond 64 bits"),
        pytest.param(b"a: &a [*a]", id="holds itself"),
        pytest.param(b"[" * 20000, id="deep"),
        pytest.param(b"{a: " * 200 + b"1" + b"}" * 200, id="rather deep"),
        pytest.param(_laughs(), id="a billion laughs"),
        pytest.param(b"? [1, 2]\n: 3", id="odd key"),
        pytest.param(b'{"a": "\\ud800"}', id="half of a surrogate pair"),
        pytest.param(b"a: 2020-99-99", id="no such date"),
    ],
)
def test_a_malformed_configuration_is_refused(bare_suite, body):
    answer = bare_suite.call("PUT", "connect/1/config", body, headers=YAML)
    assert answer.status == 400
    assert bare_suite.call("GET", "connect/1/config").status == 404


@pytest.mark.usefixtures("lingering")
def test_a_configuration_too_long_is_refused(bare_suite):
    body = b"a: " + b"x" * 300_000
    answer = bare_suite.call("PUT", "connect/1/config", body, headers=YAML)
    assert answer.status == 413
