"""``%pilot``: local services, profiles, doctor."""

from __future__ import annotations

import pytest

from pilothouse import services
from pilothouse.errors import LineError, SettingsError
from pilothouse.fastscore.suite import Connect
from pilothouse.magics._doctor import _tls
from pilothouse.magics._doctor_ways import clock_of
from pilothouse.magics._report import State, redact
from pilothouse.magics._session import Session
from pilothouse.settings import FILE_NAME

pytestmark = pytest.mark.usefixtures("calm_doctor")


@pytest.fixture
def no_services_left():
    yield
    services.down()


def test_bare_it_says_what_runs_and_shows_examples(run):
    page = repr(run("%pilot"))

    assert "no local services run" in page
    assert "profile in use: default" in page
    assert "%pilot up" in page


def test_up_status_connect_logs_down(run, no_services_left, quiet_place):
    started = run(f"%pilot up --data-dir {quiet_place / 'data'}")
    assert started.is_new

    assert run("%pilot up").pid == started.pid
    rows = run("%pilot status")
    assert [row["process"] for row in rows] == [started.pid] * len(rows)
    connected = run("%fastscore connect")
    assert isinstance(connected, Connect)
    assert connected.proxy_prefix == started.fastscore.url
    assert len(connected.fleet()) == 3
    assert str(started.pid) in run("%pilot logs 5")
    assert str(started.pid) in repr(run("%pilot"))

    ended = run("%pilot down")
    assert str(started.pid) in repr(ended)
    assert not started.is_alive
    with pytest.raises(LineError, match="no suite yet"):
        run("%fastscore fleet")
    assert repr(run("%pilot status")).startswith("(no local services run")


def test_connecting_without_a_place_starts_local_services(run, no_services_left):
    connected = run("%fastscore connect")

    assert connected.check_health()["release"]
    assert services.status()[0].fastscore.url == connected.proxy_prefix


def test_logs_without_services_are_an_error(run):
    with pytest.raises(LineError, match="no local services run"):
        run("%pilot logs")


@pytest.mark.parametrize("word", ["fastscore", "fastscore=", "fastscore=x", "=3"])
def test_a_port_that_is_none_is_an_error(run, word):
    with pytest.raises(LineError, match="no SERVICE=N"):
        run(f"%pilot up --port {word}")


def test_profiles_say_where_each_value_came_from(run, quiet_place, monkeypatch):
    monkeypatch.setenv("PILOTHOUSE_FASTSCORE_USERNAME", "ann")
    (quiet_place / FILE_NAME).write_text(
        'default = "lab"\n[profiles.lab.fastscore]\nurl = "https://suite.example"\n'
        "[profiles.far]\n",
        encoding="utf-8",
    )

    rows = {(r["profile"], r.get("setting")): r for r in run("%pilot profiles")}

    url = rows["lab", "fastscore.url"]
    assert (url["value"], url["in use"]) == ("https://suite.example", "yes")
    assert url["from"] == str(quiet_place / FILE_NAME)
    user = rows["lab", "fastscore.username"]
    assert user["from"] == "PILOTHOUSE_FASTSCORE_USERNAME"
    assert rows["far", None]["in use"] == ""


def test_use_chooses_a_profile(run, quiet_place, shell):
    (quiet_place / FILE_NAME).write_text("[profiles.far]\n", encoding="utf-8")

    rows = run("%pilot use far")

    assert {r["profile"]: r["in use"] for r in rows}["far"] == "yes"
    assert Session.of(shell).options.profile == "far"
    with pytest.raises(SettingsError):
        run("%pilot use near")


def checks(report):
    return {check.name: check for check in report.checks}


def test_the_doctor_looks_at_everything(run, connected):
    report = run("%pilot doctor")
    found = checks(report)

    for name in ("python", "packages", "front end", "proxies", "profiles"):
        assert name in found
    for name in ("credentials", "local services", "FastScore", "clock", "fleet"):
        assert name in found
    assert found["FastScore"].state is State.OK
    assert found["clock"].state is State.OK
    assert "fix" in repr(report)
    assert "<table>" in report._repr_html_()


def test_the_doctor_asks_every_local_service(run, no_services_left, quiet_place):
    run(f"%pilot up --data-dir {quiet_place / 'data'}")

    apart = checks(run("%pilot doctor"))
    for word in ("fastscore connect", "aimm connect", "fastmap connect"):
        run(f"%{word}")
    run("%mplane getcap")
    connected = checks(run("%pilot doctor"))

    for found in (apart, connected):
        for name in ("FastScore", "AIMM", "Fastmap", "mPlane"):
            assert found[name].state is State.OK, found[name]
    assert "takes our secret" in apart["Fastmap"].found
    assert "capabilities" in connected["mPlane"].found


