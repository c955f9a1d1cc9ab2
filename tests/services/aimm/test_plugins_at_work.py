"""What plugins do to their processes, and what of that a client notices."""

from contextlib import suppress
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest
from numpy.testing import assert_array_equal

from pilothouse import aimm
from pilothouse.aimm import action
from pilothouse.errors import NotFoundError
from pilothouse.services.host import ServiceHost
from waiting import until

LAB = Path(__file__).with_name("lab.py")


@pytest.fixture(scope="module")
def client(aimm_server):
    with aimm.connect(
        aimm_server.url, aimm_server.username, aimm_server.password
    ) as found:
        yield found


@pytest.fixture
def lab(client):
    return client.create_instance("lab")


@pytest.fixture
def patient(monkeypatch):
    """A cancel waits for its confirmation, however long that takes."""
    monkeypatch.setattr(action, "_CANCEL_TIMEOUT", 60.0)


@pytest.mark.parametrize(
    ("how", "text"),
    [
        ("exit", "exited with code 3"),
        ("killed", "ended by SIGKILL"),
        ("sys.exit", "the plugin wanted to exit with 4"),
        ("raise", "RuntimeError: the fit went wrong"),
        ("empty", "RuntimeError"),
        ("unpicklable", "UnpicklableError: one"),
    ],
)
def test_a_plugin_that_goes_wrong_fails_its_own_action(client, lab, how, text):
    with pytest.raises(aimm.ActionError, match=text):
        lab.fit(how)

    assert lab.predict() == 0
    entry = client.actions[lab.last_action.id - 1]
    assert (entry.progress, bool(entry.error)) == ("failed", True)


def test_a_plugin_that_leaves_a_copy_of_its_process_fails_at_once(lab, tmp_path):
    """The copy has the pipes too, and lives on: nobody waits for it."""
    with pytest.raises(aimm.ActionError, match="exited with code 3"):
        lab.submit_fit("fork and exit", str(tmp_path / "never")).result(30)

    assert lab.predict() == 0


def test_of_a_plugin_that_forks_and_comes_back_twice_one_counts(lab):
    for _ in range(3):
        lab.fit("fork")

    assert lab.predict() == 3
    until(lambda: not _copies(), 60, "the end of the copies")


def _copies():
    """Processes that a server's children have forked."""
    copies = []
    for child in psutil.Process().children():
        with suppress(psutil.NoSuchProcess):  # it may end meanwhile
            if "services.aimm.child" in " ".join(child.cmdline()):
                copies += child.children()
    return [copy for copy in copies if _lives(copy)]


def _lives(process):
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_what_is_not_there_is_told_with_what_is(lab):
    with pytest.raises(NotFoundError) as failure:
        lab.fit("", aimm.DataAccess("nowhere"))

    assert failure.value.message == "fit: no data access plugin for name nowhere"
    assert "known are: " in failure.value.hint
    assert "numbers" in failure.value.hint


def test_an_error_carries_the_plugins_own_lines(lab):
    with pytest.raises(aimm.ActionError) as failure:
        lab.fit("raise")

    assert failure.value.kind == "RuntimeError"
    assert "lab.py" in failure.value.traceback
    assert "services/aimm/child.py" not in failure.value.traceback


def test_what_a_plugin_prints_or_reads_does_not_reach_the_frames(lab):
    lab.fit("print")

    assert lab.predict() == 1


@pytest.mark.parametrize("what", ["unsendable"])
def test_a_result_that_cannot_travel_is_told(lab, what):
    with pytest.raises(aimm.ActionError, match="cannot travel: a set"):
        lab.predict(what)


def test_odd_results_travel_between_our_ends(lab):
    found = lab.predict("odd")

    assert found["array"] == [3]
    assert np.isnan(found["nan"])


@pytest.mark.parametrize(
    "value",
    [
        np.arange(6, dtype="int8").reshape(2, 3),
        np.array([np.nan, np.inf]),
        pd.DataFrame({"a": pd.date_range("2026", periods=2, tz="UTC")}),
        pd.Series(["x", None], index=["r", "s"], dtype="category"),
        {"deep": [np.zeros(2)]},
    ],
    ids=["array", "infinities", "frame", "series", "nested"],
)
def test_values_come_back_as_they_were_sent(lab, value):
    back = lab.predict("echo", value)

    if isinstance(value, dict):
        assert_array_equal(back["deep"][0], value["deep"][0])
    elif isinstance(value, np.ndarray):
        assert back.dtype == value.dtype
        assert_array_equal(back, value)
    else:
        assert back.equals(value)


def test_data_access_is_resolved_by_position_by_name_and_nested(lab):
    inner = aimm.DataAccess("numbers", [3])
    lab.fit("", aimm.DataAccess("nested", [inner]), inner, key=inner)

    seen = lab.predict("seen")

    assert seen == "([0, 10, 20], ([0, 1, 2],), {'key': [0, 1, 2]})"


def test_reports_of_data_access_stand_in_the_state(client, lab):
    lab.fit("", aimm.DataAccess("numbers", [3]))

    assert lab.last_action.data_access == {"1": {"n": 3}}


def test_data_access_that_fails_fails_its_action(lab):
    with pytest.raises(aimm.ActionError, match="the disk is gone"):
        lab.fit("", aimm.DataAccess("fails"))


