"""The dashboard over real services: what it shows, how much it sends, how it ends."""

import threading

import pytest

from pilothouse import aimm, fastmap, mplane
from pilothouse.errors import ConnectError
from pilothouse.secrets import Secret
from pilothouse.services.host import ServiceHost
from pilothouse_widgets import Dashboard
from pilothouse_widgets.dashboard_board import Board
from pilothouse_widgets.dashboard_places import SERVICES, Given, Place, place_at
from waiting import until

MOST_A_SECOND = 4
MOST_MODELS = 30


@pytest.fixture(scope="module")
def host():
    """All four services, for this file."""
    with ServiceHost(SERVICES, options={"fastmap": {"workers": 2}}) as services:
        yield services


class House(Given):
    """Services that can be put elsewhere, and what this process has sent off."""

    def __init__(self, services):
        super().__init__(services)
        self.sent_runs = []

    def runs(self):
        return self.sent_runs

    def move(self, service, endpoint):
        self._fields[service] = dict(endpoint.to_dict())


def endpoints(host):
    return {name: getattr(host, name) for name in SERVICES}


@pytest.fixture
def house(host):
    return House(endpoints(host))


@pytest.fixture
def dashboard(house):
    made = Dashboard(house, every=0.2)
    yield made
    made.close()


def state_of(dashboard, service):
    return dashboard.board.rows("services")[service]["state"]


def are_up(dashboard, *services):
    return all(state_of(dashboard, each) == "up" for each in services or SERVICES)


def our_threads():
    names = ("pilothouse-dashboard", "pilothouse-watch", "pilothouse-Dashboard")
    return [t.name for t in threading.enumerate() if t.name.startswith(names)]


def test_it_is_there_before_any_service_answers():
    """First paint waits for nobody: here a service never answers."""
    began = threading.Event()
    left = threading.Event()

    def make():
        began.set()
        left.wait(60)
        raise ConnectError("nobody there", protocol="test")

    class Slow:
        def place(self, service, failed=""):
            return Place(url="http://192.0.2.1", make=make)

        def runs(self):
            return []

        measurements = elsewhere = runs

    dashboard = Dashboard(Slow())
    try:
        assert began.wait(30)
        whole = dashboard.get_state("_whole")["_whole"]
        rows = whole["sections"]["services"]["rows"]
        assert [row["state"] for row in rows.values()] == ["asking"] * 4
        assert repr(dashboard) == "Dashboard: 0 of 4 services up"
        left.set()
        until(lambda: state_of(dashboard, "aimm") == "down")
    finally:
        left.set()
        dashboard.close()


def test_it_fills_as_services_answer(dashboard):
    until(lambda: are_up(dashboard), 60, "four services")
    until(lambda: "known" in dashboard.board.head("instances"))
    until(lambda: len(dashboard.board.rows("engines")) == 2)

    services = dashboard.board.rows("services")
    assert services["fastscore"]["version"]
    assert all(row["ms"] > 0 and row["url"] and row["at"] for row in services.values())
    until(lambda: len(dashboard.board.trail("services", "mplane")) >= 2)
    until(lambda: dashboard.board.head("measurements").get("capabilities"))
    until(
        lambda: dashboard.board.rows("engines")["engine-1"]["state"] == "INIT",
        60,
        "the first report",
    )
    assert "4 of 4 services up" in repr(dashboard)


def test_instances_and_their_actions_are_shown_and_told(dashboard, host):
    until(lambda: are_up(dashboard, "aimm"))
    at = host.aimm
    with aimm.connect(at.url, at.username, at.password) as client:
        line = client.create_instance("plugins.Line")
        until(lambda: str(line.id) in dashboard.board.rows("instances"))
        line.fit([[0.0], [1.0]], [1.0, 2.0], epochs=2000)
        row = until(
            lambda: (
                found
                if (found := dashboard.board.rows("instances")[str(line.id)])["call"]
                == "fit"
                and found["progress"] == "complete"
                else None
            ),
            60,
        )
        assert row["type"] == "plugins.Line"
        with pytest.raises(aimm.ActionError):
            line.fit("no numbers", 1)
        until(
            lambda: any(
                e["src"] == "aimm" and e["level"] <= 8 for e in dashboard.board.events
            ),
            60,
            "the failure among the events",
        )
        line.delete()
        until(lambda: str(line.id) not in dashboard.board.rows("instances"))


