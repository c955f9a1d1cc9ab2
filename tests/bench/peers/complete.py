"""How long Tab takes on a magic's line: ``python complete.py URL TOKEN``.

Prints one JSON object, line -> ``[milliseconds (95th percentile), offers]``; the same
lines once more behind ``kernel:``, with the way through a kernel and back.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from IPython.core.completer import provisionalcompleter
from IPython.core.interactiveshell import InteractiveShell
from jupyter_client import BlockingKernelClient
from jupyter_client.manager import start_new_kernel

from pilothouse.fastscore.suite import Connect

LINES = {
    "%engine sc": "scale",
    "%engine engine-1 att": "attach",
    "%engine load b": "bench",
    "%engine load bench --": "--",
    "%fastscore fl": "fleet",
    "%pilot st": "status",
    "%pilot up --data-dir /": "/",
    "%engine score {conn": "connection",
    "%aimm fit 1 conn": "connection",
    "%fastmap abs conn": "connection",
    "%mplane runcap --": "--when",
}
TIMES = 100


def offers(shell: InteractiveShell, line: str) -> list[str]:
    """All that Tab offers at the end of the line."""
    with provisionalcompleter():
        return [one.text for one in shell.Completer.completions(line, len(line))]


def timed(ask: Callable[[], list[str]]) -> list[float]:
    """The 95th percentile of many answers, in milliseconds, and how many offers."""
    took = []
    for _ in range(TIMES):
        began = time.perf_counter()
        found = ask()
        took.append((time.perf_counter() - began) * 1e3)
    return [statistics.quantiles(took, n=20)[-1], len(found)]


def asked(client: BlockingKernelClient, line: str) -> list[str]:
    """All that a front end gets for Tab at the end of the line."""
    reply = client.complete(line, len(line), reply=True, timeout=20)
    matches: list[str] = reply["content"]["matches"]
    return matches


@contextmanager
def kernel() -> Iterator[BlockingKernelClient]:
    """A kernel that is connected to the same suite."""
    manager, client = start_new_kernel(kernel_name="python3")
    try:
        for cell in (
            "%load_ext pilothouse",
            "from pilothouse.fastscore.suite import Connect",
            f"connection = Connect({sys.argv[1]!r}, oauth_secret={sys.argv[2]!r})",
            "%fastscore connect connection",
        ):
            client.execute_interactive(cell, timeout=20, store_history=False)
        for line, wanted in LINES.items():
            end = time.monotonic() + 20
            while not any(wanted in text for text in asked(client, line)):
                assert time.monotonic() < end, line
        yield client
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


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
        told[line] = timed(lambda line=line: offers(shell, line))
    with kernel() as client:
        for line in LINES:
            told[f"kernel: {line}"] = timed(lambda line=line: asked(client, line))
    sys.stdout.write("\n" + json.dumps(told))


if __name__ == "__main__":
    main()
