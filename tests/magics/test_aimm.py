"""``%aimm``: instances on a server, from the shortest line that says it."""

from __future__ import annotations

import pickle
import threading
from pathlib import Path

import pytest

from pilothouse import aimm
from pilothouse.errors import LineError, NotAuthorizedError, PilothouseError
from pilothouse.jobs import JobBook, JobRecord
from pilothouse.magics import _aimm
from pilothouse.magics._session import Session
from pilothouse.services import spawn
from pilothouse.services.host import ServiceHost
from pilothouse.waits import Event
from waiting import until

LAB = Path(__file__).parents[1] / "services" / "aimm" / "lab.py"


@pytest.fixture
def password(aimm_server, monkeypatch, tmp_path):
    """The password in the environment."""
    monkeypatch.setenv("PILOTHOUSE_AIMM_PASSWORD", aimm_server.password)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return aimm_server.password


@pytest.fixture
def connected(run, password, aimm_server):
    """A shell connected to the server."""
    run(f"%aimm connect {aimm_server.url} --user {aimm_server.username}")
    return aimm_server


@pytest.fixture
def client(connected, shell):
    return Session.of(shell).kept("aimm")


@pytest.fixture
def made(run, client):
    """An instance that a line has made."""
    return run("made = %aimm create lab\nmade")


# -- connecting ----------------------------------------------------------------------


def test_without_a_server_it_says_how_to_connect(run):
    for line in ("%aimm", "%aimm models", "%aimm fit 1 3"):
        with pytest.raises(LineError, match="no AIMM server yet") as caught:
            run(line)
        assert "%aimm connect" in caught.value.hint


def test_connect_tells_who_where_and_what(run, password, aimm_server):
    page = repr(run(f"%aimm connect {aimm_server.url} --user {aimm_server.username}"))

    assert f"{aimm_server.url} as {aimm_server.username}, ready" in page
    assert "instances: " in page
    assert aimm_server.url in repr(run("%aimm"))


def test_the_server_of_the_profile_is_taken_by_itself(
    run, password, aimm_server, monkeypatch
):
    monkeypatch.setenv("PILOTHOUSE_AIMM_URL", aimm_server.url)
    monkeypatch.setenv("PILOTHOUSE_AIMM_USERNAME", aimm_server.username)

    assert aimm_server.url in repr(run("%aimm"))
    assert run("%aimm create lab").model_type == "lab"


def test_a_wrong_password_is_told_with_where_it_comes_from(
    run, aimm_server, monkeypatch
):
    monkeypatch.setenv("PILOTHOUSE_AIMM_PASSWORD", "wrong")

    with pytest.raises(NotAuthorizedError) as caught:
        run(f"%aimm connect {aimm_server.url} --user {aimm_server.username}")
    assert "PILOTHOUSE_AIMM_PASSWORD" in caught.value.hint
    assert "wrong" not in str(caught.value)


def test_without_a_password_the_error_says_where_it_would_come_from(
    run, aimm_server, monkeypatch
):
    monkeypatch.delenv("PILOTHOUSE_AIMM_PASSWORD", raising=False)

    with pytest.raises(LineError, match="no password of 'me'"):
        run(f"%aimm connect {aimm_server.url} --user me")


def test_the_password_shows_nowhere(run, shown, connected):
    said = [repr(run(line)) for line in ("%aimm", "%aimm models", "%pilot jobs")]
    said += [shown("%aimm fit 999999 1"), shown("%tb")]

    assert connected.password not in "".join(said)


def test_after_logout_there_is_no_server(run, connected, client):
    assert "logged out of" in repr(run("%aimm logout"))
    assert str(client.connection) == "closed"
    with pytest.raises(LineError, match="no AIMM server yet"):
        run("%aimm models")


# -- lines ---------------------------------------------------------------------------


def test_create_takes_arguments_by_place_and_by_name(run, shell, client):
    made = run("made = %aimm create lab 3 n=5\nmade")

    assert isinstance(made, aimm.ModelInstance)
    assert pickle.loads(made.to_bytes())["args"] == (3,)
    assert pickle.loads(made.to_bytes())["kwargs"] == {"n": 5}


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("[1, 2]", [1, 2]),
        ("items", [7, 8]),
        ("{items[0] + 1}", 8),
        ("value=items", [7, 8]),
        ("value={len(items)}", 2),
        ("value='two words'", "two words"),
        ("value={items[0] + 1}", 8),
        ("value=[1, [2, 3]]", [1, [2, 3]]),
        ('value={"a b": [1]}', {"a b": [1]}),
        ("'two words'", "two words"),
        ("3", 3),
        ("-1.5", -1.5),
        ("@numbers(4)", [0, 1, 2, 3]),
        ("@numbers(6, step=2)", [0, 2, 4]),
        ("@numbers(items[0], step=3)", [0, 3, 6]),
        ("value=@numbers(3)", [0, 1, 2]),
        ("@nested(items)", [70, 80]),
    ],
)
def test_a_line_says_values_and_data(run, made, written, value):
    run("items = [7, 8]")

    assert run(f"%aimm predict {made.id} 'echo' {written}") == value


