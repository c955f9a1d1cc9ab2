"""How long ``%load_ext NAME`` takes in a fresh IPython, and how much it imports.

Prints one JSON object: milliseconds, modules, files (open ones that are new), sockets,
widgets (of ipywidgets that were made).
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from IPython.core.interactiveshell import InteractiveShell


def open_files() -> set[str]:
    found = set()
    for entry in Path("/proc/self/fd").iterdir():
        try:
            found.add(str(entry.readlink()))
        except OSError:
            continue
    return found


def main() -> None:
    shell = InteractiveShell.instance()
    files, modules = open_files(), set(sys.modules)
    began = time.perf_counter()
    shell.run_line_magic("load_ext", sys.argv[1])
    took = time.perf_counter() - began
    new_files = open_files() - files
    widgets = sys.modules.get("ipywidgets.widgets.widget")
    told = {
        "milliseconds": took * 1e3,
        "modules": len(set(sys.modules) - modules),
        "files": len([f for f in new_files if not f.startswith("socket:")]),
        "sockets": len([f for f in new_files if f.startswith("socket:")]),
        "widgets": len(widgets._instances) if widgets else 0,
    }
    sys.stdout.write("\n" + json.dumps(told))


if __name__ == "__main__":
    main()
