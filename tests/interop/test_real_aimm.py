"""The real AIMM package, 1.2: its client with our server, ours with its server."""

import sys
import time

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from interop.aimm_peer import PASSWORD, configuration, real_client, running, told
from interop.environments import AIMM, AIMM_UNPINNED, NoSuchPythonError
from pilothouse import aimm
from pilothouse.errors import (
    ConnectionLostError,
    NotAuthorizedError,
    NotFoundError,
    PilothouseError,
)
from waiting import until

pytestmark = pytest.mark.interop

NAMES = ("lab", "plugins.sklearn_wrapper")


def environment(one):
    try:
        return one.ready()
    except NoSuchPythonError as exc:
        pytest.skip(f"{exc}: the real AIMM package was not run")


@pytest.fixture(scope="module")
def real_python():
    return environment(AIMM)


@pytest.fixture(scope="module")
def real_server(real_python, tmp_path_factory):
    """The real server with its state working: hat-json as the contract pins it."""
    folder = tmp_path_factory.mktemp("real")
    path, url = configuration(folder, names=NAMES)
    with running([real_python, "-m", "aimm.server", "--conf", path], url, folder):
        yield url


def ours(path):
    return [sys.executable, "-m", "pilothouse", "serve", "aimm", "--conf", path]


@pytest.fixture(scope="module")
def our_server(tmp_path_factory):
    """Our server, from the real server's configuration file as it stands."""
    folder = tmp_path_factory.mktemp("ours")
    path, url = configuration(folder, names=NAMES)
    with running(ours(path), url, folder):
        yield url