def test_arrays_and_frames_come_back_as_they_went(run, made, shell):
    np, pd = pytest.importorskip("numpy"), pytest.importorskip("pandas")
    run("import numpy, pandas")
    run("x = numpy.arange(6, dtype='float32').reshape(2, 3)")
    run("frame = pandas.DataFrame({'a': [1, 2]}, index=['p', 'q'])")

    back = run(f"%aimm predict {made.id} 'echo' x")
    assert back.dtype == np.float32
    assert (back == shell.user_ns["x"]).all()
    pd.testing.assert_frame_equal(
        run(f"%aimm predict {made.id} 'echo' frame"), shell.user_ns["frame"]
    )


def test_fit_and_predict_take_a_name_bound_to_an_instance(run, made):
    assert run("%aimm fit made") == made
    assert run("count = %aimm predict made\ncount") == 1
    run("%aimm predict made -o again;")
    assert run("again") == 1


def test_instances_are_named_like_on_the_server(run, made):
    run("made.fit('print')")
    entries = run("%aimm models")

    assert entries[made.id] == made
    assert "lab" in entries._repr_html_()
    actions = run("%aimm actions")
    assert [entry.call for entry in actions.values() if entry.model == made.id] == [
        "fit"
    ]


def test_data_lists_data_access_and_model_types(run, connected):
    table = repr(run("%aimm data"))

    assert "@numbers" in table
    assert "model type" in table
    assert "lab" in table


def test_an_instance_is_added_and_updated_from_bytes_and_files(
    run, shell, client, tmp_path
):
    content = pickle.dumps({"fits": 5, "args": (), "kwargs": {}, "n": 0})
    shell.user_ns["content"] = content
    Path(tmp_path / "saved.bin").write_bytes(content)

    added = run("added = %aimm add lab content\nadded")
    assert run("%aimm predict added") == 5
    run("%aimm fit added")
    assert run("%aimm predict added") == 6
    assert run("%aimm update added saved.bin") == added
    assert run("%aimm predict added") == 5


def test_delete_takes_it_away(run, made, client):
    assert repr(run(f"%aimm delete {made.id}")) == f"instance {made.id} is gone"
    until(lambda: made.id not in client.models)
    with pytest.raises(LineError, match=f"there is no instance {made.id}"):
        run(f"%aimm predict {made.id}")


def test_watch_gives_a_live_table(run, made):
    table = run("%aimm watch")

    assert type(table).__name__ == "InstanceTable"
    assert "instance" in repr(table)
    table.close()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("%aimm fit", "ID is missing"),
        ("%aimm fit 999999", "there is no instance 999999"),
        ("%aimm fit nobody", "'nobody' is neither the id"),
        ("%aimm predict made nosuch", "no name 'nosuch'"),
        ("%aimm predict made n=1 2", "follows one with a name"),
        ("%aimm predict made n=1 n=2", "n stands twice"),
        ("%aimm predict made @numbers(", "@numbers("),
        ("%aimm add lab nosuch.bin", "neither a name here nor a file"),
        ("%aimm cancel one", "'one' is no number"),
        ("%aimm conect", "did you mean 'connect'"),
        ("%aimm plugin mine", "a plugin has a name and a cell"),
        ("%%aimm\nx = 1", "what is the cell?"),
        ("%%aimm plugin\nx = 1", "a plugin has a name and a cell"),
        ("%aimm connect ws://me:secret@host/", "would stay in the notebook"),
    ],
)
def test_a_mistake_is_an_error_that_says_what(run, made, line, said):
    with pytest.raises(LineError) as caught:
        run(line)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("%aimm fit made 'raise'", "the fit went wrong"),
        ("%aimm create nosuch", "nosuch"),
        ("%aimm predict made 'echo' @fails", "the disk is gone"),
        ("%aimm predict made 'echo' @nosuch", "nosuch"),
        ("%aimm predict made 'unsendable'", "set"),
        ("%aimm predict made 'echo' {object()}", "object"),
    ],
)
def test_what_goes_wrong_there_is_an_error_of_one_line(run, shown, made, line, said):
    with pytest.raises((PilothouseError, TypeError), match=said):
        run(line)
    assert "Traceback" not in shown(line)
    assert run("%aimm predict made") == 0