def test_runs_of_this_process_and_of_others_are_shown(dashboard, house, host, tmp_path):
    until(lambda: are_up(dashboard, "fastmap"))
    options = {"cloud_url": host.fastmap.url, "secret": host.fastmap.secret}
    config = fastmap.init(exec_policy="CLOUD", verbosity="SILENT", **options)

    def slow(n):
        import time

        time.sleep(0.05)
        return n

    enough = str(tmp_path / "enough")

    def endless(n):
        import pathlib
        import time

        time.sleep(0.05)
        while n >= 500 and not pathlib.Path(enough).exists():
            time.sleep(0.05)
        return n

    mine = config.submit(slow, range(60), label="mine")
    house.sent_runs.append(mine)
    other = config.submit(endless, range(600), label="other")
    try:
        rows = dashboard.board.rows
        until(lambda: {mine.run_id, other.run_id} <= set(rows("runs")))
        until(lambda: rows("runs")[mine.run_id]["total"] == 60)
        assert rows("runs")[other.run_id]["total"] is None
        assert rows("runs")[other.run_id]["mine"] is False
        until(lambda: rows("runs")[other.run_id]["done"] > 0, 60, "batches of it")
        until(lambda: mine.wait(0))
        until(lambda: rows("runs")[mine.run_id]["state"] == "done")

        dashboard.enter("run", other.run_id, "other")
        assert not dashboard.refused
        until(lambda: dashboard._full.done > 0, 60, "its progress in the full view")
    finally:
        (tmp_path / "enough").touch()
        other.cancel()


def test_a_measurement_is_shown_with_its_newest_value(dashboard, house):
    until(lambda: are_up(dashboard, "mplane"))
    client = dashboard._readers["mplane"].client
    capability = client.capability_for("tcp-4")
    when = mplane.model.When("now + 30s / 1s")
    params = {"destination.ip4": "127.0.0.1", "destination.port": 9}
    one = house.measure(client, capability, when, params, "reach")
    try:
        row = until(
            lambda: (
                found
                if (found := dashboard.board.rows("measurements").get(one.token))
                and found["latest"]
                else None
            ),
            60,
        )
        assert row["label"] == "reach"
        assert row["latest"][0][0] == "rtt.us"
        assert row["ends"] > row["starts"]
        until(lambda: len(dashboard.board.trail("measurements", one.token)) > 2)

        dashboard.enter("measurement", one.token, "reach")
        assert dashboard._full.measurement is one
    finally:
        one.cancel()
    until(
        lambda: any("reach" in e["text"] for e in dashboard.board.events),
        60,
        "its end among the events",
    )


def test_a_service_that_goes_away_is_shown_and_comes_back_elsewhere(tmp_path):
    def started(data):
        return ServiceHost(["fastscore"], data_dir=data)

    with started(tmp_path / "data") as first:
        house = House({"fastscore": first.fastscore})
        dashboard = Dashboard(house, services=["fastscore"], every=0.2)
        engines = dashboard.board.rows
        until(lambda: engines("engines").get("engine-1", {}).get("state"))
    try:
        until(lambda: state_of(dashboard, "fastscore") == "down")
        row = dashboard.board.rows("services")["fastscore"]
        assert row["why"]
        assert row["at"]
        assert engines("engines")["engine-1"]["state"] == "INIT"  # known last, and kept
        assert "fastscore down" in repr(dashboard)
        with started(tmp_path / "data") as second:
            house.move("fastscore", second.fastscore)
            until(lambda: are_up(dashboard, "fastscore"), 60, "the service back")
            moved = dashboard.board.rows("services")["fastscore"]
            assert moved["url"] == second.fastscore.url
            texts = [event["text"] for event in dashboard.board.events]
            assert "FastScore is back" in texts
            dashboard.close()
    finally:
        dashboard.close()


