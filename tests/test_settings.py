"""Options and profiles: three layers, later wins, each value knows its origin."""

from __future__ import annotations

import pytest

from pilothouse.errors import SettingsError
from pilothouse.settings import FILE_NAME, Pilothouse, Settings

LAB = """
default = "lab"

[profiles.lab]
description = "the suite in the lab"

[profiles.lab.fastscore]
url = "https://suite.example:8000"
username = "ann"
verify = "/etc/ssl/lab.pem"
timeout = 5
"""


@pytest.fixture
def folders(tmp_path):
    config, here = tmp_path / "config", tmp_path / "here"
    config.mkdir()
    here.mkdir()
    return config, here


@pytest.fixture
def settings(folders):
    def make(config: str = "", here: str = "", options=None, **environ: str):
        for folder, text in zip(folders, (config, here), strict=True):
            if text:
                (folder / FILE_NAME).write_text(text, encoding="utf-8")
        return Settings(
            config_folder=folders[0],
            folder=folders[1],
            environ=environ,
            options=options,
        )

    return make


def test_without_any_file_there_is_one_empty_profile(settings):
    profiles = settings().profiles()

    assert list(profiles) == ["default"]
    assert profiles["default"].endpoint("fastscore").url is None


def test_values_come_out_typed_and_with_their_origin(settings, folders):
    endpoint = settings(LAB).profile("lab").endpoint("fastscore")

    assert endpoint.url == "https://suite.example:8000"
    assert endpoint.username == "ann"
    assert endpoint.verify == "/etc/ssl/lab.pem"
    assert endpoint.timeout == 5.0
    assert endpoint.where("url") == str(folders[0] / FILE_NAME)
    assert endpoint.where("engine") == ""


def test_the_notebooks_folder_wins_value_by_value(settings, folders):
    here = '[profiles.lab.fastscore]\nurl = "https://other.example"\n'
    endpoint = settings(LAB, here).profile().endpoint("fastscore")

    assert endpoint.url == "https://other.example"
    assert endpoint.where("url") == str(folders[1] / FILE_NAME)
    assert endpoint.username == "ann"
    assert endpoint.where("username") == str(folders[0] / FILE_NAME)


def test_the_environment_wins_over_both(settings):
    found = settings(
        LAB,
        PILOTHOUSE_FASTSCORE_URL="https://env.example",
        PILOTHOUSE_FASTSCORE_VERIFY="no",
        PILOTHOUSE_FASTSCORE_TIMEOUT="2.5",
    )
    endpoint = found.profile().endpoint("fastscore")

    assert endpoint.url == "https://env.example"
    assert endpoint.where("url") == "PILOTHOUSE_FASTSCORE_URL"
    assert endpoint.verify is False
    assert endpoint.timeout == 2.5
    assert endpoint.username == "ann"


def test_the_environment_changes_only_the_profile_in_use(settings):
    text = LAB + '\n[profiles.far.fastscore]\nurl = "https://far.example"\n'
    found = settings(text, PILOTHOUSE_FASTSCORE_URL="https://env.example")

    assert found.profiles()["lab"].endpoint("fastscore").url == "https://env.example"
    assert found.profile("far").endpoint("fastscore").url == "https://far.example"


@pytest.mark.parametrize(
    ("environ", "option", "name", "origin"),
    [
        ({}, "", "lab", FILE_NAME),
        ({"PILOTHOUSE_PROFILE": "far"}, "", "far", "PILOTHOUSE_PROFILE"),
        ({"PILOTHOUSE_PROFILE": "far"}, "lab", "lab", "Pilothouse.profile"),
    ],
    ids=["file", "environment", "option"],
)
def test_what_chose_the_profile_in_use_is_known(
    settings, environ, option, name, origin
):
    text = LAB + "\n[profiles.far]\n"
    found = settings(text, options=Pilothouse(profile=option), **environ).in_use()

    assert found.value == name
    assert found.origin.endswith(origin)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('[profiles.a.fastscore]\npassword = "x"', "password"),
        ('[profiles.a.fastscore]\noauth_token = "x"', "oauth_token"),
        ('[profiles.a]\nsecret = "x"', "secret"),
        ('api_key = "x"', "api_key"),
        ('[profiles.a.fastscore]\nsession-cookie = "x"', "session-cookie"),
    ],
)
def test_a_profile_with_a_secret_is_refused_by_the_name_of_its_key(settings, text, key):
    with pytest.raises(SettingsError, match=f"holds a secret under '{key}'") as caught:
        settings(text).profiles()

    assert "'x'" not in str(caught.value)


def test_a_password_inside_an_address_is_refused_and_not_shown(settings):
    text = '[profiles.a.fastscore]\nurl = "https://ann:hunter2@suite.example"'

    with pytest.raises(SettingsError, match="inside its address") as caught:
        settings(text).profiles()

    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            "[profiles.a.fastscore]\nurll = 'x'",
            "unknown key 'urll'; did you mean 'url'",
        ),
        ("[profiles.a.fastscor]\nurl = 'x'", "did you mean 'fastscore'"),
        ("[profiles.a.fastscore]\nurl = 3", "has to be str, not 3"),
        ("[profiles.a.fastscore]\ntimeout = true", "has to be int or float, not True"),
        ("profiles = 3", "has to be a table"),
        ("[profiles.a]\nfastscore = 3", "has to be a table"),
        ("default = 3", "has to be a profile's name"),
        ("[profiles", "cannot be read: "),
        ('default = "nope"', "no profile named 'nope'"),
    ],
)
def test_a_wrong_file_is_refused_with_its_place(settings, text, says):
    with pytest.raises(SettingsError) as caught:
        settings(text).profiles()

    assert says in str(caught.value)


def test_an_unknown_profile_brings_the_nearest_name(settings):
    with pytest.raises(SettingsError, match="did you mean 'lab'"):
        settings(LAB).profile("lap")


def test_a_number_that_is_none_in_the_environment_is_refused(settings):
    with pytest.raises(SettingsError, match="PILOTHOUSE_FASTSCORE_TIMEOUT"):
        settings(PILOTHOUSE_FASTSCORE_TIMEOUT="soon").profile()


def test_rows_tell_everything_that_a_profile_says(settings):
    rows = list(settings(LAB).profile("lab").rows())

    assert [(service, key) for service, key, _ in rows] == [
        ("fastscore", "url"),
        ("fastscore", "username"),
        ("fastscore", "verify"),
        ("fastscore", "timeout"),
    ]


def test_files_are_read_afresh_so_an_edit_counts_at_once(settings, folders):
    found = settings(LAB)
    assert "lab" in found.profiles()

    (folders[0] / FILE_NAME).write_text("[profiles.new]\n", encoding="utf-8")

    assert set(found.profiles()) == {"new", "default"}