# -- detached, cancelled, interrupted ------------------------------------------------


def test_a_detached_action_is_a_handle_and_a_job(run, made, tmp_path, patient):
    gate = tmp_path / "gate"
    run(f"gate = {str(gate)!r}")
    action = run("action = %aimm fit made 'wait' gate --detach\naction")
    until(lambda: action.state == "executing")

    jobs = repr(run("%pilot jobs"))
    assert f"fit of instance {made.id}" in jobs
    gate.touch()
    assert action.result(60) == made
    until(lambda: not JobBook().records())


def test_a_detached_action_is_known_at_once(run, made, tmp_path, patient):
    gate = tmp_path / "gate"
    for _ in range(5):
        action = run(f"%aimm fit made 'wait' '{gate}' --detach")
        assert action.entry is not None
    gate.touch()
    action.wait(60)


def test_a_detached_action_is_known_at_once_also_where_the_disk_is_slow(
    run, made, tmp_path, patient, late_threads
):
    gate = tmp_path / "gate"
    action = run(f"%aimm fit made 'wait' '{gate}' --detach")

    assert [record.details["action"] for record in JobBook().records()] == [action.id]
    gate.touch()
    action.wait(60)
    until(lambda: not JobBook().records())


@pytest.mark.parametrize("how", ["", "'raise'"])
def test_an_action_that_is_over_is_crossed_out_with_its_result(
    run, shown, made, late_threads, how
):
    shown(f"%aimm fit made {how}")

    assert not JobBook().records()


def test_cancel_ends_an_action_by_its_number(run, made, tmp_path, patient):
    run(f"gate = {str(tmp_path / 'never')!r}")
    action = run("action = %aimm fit made 'wait' gate --detach\naction")
    until(lambda: action.state == "executing")

    said = run(f"%aimm cancel {action.id}")
    assert said == "fit is cancelled, the server confirmed it"
    with pytest.raises(aimm.ActionError):
        action.result(60)
    assert run("%aimm predict made") == 0


def test_an_interrupt_cancels_on_the_server_and_says_so(
    run, made, client, tmp_path, interrupt, patient, monkeypatch
):
    run(f"gate = {str(tmp_path / 'never')!r}")
    waited_for, wait = Event(), aimm.Action.wait

    def noted(action, timeout=None):
        waited_for.set()
        return wait(action, timeout)

    monkeypatch.setattr(aimm.Action, "wait", noted)
    interrupt(
        lambda: (
            waited_for.is_set()
            and any(
                entry.progress == "executing" and entry.report
                for entry in client.actions.values()
            )
        )
    )

    with pytest.raises(KeyboardInterrupt) as caught:
        run("%aimm fit made 'wait' gate -o kept")

    assert isinstance(caught.value, _aimm.ActionInterrupt)
    assert "fit is cancelled, the server confirmed it" in str(caught.value)
    assert "kept" in str(caught.value)
    assert run("kept") == {"epoch": 1, "epochs": 2}
    until(lambda: caught.value.action.is_over)
    assert client.actions[caught.value.action.id].progress == "cancelled"
    assert run("%aimm predict made") == 0
    until(lambda: not JobBook().records())


def test_an_interrupt_before_the_action_is_written_down_cancels_it_too(
    run, made, client, tmp_path, patient, monkeypatch
):
    note = _aimm._note

    def struck(of, action):
        if threading.current_thread() is threading.main_thread():
            raise KeyboardInterrupt
        note(of, action)

    monkeypatch.setattr(_aimm, "_note", struck)
    with pytest.raises(KeyboardInterrupt) as caught:
        run(f"%aimm fit made 'wait' '{tmp_path / 'never'}'")

    assert isinstance(caught.value, _aimm.ActionInterrupt)
    assert "fit is cancelled, the server confirmed it" in str(caught.value)
    until(lambda: not JobBook().records())
    assert client._session._listeners == []


