"""Each kind of work goes on when its kernel is killed, and is found again."""

from __future__ import annotations

import pytest

from magics.kernels import DEADLINE
from pilothouse import aimm, fastmap
from pilothouse.fastscore.suite import Connect
from promises.works import KINDS, WORKS, fresh, job_of, patient, steps
from waiting import until

pytestmark = [pytest.mark.faults, pytest.mark.slow, pytest.mark.timeout(240)]

LONG = dict.fromkeys(KINDS, 9_000)
SHORT = {"fastscore": 400, "fastmap": 300, "aimm": 100, "mplane": 8}
"""Steps that take some seconds: they end while the next kernel looks on."""
NONE = "(no jobs are out there)"


def killed_amid_all(kernels, home, n):
    """Begin all four in a kernel, and kill it; the folders of their steps."""
    kernel = kernels()
    kernel.result("m = %aimm create promised.Slow")
    folders = {}
    for kind in reversed(KINDS):  # the quickest ones last
        folders[kind] = fresh(kernel, home)
        kernel.result(f"{kind} = {WORKS[kind].line.format(n=n[kind])} --detach")
        if kind != "mplane":
            until(lambda kind=kind: steps(folders[kind]) >= 2, DEADLINE, kind)
    kernel.result("fastmap.detach()\nNone")
    kernel.manager.signal_kernel(9)
    until(lambda: not kernel.manager.is_alive(), DEADLINE, "the end of the kernel")
    return folders


@pytest.fixture(scope="module")
def peers(services):
    """Somebody else who looks at the four services."""
    told = services.told
    place = told["aimm"]
    with (
        Connect(told["fastscore"]["url"], oauth_secret=told["fastscore"]["token"]) as c,
        aimm.connect(place["url"], place["username"], place["password"]) as client,
    ):
        engine = c.get("engine-1")
        maps = fastmap.init(
            cloud_url=told["fastmap"]["url"],
            secret=told["fastmap"]["secret"],
            exec_policy="CLOUD",
        )

        def is_busy(kind):
            if kind == "fastscore":
                route = engine.route("1/job/status?return=jets")
                jets = engine.gateway.get_json("", route)["jets"]
                return any(jet["busy"] for jet in jets)
            if kind == "fastmap":
                return any(run.state in ("starting", "ready") for run in maps.runs())
            if kind == "aimm":
                return any(not entry.is_over for entry in client.actions.values())
            return False

        yield is_busy


def test_all_four_are_listed_attached_to_and_give_what_they_would_have(
    kernels, home, services
):
    killed_amid_all(kernels, home, SHORT)
    second = kernels()
    for kind in KINDS:
        name, line = job_of(second, kind)
        assert WORKS[kind].listed.format(n=SHORT[kind]) in line
        messages = second.run(f"%pilot attach {name} -o found")
        assert not [m for m in messages if m["msg_type"] == "error"], messages
        work = WORKS[kind]
        value = work.value.format(n=SHORT[kind])
        assert second.result(value) == work.expected, kind
    assert second.result("%pilot jobs") == NONE


def test_all_four_are_stopped_at_their_peers(kernels, home, services, peers):
    folders = killed_amid_all(kernels, home, LONG)
    second = kernels()
    with services.frozen():
        listed = second.result("%pilot jobs")
    rows = {line.split()[1]: line for line in listed.splitlines()[2:]}
    assert sorted(rows) == sorted(KINDS)
    for kind in ("fastscore", "fastmap", "mplane"):  # whom it has to ask
        assert "unreachable" in rows[kind] or "no answer yet" in rows[kind]

    listed = second.result("%pilot jobs")
    assert "of 9,000 records sent" in listed
    assert "of 9,000 items" in listed
    assert "measuring" in listed
    for kind in KINDS:
        name, _ = job_of(second, kind)
        with patient(second):
            said = second.result(f"%pilot stop {name}")
        assert "confirmed" in said, said
        until(lambda kind=kind: not peers(kind), DEADLINE, f"the end of {kind}")
        assert steps(folders[kind]) < LONG[kind]
    assert second.result("%pilot jobs") == NONE