def test_services_that_are_gone_are_faults_with_a_fix(run, quiet_place, monkeypatch):
    monkeypatch.setenv("PILOTHOUSE_FASTMAP_SECRET", "a" * 64)
    gone = "".join(
        f'[profiles.default.{service}]\nurl = "{scheme}://127.0.0.1:9"\n'
        for service, scheme in (("aimm", "ws"), ("fastmap", "http"), ("mplane", "http"))
    )
    (quiet_place / FILE_NAME).write_text(gone, encoding="utf-8")

    found = checks(run("%pilot doctor"))

    for name in ("AIMM", "Fastmap", "mPlane"):
        assert found[name].state is State.FAULT
        assert "%pilot up" in found[name].fix
    assert "a" * 64 not in repr(found)


def test_every_fault_has_a_fix(run, connected, quiet_place):
    (quiet_place / FILE_NAME).write_text(
        '[profiles.a.fastscore]\npassword = "canary"\n', encoding="utf-8"
    )

    report = run("%pilot doctor")

    assert not report.ok
    assert {c.name for c in report.faults} == {"profiles", "fleet"}
    assert all(check.fix for check in report.faults)
    assert "canary" not in repr(report)


def test_the_report_is_safe_to_paste(run, connected, quiet_place, monkeypatch):
    monkeypatch.setenv("PILOTHOUSE_FASTSCORE_PASSWORD", "canary-1")
    monkeypatch.setenv("HTTP_PROXY", "http://ann:canary-2@proxy.example:3128")
    monkeypatch.setenv("HOME", str(quiet_place))

    text = repr(run("%pilot doctor")) + run("%pilot doctor")._repr_html_()

    for secret in ("canary", "proxy.example", connected.token, str(quiet_place)):
        assert secret not in text


def test_a_host_that_is_not_reached_is_not_named(run, quiet_place):
    (quiet_place / FILE_NAME).write_text(
        '[profiles.default.fastscore]\nurl = "http://suite.invalid:8000"\n',
        encoding="utf-8",
    )

    (check,) = (c for c in run("%pilot doctor").faults if c.name == "FastScore")

    assert check.found.startswith("http://<host>:8000 (its name is not")
    assert "suite.invalid" not in check.found


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("https://suite.example:8000/x?y=1 fails", "https://<host>:8000 fails"),
        ("http://127.0.0.1:8000/x", "http://127.0.0.1:8000/x"),
        ("wss://a.b", "wss://<host>"),
        ("https://ann:pw@suite.example", "https://<host>"),
        ("/home/ann/notebooks", "/home/<user>/notebooks"),
    ],
)
def test_redacted_text_names_nobody(text, redacted):
    assert redact(text) == redacted


def test_the_profiles_suite_is_looked_at_before_one_is_connected(
    run, bare_suite, quiet_place
):
    (quiet_place / FILE_NAME).write_text(
        f'[profiles.default.fastscore]\nurl = "{bare_suite.url}"\n', encoding="utf-8"
    )

    fault = checks(run("%pilot doctor"))["FastScore"]

    assert fault.state is State.FAULT
    assert "--user" in fault.fix


@pytest.mark.parametrize("version", ["7.0.0", "7.0.1"])
def test_a_known_bad_ipykernel_is_a_fault(run, monkeypatch, version):
    monkeypatch.setattr("pilothouse.magics._doctor._version", lambda name: version)

    fault = checks(run("%pilot doctor"))["ipykernel"]

    assert "!=7.0.0,!=7.0.1" in fault.fix


@pytest.mark.parametrize(
    ("url", "verify", "state", "says"),
    [
        ("https://suite.example", True, State.OK, "certificates are checked"),
        ("https://suite.example", False, State.NOTE, "NOT checked"),
        ("https://localhost:1", False, State.OK, "NOT checked"),
        ("http://suite.example", None, State.NOTE, "in the clear"),
    ],
)
def test_the_doctor_looks_at_tls(url, verify, state, says):
    (check,) = _tls(url, verify)

    assert (check.state, says in check.found) == (state, True)


def test_a_clock_far_away_is_a_fault():
    (check,) = clock_of("FastScore", "Thu, 01 Jan 2015 00:00:00 GMT")

    assert check.state is State.FAULT


def test_a_suite_that_is_gone_is_a_fault_with_a_fix(run, connected):
    connected.host.stop()

    fault = checks(run("%pilot doctor"))["FastScore"]

    assert fault.state is State.FAULT
    assert "%pilot up" in fault.fix
