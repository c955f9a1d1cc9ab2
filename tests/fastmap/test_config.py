"""Options, from where they may come."""

from __future__ import annotations

import io
import json

import pytest

from pilothouse import fastmap
from pilothouse.fastmap import ExecPolicy, FastmapException, Verbosity
from pilothouse.fastmap.wire.token import new_token
from pilothouse.secrets import Secret
from waiting import until

URL = "http://127.0.0.1:1"


def test_defaults_need_no_service():
    options = fastmap.init().options

    assert options.exec_policy is ExecPolicy.ADAPTIVE
    assert options.verbosity is Verbosity.SILENT
    assert options.local_workers >= 1


def test_keywords_win_over_a_config_that_completes_the_defaults(tmp_path):
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"max_cloud_workers": 3, "exec_policy": "LOCAL"}))

    for config in (str(path), path, json.loads(path.read_text()), path.open()):
        options = fastmap.init(config, max_cloud_workers=4).options
        assert (options.max_cloud_workers, options.exec_policy) == (4, "LOCAL")
        if isinstance(config, io.IOBase):
            config.close()


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"exec_polcy": "LOCAL"}, "did you mean"),
        ({"exec_policy": "NOWHERE"}, "one of LOCAL, CLOUD, ADAPTIVE"),
        ({"verbosity": 3}, "one of SILENT"),
        ({"secret": "short"}, "Invalid secret token"),
        ({"secret": new_token() + "\n"}, "Invalid secret token"),
        ({"cloud_url": 3}, "cloud_url"),
        ({"cloud_url": "http://"}, "names no host"),
        ({"cloud_url": "ftp://host"}, "no known scheme"),
        ({"cloud_url": "wss://host"}, "http or https"),
        ({"cloud_url": "http://host:99999"}, "no URL"),
        ({"max_cloud_workers": 0}, "more than 0"),
        ({"max_cloud_workers": True}, "has to be int"),
        ({"requirements": ["a==1"]}, "dict"),
        ({"exclude": "name"}, "list of module names"),
        ({"timeout": "long"}, "has to be int or float"),
    ],
)
def test_a_wrong_option_is_told(options, text):
    with pytest.raises(FastmapException, match=text) as caught:
        fastmap.init(**options)

    assert isinstance(caught.value, ValueError)
    assert not options.get("secret") or str(options["secret"]) not in str(caught.value)


def test_a_password_in_an_address_is_refused_and_not_shown():
    with pytest.raises(FastmapException, match="user or a password") as caught:
        fastmap.init(cloud_url="http://name:hunter2@host:1")

    assert "hunter2" not in f"{caught.value} {caught.value!r}"


@pytest.mark.parametrize("text", ["[1]", "no json", ""])
def test_a_wrong_file_is_told(tmp_path, text):
    path = tmp_path / "config.json"
    path.write_text(text)

    with pytest.raises(FastmapException, match="config"):
        fastmap.init(path)
    with pytest.raises(FastmapException, match="cannot be read"):
        fastmap.init(tmp_path / "absent.json")


@pytest.mark.parametrize(
    ("given", "url"),
    [("host:1", "http://host:1"), ("https://host/", "https://host"), (URL, URL)],
)
def test_an_address_is_completed(given, url):
    assert fastmap.init(cloud_url=given).options.cloud_url == url


def test_the_token_comes_from_the_environment(monkeypatch):
    token = new_token()
    monkeypatch.setenv("PILOTHOUSE_FASTMAP_SECRET", token)

    assert fastmap.init(cloud_url=URL).options.secret == Secret(token)
    monkeypatch.setenv("PILOTHOUSE_FASTMAP_URL", "http://elsewhere")
    assert fastmap.init(cloud_url=URL).options.secret is None


@pytest.mark.parametrize("given", [{"cloud_url": URL}, {"secret": new_token()}, {}])
@pytest.mark.parametrize("policy", ["CLOUD", "ADAPTIVE"])
def test_without_a_service_it_maps_here_and_says_so(given, policy):
    with pytest.warns(UserWarning, match="becomes LOCAL"):
        config = fastmap.init(exec_policy=policy, **given)

    assert list(config.fastmap(abs, [-1])) == [1]


def test_a_config_with_changes_is_another():
    config = fastmap.init(max_cloud_workers=3)
    other = config.with_options(exec_policy="LOCAL")

    assert other.options.exec_policy == "LOCAL"
    assert other.options.max_cloud_workers == 3
    assert config.options.exec_policy == "ADAPTIVE"


def test_the_global_config_is_used(monkeypatch):
    from pilothouse.fastmap import config

    monkeypatch.setattr(config, "_global", None)
    assert fastmap.global_init(exec_policy="LOCAL") is None
    assert list(fastmap.fastmap(abs, [-1, 2])) == [1, 2]


@pytest.mark.parametrize("kind", ["elements", "LISTS", None])
def test_a_wrong_return_type_is_told(kind):
    with pytest.raises(FastmapException, match="return_type"):
        fastmap.init().fastmap(abs, [1], return_type=kind)


@pytest.mark.parametrize("given", [(3, [1]), (abs, 3)])
def test_what_cannot_be_mapped_is_told(given):
    with pytest.raises(FastmapException):
        list(fastmap.init().submit(*given))


def test_charges_are_asked_for(scripted, monkeypatch):
    asked = []
    monkeypatch.setattr("builtins.input", lambda text: asked.append(text) or "n")
    server, config = scripted(confirm_charges=True)

    with pytest.raises(FastmapException, match="not confirmed"):
        next(config.fastmap(abs, [-1]))
    assert "1 items" in asked[0]
    assert server.calls == []
    monkeypatch.setattr("builtins.input", lambda text: "y")
    assert list(config.fastmap(abs, [-1])) == [1]


def test_charges_that_nobody_can_confirm_are_not_made(scripted, monkeypatch):
    def closed(text):
        raise EOFError

    monkeypatch.setattr("builtins.input", closed)
    server, config = scripted(confirm_charges=True)

    with pytest.raises(FastmapException, match="nobody is here to confirm"):
        list(config.fastmap(abs, [-1]))
    assert server.calls == []


def printed(capsys, last):
    """What is printed, up to its last words; they come from the run's thread."""
    parts = []

    def is_whole():
        parts.append(capsys.readouterr().out)
        return last in "".join(parts)

    until(is_whole)
    return "".join(parts)


def test_how_a_run_ended_is_printed_once(local, capsys):
    run = local.with_options(verbosity="NORMAL").submit(abs, ["no number"])

    with pytest.raises(FastmapException):
        run.result()
    assert printed(capsys, "Fastmap done.").count("failed: ") == 1


def test_nothing_is_printed_unless_asked(scripted, capsys):
    _, config = scripted()
    config.submit(abs, [-1]).result()
    assert capsys.readouterr() == ("", "")

    config.with_options(verbosity="LOUD").submit(abs, [-1]).result()
    out = printed(capsys, "Fastmap done.")
    assert "Processed 1 elements from 'abs'" in out
    assert "Spent $0.0025." in out


def test_the_secret_shows_in_no_repr():
    token = new_token()
    config = fastmap.init(cloud_url=URL, secret=token)

    assert token not in f"{config!r} {config.options!r} {vars(config)!r}"
    assert token[:32] not in repr(config.options)
