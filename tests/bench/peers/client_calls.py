"""Calls of a FastScore client, one after another, timed; runs in any environment.

``python client_calls.py LIBRARY`` reads lines of JSON from standard input,
``{"url", "token", "call", "count"}``, and answers each with the calls per second.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from functools import partial

LIBRARY = sys.argv[1]
SUITE = importlib.import_module(f"{LIBRARY}.suite")
RECORD = '{"x":1.5,"y":2}'


def record_by_record(engine):
    """One record in, and its output back."""
    engine.input(RECORD, 0)
    while engine.output(1) is None:
        pass


CALLS = {
    "health": lambda engine: engine.check_health(),
    "output": lambda engine: engine.output(1),
    "record": record_by_record,
}


def main():
    for line in sys.stdin:
        order = json.loads(line)
        connect = SUITE.Connect(order["url"], oauth_secret=order["token"])
        engine = connect.get("engine-1")
        call = partial(CALLS[order["call"]], engine)
        for _ in range(min(50, order["count"])):
            call()
        began = time.perf_counter()
        for _ in range(order["count"]):
            call()
        sys.stdout.write(f"{order['count'] / (time.perf_counter() - began)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
