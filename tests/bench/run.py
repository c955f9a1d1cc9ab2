"""``make bench``: pilothouse against its peers on the same work, in one run.

``python tests/bench/run.py [--quick] [PART ...]`` measures, prints a table of what was
measured beside its budget, and writes ``bench.json`` at the top of the repository.
``--quick`` does less of everything and leaves out the peers whose environments take
minutes to make. A budget that is not reached is named in the table; it does not make
the run fail. A part that cannot be measured does.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
import traceback
from importlib import import_module
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
ROOT = TESTS.parent
sys.path.insert(0, str(TESTS))

from bench.figures import Figure, table  # noqa: E402 (needs the path above)

PARTS = {
    "load": "loading",
    "up": "starting",
    "calls": "calling",
    "records": "scoring",
    "roundtrips": "serving",
    "instances": "instances",
    "maps": "mapping",
    "probes": "probing",
    "completion": "completing",
    "views": "viewing",
}


def main() -> int:
    """Measure what is asked for; 1 when some of it could not be measured."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--quick", action="store_true", help="less of everything")
    asked = parser.parse_args()
    unknown = set(asked.parts) - set(PARTS)
    if unknown:
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    figures: dict[str, list[Figure]] = {}
    failed = []
    for name in asked.parts or PARTS:
        began = time.perf_counter()
        try:
            part = import_module(f"bench.{PARTS[name]}")
            figures[name] = list(part.measure(quick=asked.quick))
        except Exception:
            traceback.print_exc()
            failed.append(name)
        took = time.perf_counter() - began
        sys.stderr.write(f"{name}: {took:.0f} s\n")
    measured = [figure for some in figures.values() for figure in some]
    sys.stdout.write(table(measured) + "\n")
    if failed:
        sys.stdout.write(f"not measured: {', '.join(failed)}\n")
    told = {
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "quick": asked.quick,
        "parts": {
            name: [figure.as_json() for figure in some]
            for name, some in figures.items()
        },
        "not_measured": failed,
    }
    (ROOT / "bench.json").write_text(json.dumps(told, indent=2) + "\n", "utf-8")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
