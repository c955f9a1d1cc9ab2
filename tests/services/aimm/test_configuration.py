"""The file of a server: the real one's as it is, and what may be wrong with it."""

import copy
import json

import pytest
import yaml

from pilothouse.errors import SettingsError
from pilothouse.services.aimm.configuration import read_configuration

REAL = {
    "name": "example",
    "log": {"version": 1},
    "engine": {"sigterm_timeout": 5, "max_children": 3, "check_children_period": 3},
    "backend": {"module": "aimm.server.backend.sqlite", "path": "data/aimm.db"},
    "control": [
        {
            "module": "aimm.server.control.repl",
            "server": {"host": "127.0.0.1", "port": 0},
            "users": [{"username": "u", "password": "0" * 64}],
        }
    ],
    "plugins": {"names": ["plugins.sklearn_wrapper"]},
}


def read(tmp_path, values):
    path = tmp_path / "aimm.yaml"
    path.write_text(yaml.safe_dump(values))
    return read_configuration(path)


def test_a_file_of_the_real_server_is_read_as_it_stands(tmp_path):
    conf = read(tmp_path, REAL)

    assert conf.name == "example"
    assert (conf.sigterm_timeout, conf.max_children) == (5.0, 3)
    assert conf.database == tmp_path / "data" / "aimm.db"
    (control,) = conf.controls
    assert (control.host, control.port, control.timing.autoflush_delay) == (
        "127.0.0.1",
        0,
        0.2,
    )
    assert [user.username for user in control.users] == ["u"]
    assert conf.plugins.names == ["plugins.sklearn_wrapper"]
    assert str(tmp_path) in conf.plugins.paths


def test_a_password_does_not_show(tmp_path):
    assert "0" * 64 not in repr(read(tmp_path, REAL))


def test_a_file_that_is_no_yaml_is_told_without_its_lines(tmp_path):
    path = tmp_path / "aimm.yaml"
    path.write_text(f'users:\n  - {{password: "{"0" * 64}\n    username: u}}\nx: [')

    with pytest.raises(SettingsError, match=r"cannot read .* in line \d") as failure:
        read_configuration(path)

    assert "0" * 64 not in str(failure.value)


def test_a_file_may_be_json_with_tabs(tmp_path):
    path = tmp_path / "aimm.json"
    path.write_text(json.dumps(REAL, indent="\t"))

    assert read_configuration(path).name == "example"


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda c: c.pop("engine"), "engine is missing"),
        (lambda c: c["engine"].pop("max_children"), "engine.max_children is missing"),
        (
            lambda c: c["engine"].update(max_children="many"),
            "engine.max_children is a number from 1 up, not 'many'",
        ),
        (
            lambda c: c["engine"].update(sigterm_timeout=True),
            "engine.sigterm_timeout is a number from 0 up, not True",
        ),
        (
            lambda c: c["engine"].update(max_children=float("inf")),
            "engine.max_children is a number from 1 up, not inf",
        ),
        (
            lambda c: c["engine"].update(sigterm_timeout=float("nan")),
            "engine.sigterm_timeout is a number from 0 up, not nan",
        ),
        (
            lambda c: c["control"][0]["server"].update(shutdown_timeout="soon"),
            r"control\[0\].server.shutdown_timeout is a number from 0 up",
        ),
        (
            lambda c: c["control"][0]["server"].update(autoflush_delay="soon"),
            r"control\[0\].server.autoflush_delay is a number from 0 up",
        ),
        (
            lambda c: c["backend"].update(module="aimm.server.backend.event"),
            "needs the Hat event server",
        ),
        (lambda c: c["backend"].update(module="x"), "backend.module is 'x'"),
        (lambda c: c["backend"].pop("path"), "backend.path is missing"),
        (lambda c: c.update(control=[]), "control is a list of at least one"),
        (
            lambda c: c["control"][0].update(module="aimm.server.control.event"),
            r"control\[0\].module is .* needs the Hat event server",
        ),
        (
            lambda c: c["control"][0]["server"].update(port=70000),
            r"control\[0\].server.port is a number from 0 to 65535, not 70000",
        ),
        (
            lambda c: c["control"][0]["server"].pop("host"),
            r"control\[0\].server.host is missing",
        ),
        (
            lambda c: c["control"][0].update(users={}),
            r"control\[0\].users is a list",
        ),
        (
            lambda c: c["control"][0]["users"][0].update(role="x"),
            r"control\[0\].users\[0\] has an unknown key 'role'",
        ),
        (
            lambda c: c["plugins"].update(names="x"),
            "plugins.names is a list of texts, not 'x'",
        ),
        (lambda c: c.update(log=3), "log holds keys and values, not 3"),
    ],
)
def test_what_is_wrong_is_told_by_its_key(tmp_path, change, text):
    values = copy.deepcopy(REAL)
    change(values)

    with pytest.raises(SettingsError, match=text):
        read(tmp_path, values)


def test_a_password_that_is_no_text_is_told_without_it(tmp_path):
    values = copy.deepcopy(REAL)
    values["control"][0]["users"][0]["password"] = 12345678

    with pytest.raises(SettingsError, match="password is a text") as error:
        read(tmp_path, values)

    assert "12345678" not in str(error.value)


@pytest.mark.parametrize("text", ["[1, 2]", "a: b: c", ""])
def test_a_file_that_is_no_configuration_is_told(tmp_path, text):
    path = tmp_path / "x.yaml"
    path.write_text(text)

    with pytest.raises(SettingsError):
        read_configuration(path)


def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(SettingsError, match=r"cannot read .*none\.yaml"):
        read_configuration(tmp_path / "none.yaml")