def test_who_is_refused_is_told_so_and_no_secret_shows(host):
    wrong = {**host.fastmap.to_dict(), "secret": "0" * 64}

    class Wrong(Given):
        def place(self, service, failed=""):
            return place_at(service, wrong, "test")

    dashboard = Dashboard(Wrong({}), services=["fastmap"], every=0.2)
    try:
        until(lambda: state_of(dashboard, "fastmap") == "refused")
        assert "0" * 64 not in str(dashboard.get_state())
        assert "0" * 64 not in str(dashboard._static())
    finally:
        dashboard.close()


def test_a_service_that_nobody_has_named_is_not_an_error():
    dashboard = Dashboard(Given({}), services=["aimm"], every=0.2)
    try:
        until(lambda: state_of(dashboard, "aimm") == "none")
        assert dashboard.board.events == []
    finally:
        dashboard.close()


def test_what_was_there_once_is_down_when_nobody_names_it_any_more(host):
    house = House({"mplane": host.mplane})
    dashboard = Dashboard(house, services=["mplane"], every=0.2)
    try:
        until(lambda: are_up(dashboard, "mplane"))
        house._fields.clear()

        until(lambda: state_of(dashboard, "mplane") == "down")
        assert dashboard.board.rows("services")["mplane"]["at"]
        house.move("mplane", host.mplane)
        until(lambda: are_up(dashboard, "mplane"))
    finally:
        dashboard.close()


def test_no_credential_is_in_anything_that_is_sent_or_kept(dashboard, host, comms):
    until(lambda: are_up(dashboard))
    for kind in ("console", "instances", "capabilities"):
        dashboard.enter(kind, "", kind)
        assert not dashboard.refused
    dashboard.back()

    secrets = [
        value
        for name in SERVICES
        for key, value in getattr(host, name).to_dict().items()
        if key in ("token", "secret", "password")
    ]
    assert len(secrets) == 3
    said = [str((each.opened, each.messages)) for each in comms]
    said += [str(dashboard._static()), repr(dashboard), repr(dashboard._house)]
    said += [repr(place_at(n, getattr(host, n).to_dict(), "")) for n in SERVICES]
    assert [s for s in secrets if any(s in text for text in said)] == []


def test_it_sends_at_most_four_messages_a_second(dashboard, comms, host):
    """Also while all four services change and a score goes on; counted at the comm."""
    until(lambda: are_up(dashboard))
    mine = next(each for each in comms if each.comm_id == dashboard.model_id)
    mine.hear({"ask": "seen"})
    before = len(mine.times)

    def more():
        """Something new all the time."""
        dashboard.board.tell("test", "an event")
        dashboard.board.patch("services", "aimm", hint=str(len(mine.times)))
        return len(mine.times) - before >= 12

    until(more, 60, "twelve messages")

    times = mine.times[before:]
    later = times[MOST_A_SECOND:]
    assert min(b - a for a, b in zip(times, later, strict=False)) >= 1.0
    sizes = [len(str(m)) for m in mine.messages[before:]]
    assert max(sizes) < 20_000


def test_a_page_has_few_models_whatever_is_open(dashboard, comms):
    until(lambda: are_up(dashboard))
    until(lambda: "engine-1" in dashboard.board.rows("engines"))

    def models():
        return sum(not each.closed for each in comms)

    alone = models()
    most = {}
    for kind, key in (
        ("engine", "engine-1"),
        ("console", ""),
        ("instances", ""),
        ("capabilities", ""),
    ):
        dashboard.enter(kind, key, kind)
        assert dashboard.view == f"anywidget:{dashboard._full.model_id}"
        most[kind] = models()
    dashboard.back()

    assert dashboard.view == ""
    assert alone <= 2
    assert max(most.values()) <= MOST_MODELS
    assert models() == alone


