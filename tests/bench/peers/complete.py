"""How long Tab takes on a magic's line: ``python complete.py URL TOKEN``.

Prints one JSON object, line -> ``[milliseconds (median), offers]``.
"""

from __future__ import annotations

import json
import statistics
import sys
import time

from IPython.core.completer import provisionalcompleter
from IPython.core.interactiveshell import InteractiveShell

from pilothouse.fastscore.suite import Connect

LINES = {
    "%engine sc": "scale",
    "%engine engine-1 att": "attach",
    "%engine load b": "bench",
    "%engine load bench --": "--",
    "%fastscore fl": "fleet",
    "%pilot st": "status",
}


def offers(shell: InteractiveShell, line: str) -> list[str]:
    """All that Tab offers at the end of the line."""
    with provisionalcompleter():
        return [one.text for one in shell.Completer.completions(line, len(line))]


def main() -> None:
    shell = InteractiveShell.instance()
    shell.run_line_magic("load_ext", "pilothouse")
    shell.user_ns["connection"] = Connect(sys.argv[1], oauth_secret=sys.argv[2])
    shell.run_line_magic("fastscore", "connect connection")
    end = time.monotonic() + 20
    told = {}
    for line, wanted in LINES.items():
        while not any(wanted in text for text in offers(shell, line)):
            assert time.monotonic() < end, f"{line!r} offers {offers(shell, line)}"
        took = []
        for _ in range(60):
            began = time.perf_counter()
            found = offers(shell, line)
            took.append((time.perf_counter() - began) * 1e3)
        told[line] = [statistics.median(took), len(found)]
    sys.stdout.write("\n" + json.dumps(told))


if __name__ == "__main__":
    main()
