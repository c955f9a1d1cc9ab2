"""The table of instances over a real server."""

from __future__ import annotations

import pytest

from free_ports import free_port
from pilothouse import aimm
from pilothouse.aimm import action as aimm_action
from pilothouse.aimm.state import ActionEntry, ModelEntry, State
from pilothouse.errors import AnswerTimeoutError
from pilothouse.services.host import ServiceHost
from pilothouse_widgets import InstanceTable, RunProgress
from pilothouse_widgets.instance_line import read_line
from pilothouse_widgets.instance_report import result_words
from waiting import until


@pytest.fixture
def client(aimm_server):
    with aimm.connect(
        aimm_server.url, aimm_server.username, aimm_server.password
    ) as client:
        yield client


@pytest.fixture
def instance(client):
    return client.create_instance("lab")


@pytest.fixture
def table(client, instance):
    return InstanceTable(client)


def row(table, instance):
    return next((r for r in table.whole()["rows"] if r["id"] == instance.id), None)


def said(table, instance, *kinds):
    """Wait until a click on an instance has brought something; return it."""
    until(lambda: row(table, instance)["said_as"] in kinds, 60, f"one of {kinds}")
    return row(table, instance)["said"]


@pytest.fixture
def click(comms, table):
    """Return what presses a button of a row."""

    def click(ask, instance, **content):
        comm = next(c for c in comms if c.comm_id == table.comm.comm_id)
        comm.hear({"ask": ask, "id": instance.id, **content})

    return click


@pytest.fixture
def patient(monkeypatch):
    """A cancel waits for its confirmation, however long that takes."""
    monkeypatch.setattr(aimm_action, "_CANCEL_TIMEOUT", 60.0)


@pytest.fixture
def gate(tmp_path):
    """A file that lets the lab's fit go on when it is made."""
    return tmp_path / "gate"


# -- rows ----------------------------------------------------------------------------


def test_a_row_tells_type_size_and_the_last_action(client, instance):
    client.fit(instance.id)
    table = InstanceTable(client)

    found = row(table, instance)

    assert (found["type"], found["call"]) == ("lab", "fit")
    assert (found["progress"], found["runs"]) == ("complete", False)
    assert found["size"] == len(instance.to_bytes())


def test_it_follows_the_server_and_counts_steps(client, table, instance, gate):
    action = instance.submit_fit("wait", str(gate))
    until(lambda: row(table, instance)["done"] == 1.0, 60, "the first step")

    running = row(table, instance)
    assert (running["total"], running["runs"]) == (2.0, True)
    until(lambda: "1 action under way" in table.status)

    gate.touch()
    action.result(60)
    until(lambda: row(table, instance)["progress"] == "complete")
    until(lambda: "under way" not in table.status)


def test_actions_behind_the_running_one_are_counted(client, table, instance, gate):
    first = instance.submit_fit("wait", str(gate))
    until(lambda: first.state == "executing")
    second = instance.submit_predict()
    until(lambda: row(table, instance)["waiting"] == 1, 60, "a second action")

    assert row(table, instance)["call"] == "fit"
    gate.touch()
    assert second.result(60) == 1


def test_only_rows_that_changed_are_sent(client, comms):
    one, two = client.create_instance("lab"), client.create_instance("lab")
    table = InstanceTable(client)
    comm = next(c for c in comms if c.comm_id == table.comm.comm_id)
    until(lambda: comm.custom)
    before = len(comm.custom)

    def sent():
        told = [content for content, _ in comm.custom[before:] if "delta" in content]
        return [r for content in told for r in content["delta"].get("rows", [])]

    one.fit()
    until(
        lambda: (one.id, "complete") in [(r["id"], r.get("progress")) for r in sent()]
    )

    assert two.id not in {r["id"] for r in sent()}


