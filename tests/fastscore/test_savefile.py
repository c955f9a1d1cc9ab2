"""The savefile of a Connect."""

from __future__ import annotations

import stat
import subprocess
import sys

import pytest
import yaml

from pilothouse.fastscore import FastScoreError
from pilothouse.fastscore.suite import Connect

KEYS = [
    "basic-auth-secret",
    "ldap-auth-secret",
    "oauth2-secret",
    "preferred",
    "proxy-prefix",
    "session-cookie",
    "target-name",
]


def test_a_savefile_has_seven_keys_in_order_and_is_for_its_owner(tmp_path):
    connect = Connect("https://h.example/", oauth_secret="t")
    connect.prefer("engine", "engine-3")
    path = tmp_path / ".fastscore"
    path.write_text("old")
    path.chmod(0o644)
    connect.dump(path)
    text = path.read_text()
    assert [line.split(":")[0] for line in text.splitlines() if line[0] != " "] == KEYS
    assert yaml.safe_load(text) == {
        "basic-auth-secret": None,
        "ldap-auth-secret": None,
        "oauth2-secret": "t",
        "preferred": {"engine": "engine-3"},
        "proxy-prefix": "https://h.example",
        "session-cookie": None,
        "target-name": None,
    }
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [p.name for p in tmp_path.iterdir()] == [".fastscore"]


@pytest.mark.parametrize(
    ("option", "key"),
    [
        ("ldap_secret", "ldap-auth-secret"),
        ("basic_auth_secret", "basic-auth-secret"),
        ("oauth_secret", "oauth2-secret"),
        ("session_cookie", "session-cookie"),
    ],
)
def test_each_credential_comes_back(tmp_path, option, key):
    first = Connect("http://h.example", **{option: "s:ab.c"})
    first.dump(tmp_path / "f")
    assert yaml.safe_load((tmp_path / "f").read_text())[key] == "s:ab.c"
    second = Connect.load(tmp_path / "f")
    for header in ("Cookie", "Authorization"):
        assert second.gateway.peer.header(header) == first.gateway.peer.header(header)
    second.dump(tmp_path / "g")
    assert (tmp_path / "g").read_text() == (tmp_path / "f").read_text()


def test_a_login_reaches_the_file(tmp_path, suite):
    connect = Connect(suite.url)
    connect.login("pilothouse", suite.token)
    connect.dump(tmp_path / "f")
    assert Connect.load(tmp_path / "f").check_health().release


def test_another_process_finds_the_same_preferences(tmp_path, connect):
    connect.prefer("model-manage", "model-manage-1")
    connect.target = connect.get("engine-2")
    connect.dump(tmp_path / "f")
    script = (
        "import sys; from pilothouse.fastscore.suite import Connect\n"
        "c = Connect.load(sys.argv[1])\n"
        "print(c.target.name, c.lookup('engine').name, c.preferred)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "f")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("engine-2 engine-2 {'engine': 'engine-2'") or (
        "'engine': 'engine-2'" in done.stdout
    )


def test_a_file_is_loaded_without_any_network(tmp_path):
    (tmp_path / "f").write_text(
        "proxy-prefix: http://127.0.0.1:1\npreferred: {}\ntarget-name: engine-1\n"
        "auth-secret: s:ab.c\n"
    )
    connect = Connect.load(tmp_path / "f")
    assert connect.gateway.peer.header("Cookie") == "connect.sid=s%3Aab.c"
    connect.dump(tmp_path / "g")
    assert yaml.safe_load((tmp_path / "g").read_text())["target-name"] == "engine-1"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "proxy-prefix: http://h",
        "proxy-prefix: 7\npreferred: {}\ntarget-name: null",
        "proxy-prefix: http://h\npreferred: [1]\ntarget-name: null",
        "proxy-prefix: http://h\npreferred: {}\ntarget-name: 7",
        "proxy-prefix: http://h\npreferred: {}\ntarget-name: null\noauth2-secret: [1]",
        "proxy-prefix: nowhere\npreferred: {}\ntarget-name: null",
        "oauth2-secret: 'hunter2\n",
        "a: !!python/object/apply:os.system ['true']",
    ],
)
def test_what_is_no_savefile_is_refused_and_not_shown(tmp_path, text):
    (tmp_path / "f").write_text(text)
    with pytest.raises(FastScoreError) as caught:
        Connect.load(tmp_path / "f")
    assert "hunter2" not in str(caught.value)


def test_a_missing_file_and_a_missing_folder_are_errors(tmp_path):
    with pytest.raises(FastScoreError):
        Connect.load(tmp_path / "none")
    with pytest.raises(FastScoreError):
        Connect("http://h").dump(tmp_path / "none" / "f")
