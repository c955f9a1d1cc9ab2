"""Reads and writes mPlane messages, so often, for as long as it is asked.

``mplane_messages.py ours|real``: reads lines ``MESSAGE COUNT``, answers the messages a
second. Runs in the environment of whom it measures; both get the same texts. Messages
are those of the reference document; ``different`` is its result with values, token and
times that never come twice.
"""

import json
import sys
import time

CORE = "http://ict-mplane.eu/registry/core"
DELAY = "delay.twoway.icmp.us"
COLUMNS = [f"{DELAY}.min", f"{DELAY}.max", f"{DELAY}.mean"]
COLUMNS += ["delay.twoway.icmp.count", "packets.lost"]
BASE = {"version": 1, "registry": CORE, "results": COLUMNS}
VALUED = {
    "token": "e00d7fe813cf17eeeea37b313dcfa4e7",
    "parameters": {"source.ip4": "10.0.27.2", "destination.ip4": "10.0.37.2"},
}
CAPABILITY = {
    **BASE,
    "capability": "measure",
    "when": "now ... future / 1s",
    "parameters": {"source.ip4": "10.0.27.2", "destination.ip4": "*"},
}
SPECIFICATION = {
    **BASE,
    **VALUED,
    "specification": "measure",
    "when": "2017-12-24 22:18:42.000000 + 1m / 1s",
}
RESULT = {
    **BASE,
    **VALUED,
    "result": "measure",
    "when": "2017-12-24 22:18:42.993000 ... 2017-12-24 22:19:42.991000",
    "resultvalues": [["33155", "192307", "55166", "58220", "2"]],
}
ENVELOPE = {"envelope": "message", "version": 1, "contents": [CAPABILITY] * 100}


def different(count):
    """Results of which no two have a value in common but their parameters."""
    for number in range(count):
        values = [str(number * 7 + column) for column in range(5)]
        micros = f"{number % 10**6:06d}"
        yield {
            **RESULT,
            "token": f"{number:032x}",
            "when": f"2017-12-24 22:18:42.{micros} ... 2017-12-24 22:19:42.{micros}",
            "resultvalues": [values],
        }


def written(message):
    """A message as it comes from a peer."""
    return json.dumps(message, sort_keys=True, indent=2, separators=(",", ": "))


def main():
    """Answer rates until the input ends."""
    if sys.argv[1] == "ours":
        from pilothouse.mplane import model
    else:
        import mplane.model as model
    model.initialize_registry(sys.argv[2])
    texts = {
        "capability": [written(CAPABILITY)],
        "specification": [written(SPECIFICATION)],
        "result": [written(RESULT)],
        "envelope": [written(ENVELOPE)],
    }
    parse, unparse = model.parse_json, model.unparse_json
    for line in sys.stdin:
        name, count = line.split()
        given = texts.get(name)
        if given is None:
            given = [written(each) for each in different(int(count))]
        else:
            given = given * int(count)
        began = time.perf_counter()
        for text in given:
            unparse(parse(text))
        took = time.perf_counter() - began
        each = 100 if name == "envelope" else 1
        sys.stdout.write(json.dumps(len(given) * each / took) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
