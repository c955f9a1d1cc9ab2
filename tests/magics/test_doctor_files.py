"""Folders that cannot be written and disks that are full: made, told, cured by the fix.

Root may write whatever the modes say, so the look is taken by a process that has no
capabilities; a disk of one's own is mounted in a namespace of the test's.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="capabilities and namespaces are Linux's"
)

LOOK = """
import json
from pilothouse.magics._doctor_files import look_at_files
from pilothouse.magics._report import State
faults = [c for c in look_at_files(None) if c.state is State.FAULT]
print(json.dumps({c.name: [c.found, c.fix] for c in faults}))
"""
POWERLESS = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"]
MOUNTING = ["unshare", "--user", "--map-root-user", "--mount"]


def done(words, state, **more):
    environment = {**os.environ, "XDG_STATE_HOME": str(state), **more}
    result = subprocess.run(
        words, env=environment, capture_output=True, text=True, timeout=120, check=True
    )
    return result.stdout


def look(state):
    """Return the faults that a process without powers finds."""
    start = POWERLESS if os.getuid() == 0 else []
    return json.loads(done([*start, sys.executable, "-c", LOOK], state))


@pytest.fixture
def state(tmp_path):
    folder = tmp_path / "state folder"
    folder.mkdir()
    return folder


def test_a_folder_that_cannot_be_written_is_opened_by_the_fix(state):
    state.chmod(0o500)
    found, fix = look(state)["jobs"]

    assert "cannot be written" in found
    assert fix.startswith("chmod u+rwx ")
    start = POWERLESS if os.getuid() == 0 else []
    subprocess.run([*start, "sh", "-c", fix], check=True, timeout=30)
    assert "jobs" not in look(state)


IN_A_NAMESPACE = """
set -e
mount -t tmpfs -o size=64m tmpfs "$XDG_STATE_HOME"
{before}
"$PYTHON" -c "$LOOK"
{fix}
"$PYTHON" -c "$LOOK"
"""


@pytest.fixture
def disks():
    """Where nobody may mount anything, there is no disk to fill."""
    try:
        subprocess.run([*MOUNTING, "true"], check=True, capture_output=True, timeout=30)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this machine lets nobody make a namespace with mounts")


def looks(state, before, fix, **more):
    """Return the faults on a disk of one's own, before and after the fix."""
    script = IN_A_NAMESPACE.format(before=before, fix=fix)
    words = [*MOUNTING, "sh", "-c", script]
    said = done(words, state, PYTHON=sys.executable, LOOK=LOOK, **more)
    return [json.loads(line) for line in said.splitlines()]


def test_a_full_disk_is_told_until_there_is_room_as_the_fix_says(state, disks):
    full = 'head -c 60M /dev/zero > "$XDG_STATE_HOME/ballast"'
    before, after = looks(state, full, 'rm "$XDG_STATE_HOME/ballast"')

    found, fix = before["jobs"]
    assert "is full" in found
    assert fix == "make room on that disk: 50 MB do"
    assert "jobs" not in after


def test_a_disk_that_is_only_read_is_left_for_another_by_the_fix(
    state, tmp_path, disks
):
    """Its mode would let it be written, so chmod is no fix."""
    other = tmp_path / "other"
    other.mkdir()
    only_read = 'mount -o remount,ro "$XDG_STATE_HOME"'
    before, after = looks(
        state, only_read, 'export XDG_STATE_HOME="$OTHER"', OTHER=str(other)
    )

    found, fix = before["jobs"]
    assert "cannot be written" in found
    assert fix.startswith("export XDG_STATE_HOME=FOLDER")
    assert "jobs" not in after
    assert not list(Path(state).iterdir())
