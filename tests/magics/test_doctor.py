"""Each fault is really made, told by the doctor, and gone after the fix it printed."""

from __future__ import annotations

import json
import os
import socket
import stat
import subprocess
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from certificates import Authority
from pilothouse import services
from pilothouse.jobs import JobBook
from pilothouse.magics._report import State
from pilothouse.services.host import ServiceHost, tls_context
from pilothouse.settings import FILE_NAME

pytestmark = pytest.mark.usefixtures("calm_doctor")


@pytest.fixture
def doctor(run):
    def doctor():
        return run("%pilot doctor")

    return doctor


def faults(report):
    return {check.name: check for check in report.faults}


def profile(folder, service, url, more=""):
    text = f'[profiles.default.{service}]\nurl = "{url}"\n{more}'
    (folder / FILE_NAME).write_text(text, encoding="utf-8")


@contextmanager
def suite(tls=None, **more):
    options = {"fastscore": {"engines": ()}}
    with ServiceHost(["fastscore"], options=options, tls=tls, **more) as host:
        yield host.fastscore


@pytest.fixture
def authority(tmp_path):
    folder = tmp_path / "authority"
    folder.mkdir()
    return Authority(folder)


@pytest.fixture
def secure(authority, monkeypatch):
    party = authority.party("test", "test", "server")
    with suite(tls_context(party.cert, party.key)) as place:
        monkeypatch.setenv("PILOTHOUSE_FASTSCORE_TOKEN", place.token)
        yield place


def test_an_unknown_authority_is_named_and_its_file_is_the_fix(
    doctor, quiet_place, secure, authority
):
    """The fix is pasted into the profile, with the file in place of FILE."""
    profile(quiet_place, "fastscore", secure.url, "verify = true\n")
    fault = faults(doctor())["FastScore"]

    assert "nobody known has signed its certificate" in fault.found
    fix, _, _ = fault.fix.partition(" in the profile")
    profile(
        quiet_place, "fastscore", secure.url, fix.replace("FILE", str(authority.ca))
    )
    assert "FastScore" not in faults(doctor())


@pytest.mark.parametrize(
    ("wrong", "says"),
    [("http", "it speaks TLS"), ("https", "it speaks no TLS")],
)
def test_the_other_scheme_is_the_fix(
    doctor, quiet_place, authority, monkeypatch, wrong, says
):
    party = authority.party("test", "test", "server")
    tls = tls_context(party.cert, party.key) if wrong == "http" else None
    with suite(tls) as place:
        monkeypatch.setenv("PILOTHOUSE_FASTSCORE_TOKEN", place.token)
        address = place.url.partition("://")[2]
        profile(quiet_place, "fastscore", f"{wrong}://{address}")
        fault = faults(doctor())["FastScore"]

        assert says in fault.found
        right, before = fault.fix.split()[1], fault.fix.split()[-1]
        assert before == f"{wrong}://"
        profile(quiet_place, "fastscore", f"{right}{address}")
        assert "FastScore" not in faults(doctor())


def test_a_name_that_the_certificate_has_is_the_fix(
    doctor, quiet_place, authority, monkeypatch
):
    """The certificate is for localhost and 127.0.0.1, the service at 127.0.0.2, too."""
    party = authority.party("test", "test", "server")
    tls = tls_context(party.cert, party.key)
    trust = f'verify = "{authority.ca}"\n'
    with suite(tls, host="0.0.0.0") as place:
        port = place.url.rpartition(":")[2]
        monkeypatch.setenv("PILOTHOUSE_FASTSCORE_TOKEN", place.token)
        profile(quiet_place, "fastscore", f"https://127.0.0.2:{port}", trust)
        fault = faults(doctor())["FastScore"]

        assert "its certificate is for another name" in fault.found
        assert fault.fix == "use a name that the certificate has"
        profile(quiet_place, "fastscore", f"https://localhost:{port}", trust)
        assert "FastScore" not in faults(doctor())


def test_a_name_that_is_not_known_is_told(doctor, quiet_place):
    profile(quiet_place, "mplane", "http://no-such-name.invalid:1")

    assert "its name is not known here" in faults(doctor())["mPlane"].found


def test_a_service_that_does_not_run_is_started_by_the_fix(
    run, doctor, quiet_place, no_services
):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        profile(quiet_place, "fastmap", f"http://127.0.0.1:{taken.getsockname()[1]}")
    fault = faults(doctor())["Fastmap"]

    assert "nothing listens there" in fault.found
    assert fault.fix == "%pilot up, then %fastmap connect local"
    for line in fault.fix.split(", then "):
        run(line)
    assert "Fastmap" not in faults(doctor())


def test_a_file_that_others_may_read_is_closed_by_the_fix(
    run, doctor, quiet_place, no_services, monkeypatch
):
    run("%pilot up --service fastmap")
    (path,) = services.spawn.find_records()[0].path.parent.glob("pilothouse-*.json")
    path.chmod(0o644)
    fault = faults(doctor())["secret files"]

    subprocess.run(fault.fix, shell=True, check=True)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "secret files" not in faults(doctor())


