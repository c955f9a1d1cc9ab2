"""Plugins that do on demand what plugins do wrong, or slowly.

Written for the real package; runs in the real server and in ours.
"""

import os
import pathlib
import pickle
import signal
import sys
import time

from aimm import plugins


@plugins.data_access("numbers", state_cb_arg_name="report")
def numbers(n, step=1, *, report):
    report({"n": n})
    return list(range(0, n, step))


@plugins.data_access("fails")
def fails():
    raise OSError("the disk is gone")


@plugins.data_access("nested")
def nested(values):
    return [value * 10 for value in values]


@plugins.instantiate("lab")
def make(*args, fail=False, **kwargs):
    if fail:
        raise ValueError("made to fail")
    return {"fits": 0, "args": args, "kwargs": kwargs, "n": kwargs.get("n", 0)}


@plugins.fit(["lab"], state_cb_arg_name="report")
def fit(instance, how="", until=None, *rest, report, **kwargs):
    report({"epoch": 1, "epochs": 2})
    _do(how, until)
    instance["fits"] += 1
    instance["seen"] = (until, rest, kwargs)
    report({"epoch": 2, "epochs": 2})
    return instance


@plugins.predict(["lab"])
def predict(instance, what="fits", value=None, **kwargs):
    if what == "echo":
        return value
    if what == "unsendable":
        return {1, 2}
    if what == "odd":
        import numpy

        return {"array": [numpy.int64(3)], "nan": float("nan")}
    if what == "count":
        instance["n"] += 1
        return instance["n"]
    if what == "seen":
        return repr(instance["seen"])
    _do(what, value)
    return instance["fits"]


plugins.serialize(["lab"])(pickle.dumps)
plugins.deserialize(["lab"])(pickle.loads)


class UnpicklableError(Exception):
    def __init__(self, one, other):
        super().__init__(one)
        self.socket = lambda: None


def _do(how, until):
    match how:
        case "wait":  # for a file, that a test makes when it has seen enough
            while not pathlib.Path(until).exists():
                time.sleep(0.01)
        case "stubborn":
            while True:
                try:
                    time.sleep(60)
                except BaseException:
                    continue
        case "exit":
            os._exit(3)
        case "sys.exit":
            sys.exit(4)
        case "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        case "fork":  # both go on, and both come back
            os.fork()
        case "fork and exit":
            if os.fork():
                os._exit(3)
            while not pathlib.Path(until).exists():
                time.sleep(0.01)
            os._exit(0)
        case "raise":
            raise RuntimeError("the fit went wrong")
        case "empty":
            raise RuntimeError
        case "unpicklable":
            raise UnpicklableError("one", "other")
        case "print":
            print("x" * 1_000_000)  # noqa: T201
            os.write(1, b"noise on the pipe")
            sys.stdin.read()