@pytest.fixture
def interrupt():
    """Return what interrupts the main thread as soon as a condition holds."""
    import _thread

    threads, over = [], threading.Event()

    def later(condition):
        def wait():
            until(lambda: over.is_set() or condition())
            if not over.is_set():
                _thread.interrupt_main()

        threads.append(threading.Thread(target=wait))
        threads[-1].start()

    yield later
    over.set()
    for thread in threads:
        thread.join()


# -- jobs of other kernels -----------------------------------------------------------


@pytest.fixture
def elsewhere(tmp_path, aimm_server):
    """Another server that takes the same password."""
    with ServiceHost(
        ["aimm"],
        data_dir=tmp_path / "elsewhere",
        options={"aimm": {"plugin_files": [str(LAB)]}},
        token=aimm_server.password,
    ) as host:
        yield host.aimm


@pytest.fixture
def begun(tmp_path):
    """Return what begins a fit as another kernel does, and writes it down."""
    opened = []

    def begin(server):
        who = server.username, server.password
        other = aimm.connect(server.url, *who)
        opened.append(other)
        made = other.create_instance("lab")
        action = made.submit_fit("wait", str(tmp_path / "gate"))
        until(lambda: action.id is not None)
        details = {"run": other.run, "action": action.id, "user": other.username}
        record = JobRecord(
            id=f"{other.run}-{action.id}",
            kind="aimm",
            url=other.url,
            label=f"fit of instance {made.id}",
            details=details,
        )
        JobBook().remember(record)
        return record

    yield begin
    (tmp_path / "gate").touch()
    for other in opened:
        other.close()


def test_a_job_that_is_newer_than_the_state_is_not_gone(
    run, client, aimm_server, begun, tmp_path, monkeypatch
):
    monkeypatch.setattr(client._session, "_take_state", lambda obj: None)
    record = begun(aimm_server)
    assert record.details["action"] not in client.actions

    assert "sent " in repr(run("%pilot jobs")).splitlines()[-1]
    assert [one.key for one in JobBook().records()] == [record.key]
    action = run(f"%pilot attach {record.key} --detach")
    (tmp_path / "gate").touch()
    assert isinstance(action.result(60), aimm.ModelInstance)
    assert action.outcome == "fit is complete"


def test_jobs_at_another_server_leave_the_sessions_client_as_it_is(
    run, shell, client, elsewhere, begun
):
    session, first, second = Session.of(shell), begun(elsewhere), begun(elsewhere)
    for _ in range(2):
        states = repr(run("%pilot jobs")).splitlines()[-2:]
        assert all("executing" in state for state in states), states

    assert {one.key for one in JobBook().records()} == {first.key, second.key}
    assert session.kept("aimm") is client
    assert str(client.connection) == "ready"
    own = session.kept(f"aimm at {elsewhere.url}")
    assert own is _aimm._client_of(session, first)
    session.close()
    assert str(own.connection) == "closed"


def test_without_a_client_a_job_brings_the_one_of_its_server(
    run, shell, password, aimm_server, begun
):
    begun(aimm_server)

    assert "executing" in repr(run("%pilot jobs"))
    assert Session.of(shell).kept("aimm").url == aimm_server.url


# -- plugins -------------------------------------------------------------------------


PLUGIN = """%%aimm plugin {name}
from aimm import plugins

@plugins.data_access("{name}_data")
def data(n=2):
    return list(range(n))

@plugins.model
class Doubler(plugins.Model):
    def __init__(self, by=2):
        self.by = by
    def fit(self, X):
        return self
    def predict(self, X):
        return [self.by * x for x in X]
    def serialize(self):
        return str(self.by).encode()
    @classmethod
    def deserialize(cls, instance_bytes):
        return cls(int(instance_bytes))
"""


