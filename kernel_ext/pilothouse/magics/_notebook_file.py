"""Which file the notebook is saved in, as far as a kernel can know."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

__all__ = ["this_notebook"]

_VSCODE = "__vsc_ipynb_file__"


def this_notebook(shell: InteractiveShell) -> Path:
    """Return the saved file of the notebook that runs, or the folder it runs in.

    A Jupyter server tells its kernels the path of the notebook that they were started
    for; VS Code puts it into the namespace. Elsewhere the folder has to do.
    """
    for told in (os.environ.get("JPY_SESSION_NAME"), shell.user_ns.get(_VSCODE)):
        if isinstance(told, str | Path) and str(told).endswith(".ipynb"):
            for path in (Path(told), Path.cwd() / Path(told).name):
                if path.is_file():
                    return path
    return Path.cwd()
