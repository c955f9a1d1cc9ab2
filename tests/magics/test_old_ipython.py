"""The oldest IPython that is supported runs the same tests, in its own environment.

The environment lies in ``.venvs/ipython-8.12`` and is made once for each state of
``pyproject.toml``.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLACE = ROOT / ".venvs" / "ipython-8.12"
PACKAGES = (
    "hypothesis",
    "ipython==8.12.3",
    "ipykernel>=6.29,<7",
    "ipywidgets",
    "keyring",
    "nbclient",
    "pytest",
    "pytest-timeout",
)
LEFT_OUT = (
    # Long sessions in kernels, that of canary secrets among them: what they ask of
    # IPython and of ipykernel `test_kernel.py` asks, too.
    "*/test_*_kernel.py",
    # The page and the doctor behind their magics: services, threads and files.
    "*/test_dashboard.py",
    "*/test_doctor*.py",
)
"""Files that take long and say nothing of the version of IPython."""

PYTHON = PLACE / ("Scripts" if sys.platform == "win32" else "bin") / "python"


@pytest.fixture(scope="module")
def old_python():
    wanted = hashlib.sha256(
        (ROOT / "pyproject.toml").read_bytes() + repr(PACKAGES).encode()
    ).hexdigest()
    stamp = PLACE / "made-for"
    if not stamp.is_file() or stamp.read_text() != wanted:
        subprocess.run([sys.executable, "-m", "venv", PLACE], check=True, timeout=300)
        install = [PYTHON, "-m", "pip", "install", "-q", "--no-compile"]
        command = [*install, "-e", ROOT, *PACKAGES]
        subprocess.run(command, check=True, timeout=1200)
        stamp.write_text(wanted)
    return PYTHON


@pytest.mark.interop
@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_magics_pass_their_tests_on_ipython_8_12(old_python):
    tests = ["tests/magics", "-m", "not interop", "-q", "-p", "no:cacheprovider"]
    tests += [f"--ignore-glob={names}" for names in LEFT_OUT]
    done = subprocess.run(
        [old_python, "-m", "pytest", *tests],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=1200,
        check=False,
    )

    assert done.returncode == 0, done.stdout[-8000:]
    assert "passed" in done.stdout
