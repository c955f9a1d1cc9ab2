"""Connect: the fleet, the configuration, preferences, credentials."""

from __future__ import annotations

import pytest

from pilothouse import errors
from pilothouse.fastscore import FastScoreError
from pilothouse.fastscore.suite import Connect, Engine, ModelManage
from pilothouse.secrets import Secret


def test_a_suite_can_be_looked_around_in(connect):
    assert connect.check_health().release
    assert connect.check_health()["id"] == connect.check_health().id
    fleet = connect.fleet()
    assert [one.api for one in fleet].count("model-manage") == 1
    assert {one["health"] for one in fleet} == {"ok"}
    assert connect.lookup("engine").name == "engine-1"
    assert connect.get("engine-2") is connect.get("engine-2")
    assert connect.get("connect") is connect
    assert connect.lookup("connect") is connect
    assert isinstance(connect.lookup("model-manage"), ModelManage)
    assert "sys.memory" in connect.tapping_points
    assert connect.get_swagger()["swagger"] == "2.0"


@pytest.mark.parametrize(("verb", "name"), [("get", "nope"), ("lookup", "nope")])
def test_what_the_fleet_has_not_is_not_found(connect, verb, name):
    with pytest.raises(errors.NotFoundError) as caught:
        getattr(connect, verb)(name)
    assert isinstance(caught.value, FastScoreError)


@pytest.mark.parametrize("prefix", ["localhost:8000", "ftp://h", "http://"])
def test_a_prefix_that_is_no_url_is_refused(prefix):
    with pytest.raises(FastScoreError):
        Connect(prefix)


def test_a_configuration_is_set_replaced_and_read(bare_suite):
    connect = Connect(bare_suite.url, oauth_secret=bare_suite.token)
    config = {"fastscore": {"db": {"type": "mysql", "port": 3306}, "fleet": []}}
    assert connect.get_config() is None
    assert connect.configure(config) is False
    assert connect.configure(config) is True
    assert connect.get_config() == config
    assert connect.get_config("db") == connect.config("db") == config["fastscore"]["db"]
    assert connect.get_config("zzz") is None
    for wrong in ([], "text", {"a": object()}):
        with pytest.raises(FastScoreError):
            connect.configure(wrong)
    with pytest.raises(FastScoreError):
        connect.get_config(7)


def test_a_preferred_instance_and_the_target_are_looked_up(connect):
    connect.prefer("engine", "engine-2")
    assert connect.lookup("engine").name == "engine-2"
    connect.target = connect.get("engine-1")
    assert connect.target is connect.get("engine-1")
    assert connect.lookup("engine").name == "engine-1"
    assert connect.preferred == {"engine": "engine-1"}
    connect.target = None
    assert connect.target is None


def test_two_suites_in_one_process_do_not_mix(suite, bare_suite):
    one = Connect(suite.url, oauth_secret=suite.token)
    other = Connect(bare_suite.url, oauth_secret=bare_suite.token)
    assert {i.name for i in one.fleet()} > {i.name for i in other.fleet()}
    assert one.check_health().id != other.check_health().id
    assert one.get("engine-1").check_health().id
    with pytest.raises(FastScoreError):
        other.get("engine-1")


def test_an_instance_made_by_its_name_belongs_to_the_newest_connect(suite, bare_suite):
    first = Connect(suite.url, oauth_secret=suite.token)
    Connect(bare_suite.url, oauth_secret=bare_suite.token)
    assert Engine("engine-1", first).check_health().id
    with pytest.raises(errors.NotFoundError):
        Engine("engine-1").check_health()
    assert ModelManage("model-manage-1").models.names() == []


def test_who_is_unknown_is_not_let_in(suite):
    stranger = Connect(suite.url)
    with pytest.raises(errors.NotAuthorizedError) as caught:
        stranger.check_health()
    assert isinstance(caught.value, FastScoreError)
    assert caught.value.caused_by.status == 401
    assert caught.value.caused_by.reason
    assert caught.value.caused_by.body
    assert "content-type" in {k.lower() for k in caught.value.caused_by.headers}
    with pytest.raises(FastScoreError, match="Access denied"):
        stranger.login("pilothouse", "wrong")
    with pytest.raises(errors.NotAuthorizedError):
        stranger.pneumo.socket()


def test_a_login_opens_a_session_for_all_calls(suite):
    connect = Connect(suite.url)
    connect.login("pilothouse", Secret(suite.token))
    assert connect.check_health().release
    assert connect.get("engine-1").state
    with connect.pneumo.socket(timeout=0.1) as socket:
        assert socket.state == "connected"


@pytest.mark.parametrize("kind", ["oauth", "basic", "cookie", "ldap", "url"])
def test_every_way_to_identify_oneself_works(suite, kind):
    import base64

    logged_in = Connect(suite.url)
    logged_in.login("pilothouse", suite.token)
    cookie = logged_in.gateway.peer.cookies["connect.sid"]
    basic = "Basic " + base64.b64encode(f"pilothouse:{suite.token}".encode()).decode()
    if kind == "url":
        connect = Connect(suite.url.replace("://", f"://pilothouse:{suite.token}@"))
    else:
        options = {
            "oauth": {"oauth_secret": suite.token},
            "basic": {"basic_auth_secret": basic},
            "cookie": {"session_cookie": f"connect.sid={cookie}"},
            "ldap": {"auth_secret": cookie},
        }
        connect = Connect(suite.url, **options[kind])
    assert connect.check_health().release
    assert suite.token not in repr(connect) + repr(vars(connect.gateway))


def test_nobody_there_is_a_transport_error(suite, bare_suite):
    connect = Connect(bare_suite.url, oauth_secret=bare_suite.token)
    bare_suite.host.stop()
    with pytest.raises(errors.ConnectError) as caught:
        connect.check_health()
    assert isinstance(caught.value, FastScoreError)
    assert str(caught.value).startswith("Error: Unable to check the health of connect")
    assert "Caused by: no connection to 127.0.0.1" in str(caught.value)


def test_a_fleet_has_a_table(connect):
    html = connect.fleet()._repr_html_()
    assert html.count("<tr>") == 1 + len(connect.fleet())
    assert "engine-2" in html
    assert connect.fleet()[0].to_dict()["api"] == "model-manage"


def test_a_connect_made_with_tls_is_verified_or_not(suite):
    assert Connect("https://fastscore.example").gateway.peer.verify
    assert Connect("https://localhost:1").gateway.peer.verify is False
    assert Connect("https://h.example", verify=False).gateway.peer.verify is False
