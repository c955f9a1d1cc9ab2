"""The proxy: paths, refusals, login; and what every instance answers."""

import http.client
import socket
from urllib.parse import urlencode, urlsplit

import pytest

from conftest import LocalSuite, raw_call

INSTANCES = ("connect", "model-manage-1")


def test_every_instance_tells_its_health(bare_suite: LocalSuite):
    for name in INSTANCES:
        answer = bare_suite.call("GET", f"{name}/1/health")
        assert answer.status == 200
        assert answer.headers["Content-Type"] == "application/json"
        assert set(answer.json) == {"id", "release", "built_on"}


@pytest.mark.parametrize(
    "path",
    [
        "/api/1/service/connect/1/health",
        "//api/1/service/connect/1/health",
        "///api/1/service/connect/1/health",
        "/api/1/service/%63onnect/1/health",
    ],
)
def test_slashes_in_front_collapse_and_names_may_be_encoded(bare_suite, path):
    assert bare_suite.call("GET", path).status == 200


@pytest.mark.parametrize(
    ("method", "path", "status", "text"),
    [
        ("GET", "/", 404, "/api/1/service"),
        ("GET", "/api/1/service", 404, "/api/1/service"),
        ("GET", "/api/1/service/nope/1/health", 404, "no instance is named 'nope'"),
        ("GET", "/api/1/service/connect", 404, "nothing lies"),
        ("GET", "/api/1/service/connect/3/health", 404, "nothing lies"),
        ("GET", "/api/1/service/connect/1/model", 404, "nothing lies"),
        ("GET", "/api/1/service/connect//health", 404, "nothing lies"),
        ("GET", "/api//1/service/connect/1/health", 404, "nothing lies"),
        ("PATCH", "/api/1/service/connect/1/health", 405, "allowed: GET"),
        ("PROPFIND", "/api/1/service/connect/1/health", 405, "allowed: GET"),
        ("GET", "/1/login", 405, "POST"),
        ("GET", "/api/1/service/%FF/1/health", 400, "UTF-8"),
        ("GET", "/api/1/service/connect/1/%0d%0aX", 400, "control"),
    ],
)
def test_a_path_that_leads_nowhere_gets_one_line(
    bare_suite, method, path, status, text
):
    answer = bare_suite.call(method, path)
    assert answer.status == status
    assert text in answer.text
    assert "\n" not in answer.text
    assert answer.headers["Content-Type"] == "text/plain"


@pytest.mark.parametrize(
    "path",
    [
        "connect/1/health",
        "connect/2/pneumo",
        "model-manage-1/1/model",
        "nope/1/health",
        "connect/9/nothing",
        "/",
    ],
)
def test_without_credentials_every_path_is_401(bare_suite, path):
    assert bare_suite.call("GET", path, token=None).status == 401
    assert bare_suite.call("GET", path, token="wrong").status == 401


def login(suite, username, password):
    form = urlencode({"username": username, "password": password}).encode()
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    return suite.call("POST", "/1/login", form, headers=headers, token=None)


def test_a_login_gives_a_session_that_is_let_in(bare_suite):
    answer = login(bare_suite, "pilothouse", bare_suite.token)
    assert answer.status == 200
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith("connect.sid=s%3A")
    assert "HttpOnly" in cookie
    headers = {"Cookie": cookie.partition(";")[0]}
    path = "connect/1/health"
    assert bare_suite.call("GET", path, headers=headers, token=None).status == 200


def test_a_wrong_login_is_401(bare_suite):
    assert login(bare_suite, "pilothouse", "wrong").status == 401
    assert login(bare_suite, "", "").status == 401
    assert bare_suite.call("POST", "/1/login", b"", token=None).status == 401


@pytest.mark.usefixtures("lingering")
def test_a_login_form_that_is_no_form_is_refused(bare_suite):
    for body, status in ((b"\xff", 400), (b"a=1&" * 200, 400), (b"x" * 70000, 413)):
        assert bare_suite.call("POST", "/1/login", body, token=None).status == status


def test_content_type_on_a_get_without_body_is_ignored(bare_suite):
    headers = {"Content-Type": "application/json", "User-Agent": "Swagger-Codegen/x"}
    assert bare_suite.call("GET", "connect/1/health", headers=headers).status == 200


def test_many_requests_share_one_connection(bare_suite):
    connection = http.client.HTTPConnection(urlsplit(bare_suite.url).netloc, timeout=30)
    headers = {"Authorization": bare_suite.token}
    try:
        for path in ("connect/1/health", "nope/1/x", "connect/1/connect") * 20:
            connection.request("GET", f"/api/1/service/{path}", headers=headers)
            answer = connection.getresponse()
            answer.read()
            assert answer.status in (200, 404)
            assert not answer.will_close
    finally:
        connection.close()


def exchange(suite, data):
    """Send raw bytes; return all that comes back."""
    parts = urlsplit(suite.url)
    with socket.create_connection((parts.hostname, parts.port), timeout=20) as sock:
        sock.sendall(data)
        found = b""
        while piece := sock.recv(65536):
            found += piece
    return found


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"nonsense\r\n\r\n", id="no HTTP"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", id="TLS"),
        pytest.param(b"GET / HTTP/1.1\r\nA" + b"b" * 20000 + b"\r\n\r\n", id="header"),
        pytest.param(b"GET /" + b"x" * 20000 + b" HTTP/1.1\r\n\r\n", id="line"),
        pytest.param(b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", id="length"),
    ],
)
def test_what_is_no_http_gets_400_and_leaves_no_traceback(bare_suite, data, caplog):
    answer = exchange(bare_suite, data)
    assert answer.startswith(b"HTTP/1.") or not answer
    assert answer[9:10] in (b"4", b"")
    assert b"Traceback" not in answer
    assert not [r for r in caplog.records if r.exc_info]
    assert bare_suite.call("GET", "connect/1/health").status == 200


def test_swagger_describes_every_route(bare_suite):
    for instance in bare_suite.suite.instances.values():
        answer = bare_suite.call("GET", f"{instance.name}/1/swagger")
        document = answer.json
        assert document["swagger"] == "2.0"
        for route in instance.routes():
            operation = document["paths"][route.path][route.method.lower()]
            assert operation["summary"]
            assert {"401"} < set(operation["responses"])
        ids = [
            operation["operationId"]
            for path in document["paths"].values()
            for operation in path.values()
        ]
        assert len(set(ids)) == len(ids)


def test_swagger_is_yaml_for_those_who_accept_only_that(bare_suite):
    headers = {"Accept": "application/x-yaml"}
    answer = bare_suite.call("GET", "connect/1/swagger", headers=headers)
    assert answer.headers["Content-Type"] == "application/x-yaml"
    assert answer.text.startswith("swagger: ")


def test_a_service_without_a_token_lets_everybody_in(tmp_path):
    from pilothouse.services.host import ServiceHost

    options = {"fastscore": {"engines": ()}}
    with ServiceHost(data_dir=tmp_path, token=None, options=options) as host:
        path = "/api/1/service/connect/1/health"
        assert raw_call(host.fastscore.url, "GET", path, None, {}).status == 200
        assert host.fastscore.token == ""
