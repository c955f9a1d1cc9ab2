"""JupyterLab on a notebook with the local services up: ``pilothouse lab``."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import webbrowser
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from urllib.parse import quote

from pilothouse.errors import ServiceError

from .runtime_files import runtime_dir
from .spawn import up

__all__ = ["run_lab"]

_TOUR = Path("notebooks") / "01_tour.ipynb"
_START_SECONDS = 120.0
_LOOK_SECONDS = 0.1
_END_SECONDS = 15.0


def run_lab(
    notebook: Path | None = None,
    *,
    words: Sequence[str] = (),
    data_dir: Path | None = None,
    open_browser: bool = True,
    say: Callable[[str], None],
) -> int:
    """Run JupyterLab until it ends or a signal ends it; return its exit code.

    Services that were started for it end with it; those found running stay.

    Args:
        notebook: What to open; the tour where it is found, else the file browser.
        words: Further words for JupyterLab.
        data_dir: Where the services keep their data.
        open_browser: Whether to open a browser, where there is one.
        say: Takes lines for the user.

    Raises:
        ServiceError: If the notebook or JupyterLab is missing, or services or
            JupyterLab do not start.
    """
    target = _target(notebook)
    _need_jupyterlab()
    local = up(data_dir=data_dir)
    try:
        for name, endpoint in local.services.items():
            say(
                f"{name}: {endpoint.url} ({'new' if local.is_new else 'found running'})"
            )
        return _run(target, words, open_browser and _has_browser(), say)
    finally:
        if local.is_new:
            local.down()
            say("the local services have ended")


def _target(notebook: Path | None) -> Path | None:
    if notebook is None:
        return _TOUR if _TOUR.exists() else None
    if not notebook.exists():
        raise ServiceError(f"there is no notebook {str(notebook)!r}")
    return notebook


def _need_jupyterlab() -> None:
    from importlib.util import find_spec

    if find_spec("jupyterlab") is None:
        raise ServiceError(
            "JupyterLab is not installed here", hint="pip install 'pilothouse[lab]'"
        )


def _run(
    target: Path | None,
    words: Sequence[str],
    open_browser: bool,
    say: Callable[[str], None],
) -> int:
    command = [sys.executable, "-m", "jupyterlab", "--log-level=WARN"]
    if target is not None:
        command.append(str(target))
    if not open_browser:
        command.append("--no-browser")
    if os.getuid() == 0:
        command.append("--allow-root")
    process = subprocess.Popen(
        [*command, *words], stdin=subprocess.DEVNULL, start_new_session=True
    )
    ending = _end_on_signal(process)
    try:
        _say_address(process, target, say, ending)
        code = process.wait()
    finally:
        _end(process)
    return 0 if ending.is_set() else code


def _end_on_signal(process: subprocess.Popen[bytes]) -> threading.Event:
    """Pass Ctrl-C and SIGTERM on as SIGTERM: JupyterLab ends without a question."""
    ending = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        ending.set()
        process.terminate()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, end)
    return ending


def _say_address(
    process: subprocess.Popen[bytes],
    target: Path | None,
    say: Callable[[str], None],
    ending: threading.Event,
) -> None:
    """Tell the address once the server has written it to its runtime file."""
    path = runtime_dir() / f"jpserver-{process.pid}.json"
    deadline = time.monotonic() + _START_SECONDS
    while process.poll() is None and not ending.wait(_LOOK_SECONDS):
        try:
            server = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            if time.monotonic() > deadline:
                raise ServiceError("JupyterLab did not get ready") from None
            continue
        page = "lab" if target is None else f"lab/tree/{quote(target.name)}"
        say(f"JupyterLab: {server['url']}{page}?token={server.get('token', '')}")
        say("Ctrl-C ends it.")
        return


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _has_browser() -> bool:
    if sys.platform.startswith("linux") and not (
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    ):
        return False
    try:
        webbrowser.get()
    except webbrowser.Error:
        return False
    return True