def test_what_cannot_be_opened_says_why(dashboard):
    dashboard.enter("measurement", "nobody", "nobody")
    assert "another notebook" in dashboard.refused
    until(lambda: are_up(dashboard, "fastscore"))
    dashboard.enter("engine", "engine-9", "engine-9")
    assert "engine-9" in dashboard.refused
    assert dashboard.view == ""


def test_a_click_opens_and_the_way_back_closes(dashboard, comms):
    until(lambda: are_up(dashboard, "aimm"))
    mine = next(each for each in comms if each.comm_id == dashboard.model_id)

    mine.hear({"ask": "open", "kind": "instances", "key": "", "title": "Instances"})
    until(lambda: dashboard.opened.get("kind") == "instances")
    full = dashboard._full
    mine.hear({"ask": "open", "kind": "shell", "key": "rm"})  # nothing of the kind
    mine.hear({"ask": "back"})
    until(lambda: full.closed)
    assert dashboard.opened == {}


def test_nothing_is_sent_while_nobody_looks(house, comms, monkeypatch):
    """A page that was closed says no more that it is there."""
    import pilothouse_widgets.dashboard as module

    monkeypatch.setattr(module, "_LOOKS_SECONDS", 0.5)
    dashboard = Dashboard(house, services=["aimm"], every=0.2)
    try:
        mine = next(each for each in comms if each.comm_id == dashboard.model_id)
        until(lambda: not dashboard._is_seen())
        until(lambda: are_up(dashboard, "aimm"))
        at = dashboard._deltas.shown
        until(lambda: dashboard._deltas.shown > at, 60, "the end of a beat before")
        settled = len(mine.messages)
        at = dashboard._deltas.shown
        until(lambda: dashboard._deltas.shown >= at + 4, 60, "beats")
        assert len(mine.messages) == settled

        def is_told():
            mine.hear({"ask": "here"})  # as a page says again and again
            return len(mine.messages) > settled

        until(is_told, 60, "news for who looks again")
    finally:
        dashboard.close()


def test_its_end_ends_every_thread_and_leaves_what_was_known(house):
    before = set(our_threads())
    dashboard = Dashboard(house, every=0.2)
    until(lambda: are_up(dashboard))
    until(lambda: dashboard.board.rows("engines"))
    dashboard.enter("engine", "engine-1")

    dashboard.close()
    dashboard.close()

    until(lambda: set(our_threads()) <= before, 60, "the end of the threads")
    html = dashboard._static()["text/html"]
    assert "4 of 4 services up" in html
    assert "engine-1" in html


def test_a_board_of_somebody_else_is_shown_as_it_is():
    board = Board(clock=lambda: 1_700_000_000.0)
    board.patch("services", "aimm", title="AIMM <b>", state="up", ms=1.5, at=1.0)
    dashboard = Dashboard(board, services=["aimm"])
    try:
        assert dashboard._readers == {}
        assert "AIMM &lt;b&gt;" in dashboard._static()["text/html"]
    finally:
        dashboard.close()


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"services": ["nobody"]}, ValueError),
        ({"every": 0}, ValueError),
        ({"house": 17}, TypeError),
    ],
    ids=["unknown", "no interval", "no house"],
)
def test_what_makes_no_sense_is_refused(options, error):
    with pytest.raises(error):
        Dashboard(**options)


def test_a_place_tells_credentials_apart_but_shows_none(host):
    fields = host.fastmap.to_dict()
    one, same = (place_at("fastmap", fields, "here") for _ in range(2))
    other = place_at("fastmap", {**fields, "secret": "1" * 64}, "here")

    assert one == same
    assert one != other
    assert fields["secret"] not in repr(one)
    assert one.key == ("", Secret(fields["secret"]))
