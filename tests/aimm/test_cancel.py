"""What a cancel says of an action whose server does not answer."""

from __future__ import annotations

import os
import signal
from contextlib import contextmanager

import pytest

from interop.suite_process import ServicesProcess
from pilothouse import aimm
from waiting import until

pytestmark = [pytest.mark.faults, pytest.mark.timeout(180)]

EPOCHS = 10_000_000
"""More than any machine does meanwhile."""
DATA = ([[0.0], [1.0]], [0.0, 1.0])


MUFFLED = """import os, pathlib, time
from aimm import plugins

@plugins.instantiate("muffled")
def make():
    return 0

@plugins.fit(["muffled"])
def fit(model, mark, ends=False):
    pathlib.Path(mark).write_text(str(os.getpid()))
    try:
        while not ends:
            time.sleep(0.01)
    except BaseException:
        raise ImportError("a library has made this of it") from None
    return model

plugins.serialize(["muffled"])(lambda model: b"")
plugins.deserialize(["muffled"])(lambda data: 0)
"""


class AimmProcess(ServicesProcess):
    """One running process of local services, with an AIMM server."""

    names = ("aimm",)

    @contextmanager
    def frozen(self):
        os.kill(self.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.pid, signal.SIGCONT)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with AimmProcess(tmp_path_factory.mktemp("aimm")) as running:
        yield running


@contextmanager
def line_at(server):
    """A model instance; its client has more patience than any test."""
    place = server.told["aimm"]
    who = place["username"], place["password"]
    with aimm.connect(place["url"], *who, timeout=600) as client:
        yield client.create_instance("plugins.Line")


@pytest.fixture
def line(server):
    with line_at(server) as found:
        yield found


def is_cancelled(handle):
    """Cancel it again, until it is; a loaded machine may not answer in time."""
    handle.cancel()
    return handle.is_over and handle.state == "cancelled"


def test_a_server_that_has_not_told_the_number_cannot_be_told_which(server, line):
    with server.frozen():
        handle = line.submit_fit(*DATA, epochs=EPOCHS)
        said = handle.cancel()

        assert handle.id is None
        assert not handle.is_over
    assert "not confirmed: the server has not told yet which of its actions fit" in said
    assert "cannot cancel" not in said
    assert "is cancelled" not in said

    until(lambda: handle.id is not None, what="its number")
    assert not handle.is_over
    until(lambda: is_cancelled(handle), what="the end")


def test_a_number_that_comes_amid_the_cancel_is_enough(server, line):
    with server.frozen():
        handle = line.submit_fit(*DATA, epochs=EPOCHS)
    until(lambda: is_cancelled(handle), what="the end")


def test_a_frozen_server_that_knows_the_action_confirms_nothing(server, line):
    handle = line.submit_fit(*DATA, epochs=EPOCHS)
    until(lambda: handle.id is not None, what="its number")
    with server.frozen():
        said = handle.cancel()

    assert said.startswith("the cancel was not confirmed: no answer to cancel within")
    assert handle.wait(60), "what was asked comes with the thaw"
    assert handle.state == "cancelled"


def test_without_a_connection_a_cancel_has_its_own_patience(tmp_path):
    """The session would wait for ten minutes."""
    with AimmProcess(tmp_path) as server, line_at(server) as line:
        handle = line.submit_fit(*DATA, epochs=EPOCHS)
        until(lambda: handle.id is not None, what="its number")
        server.kill()
        until(lambda: str(line.client.connection) == "lost", what="the loss")

        said = handle.cancel()
        assert said.startswith("the cancel was not confirmed: no connection")
        assert not handle.is_over


def test_what_is_over_goes_on_nowhere(line):
    handle = line.submit_fit(*DATA, epochs=1)
    handle.result(60)

    assert handle.cancel() == "fit was over already"
    assert handle.detach() == "fit was over already"


def test_a_cancel_that_a_library_takes_for_its_own_fault_is_one(line, tmp_path):
    """As an import of numpy does; and no other action gets what it leaves behind."""
    line.client.load_plugin("muffled", MUFFLED)
    model = line.client.create_instance("muffled")
    first, then = tmp_path / "first", tmp_path / "then"
    handle = model.submit_fit(str(first))
    until(lambda: first.exists() and first.read_text(), what="the fit")
    until(lambda: is_cancelled(handle), what="the end")
    model.submit_fit(str(then), ends=True).result(60)

    assert then.read_text() != first.read_text()