def test_a_state_can_be_shown_without_a_server():
    table = InstanceTable()
    entry = ActionEntry(
        id=7,
        call="fit",
        model=3,
        progress="executing",
        report={"epoch": 5, "epochs": 20, "loss": 0.123456},
    )
    made = ActionEntry(
        id=8, call="create_instance", model_type="plugins.SVC", progress="executing"
    )
    table.show(
        State(
            models={3: ModelEntry(id=3, model_type="<b>Line</b>", size=2048)},
            actions={7: entry, 8: made},
        )
    )
    bundle = table._repr_mimebundle_()[0]

    assert bundle["text/plain"] == "Instances: 1 instance, 1 action under way"
    assert "&lt;b&gt;Line&lt;/b&gt;" in bundle["text/html"]
    assert "executing, 5 of 20, loss 0.1235" in bundle["text/html"]
    assert "2 KiB" in bundle["text/html"]
    assert table.making == ["plugins.SVC executing"]
    assert not table.acts


# -- clicks --------------------------------------------------------------------------


def test_a_click_fits(table, instance, click):
    click("fit", instance, line="'print', 3, n=2")

    assert said(table, instance, "result") == "fit is complete"
    assert "('n', 2)" not in repr(table)
    assert instance.predict() == 1


def test_a_click_predicts_and_keeps_the_result(table, instance, click):
    click("predict", instance, line="'echo', [1.5, 2]")

    assert ".results[" in said(table, instance, "result")
    assert table.results[instance.id] == [1.5, 2]


def test_data_of_the_server_can_be_named(table, instance, click):
    click("predict", instance, line="'echo' @numbers(6, step=2)")

    said(table, instance, "result")
    assert table.results[instance.id] == [0, 2, 4]
    until(lambda: "@numbers" in table.offers)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("open('file')", "is no value"),
        ("instance.id", "is no value"),
        ("@numbers(len([1]))", "is no value"),
        ("n=1 2", "has no name"),
        ("[1, 2", "is missing at the end"),
        ("n=1 n=2", "stands twice"),
    ],
)
def test_nothing_is_evaluated_and_the_reason_is_told(table, instance, click, line, why):
    click("fit", instance, line=line)

    assert why in said(table, instance, "refused")
    assert instance.last_action is None or instance.last_action.call != "fit"


def test_what_goes_wrong_on_the_server_is_told(table, instance, click):
    click("fit", instance, line="'raise'")

    assert "the fit went wrong" in said(table, instance, "refused")
    until(lambda: row(table, instance)["progress"] == "failed")
    assert "the fit went wrong" in row(table, instance)["error"]


def test_a_click_cancels_an_action_that_a_click_began(
    table, instance, click, gate, patient
):
    click("fit", instance, line=f"'wait', {str(gate)!r}")
    until(lambda: row(table, instance)["progress"] == "executing")
    click("cancel", instance, action=row(table, instance)["action"])

    until(lambda: row(table, instance)["progress"] == "cancelled")
    assert "cancel" in said(table, instance, "result", "refused")


def test_a_click_cancels_an_action_of_another_client(
    table, instance, click, gate, aimm_server, patient
):
    with aimm.connect(
        aimm_server.url, aimm_server.username, aimm_server.password
    ) as other:
        action = other.submit_fit(instance.id, "wait", str(gate))
        until(lambda: row(table, instance)["progress"] == "executing")
        click("cancel", instance, action=row(table, instance)["action"])

        with pytest.raises(aimm.ActionError):
            action.result(60)
    assert "the server confirmed it" in said(table, instance, "result")


def test_a_cancel_that_nobody_answers_is_not_confirmed(
    client, table, instance, click, monkeypatch
):
    def silent(*_args):
        raise AnswerTimeoutError("no answer to cancel within 1.8 s", protocol="AIMM")

    monkeypatch.setattr(client, "attach", silent)
    click("cancel", instance, action=1)

    told = said(table, instance, "refused")
    assert told == "the cancel was not confirmed: no answer to cancel within 1.8 s"


def test_a_click_deletes(client, table, instance, click):
    click("delete", instance)

    until(lambda: row(table, instance) is None)
    assert instance.id not in client.models


def test_clicks_that_make_no_sense_do_nothing(client, table, instance, click, comms):
    comm = next(c for c in comms if c.comm_id == table.comm.comm_id)
    before = dict(client.models)
    for content in (
        {"ask": "delete"},
        {"ask": "delete", "id": "1"},
        {"ask": "delete", "id": True},
        {"ask": "delete", "id": 10**9},
        {"ask": "cancel", "id": instance.id, "action": None},
        {"ask": "explode", "id": instance.id},
    ):
        comm.hear(content)
    table.close()

    assert dict(client.models) == before


