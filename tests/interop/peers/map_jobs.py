"""Whole maps with whichever Fastmap client is named, each job a call or a few.

``python map_jobs.py LIBRARY URL SECRET JOB [OPTIONS]``: LIBRARY is ``fastmap`` (the
real client) or ``pilothouse.fastmap``; OPTIONS is JSON, handed to ``init``. The last
line printed is what came of it, as JSON. Runs on Python 3.8 and newer. A file with a
main guard, since the real client starts processes that import it again; the functions
sleep, since what is over in 0.1 s never leaves the real client's process.

Source: Fastmap contract, §7 and §7.1.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
import time
from pathlib import Path

import map_helper

JOBS = {}


def job(function):
    """Enter one job; its name is its function's."""
    JOBS[function.__name__] = function
    return function


# --- functions that are mapped


def squared(number):
    time.sleep(0.02)
    return map_helper.squared(number)


def plain(number):
    return map_helper.squared(number)


def squared_later_here(number):
    """In the client's own processes it waits for a file; workers have no such name."""
    gate = os.environ.get("MAP_JOBS_GATE", "")
    while gate and number >= 40 and not Path(gate).exists():
        time.sleep(0.01)
    time.sleep(0.02)
    return map_helper.squared(number)


def raises_at_40(number):
    time.sleep(0.02)
    if number == 40:
        raise ValueError(f"not {number}, please")
    return number


def gives_generator(number):
    time.sleep(0.02)
    return (n for n in range(number)) if number == 40 else number


def gives_lambda(number):
    time.sleep(0.02)
    return lambda: number


class Point:
    """A class of the main script."""

    def __init__(self, x):
        self.x = x

    def __eq__(self, other):
        return type(other).__name__ == "Point" and other.x == self.x


def moved(point):
    time.sleep(0.02)
    return Point(point.x + 1)


def exits_at_40(number):
    time.sleep(0.02)
    if number == 40:
        sys.exit(3)
    return number


def killed_at_40(number):
    time.sleep(0.02)
    if number == 40:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


class KilledOnce:
    """Kills the process that calls it at item 40, the first time."""

    def __init__(self, mark):
        self.mark = mark

    def __call__(self, number):
        time.sleep(0.02)
        if number == 40:
            try:
                os.close(os.open(self.mark, os.O_CREAT | os.O_EXCL))
            except FileExistsError:
                return number
            os.kill(os.getpid(), signal.SIGKILL)
        return number


class Closure:
    """Carries many bytes along."""

    def __init__(self, size):
        self.ballast = os.urandom(size)

    def __call__(self, number):
        time.sleep(0.02)
        return len(self.ballast) + number


def size_of(item):
    time.sleep(0.05)
    return len(item)


def noisy(number):
    time.sleep(0.02)
    sys.stdout.write("x" * 100_000)
    sys.stderr.write("y" * 100_000)
    return number


# --- jobs


def wanted(function, items):
    """What the builtin gives."""
    return list(map(function, items))


@job
def whole(config):
    got = list(config.fastmap(squared, range(60), label="é"))
    return {"right": got == wanted(plain, range(60)), "count": len(got)}


@job
def long(config):
    got = list(config.fastmap(squared, range(5000), label="long"))
    return {"right": got == wanted(plain, range(5000)), "count": len(got)}


@job
def shared(config):
    got = list(config.fastmap(squared_later_here, range(200), label="shared"))
    return {"right": got == wanted(plain, range(200)), "count": len(got)}


@job
def twice(config):
    first = list(config.fastmap(squared, range(30)))
    second = list(config.fastmap(squared, range(30)))
    return {"right": first == second == wanted(plain, range(30))}


@job
def batches(config):
    got = list(config.fastmap(squared, range(60), return_type="BATCHES"))
    flat = [one for batch in got for one in batch]
    return {
        "right": flat == wanted(plain, range(60)),
        "lists": all(isinstance(batch, list) for batch in got),
        "batches": len(got),
    }


@job
def kinds(config):
    items = list(range(25))
    given = {
        "list": items,
        "tuple": tuple(items),
        "range": range(25),
        "generator": (n for n in items),
        "empty": [],
        "one": [7],
    }
    right = {}
    for name, iterable in given.items():
        expected = [7] if name == "one" else [] if name == "empty" else items
        got = list(config.fastmap(squared, iterable))
        right[name] = got == wanted(plain, expected)
    some = set(config.fastmap(squared, set(items)))
    right["set"] = some == set(wanted(plain, items))
    return right


def until_it_fails(config, function, items):
    """What was yielded, and what ended it."""
    came = []
    try:
        for one in config.fastmap(function, items):
            came.append(one)
    except Exception as error:
        names = [kind.__name__ for kind in type(error).__mro__]
        return {"came": came, "error": str(error), "kinds": names}
    return {"came": came, "error": "", "kinds": []}


@job
def raising(config):
    return until_it_fails(config, raises_at_40, range(60))


@job
def generator_result(config):
    return until_it_fails(config, gives_generator, range(60))


@job
def lambda_result(config):
    came = []
    try:
        came = [one() for one in config.fastmap(gives_lambda, range(30))]
    except Exception as error:
        return {"right": False, "error": str(error)}
    return {"right": came == list(range(30)), "error": ""}


@job
def class_of_main(config):
    points = [Point(n) for n in range(30)]
    try:
        got = list(config.fastmap(moved, points))
    except Exception as error:
        return {"right": False, "error": str(error)}
    return {"right": got == wanted(moved, points), "error": ""}


@job
def exits(config):
    return until_it_fails(config, exits_at_40, range(60))


@job
def killed(config):
    return until_it_fails(config, killed_at_40, range(60))


@job
def killed_once(config):
    mark = Path.cwd() / "killed"
    got = list(config.fastmap(KilledOnce(str(mark)), range(60)))
    return {"right": got == list(range(60)), "was_killed": mark.exists()}


@job
def big_closure(config):
    size = 45 * 2**20
    got = list(config.fastmap(Closure(size), range(30)))
    return {"right": got == [size + n for n in range(30)]}


@job
def big_items(config):
    size = 30 * 2**20
    items = [os.urandom(size) for _ in range(4)]
    try:
        got = list(config.fastmap(size_of, items))
    except Exception as error:
        return {"right": False, "error": str(error)}
    return {"right": got == [size] * 4, "error": ""}


@job
def prints(config):
    got = list(config.fastmap(noisy, range(30)))
    return {"right": got == list(range(30))}


@job
def endless(config):
    def numbers():
        n = 0
        while True:
            yield n
            n += 1

    running = config.fastmap(squared, numbers())
    got = [next(running) for _ in range(40)]
    running.close()
    return {"right": got == wanted(plain, range(40))}


@job
def failing_source(config):
    def numbers():
        yield from range(40)
        raise KeyError("no more")

    return until_it_fails(config, squared, numbers())


def main():
    name, url, secret, asked, *more = sys.argv[1:]
    signal.signal(signal.SIGINT, signal.default_int_handler)
    options = {"exec_policy": "CLOUD", "verbosity": "LOUD", "max_cloud_workers": 3}
    options.update(json.loads(more[0]) if more else {})
    os.environ["MAP_JOBS_GATE"] = options.pop("gate", "")
    library = importlib.import_module(name)
    config = library.init(cloud_url=url, secret=secret, **options)
    outcome = JOBS[asked](config)
    sys.stdout.write("\n" + json.dumps(outcome, ensure_ascii=True) + "\n")


if __name__ == "__main__":
    main()
