"""Certificates out of their time, proxies in the way: told, and cured by the fix."""

from __future__ import annotations

import shlex
import socket
import threading
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from certificates import Authority
from free_ports import free_port
from pilothouse.services.host import ServiceHost, tls_context
from pilothouse.settings import FILE_NAME
from waiting import until

PAST = (2020, 2021)
FUTURE = (2090, 2091)


@pytest.fixture
def faults(run):
    """Return what the doctor finds wrong, by name."""
    return lambda: {check.name: check for check in run("%pilot doctor").faults}


def told(faults, text):
    """Return all faults once that of FastScore says so: a busy machine is late."""

    def found():
        known = faults()
        return "FastScore" in known and text in known["FastScore"].found and known

    return until(found, what=text)


def is_cured(faults):
    until(lambda: "FastScore" not in faults(), what="the cure")


@pytest.fixture
def authority(tmp_path):
    folder = tmp_path / "authority"
    folder.mkdir()
    return Authority(folder)


def profile(folder, url, more=""):
    text = f'[profiles.default.fastscore]\nurl = "{url}"\n{more}'
    (folder / FILE_NAME).write_text(text, encoding="utf-8")


@contextmanager
def suite(monkeypatch, party=None, host="127.0.0.1", port=0):
    with ServiceHost(
        ["fastscore"],
        options={"fastscore": {"engines": ()}},
        tls=None if party is None else tls_context(party.cert, party.key),
        host=host,
        ports={"fastscore": port},
    ) as house:
        monkeypatch.setenv("PILOTHOUSE_FASTSCORE_TOKEN", house.fastscore.token)
        yield house.fastscore


@pytest.mark.parametrize(
    ("years", "says", "does"),
    [
        (PAST, "its certificate has expired", "renew the certificate"),
        (FUTURE, "its certificate is not valid yet", "make the certificate"),
    ],
)
def test_a_certificate_out_of_its_time_is_made_anew_by_the_fix(
    faults, quiet_place, authority, monkeypatch, years, says, does
):
    """The same authority signs again, and the service starts again at its port."""
    port = free_port()
    trust = f'verify = "{authority.ca}"\n'
    profile(quiet_place, f"https://127.0.0.1:{port}", trust)
    with suite(
        monkeypatch, authority.party("test", "test", "server", years=years), port=port
    ):
        found = told(faults, says)
    assert found["FastScore"].fix.startswith(does)
    assert "clock" not in found

    with suite(monkeypatch, authority.party("test", "test", "server"), port=port):
        is_cured(faults)


def test_of_a_connected_suite_it_is_told_too(
    run, faults, quiet_place, authority, monkeypatch
):
    """The certificate runs out while the notebook is open."""
    port = free_port()
    trust = f'verify = "{authority.ca}"\n'
    profile(quiet_place, f"https://127.0.0.1:{port}", trust)
    with suite(monkeypatch, authority.party("test", "test", "server"), port=port):
        connected = run("%fastscore connect")
        is_cured(faults)
        connected.close()  # a connection left open would outlive its server
    with suite(
        monkeypatch, authority.party("test", "test", "server", years=PAST), port=port
    ):
        fault = told(faults, "its certificate has expired")["FastScore"]

    assert fault.fix == "renew the certificate of the service"


def test_where_the_clock_is_wrong_the_certificate_is_not_blamed(
    faults, quiet_place, authority
):
    """The service's own clock says that its certificate is valid."""
    party = authority.party("test", "test", "server", years=FUTURE)
    date = format_datetime(datetime.now(UTC) + timedelta(days=365 * 65), usegmt=True)
    answer = f"HTTP/1.1 404 No\r\nDate: {date}\r\nConnection: close\r\n\r\n"
    with answering(answer, tls_context(party.cert, party.key)) as (port, _):
        profile(
            quiet_place,
            f"https://127.0.0.1:{port}",
            f'verify = "{authority.ca}"\n',
        )
        fix = "set the clock right, then look again"

        def found_with_its_clock():
            known = faults()
            return "FastScore" in known and known["FastScore"].fix == fix and known

        found = until(found_with_its_clock, what=fix)

    assert "its certificate is not valid yet" in found["FastScore"].found
    assert "away from FastScore's" in found["clock"].found
    assert "set-ntp" in found["clock"].fix