@pytest.fixture
def local(run, shell, monkeypatch, tmp_path):
    """A local server, started and connected to by lines."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr(spawn, "_HEALTH_SECONDS", 60.0)
    run("%pilot up --service aimm")
    run("%aimm connect")
    yield Session.of(shell)
    run("%pilot down")


def noticed(local):
    """Wait until the client knows that its server was stopped."""
    until(lambda: str(local.kept("aimm").connection) != "ready", what="the loss")


def test_a_cell_becomes_a_plugin_of_the_local_server(run, local):
    table = repr(run(PLUGIN.format(name="doubling")))

    assert "doubling_data" in table
    assert "doubling.Doubler" in table
    run("d = %aimm create doubling.Doubler by=3")
    assert run("%aimm predict d @doubling_data(4)") == [0, 3, 6, 9]

    run(PLUGIN.format(name="doubling").replace("self.by * x", "self.by + x"))
    assert run("%aimm predict d [1, 2]") == [4, 5]

    before = local.kept("aimm").plugins()
    with pytest.raises(PilothouseError, match="ZeroDivisionError"):
        run("%%aimm plugin broken\n1 / 0")
    assert local.kept("aimm").plugins() == before


def test_after_a_restart_of_the_local_server_a_line_goes_on(run, local):
    Path("x").touch()
    run("m = %aimm create plugins.NearestMean")
    run("%aimm fit m [[0], [1]] [7, 8]")
    run(PLUGIN.format(name="kept"))
    need = f"import pathlib\npathlib.Path({str(Path('x').absolute())!r}).read_text()"
    run(PLUGIN.format(name="fading") + need)
    run("d = %aimm create kept.Doubler")
    run("%pilot down")
    noticed(local)
    Path("x").unlink()
    run("%pilot up --service aimm")

    assert "ready" in repr(run("%aimm"))
    number, other = run("%aimm models")
    assert run(f"%aimm predict {other} [3]") == [6]
    assert "fading.Doubler" not in repr(run("%aimm data"))
    assert list(run(f"%aimm predict {number} [[0.9]]")) == [8]
    assert list(run("%aimm predict m [[0.9]]")) == [8]


def test_a_server_of_ones_own_is_restarted_beside_the_one_of_all(run, local, tmp_path):
    """Another local server has other instances: nobody is moved to it silently."""
    own = tmp_path / "own folder"
    run(f"%pilot up --service aimm --data-dir '{own}'")
    server = run(f"%pilot up --service aimm --data-dir '{own}'")
    run(f"%aimm connect {server.aimm.url}")
    run("m = %aimm create plugins.NearestMean")
    run("%aimm fit m [[0], [1]] [7, 8]")
    run(f"%pilot down --data-dir '{own}'")
    noticed(local)

    with pytest.raises(LineError, match="are stopped") as stopped:
        run("%aimm predict m [[0.9]]")
    assert f"--data-dir '{own}'" in stopped.value.hint
    run(f"%pilot up --service aimm --data-dir '{own}'")
    assert list(run("%aimm predict m [[0.9]]")) == [8]
    run("%aimm connect local")
    assert not run("%aimm models")
    run(f"%pilot down --data-dir '{own}'")
    assert "ready" in repr(run("%aimm"))


def test_a_table_goes_on_by_itself_after_a_restart_of_the_local_server(run, local):
    run("m = %aimm create plugins.NearestMean")
    table = run("%aimm watch")
    before = table.place
    run("%pilot down")
    until(lambda: table.connection == "lost")
    run("%pilot up --service aimm")

    until(lambda: table.connection == "ready", 60, "the return of the table")
    assert table.place != before
    assert local.kept("aimm").url == table.place
    run("%aimm create plugins.Line")
    until(lambda: "2 instances" in repr(table))
    run("%aimm logout")
    until(lambda: table.connection == "closed")
    table.close()


def test_a_server_elsewhere_takes_no_plugin_from_a_cell(run, connected):
    with pytest.raises(LineError, match="is no local server"):
        run(PLUGIN.format(name="refused"))


# -- Tab -----------------------------------------------------------------------------


def test_tab_offers_instances_types_data_actions_and_options(
    run, made, complete, client
):
    run("%aimm fit made")
    run("%aimm models")
    number = next(n for n, e in client.actions.items() if e.model == made.id)

    def offered(text, *wanted):
        until(lambda: set(wanted) <= set(complete(text)), 60, f"Tab after {text!r}")
        return complete(text)

    offered("%aimm ", "connect", "fit", "predict", "watch")
    offered("%aimm fit ", str(made.id), "made")
    offered("%aimm create l", "lab")
    offered("%aimm create plug", "plugins.Line")
    offered("%aimm fit made @n", "@numbers", "@nested", "@noisy_line")
    offered("%aimm fit made X=@num", "X=@numbers")
    offered("%aimm cancel ", str(number))
    offered("%aimm fit made --", "--detach")
    assert offered("%aimm fit made @num", "@numbers")["@numbers"]


def test_tab_asks_no_server(run, made, complete, client, monkeypatch):
    run("%aimm models")
    until(lambda: str(made.id) in complete("%aimm fit "))

    def fail(*_args, **_kwargs):
        raise AssertionError("asked while completing")

    monkeypatch.setattr(type(client), "plugins", fail)
    assert str(made.id) in complete("%aimm fit ")
    assert "@numbers" in complete("%aimm fit 1 @num")
