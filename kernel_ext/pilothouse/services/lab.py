"""JupyterLab on a notebook with the local services up: ``pilothouse lab``."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import quote

from pilothouse.errors import ServiceError

from .pages import has_browser, is_listening, need, run_page
from .runtime_files import runtime_dir
from .spawn import up

__all__ = ["run_lab"]

_TOUR = Path("notebooks") / "01_tour.ipynb"


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
    need("jupyterlab", "JupyterLab")
    local = up(data_dir=data_dir)
    try:
        for name, endpoint in local.services.items():
            say(
                f"{name}: {endpoint.url} ({'new' if local.is_new else 'found running'})"
            )
        command = _command(target, open_browser and has_browser())
        return run_page(
            [*command, *words],
            lambda pid: _address(pid, target),
            title="JupyterLab",
            say=say,
        )
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


def _command(target: Path | None, open_browser: bool) -> list[str]:
    command = [sys.executable, "-m", "jupyterlab", "--log-level=WARN"]
    if target is not None:
        command.append(str(target))
    if not open_browser:
        command.append("--no-browser")
    if hasattr(os, "getuid") and os.getuid() == 0:
        command.append("--allow-root")
    return command


def _address(pid: int, target: Path | None) -> str | None:
    """Return where the notebook is, once the server listens.

    It writes its runtime file a moment before.
    """
    path = runtime_dir() / f"jpserver-{pid}.json"
    try:
        server = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    here = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}
    host = here.get(server["hostname"], server["hostname"])
    if not (server.get("sock") or is_listening(host, server["port"])):
        return None
    page = "lab" if target is None else f"lab/tree/{quote(target.name)}"
    return f"{server['url']}{page}?token={server.get('token', '')}"
