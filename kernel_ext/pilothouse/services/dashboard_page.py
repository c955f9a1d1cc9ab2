"""The dashboard as a page of its own, by Voila: ``pilothouse dashboard``.

Voila runs the one cell of ``06_dashboard.ipynb`` for each page that is opened, with a
kernel of its own that ends with the page. The notebook and the template are in the
package; in a checkout the notebook is the one of ``notebooks/``.

    <temporary folder, 0700>/
        dashboard.ipynb     a copy: the kernel runs in its folder
        pilothouse.toml     the profiles of the folder where the command was given
        voila.json          the token of the page, which is in no process's words
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import sys
import tempfile
import webbrowser
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from pilothouse.errors import ServiceError

from .pages import has_browser, is_listening, need, run_page
from .spawn import up

__all__ = ["THEMES", "notebook_path", "run_dashboard"]

#: "auto" is as the browser's own preference says.
THEMES: Final = ("auto", "light", "dark")

_NAME: Final = "06_dashboard.ipynb"
_TEMPLATE: Final = "pilothouse"
_PROFILES: Final = "pilothouse.toml"
_HERE: Final = Path(__file__).parent
_CULL_SECONDS: Final = 90


def run_dashboard(
    *,
    port: int | None = None,
    theme: str = "auto",
    data_dir: Path | None = None,
    open_browser: bool = True,
    say: Callable[[str], None],
) -> int:
    """Run the page until it ends or a signal ends it; return its exit code.

    Services that were started for it end with it; those found running stay.

    Args:
        port: Where it listens, on this machine only; a free one by default.
        theme: One of `THEMES`.
        data_dir: Where the services keep their data.
        open_browser: Whether to open a browser, where there is one.
        say: Takes lines for the user.

    Raises:
        ServiceError: If Voila is missing, or services or Voila do not start.
    """
    need("voila", "Voila")
    notebook = notebook_path()
    port = _free_port(port)
    local = up(data_dir=data_dir)
    try:
        with tempfile.TemporaryDirectory(prefix="pilothouse-") as folder:
            return _run(Path(folder), notebook, port, theme, open_browser, say)
    finally:
        if local.is_new:
            local.down()
            say("the local services have ended")


def notebook_path() -> Path:
    """Return the notebook of the page.

    Raises:
        ServiceError: If it is not there.
    """
    packaged = _HERE / "share" / _NAME
    checkout = _HERE.parents[2] / "notebooks" / _NAME
    for path in (packaged, checkout):
        if path.is_file():
            return path
    raise ServiceError(f"{_NAME} is missing here", hint="install pilothouse again")


def _run(
    folder: Path,
    notebook: Path,
    port: int,
    theme: str,
    open_browser: bool,
    say: Callable[[str], None],
) -> int:
    token = secrets.token_urlsafe(24)
    shutil.copyfile(notebook, folder / "dashboard.ipynb")
    if Path(_PROFILES).is_file():
        shutil.copyfile(_PROFILES, folder / _PROFILES)
    configuration = folder / "voila.json"
    configuration.touch(mode=0o600)
    configuration.write_text(
        json.dumps(_configured(port, token, theme)), encoding="utf-8"
    )
    command = [sys.executable, "-m", "voila", str(folder / "dashboard.ipynb")]
    command += [f"--Voila.config_file_paths={folder}", "--no-browser"]
    paths = [str(_HERE / "share"), os.environ.get("JUPYTER_PATH", "")]
    return run_page(
        command,
        lambda _pid: _address(port, token),
        title="Dashboard",
        say=say,
        opened=webbrowser.open if open_browser and has_browser() else None,
        variables={"JUPYTER_PATH": os.pathsep.join(filter(None, paths))},
    )


def _configured(port: int, token: str, theme: str) -> dict[str, Any]:
    """Return Voila's configuration: this machine only, and a kernel for each page.

    A page that is closed ends its kernel; one whose end is never told has it culled.
    """
    return {
        "Voila": {
            "ip": "127.0.0.1",
            "port": port,
            "port_retries": 0,
            "token": token,
            "log_level": "WARN",
            # A page that closes says so without the token of such requests (0.5.13).
            "tornado_settings": {"disable_check_xsrf": True},
        },
        "VoilaConfiguration": {
            "template": _TEMPLATE,
            "theme": "dark" if theme == "dark" else "light",
            "resources": {"pilothouse_theme": theme},
            "show_tracebacks": True,
        },
        "MappingKernelManager": {
            "cull_idle_timeout": _CULL_SECONDS,
            "cull_interval": _CULL_SECONDS // 3,
        },
    }


def _address(port: int, token: str) -> str | None:
    if not is_listening("127.0.0.1", port):
        return None
    return f"http://127.0.0.1:{port}/?token={token}"


def _free_port(wanted: int | None) -> int:
    """Return a port that nobody listens on.

    Raises:
        ServiceError: If somebody listens on the one that is wanted.
    """
    with socket.socket() as found:
        if os.name == "posix":  # elsewhere this would share the port
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            found.bind(("127.0.0.1", wanted or 0))
        except OSError as exc:
            raise ServiceError(
                f"cannot listen on port {wanted}: {exc.strerror}",
                hint="another --port, or none for a free one",
            ) from exc
        return int(found.getsockname()[1])
