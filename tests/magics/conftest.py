"""A real shell with the extension loaded, and what tests ask of it."""

from __future__ import annotations

import contextlib
import io
import threading

import pytest
from IPython.core.completer import provisionalcompleter
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from magics.kernels import PATIENCE
from pilothouse.jobs import JobBook
from pilothouse.magics._session import Session


@pytest.fixture
def quiet_place(tmp_path, monkeypatch):
    """An empty folder with no profile, history or environment of the user's."""
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    monkeypatch.delenv("PILOTHOUSE_PROFILE", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def bare_shell(quiet_place):
    """A shell without the extension."""
    config = Config()
    config.HistoryManager.enabled = False
    config.InteractiveShell.colors = "nocolor"
    shell = InteractiveShell.instance(config=config)
    yield shell
    shell.run_line_magic("unload_ext", "pilothouse")
    InteractiveShell.clear_instance()


@pytest.fixture
def shell(bare_shell):
    """A shell with the extension loaded."""
    bare_shell.run_line_magic("load_ext", "pilothouse")
    return bare_shell


@pytest.fixture
def run(shell):
    """Run a cell and return its result; raises what the cell raised."""

    def run(cell):
        with contextlib.redirect_stdout(io.StringIO()):
            result = shell.run_cell(cell, store_history=True)
        result.raise_error()
        return result.result

    return run


@pytest.fixture
def shown(shell):
    """Run a cell and return what it printed, errors included."""

    def shown(cell):
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            shell.run_cell(cell, store_history=True)
        return out.getvalue()

    return shown


@pytest.fixture
def complete(shell):
    """Return what Tab offers at the end of a text, as text and type."""

    def complete(text):
        with provisionalcompleter():
            found = list(shell.Completer.completions(text, len(text)))
        return {c.text: c.type for c in found}

    return complete


@pytest.fixture
def patient(request, monkeypatch):
    """What is cancelled is confirmed, however busy the machine is."""
    for module, name in PATIENCE.items():
        monkeypatch.setattr(f"{module}.{name}", 60.0)
    if "shell" in request.fixturenames:
        shell = request.getfixturevalue("shell")
        Session.of(shell).options.interrupt_timeout = 60.0


@pytest.fixture
def late_threads(monkeypatch):
    """Threads that write in the book of jobs come to it behind the next line."""
    looked = threading.Event()

    def late(write):
        def written(book, what):
            if threading.current_thread() is not threading.main_thread():
                looked.wait(1)
            write(book, what)

        return written

    for name in ("remember", "forget"):
        monkeypatch.setattr(JobBook, name, late(getattr(JobBook, name)))
    yield
    looked.set()


@pytest.fixture
def calm_doctor(monkeypatch):
    """The doctor waits for answers, however busy the machine is."""
    for module in ("_doctor", "_doctor_peers"):
        monkeypatch.setattr(f"pilothouse.magics.{module}._PATIENCE", 60.0)


@pytest.fixture
def connected(run, bare_suite, monkeypatch):
    """The shell, connected to a suite without engines."""
    monkeypatch.setenv("PILOTHOUSE_FASTSCORE_TOKEN", bare_suite.token)
    run(f"%fastscore connect {bare_suite.url}")
    return bare_suite