# -- connection and end --------------------------------------------------------------


def test_a_lost_connection_is_shown_and_it_goes_on(tmp_path):
    def serve(port):
        return ServiceHost(
            ["aimm"], data_dir=tmp_path, ports={"aimm": port}, token="a" * 32
        )

    port = free_port()
    with serve(port) as host:
        place = host.aimm
        client = aimm.connect(place.url, place.username, place.password)
        made = client.create_instance("plugins.Line")
        table = InstanceTable(client)
        until(lambda: table.connection == "ready")
    until(lambda: table.connection == "lost", 60, "the loss")
    assert "connection lost" in repr(table)
    assert row(table, made)["type"] == "plugins.Line"

    with serve(port):
        until(lambda: table.connection == "ready", 60, "the return")
        other = client.create_instance("plugins.Line")
        until(lambda: row(table, other))
        assert row(table, made)
        client.close()
        until(lambda: table.connection == "closed")


def test_another_client_is_shown_with_its_own_address(client, tmp_path):
    with ServiceHost(["aimm"], data_dir=tmp_path) as host:
        place = host.aimm
        before = aimm.connect(place.url, place.username, place.password)
        table = InstanceTable(before)
        before.close()
        until(lambda: table.connection == "closed")
    shown, leave = [], table._leave
    table.observe(lambda _: shown.append((table.connection, table.place)), "connection")

    def leave_and_look():
        leave()
        table._look()  # as the thread of the views does at any moment

    table._leave = leave_and_look
    table.use(client)
    until(lambda: table.connection == "ready")

    assert shown == [("ready", client.url)]


def test_closing_it_leaves_the_client_and_a_snapshot(client, table, instance):
    table.close()

    assert client.ping() >= 0
    assert table._client._session._listeners == []
    assert "lab" in table._static()["text/html"]


# -- lines and results ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "args", "kwargs"),
    [
        ("", [], {}),
        ("1 2.5, -3e2", [1, 2.5, -300.0], {}),
        ("true None 'a b' \"c, d\"", [True, None, "a b", "c, d"], {}),
        ('[[1, 2], [3]] {"a": null} (1, 2)', [[[1, 2], [3]], {"a": None}, (1, 2)], {}),
        ("n=3, name='x=1' X=[1]", [], {"n": 3, "name": "x=1", "X": [1]}),
        ("'it\\'s' n='='", ["it's"], {"n": "="}),
        (
            "@iris @rows(3, n=2) y=@iris",
            [aimm.DataAccess("iris"), aimm.DataAccess("rows", (3,), {"n": 2})],
            {"y": aimm.DataAccess("iris")},
        ),
        (
            "@outer(@inner(1))",
            [aimm.DataAccess("outer", (aimm.DataAccess("inner", (1,)),))],
            {},
        ),
    ],
)
def test_a_line_is_read(line, args, kwargs):
    assert read_line(line) == (args, kwargs)


def test_results_are_told_in_one_line():
    np, pd = pytest.importorskip("numpy"), pytest.importorskip("pandas")

    assert result_words(np.arange(10)) == "10 int64: 0, 1, 2, 3, 4, 5, …"
    assert result_words(np.array([[0.123456]])) == "1 x 1 float64: 0.1235"
    assert result_words(pd.Series([1, 2])) == "2 int64: 1, 2"
    assert result_words(pd.DataFrame({"a": [1]})) == "frame of 1 rows: a"
    assert result_words("x" * 1000) < "x" * 200


# -- the progress of one action ------------------------------------------------------


def test_an_action_that_counts_nothing_shows_no_zero_steps(instance, gate):
    action = instance.submit_predict("wait", str(gate))
    progress = RunProgress(action, label="predict", unit="steps")
    until(lambda: progress.step == "executing")

    assert "0 steps" not in repr(progress)
    gate.touch()
    until(lambda: progress.closed)
    assert "0 steps" not in repr(progress)
    assert "predict" in repr(progress)
