"""``%pilot dashboard``: where its services are, and what it refuses."""

import pytest

from pilothouse import services
from pilothouse.errors import LineError
from pilothouse.fastscore.suite import Connect
from pilothouse.jobs import JobBook, JobRecord
from pilothouse.magics._dashboard import SessionHouse
from pilothouse.magics._session import Session
from pilothouse.settings import FILE_NAME
from pilothouse_widgets import Dashboard, close_all
from waiting import until


@pytest.fixture
def local():
    """The local services, two of them."""
    yield services.up(["fastscore", "mplane"])
    services.down()


@pytest.fixture(autouse=True)
def no_views_left():
    yield
    close_all()


def test_it_shows_local_services_and_what_the_notebook_is_connected_to(run, local):
    run("%fastscore connect")
    page = run("x = %pilot dashboard --service fastscore mplane --every 0.2\nx")

    assert isinstance(page, Dashboard)
    rows = page.board.rows
    until(lambda: all(r["state"] == "up" for r in rows("services").values()))
    assert rows("services")["fastscore"]["origin"] == "this notebook"
    assert rows("services")["mplane"]["url"] == local.mplane.url
    assert "2 of 2 services up" in repr(page)


def test_what_is_measured_on_the_page_belongs_to_the_notebook(shell, run, local):
    page = run("%pilot dashboard --service mplane --every 0.2")
    mplane = page._readers["mplane"]
    until(lambda: mplane.client)
    page.enter("capabilities")
    browser = page._full
    browser.choose("tcp-4")

    form = {"destination.ip4": "127.0.0.1", "destination.port": 9}
    capability = browser._known[browser.chosen]
    sent = browser._run(capability, capability.when(), form, "from the page")
    try:
        known = Session.of(shell).kept("mplane").measurements
        assert known == {"from the page": sent}
        until(lambda: sent.token in page.board.rows("measurements"))
    finally:
        sent.cancel()


def test_runs_of_other_kernels_have_the_totals_of_the_book(shell):
    book, url = JobBook(), "http://127.0.0.1:9"
    for kind, name, details in (
        ("fastmap", "known", {"total": 200}),
        ("fastmap", "endless", {"total": None}),
        ("mplane", "measured", {"total": 3}),
    ):
        book.remember(JobRecord(id=name, kind=kind, url=url, details=details))

    assert SessionHouse(Session.of(shell)).totals() == {"known": 200}


def test_up_starts_the_services_meanwhile(run):
    try:
        page = run("%pilot dashboard --up --every 0.2")
        rows = page.board.rows
        until(lambda: all(r["state"] == "up" for r in rows("services").values()), 90)
        assert len(rows("services")) == 4
    finally:
        services.down()


@pytest.mark.parametrize("line", ["--service nobody", "--every 0", "--every=-1"])
def test_what_makes_no_sense_is_refused(run, line):
    with pytest.raises(LineError):
        run(f"%pilot dashboard {line}")


def test_a_profile_comes_before_local_services(shell, local, quiet_place):
    (quiet_place / FILE_NAME).write_text(
        '[profiles.default.fastscore]\nurl = "http://127.0.0.1:9"\n'
    )
    house = SessionHouse(Session.of(shell))

    assert house.place("fastscore").url == "http://127.0.0.1:9"
    assert house.place("fastscore", "http://127.0.0.1:9").origin == "profile default"
    assert house.place("mplane").url == local.mplane.url
    assert house.place("aimm") is None


def test_a_connection_to_local_services_that_are_gone_stands_back(shell, run):
    first = services.up(["fastscore"])
    try:
        run("%fastscore connect")
        house = SessionHouse(Session.of(shell))
        place = house.place("fastscore")
        assert (place.url, place.is_shared) == (first.fastscore.url, True)
        first.down()
        assert house.place("fastscore").url == first.fastscore.url  # there is no other

        second = services.up(["fastscore"])

        for failed in (first.fastscore.url, ""):
            assert house.place("fastscore", failed).url == second.fastscore.url
        assert run("%fastscore connect").proxy_prefix == second.fastscore.url
        assert house.place("fastscore").is_shared
    finally:
        services.down()


def test_another_suite_that_fails_is_not_replaced(shell, local):
    """An outage elsewhere must not show the local services in its place."""
    url = "http://suite.example:8000"
    session = Session.of(shell)
    session.keep("fastscore", Connect(url))

    assert SessionHouse(session).place("fastscore", url).url == url
