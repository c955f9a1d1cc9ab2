"""Actions in real kernels: interrupted, clicked at, killed, and found again."""

from __future__ import annotations

from pathlib import Path

import pytest

from magics.kernels import DEADLINE, patient, started
from pilothouse import aimm
from pilothouse.services.host import ServiceHost
from waiting import until

pytestmark = pytest.mark.timeout(180)

LAB = Path(__file__).parents[1] / "services" / "aimm" / "lab.py"


@pytest.fixture
def service():
    """A server of one's own."""
    options = {"aimm": {"plugin_files": [str(LAB)]}}
    with ServiceHost(["aimm"], options=options) as host:
        yield host.aimm


@pytest.fixture
def other(service):
    """Another client of the same server."""
    with aimm.connect(service.url, service.username, service.password) as client:
        yield client


@pytest.fixture
def kernels(tmp_path, service):
    """Return a function that starts a kernel of the same user, connected."""
    opened = []

    def start(*, connects=True):
        context = started(tmp_path)
        kernel = context.__enter__()
        opened.append(context)
        kernel.result(
            f"import os; os.environ['PILOTHOUSE_AIMM_PASSWORD'] = {service.password!r}"
        )
        kernel.run("%load_ext pilothouse")
        if connects:
            line = f"%aimm connect {service.url} --user {service.username}"
            assert service.url in kernel.result(line)
        kernel.result(f"gate = {str(tmp_path / 'gate')!r}")
        patient(kernel)
        return kernel

    yield start
    for context in opened:
        context.__exit__(None, None, None)


def executing(other):
    """Wait for an action under way with its first report; return its entry."""

    def found():
        entries = other.actions.values()
        return next(
            (e for e in entries if e.progress == "executing" and e.report), None
        )

    return until(found, DEADLINE, "an action under way")


def book(state: Path):
    """Return the files of the actions that are written down."""
    return list(state.rglob("aimm-*.json"))


def killed_while_it_fits(kernels, other, state):
    """Kill a kernel that has begun a fit, and has written it down."""
    kernel = kernels()
    kernel.result("m = %aimm create lab")
    kernel.send("%aimm fit m 'wait' gate")
    executing(other)
    until(lambda: book(state), DEADLINE, "the action in the book")
    kernel.manager.signal_kernel(9)
    until(lambda: not kernel.manager.is_alive(), DEADLINE, "the end of the kernel")


WAITING = """
import pathlib
from pilothouse.aimm import Action
waited_before = Action.wait

def waited(action, timeout=None):
    pathlib.Path("waiting").touch()
    return waited_before(action, timeout)

Action.wait = waited
"""
"""Has a kernel tell that a cell waits for its action."""


def job_of(kernel):
    listed = kernel.result("%pilot jobs")
    assert "fit of instance 1" in listed
    return listed.splitlines()[-1].split()[0]


def test_an_interrupt_cancels_on_the_server(kernels, other, tmp_path):
    kernel = kernels()
    kernel.result("m = %aimm create lab")
    kernel.result(WAITING)
    request = kernel.send("%aimm fit m 'wait' gate -o kept")
    entry = executing(other)
    until((tmp_path / "waiting").exists, DEADLINE, "the wait of the cell")
    kernel.manager.interrupt_kernel()

    messages = kernel.messages(request)

    (error,) = [m["content"] for m in messages if m["msg_type"] == "error"]
    assert error["ename"] == "ActionInterrupt"
    assert "fit is cancelled, the server confirmed it" in error["evalue"]
    assert "what came back is in kept" in error["evalue"]
    assert kernel.result("kept") == "{'epoch': 1, 'epochs': 2}"
    until(lambda: other.actions[entry.id].progress == "cancelled")
    assert kernel.result("%aimm predict m") == "0"
    assert kernel.result("%pilot jobs") == "(no jobs are out there)"


def test_a_click_on_cancel_ends_the_action_of_a_waiting_cell(kernels, other):
    kernel = kernels()
    kernel.result("m = %aimm create lab")
    request = kernel.send("%aimm fit m 'wait' gate")
    comm_id = kernel.widget(request)
    executing(other)
    kernel.click(comm_id, "cancel")

    messages = kernel.messages(request)

    (error,) = [m["content"] for m in messages if m["msg_type"] == "error"]
    assert error["ename"] == "ActionError"
    assert "cancelled" in error["evalue"]


def test_a_killed_kernel_leaves_its_action_to_the_next_one(
    kernels, other, service, tmp_path
):
    killed_while_it_fits(kernels, other, tmp_path / "state")
    (written,) = book(tmp_path / "state")
    assert service.password not in written.read_text()

    second = kernels()
    job = job_of(second)
    request = second.send(f"%pilot attach {job} -o fitted")
    second.widget(request)
    (tmp_path / "gate").touch()
    messages = second.messages(request)

    assert not [m for m in messages if m["msg_type"] == "error"], messages
    assert "ModelInstance 1: lab" in second.result("fitted")
    assert second.result("%aimm predict fitted") == "1"
    assert second.result("%pilot jobs") == "(no jobs are out there)"


def test_a_result_that_came_meanwhile_is_attached_to(kernels, other, tmp_path):
    killed_while_it_fits(kernels, other, tmp_path / "state")
    (tmp_path / "gate").touch()
    until(lambda: all(e.is_over for e in other.actions.values()), DEADLINE)

    second = kernels(connects=False)
    job = job_of(second)
    assert "ModelInstance 1: lab" in second.result(f"%pilot attach {job}")


def test_a_killed_kernels_action_is_stopped(kernels, other, tmp_path):
    killed_while_it_fits(kernels, other, tmp_path / "state")
    second = kernels()
    said = second.result(f"%pilot stop {job_of(second)}")

    assert "the server confirmed it" in said
    until(lambda: other.actions[2].progress == "cancelled")
    assert second.result("%pilot jobs") == "(no jobs are out there)"
    assert second.result("%aimm predict 1") == "0"


def test_the_table_takes_a_click_while_a_cell_is_busy(kernels, other, tmp_path):
    kernel = kernels()
    kernel.result("m = %aimm create lab")
    messages = kernel.run("%aimm watch")
    (view,) = [
        m["content"]["data"]["application/vnd.jupyter.widget-view+json"]["model_id"]
        for m in messages
        if m["msg_type"] in ("display_data", "execute_result")
        and "application/vnd.jupyter.widget-view+json" in m["content"]["data"]
    ]
    request = kernel.send("%aimm fit m 'wait' gate")
    entry = executing(other)
    kernel.click(view, "cancel", id=1, action=entry.id)

    messages = kernel.messages(request)

    until(lambda: other.actions[entry.id].progress == "cancelled")
    assert [m for m in messages if m["msg_type"] == "error"]
