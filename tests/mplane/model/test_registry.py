"""Registries come from the package and from allowed places, never from a message."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler
from typing import ClassVar

import pytest

from pilothouse.mplane import model
from pilothouse.mplane.model import CORE_URI, Registry
from web_server import WebServer

URI = "http://example.com/registry/test"
OTHER = "http://example.com/registry/other"


def written(folder, uri=URI, elements=(), includes=(), **more):
    """A registry file."""
    content = {
        "registry-format": "mplane-0",
        "registry-uri": uri,
        "registry-revision": 3,
        "includes": list(includes),
        "elements": [
            dict(zip(("name", "prim", "desc"), e, strict=False)) for e in elements
        ],
    }
    file = folder / f"{uri.rsplit('/', 1)[-1]}.json"
    file.write_text(json.dumps(content | more))
    return file


def test_the_core_registry_is_shipped():
    core = Registry()

    assert core.uri() == CORE_URI
    assert len(core) == 113
    assert core["source.ip4"].qualified_name() == f"{CORE_URI}#source.ip4"
    assert core["source.ip4"].primitive_name() == "address"
    assert core["intermedate.as"] is not None
    assert core["no.such"] is None
    assert "time" in core
    assert next(iter(core)) == "start"


def test_a_registry_includes_core_and_replaces_what_it_defines_anew(tmp_path):
    file = written(
        tmp_path,
        elements=[("end", "string", "another end"), ("test.input", "string")],
        includes=[CORE_URI],
    )

    loaded = model.preload_registry(file)

    assert model.registry_for_uri(URI) is loaded
    assert loaded.revision() == 3
    assert len(loaded) == 114
    assert loaded["end"].qualified_name() == f"{URI}#end"
    assert loaded["end"].primitive_name() == "string"
    assert loaded["end"].desc() == "another end"
    assert loaded["start"].qualified_name() == f"{CORE_URI}#start"


def test_an_include_loop_is_refused(tmp_path):
    one = written(tmp_path, includes=[OTHER])
    written(tmp_path, uri=OTHER, includes=[URI])
    model.allow_place(tmp_path)

    with pytest.raises(ValueError, match=r"Invalid Registry uri: .* includes itself"):
        model.preload_registry(one)
    with pytest.raises(ValueError, match="includes itself"):
        model.registry_for_uri(OTHER)


BROKEN = {
    "no JSON": "{",
    "no object": "[]",
    "another format": '{"registry-format": "mplane-1", "registry-uri": "u"}',
    "no uri": '{"registry-format": "mplane-0"}',
    "a revision that is no number": (
        '{"registry-format": "mplane-0", "registry-uri": "u", "registry-revision": "x"}'
    ),
    "elements that are no list": (
        '{"registry-format": "mplane-0", "registry-uri": "u", "elements": {}}'
    ),
    "an element that is no object": (
        '{"registry-format": "mplane-0", "registry-uri": "u", "elements": ["x"]}'
    ),
    "an element of an unknown type": (
        '{"registry-format": "mplane-0", "registry-uri": "u",'
        ' "elements": [{"name": "x", "prim": "colour"}]}'
    ),
    "an element without a name": (
        '{"registry-format": "mplane-0", "registry-uri": "u",'
        ' "elements": [{"prim": "url"}]}'
    ),
}


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN)
def test_a_broken_file_is_refused_by_its_name(tmp_path, text):
    file = tmp_path / "broken.json"
    file.write_text(text)

    with pytest.raises(ValueError, match=r"Invalid Registry uri: .*broken\.json"):
        Registry(filename=str(file))


def test_units_may_be_given_and_a_type_may_be_called_bool(tmp_path):
    file = written(tmp_path)
    content = json.loads(file.read_text())
    content["elements"] = [
        {"name": "load", "prim": "real", "units": "Erl"},
        {"name": "up", "prim": "bool", "ipfix-eid": 7},
        {"name": "wait", "prim": "natural", "units": "us"},
        {"name": "body", "prim": "natural", "units": "octets"},
    ]
    file.write_text(json.dumps(content))

    loaded = model.preload_registry(file)

    assert loaded["load"].unit() == "Erl"
    assert loaded["wait"].unit() == "µs"
    assert loaded["body"].unit() == "B"
    assert loaded["up"].primitive_name() == "boolean"


@pytest.mark.parametrize("form", [str, lambda path: path.as_uri()])
def test_a_program_loads_a_file_by_path_or_file_url(tmp_path, form):
    file = written(tmp_path, elements=[("test.input", "string")])

    model.initialize_registry(form(file))

    assert model.base_registry().uri() == URI
    assert model.Capability().registry().uri() == URI
    assert model.registry_for_uri(URI) is model.base_registry()


def message(uri):
    return json.dumps({"capability": "measure", "registry": uri, "when": "now"})


def test_a_message_loads_no_file(tmp_path):
    file = written(tmp_path)

    for uri in (str(file), file.as_uri(), URI):
        with pytest.raises(ValueError, match="Invalid Registry uri"):
            model.parse_json(message(uri))


def test_a_message_may_name_what_lies_in_an_allowed_folder(tmp_path):
    written(tmp_path)
    (tmp_path / "broken.json").write_text("{")
    model.allow_place(tmp_path)

    assert model.parse_json(message(URI)).registry().uri() == URI
    with pytest.raises(ValueError, match="not allowed"):
        model.parse_json(message(OTHER))


class Answers(BaseHTTPRequestHandler):
    """Serves registries, and a redirect; counts what was asked."""

    asked: ClassVar[list[str]] = []

    def do_GET(self):
        self.asked.append(self.path)
        if self.path == "/allowed/moved":
            self.send_response(302)
            self.send_header("Location", "/elsewhere/registry")
            self.end_headers()
            return
        host = self.headers["Host"]
        body = json.dumps(
            {"registry-format": "mplane-0", "registry-uri": f"http://{host}{self.path}"}
        ).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    Answers.asked = []
    server = WebServer(Answers)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_nothing_is_fetched_because_a_message_says_so(server):
    with pytest.raises(ValueError, match="not allowed"):
        model.parse_json(message(f"{server}/allowed/registry"))

    assert Answers.asked == []


def test_an_allowed_address_is_fetched_once_and_no_other(server):
    model.allow_place(f"{server}/allowed/")

    for _ in range(2):
        model.parse_json(message(f"{server}/allowed/registry"))
    for uri in (f"{server}/elsewhere/registry", f"{server}/allowed/moved"):
        with pytest.raises(ValueError, match="Invalid Registry uri"):
            model.parse_json(message(uri))

    assert Answers.asked == ["/allowed/registry", "/allowed/moved"]


def test_an_allowed_address_ends_in_a_slash():
    with pytest.raises(ValueError, match="ends in a slash"):
        model.allow_place("http://example.com")


def test_an_element_is_looked_for_in_the_registry_named_then_in_all(tmp_path):
    file = written(tmp_path, elements=[("end", "string"), ("test.input", "string")])
    model.preload_registry(file)

    assert model.element("end").qualified_name() == f"{CORE_URI}#end"
    assert model.element("end", URI).qualified_name() == f"{URI}#end"
    assert model.element("start", URI).qualified_name() == f"{CORE_URI}#start"
    assert model.element("test.input").qualified_name() == f"{URI}#test.input"
    with pytest.raises(KeyError, match=r"no\.such not present in registries"):
        model.element("no.such")


def test_the_base_registry_is_core_until_another_is_loaded():
    model.forget_registries()

    assert model.Capability().registry().uri() == CORE_URI
    assert [each.uri() for each in model.loaded_registries()] == [CORE_URI]


def test_an_empty_registry_has_its_name_only():
    registry = Registry(URI, noparse=True)

    assert (registry.uri(), len(registry)) == (URI, 0)
    assert registry


UNITS = {
    "delay.twoway.icmp.us.mean": "µs",
    "delay.twoway.icmp.us.50pct": "µs",
    "delay.twoway.icmp.count": "",
    "duration.ms": "ms",
    "bandwidth.nominal.kbps": "kbit/s",
    "packets.lost": "packets",
    "octets.ip": "B",
    "hops.as": "hops",
    "fps.achieved.min": "frames/s",
    "location.latitude": "°",
    "source.as": "",
    "time": "",
    "snr": "dB",
}


@pytest.mark.parametrize(("name", "unit"), UNITS.items())
def test_the_unit_is_read_from_the_name(name, unit):
    assert model.element(name).unit() == unit


def test_an_element_becomes_only_itself():
    delay = model.element("rtt.ms")

    assert delay.compatible_with(model.element("rtt.ms"))
    assert delay.transformation_to(model.element("rtt.ms"))(7) == 7
    assert not delay.compatible_with(model.element("rtt.us"))
    with pytest.raises(ValueError, match=r"rtt\.ms does not become rtt\.us"):
        delay.transformation_to(model.element("rtt.us"))


def test_an_element_reads_and_writes_its_values():
    port = model.element("source.port")

    assert port.parse("80") == 80
    assert port.unparse(80) == "80"
    assert str(port) == port.name() == "source.port"
    assert repr(model.element("time")) == (
        f"<Element {CORE_URI}#time mplane.model.prim_time >"
    )
