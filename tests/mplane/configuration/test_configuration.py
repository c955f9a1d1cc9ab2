"""Both forms of a configuration say the same; errors name section and key."""

import configparser
import json

import pytest

from pilothouse.errors import SettingsError
from pilothouse.mplane import configuration
from pilothouse.mplane.configuration import (
    Access,
    ClientConnect,
    ClientListen,
    Configuration,
    Connect,
    Listen,
    Module,
    Registries,
)

COMPONENT_INI = """
[Roles]
org.mplane.SSB.Clients.Client-1 = guest, admin
[Authorizations]
ping-average-ip4 = guest,admin
[component]
registry_uri = http://example.org/registry
workflow = client-initiated
listen-port: 8891
listen-cap-link = http://127.0.0.1:8891/
scheduler_max_results = 20
[module_ping]
module = mplane.components.ping
ip4addr = 1.2.3.4
Case-Kept = yes
[service_other]
module: mplane.components.other
"""
COMPONENT = Configuration(
    source="x",
    access=Access(
        roles={"org.mplane.SSB.Clients.Client-1": frozenset({"guest", "admin"})},
        authorizations={"ping-average-ip4": frozenset({"guest", "admin"})},
    ),
    registries=Registries(default="http://example.org/registry"),
    modules=(
        Module(
            name="module_ping",
            module="mplane.components.ping",
            options={"ip4addr": "1.2.3.4", "Case-Kept": "yes"},
        ),
        Module(name="service_other", module="mplane.components.other"),
    ),
    component=Listen(port=8891, link="http://127.0.0.1:8891/"),
    max_results=20,
)


def read(tmp_path, text, name="x"):
    path = tmp_path / name
    path.write_text(text)
    return configuration.read(path)


def test_a_component_in_ini(tmp_path):
    assert read(tmp_path, COMPONENT_INI) == COMPONENT


def test_what_the_standard_library_has_read_is_read_too():
    parser = configparser.ConfigParser()
    parser.optionxform = str
    parser.read_string(COMPONENT_INI)

    assert configuration.read(parser).modules == COMPONENT.modules


def test_nothing_is_the_defaults():
    found = configuration.read(None)

    assert found == Configuration()
    assert configuration.read(found) is found
    assert found.tls is found.access is found.component is found.client is None


def test_a_component_that_goes_to_its_client_in_ini(tmp_path):
    found = read(
        tmp_path,
        "[component]\nworkflow = component-initiated\nclient_host = 127.0.0.1\n"
        "client_port = 8888\nregistration_path = register/capability\n"
        "specification_path = /show/specification\nresult_path = register/result\n",
    )

    assert found.component == Connect(
        capability_url="//127.0.0.1:8888/register/capability",
        specification_url="//127.0.0.1:8888/show/specification",
        result_url="//127.0.0.1:8888/register/result",
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "workflow = client-initiated\ndefault-url = http://a:1/\n"
            "capability-url = http://a:1/capability",
            ClientConnect(
                default_url="http://a:1/", capability_url="http://a:1/capability"
            ),
        ),
        (
            "workflow = client-initiated\ncomponent-urls = http://a:1/,http://b:2/",
            ClientConnect(component_urls=("http://a:1/", "http://b:2/")),
        ),
        (
            "workflow = component-initiated\nlisten-port = 0\n"
            "listen-spec-link = http://a:1/register/result\nlisten-host = ::1\n"
            "registration-path = /r/\nspecification-path = s\nresult-path = t",
            ClientListen(
                port=0,
                hosts=("::1",),
                link="http://a:1/register/result",
                registration_path="r",
                specification_path="s",
                result_path="t",
            ),
        ),
        ("workflow = component-initiated", ClientListen()),
    ],
)
def test_clients_in_ini(tmp_path, text, expected):
    assert read(tmp_path, f"[client]\n{text}\n").client == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"Listener": {"port": 8890}}, Listen(port=8890)),
        (
            {"Listener": {"port": 0, "interfaces": ["127.0.0.1", "::1"]}},
            Listen(port=0, hosts=("127.0.0.1", "::1")),
        ),
        (
            {"Initiator": {"url": "http://a:1/"}},
            Connect(
                capability_url="http://a:1/register/capability",
                specification_url="http://a:1/show/specification",
                result_url="http://a:1/register/result",
            ),
        ),
        (
            {
                "Initiator": {
                    "capability-url": "http://a/1",
                    "specification-url": "http://a/2",
                    "result-url": "http://b/3",
                }
            },
            Connect(
                capability_url="http://a/1",
                specification_url="http://a/2",
                result_url="http://b/3",
            ),
        ),
    ],
)
def test_components_in_json(tmp_path, value, expected):
    text = json.dumps({"Component": value})

    assert read(tmp_path, text).component == expected