def test_a_prediction_that_changes_its_instance_is_kept(lab):
    assert [lab.predict("count") for _ in range(3)] == [1, 2, 3]


def test_two_fits_of_one_instance_follow_each_other_and_both_count(lab):
    handles = [lab.submit_fit() for _ in range(5)]

    assert [handle.result() for handle in handles] == [lab] * 5
    assert lab.predict() == 5


def test_actions_on_several_instances_run_side_by_side(client, tmp_path):
    seen = tmp_path / "seen"
    instances = [client.create_instance("lab") for _ in range(3)]
    handles = [one.submit_fit("wait", str(seen)) for one in instances]

    until(lambda: all(handle.state == "executing" for handle in handles))
    seen.touch()

    assert all(handle.result(60) for handle in handles)


def test_a_running_action_is_cancelled_and_its_instance_is_as_before(
    lab, tmp_path, patient
):
    handle = lab.submit_fit("wait", str(tmp_path / "never"))
    until(lambda: handle.state == "executing")

    assert handle.cancel() == "fit is cancelled, the server confirmed it"

    with pytest.raises(aimm.ActionError, match="cancelled"):
        handle.result(60)
    assert lab.last_action.progress == "cancelled"
    assert lab.predict() == 0


def test_an_action_that_waits_for_its_instance_is_cancelled_too(lab, tmp_path, patient):
    first = lab.submit_fit("wait", str(tmp_path / "seen"))
    second = lab.submit_fit()
    until(lambda: first.state == "executing" and second.id is not None)

    assert "confirmed" in second.cancel()
    (tmp_path / "seen").touch()

    first.result(60)
    assert lab.predict() == 1


def test_a_failed_action_leaves_its_instance_as_it_was_stored(lab):
    for how in ("", "raise", "", "raise"):
        try:
            lab.fit(how)
        except aimm.ActionError:
            continue

    assert lab.predict() == 2


def test_bytes_that_come_back_are_the_ones_that_count(client, lab):
    first = lab.to_bytes()
    lab.fit()
    lab.update(first)

    assert lab.predict() == 0


def test_more_instances_than_a_child_keeps_are_all_right(client):
    labs = [client.create_instance("lab", n=n) for n in range(12)]

    for _ in range(2):
        assert [one.predict("count") for one in labs]
    assert [one.predict("count") for one in labs] == list(range(3, 15))


def test_old_actions_leave_the_state(client, lab):
    handles = [lab.submit_predict() for _ in range(230)]
    last = max(handle.result() or handle.id for handle in handles)

    assert len(client.actions) <= 200
    assert last in client.actions
    assert min(handle.id for handle in handles) not in client.actions


def test_cancelling_what_is_over_says_so(lab):
    handle = lab.submit_fit()
    handle.result(60)

    assert handle.cancel() == "fit was over already"


@pytest.fixture
def strict_server(tmp_path):
    options = {
        "plugin_files": [str(LAB)],
        "max_children": 1,
        "sigterm_timeout": 0.2,
    }
    with ServiceHost(["aimm"], options={"aimm": options}, data_dir=tmp_path) as host:
        yield host


def test_a_plugin_that_ignores_a_cancel_is_killed(strict_server, patient):
    endpoint = strict_server.aimm
    with aimm.connect(endpoint.url, endpoint.username, endpoint.password) as client:
        lab = client.create_instance("lab")
        handle = lab.submit_fit("stubborn")
        until(lambda: handle.state == "executing")

        assert "confirmed" in handle.cancel()
        assert lab.predict() == 0


def test_stopping_the_server_ends_a_running_plugin(strict_server):
    endpoint = strict_server.aimm
    with aimm.connect(endpoint.url, endpoint.username, endpoint.password) as client:
        handle = client.create_instance("lab").submit_fit("stubborn")
        until(lambda: handle.state == "executing")
        engine = strict_server.services["aimm"].engine
        (child,) = [a.child for a in engine.actions.values() if a.child is not None]

        strict_server.stop()

        assert not psutil.pid_exists(child.pid)


CELL = """
from pilothouse.aimm import plugins

@plugins.model
class Cell(plugins.Model):
    def fit(self):
        return self
    def predict(self):
        return {answer}
    def serialize(self):
        return b"-"
    @classmethod
    def deserialize(cls, data):
        return cls()
"""


def test_a_plugin_is_loaded_from_source_and_replaced(client):
    names = client.load_plugin("from_a_cell", CELL.format(answer=1))
    assert "from_a_cell.Cell" in names["model_types"]
    made = client.create_instance("from_a_cell.Cell")
    assert made.predict() == 1

    client.load_plugin("from_a_cell", CELL.format(answer=2))

    assert made.predict() == 2


def test_source_that_fails_changes_nothing_and_tells_its_line(client):
    client.load_plugin("from_a_cell", CELL.format(answer=3))

    with pytest.raises(aimm.ActionError) as failure:
        client.load_plugin("from_a_cell", "x = 1\n1 / 0\n")

    assert failure.value.kind == "ZeroDivisionError"
    assert 'File "<plugin from_a_cell>", line 2' in failure.value.traceback
    assert client.create_instance("from_a_cell.Cell").predict() == 3