@pytest.fixture(params=["real_server", "our_server"])
def either(request):
    """A server that speaks the wire, real or ours."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def client(either):
    with aimm.connect(either, "user", PASSWORD) as found:
        yield found


# -- the real client, our server ------------------------------------------------------


def test_the_real_client_does_a_whole_session_with_our_server(real_python, our_server):
    seen = told(real_client(real_python, "session", our_server + "/"))

    assert seen["fits"] == 2
    assert seen["array"] == ["ndarray", [[0, 1, 2], [3, 4, 5]]]
    assert seen["frame"] is True
    assert seen["series"] is True
    assert seen["plain"] == {"a": [1, None, "é"]}
    assert seen["error"] == "the fit went wrong"
    assert seen["unknown"] == "no instantiation plugin for model type nope"
    assert seen["added"] is True
    assert str(seen["number"]) in seen["models"]
    assert seen["progress"].count("failed") >= 2
    assert seen["last fits"] == 7


def test_the_real_client_works_on_the_path_of_the_document_too(real_python, our_server):
    assert (
        told(real_client(real_python, "wrong", our_server + "/ws"))["refused"] is None
    )


def test_the_real_client_is_told_that_its_password_is_wrong(real_python, our_server):
    seen = told(real_client(real_python, "wrong", our_server + "/", "not it"))

    assert seen == {"refused": "login failed"}


def test_the_real_client_sees_what_another_client_does(real_python, our_server):
    watcher = real_client(real_python, "watch", our_server + "/")
    assert watcher.stdout.readline() == "watching\n"
    with aimm.connect(our_server, "user", PASSWORD) as client:
        client.create_instance("lab").fit()

    assert ["fit", "complete"] in told(watcher, 90)["calls"]


def test_the_real_juggler_client_gets_each_answer(real_python, our_server):
    assert told(real_client(real_python, "echo", our_server + "/")) == {"right": True}


# -- our client, the real server (and ours, by the same steps) ------------------------


def test_the_documents_first_session_runs(client):
    svc = client.create_instance("plugins.sklearn_wrapper.SVC", gamma=0.001)
    inputs = aimm.DataAccess("iris_inputs")

    svc.fit(inputs, aimm.DataAccess("iris_outputs"))
    prediction = svc.predict(inputs)

    assert len(prediction) == 150
    assert set(prediction.tolist()) == {0, 1, 2}
    assert set(prediction[:50].tolist()) == {0}


@pytest.mark.parametrize("path", ["", "/", "/ws"])
def test_any_path_of_the_two_leads_to_the_control(either, path):
    with aimm.connect(either + path, "user", PASSWORD) as client:
        assert client.ping() >= 0


def test_a_wrong_password_raises(either):
    with pytest.raises(NotAuthorizedError, match="refused the login of 'user'"):
        aimm.connect(either, "user", "not it")


def test_actions_without_a_login_are_refused_then_the_login_works(either):
    with aimm.connect(either, "user", PASSWORD) as client:
        made = client.create_instance("lab")
        client.logout()
        with pytest.raises(NotAuthorizedError):
            made.predict()

        client.login()

        assert made.predict() == 0


def test_values_travel_as_the_document_says(client):
    lab = client.create_instance("lab")
    frame = pd.DataFrame({"a": [1.5, 2.5], "b": ["x", "y"]})

    array = lab.predict("echo", np.array([[1.0, 2.0]]))
    back = lab.predict("echo", frame)

    assert array.shape == (1, 2)
    assert_frame_equal(back, frame)
    assert lab.predict("echo", {"deep": [1, None, "é\u2028"]}) == {
        "deep": [1, None, "é\u2028"]
    }


def test_the_state_follows_an_action(client, tmp_path):
    lab = client.create_instance("lab")
    handle = lab.submit_fit("wait", str(tmp_path / "seen"))

    def running_entry():
        entry = client.state.last_action(lab.id)
        return entry is not None and entry.report == {"epoch": 1, "epochs": 2}

    until(running_entry)
    (tmp_path / "seen").touch()

    assert handle.result(60) == lab
    until(lambda: client.state.last_action(lab.id).progress == "complete")


def test_instances_are_added_and_updated(client):
    first = client.add_instance("text", b"one")
    assert first.predict() == "one"

    client.update_instance("text", first.id, b"two")

    assert first.predict() == "two"


@pytest.mark.parametrize(
    ("act", "text"),
    [
        (lambda c: c.create_instance("nope"), "no instantiation plugin"),
        (lambda c: c.predict(987654), "987654"),
        (lambda c: c.create_instance("lab").fit("raise"), "the fit went wrong"),
        (
            lambda c: c.create_instance("lab").fit("", aimm.DataAccess("fails")),
            "the disk is gone",
        ),
    ],
    ids=["type", "instance", "fit", "data"],
)
def test_what_goes_wrong_there_is_told_here(client, act, text):
    with pytest.raises(PilothouseError, match=text):
        act(client)

    assert client.create_instance("lab").predict() == 0


# -- what only the real server does ---------------------------------------------------


def test_a_result_that_drops_a_real_connection_is_told_and_the_next_call_works(
    real_server,
):
    with aimm.connect(real_server, "user", PASSWORD) as client:
        lab = client.create_instance("lab")
        with pytest.raises(ConnectionLostError, match="predict"):
            lab.predict("odd")

        assert lab.predict() == 0


def test_data_access_by_name_is_refused_before_a_real_server_mistakes_it(real_server):
    with aimm.connect(real_server, "user", PASSWORD) as client:
        lab = client.create_instance("lab")

        with pytest.raises(aimm.CannotTravelError, match=r'kwargs\["k"\]'):
            lab.fit(k=aimm.DataAccess("numbers", [3]))


def test_what_a_real_server_cannot_do_is_refused_by_name(real_server, tmp_path):
    with aimm.connect(real_server, "user", PASSWORD) as client:
        lab = client.create_instance("lab")
        with pytest.raises(PilothouseError, match="does not delete instances"):
            lab.delete()
        gate = tmp_path / "gate"
        handle = lab.submit_fit("wait", str(gate))
        said = handle.cancel()

        assert "this server cannot cancel: fit goes on there" in said
        assert "confirmed" not in said
        assert "not told" not in said
        assert not handle.is_over
        gate.touch()
        handle.result(60)
        assert handle.cancel() == "fit was over already"


def persistently(call):
    """Call again what a dropped connection has cut; the session logs in by itself."""
    deadline = time.monotonic() + 60
    while True:
        try:
            return call()
        except ConnectionLostError:
            if time.monotonic() > deadline:
                raise


def test_a_server_that_drops_its_clients_at_each_second_change_is_lived_with(
    tmp_path,
):
    python = environment(AIMM_UNPINNED)
    path, url = configuration(tmp_path, flush=0.5)  # a call fits between two changes
    server = [python, "-m", "aimm.server", "--conf", path]
    with (
        running(server, url, tmp_path),
        aimm.connect(url, "user", PASSWORD) as client,
        aimm.connect(url, "user", PASSWORD) as other,
    ):
        made = persistently(lambda: client.create_instance("lab"))
        persistently(made.fit)

        assert persistently(made.predict) >= 1
        assert persistently(other.ping) >= 0


def test_a_server_without_state_is_used_by_calls_alone(tmp_path):
    python = environment(AIMM_UNPINNED)
    path, url = configuration(tmp_path, flush=3600)
    server = [python, "-m", "aimm.server", "--conf", path]
    with (
        running(server, url, tmp_path),
        aimm.connect(url, "user", PASSWORD) as client,
    ):
        lab = client.create_instance("lab")
        for n in range(1, 4):
            lab.fit()
            assert lab.predict() == n
        assert not client.models


# -- one database, two servers --------------------------------------------------------


def test_instances_move_from_the_real_server_to_ours_and_back(real_python, tmp_path):
    path, url = configuration(tmp_path)
    real = [real_python, "-m", "aimm.server", "--conf", path]
    with running(real, url, tmp_path), aimm.connect(url, "user", PASSWORD) as client:
        made = client.create_instance("lab")
        until(lambda: made.id in client.models)
        before = made.to_bytes()
        made.fit()
        data = until(lambda: made.to_bytes() != before and made.to_bytes())
    with (
        running(ours(path), url, tmp_path),
        aimm.connect(url, "user", PASSWORD) as client,
    ):
        assert client.predict(made.id) == 1
        client.fit(made.id)
        assert client.create_instance("lab").id == made.id + 1
    with running(real, url, tmp_path), aimm.connect(url, "user", PASSWORD) as client:
        # A real server restarted knows the instances, but not how to lock them.
        with pytest.raises(PilothouseError):
            client.predict(made.id)
        client.update_instance("lab", made.id, data)
        assert client.predict(made.id) == 1
        with pytest.raises((NotFoundError, aimm.ActionError)):
            client.predict(made.id + 7)
