"""What the real model makes of messages and scopes; runs with ``mplane-sdk`` alone.

``mplane_oracle.py REGISTRY...``: reads one JSON array, of ``{"message": ...}`` and
``{"scope": ..., "tzero": ...}``, and answers one array: texts, tokens and reprs of
messages; text, times and order of scopes; ``{"error": NAME}`` where it raises.
"""

import datetime
import json
import sys

import mplane.model as model


def main():
    for name in sys.argv[1:]:
        model.preload_registry(name)
    model.initialize_registry()
    asked = json.load(sys.stdin)
    json.dump([answer(each) for each in asked], sys.stdout)


def answer(each):
    try:
        if "message" in each:
            return message(each["message"])
        return scope(each["scope"], parsed(each["tzero"]), parsed(each["t"]))
    except Exception as error:
        return {"error": type(error).__name__}


def message(d):
    made = model.message_from_dict(d)
    told = {"text": model.unparse_json(made)}
    if hasattr(made, "_schema_hash"):
        told["token"] = made.get_token()
        told["schema"] = made._schema_hash()
        told["rendered"] = model.render(made)
    told["repr"] = repr(made)
    return told


def scope(text, tzero, t):
    made = model.When(text)
    start, end = made.datetimes(tzero)
    return {
        "text": str(made),
        "start": str(start),
        "end": str(end),
        "order": made.sort_scope(t, tzero),
        "kinds": [
            made.is_immediate(),
            made.is_forever(),
            made.is_past(),
            made.is_future(),
            made.is_infinite(),
            made.is_definite(),
            made.is_repeated(),
        ],
    }


def parsed(text):
    return datetime.datetime.strptime(text, "%Y-%m-%d %H:%M:%S")


main()