@contextmanager
def answering(answer, tls=None):
    """A server with one answer to all: its port, and what it was asked."""
    asked = []
    server = socket.create_server(("127.0.0.1", 0))

    def serve():
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            try:
                with connection:
                    connection.settimeout(30)
                    if tls is None:
                        reply(connection)
                    else:
                        with tls.wrap_socket(connection, server_side=True) as secure:
                            reply(secure)
            except OSError:
                continue  # who does not trust it goes

    def reply(connection):
        asked.append(connection.recv(4096).decode())
        connection.sendall(answer.encode())

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield server.getsockname()[1], asked
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join(30)


REFUSAL = "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


@pytest.fixture
def proxies(monkeypatch):
    """Set a proxy for everything, as the environment of a company does."""
    for name in ("no_proxy", "NO_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)

    def through(url):
        for name in ("http_proxy", "https_proxy"):
            monkeypatch.setenv(name, url)
            monkeypatch.setenv(name.upper(), url)

    return through


def exported(fix, monkeypatch, host):
    """Do what the fix says, as a shell would."""
    command, _, _ = fix.partition(", with")
    word, setting = shlex.split(command)
    assert word == "export"
    name, _, value = setting.partition("=")
    monkeypatch.setenv(name, value.replace("HOST", host))
    monkeypatch.setenv(name.upper(), value.replace("HOST", host))


@pytest.mark.parametrize("is_secure", [False, True], ids=["http", "https"])
@pytest.mark.parametrize("is_there", [False, True], ids=["silent", "refuses"])
def test_a_proxy_in_the_way_is_passed_by_the_fix(
    faults, quiet_place, authority, proxies, monkeypatch, is_secure, is_there
):
    """``0.0.0.0`` is this machine by a name that goes through a proxy."""
    party = authority.party("test", "test", "server") if is_secure else None
    with (
        suite(monkeypatch, party, host="0.0.0.0") as place,
        answering(REFUSAL) as (port, asked),
    ):
        scheme, service = "https" if is_secure else "http", place.url.rpartition(":")[2]
        profile(quiet_place, f"{scheme}://0.0.0.0:{service}", "verify = false\n")
        proxies(f"http://127.0.0.1:{port if is_there else free_port()}")
        says = "answers 403" if is_there else "does not answer"
        fault = told(faults, f"the proxy on the way {says}")["FastScore"]
        assert bool(asked) == is_there
        assert not any(place.token in each for each in asked)
        exported(fault.fix, monkeypatch, "0.0.0.0")
        is_cured(faults)


def test_a_refusal_of_the_service_itself_is_not_blamed_on_the_proxy(
    faults, quiet_place, proxies
):
    with answering(REFUSAL) as (service, _), answering(REFUSAL) as (port, asked):
        profile(quiet_place, f"http://0.0.0.0:{service}")
        proxies(f"http://ann:canary@127.0.0.1:{port}")
        fault = told(faults, "http://<host>")["FastScore"]

    assert "proxy" not in fault.found
    assert "canary" not in repr(fault)
    assert any("Proxy-Authorization: Basic " in each for each in asked)


@pytest.mark.parametrize("is_there", [False, True], ids=["silent", "refuses"])
def test_services_of_this_machine_are_reached_whatever_the_proxy(
    run, faults, quiet_place, proxies, monkeypatch, is_there
):
    """Ours never ask a proxy for loopback; what else runs here may, so it is a note."""
    with suite(monkeypatch) as place, answering(REFUSAL) as (port, asked):
        proxies(f"http://127.0.0.1:{port if is_there else free_port()}")
        profile(quiet_place, place.url)
        is_cured(faults)
        assert not asked
        (note,) = (c for c in run("%pilot doctor").checks if c.name == "proxies")
        assert "leaves this machine out" in note.found
        exported(note.fix, monkeypatch, "")
        (note,) = (c for c in run("%pilot doctor").checks if c.name == "proxies")
        assert not note.fix