def test_services_of_another_version_are_renewed_by_the_fix(
    run, doctor, quiet_place, no_services
):
    run("%pilot up --service fastmap")
    path = services.spawn.find_records()[0].path
    record = json.loads(path.read_text())
    path.write_text(json.dumps({**record, "version": "0.0.1"}))
    fault = faults(doctor())["old services"]

    assert "0.0.1" in fault.found
    for line in fault.fix.split(", then "):
        run(line)
    assert "old services" not in faults(doctor())


def test_a_file_in_the_way_of_the_jobs_is_moved_by_the_fix(doctor, quiet_place):
    folder = JobBook().folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.write_text("no folder")
    fault = faults(doctor())["jobs"]

    subprocess.run(fault.fix, shell=True, check=True)
    assert "jobs" not in faults(doctor())


def test_a_profile_with_a_password_is_told_with_its_fix(doctor, quiet_place):
    profile(quiet_place, "fastscore", "http://127.0.0.1:9", 'password = "canary"\n')
    fault = faults(doctor())["profiles"]

    assert "take it out" in fault.fix
    assert "canary" not in repr(fault)
    profile(quiet_place, "fastscore", "http://127.0.0.1:9")
    assert "profiles" not in faults(doctor())


@contextmanager
def answering(date):
    """A server that answers every request with the time that it has."""
    server = socket.create_server(("127.0.0.1", 0))

    def answer():
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            head = f"HTTP/1.1 404 No\r\nDate: {date}\r\nContent-Length: 0\r\n"
            try:
                with connection:
                    connection.recv(4096)
                    connection.sendall(f"{head}Connection: close\r\n\r\n".encode())
            except OSError:
                continue  # who asked has gone

    thread = threading.Thread(target=answer)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join(30)


def test_a_clock_that_is_wrong_is_told_until_it_is_right(doctor, quiet_place):
    now = datetime.now(UTC)
    with answering(format_datetime(now - timedelta(hours=2), usegmt=True)) as url:
        profile(quiet_place, "mplane", url)
        fault = faults(doctor())["clock"]
    assert "away from mPlane's" in fault.found
    assert "set-ntp" in fault.fix

    with answering(format_datetime(datetime.now(UTC), usegmt=True)) as url:
        profile(quiet_place, "mplane", url)
        assert "clock" not in faults(doctor())


def test_missing_credentials_are_told_and_the_variable_is_the_fix(
    doctor, quiet_place, fastmap_service, monkeypatch
):
    profile(quiet_place, "fastmap", fastmap_service.url)
    (note,) = (c for c in doctor().checks if c.name == "Fastmap")
    assert note.state is State.NOTE

    variable = note.fix.split()[1].rstrip(",")
    monkeypatch.setenv(variable, "0" * 64)
    assert "does not take us" in faults(doctor())["Fastmap"].found
    monkeypatch.setenv(variable, fastmap_service.secret)
    (check,) = (c for c in doctor().checks if c.name == "Fastmap")
    assert check.state is State.OK


def test_with_everything_silent_the_report_comes_soon(doctor, quiet_place, monkeypatch):
    """Four services that take a connection and say nothing: asked at the same time."""
    for module in ("_doctor", "_doctor_peers"):
        monkeypatch.setattr(f"pilothouse.magics.{module}._PATIENCE", 2.0)
    with socket.create_server(("127.0.0.1", 0), backlog=50) as silent:
        port = silent.getsockname()[1]
        text = "".join(
            f'[profiles.default.{name}]\nurl = "{scheme}://127.0.0.1:{port}"\n'
            for name, scheme in (
                ("fastscore", "https"),
                ("aimm", "wss"),
                ("fastmap", "https"),
                ("mplane", "https"),
            )
        )
        (quiet_place / FILE_NAME).write_text(text)
        began = time.monotonic()
        found = faults(doctor())
        took = time.monotonic() - began

    assert {"FastScore", "AIMM", "Fastmap", "mPlane"} <= set(found)
    assert all(check.fix for check in found.values())
    assert took < 8 * 2.0  # one after another they would take that long


def test_the_report_names_nobody(doctor, quiet_place, monkeypatch):
    monkeypatch.setenv("PILOTHOUSE_FASTSCORE_PASSWORD", "canary-secret-1")
    monkeypatch.setenv("PILOTHOUSE_AIMM_PASSWORD", "canary-secret-2")
    monkeypatch.setenv("PILOTHOUSE_FASTMAP_SECRET", "0c" * 32)
    monkeypatch.setenv("HOME", str(quiet_place))
    monkeypatch.setenv("LOGNAME", "canaryuser")
    profile(
        quiet_place,
        "fastscore",
        "http://canaryhost.invalid:8",
        'username = "canaryann"\n',
    )

    report = doctor()

    told = repr(report) + report._repr_html_()
    for private in ("canary", "0c0c", str(quiet_place), os.fspath(quiet_place)):
        assert private not in told
    assert "<host>" in told


@pytest.fixture
def no_services(monkeypatch):
    yield
    for local in services.status():
        local.down()