def test_everything_in_json(tmp_path):
    registry = tmp_path / "registry.json"
    registry.write_text("{}")
    value = {
        "Access": {
            "Roles": {"guest": ["a", "b"], "admin": ["a"]},
            "Authorizations": {"ping": ["guest"]},
        },
        "Registries": {"default": "http://x/y", "preload": ["registry.json"]},
        "Component": {
            "Modules": {"my.probes": {"ip4addr": "1.2.3.4"}, "my.other": {}},
            "Listener": {"port": 0},
            "scheduler_max_results": 7,
        },
        "Client": {"Listener": {"port": 0, "capability-path": "c"}},
    }

    found = read(tmp_path, json.dumps(value))

    assert found.access.roles == {
        "a": frozenset({"guest", "admin"}),
        "b": frozenset({"guest"}),
    }
    assert found.registries == Registries(default="http://x/y", preload=(registry,))
    assert found.modules == (
        Module(name="my.probes", module="my.probes", options={"ip4addr": "1.2.3.4"}),
        Module(name="my.other", module="my.other"),
    )
    assert found.max_results == 7
    assert found.client == ClientListen(port=0, registration_path="c")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[component]\n", "[component] workflow: is missing"),
        ("[component]\nworkflow = sideways\n", "[component] workflow: 'sideways'"),
        (
            "[component]\nworkflow = client-initiated\nlisten-port = x\n",
            "[component] listen-port: 'x'",
        ),
        (
            "[component]\nworkflow = client-initiated\nlisten-port = 65536\n",
            "[component] listen-port: '65536'",
        ),
        (
            "[component]\nworkflow = client-initiated\nlisten-cap-link = nowhere\n",
            "[component] listen-cap-link: 'nowhere'",
        ),
        (
            "[component]\nworkflow = component-initiated\n",
            "[component] client_host: is missing",
        ),
        (
            "[component]\nworkflow = component-initiated\nclient_host = a\n",
            "[component] registration_path: is missing",
        ),
        (
            "[component]\nworkflow = client-initiated\nregistry_preload = no.json\n",
            "[component] registry_preload: there is no file 'no.json'",
        ),
        ("[module_x]\nip = 1\n", "[module_x] module: is missing"),
        ("[TLS]\nca-chain = no.crt\n", "[TLS] ca-chain: there is no file 'no.crt'"),
        (
            "[client]\nworkflow = client-initiated\ndefault-url = ftp://x\n",
            "[client] d",
        ),
        ("no section\n", "is no INI file"),
        ("[a]\nx=1\n[a]\nx=2\n", "is no INI file"),
    ],
)
def test_ini_that_is_wrong_is_told_by_section_and_key(tmp_path, text, told):
    with pytest.raises(SettingsError) as caught:
        read(tmp_path, text, "my.conf")

    assert told in str(caught.value)
    assert "my.conf" in str(caught.value)


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ({"Compnent": {}}, "Compnent: is not known here"),
        ({"Component": {}}, "exactly one of the two"),
        ({"Component": {"Listener": {}, "Initiator": {}}}, "exactly one of the two"),
        ({"Component": {"Listener": {"port": "x"}}}, "[Component.Listener] port: 'x'"),
        (
            {"Component": {"Listener": {"port": True}}},
            "[Component.Listener] port: True",
        ),
        ({"Component": {"Listener": {"prt": 1}}}, "[Component.Listener] prt: is not"),
        ({"Component": {"Listener": 5}}, "[Component] Listener: 5 is no section"),
        ({"Component": {"Initiator": {}}}, "capability-url: is missing"),
        ({"Component": {"Initiator": {"url": "x"}}}, "[Component.Initiator] url: 'x'"),
        ({"Client": {"Initiator": {"capability-url": 5}}}, "5 is no text"),
        ({"Registries": {"preload": 7}}, "[Registries] preload: 7"),
        ({"Registries": {"preload": ["no"]}}, "there is no file 'no'"),
        ({"Access": {"Roles": {"guest": 1}}}, "[Access.Roles] guest: 1"),
        ({"TLS": {"cert": "x"}}, "[TLS] ca-chain: is missing"),
        ({"TLS": []}, "TLS: [] is no section"),
    ],
)
def test_json_that_is_wrong_is_told_by_section_and_key(tmp_path, value, told):
    with pytest.raises(SettingsError) as caught:
        read(tmp_path, json.dumps(value))

    assert told in str(caught.value)


def test_text_that_is_no_json_says_so(tmp_path):
    with pytest.raises(SettingsError, match="is no JSON"):
        read(tmp_path, "{")


def test_a_file_that_is_not_there_says_so(tmp_path):
    with pytest.raises(SettingsError, match="cannot read"):
        configuration.read(tmp_path / "nothing.conf")


def test_a_component_with_tls_needs_rules(parties, tmp_path):
    text = parties.component.ini + "[component]\nworkflow = client-initiated\n"

    with pytest.raises(SettingsError, match="Roles"):
        read(tmp_path, text)

    rules = "[Roles]\nme = guest\n[Authorizations]\nping = guest\n"
    assert read(tmp_path, text + rules).tls.cert == parties.component.cert


def test_files_are_found_where_we_are_and_beside_the_configuration(
    tmp_path, monkeypatch
):
    here, there = tmp_path / "here", tmp_path / "there"
    for folder in (here, there):
        folder.mkdir()
    (here / "a.json").write_text("{}")
    (there / "a.json").write_text("{}")
    (there / "b.json").write_text("{}")
    monkeypatch.chdir(here)

    found = read(
        there,
        "[component]\nworkflow = client-initiated\nregistry_preload = a.json,b.json\n",
    )

    paths = [path.resolve() for path in found.registries.preload]
    assert paths == [here / "a.json", there / "b.json"]
