"""One map by one contestant; prints what it took, as JSON.

``python map_work.py WHO WORK COUNT [URL SECRET]``, in the contestant's environment.
``first`` counts the start of what it needs (pool, cluster, upload) but no imports,
``again`` is the same map once more, unless the first took long; both in seconds.
``peak`` is the most memory that this process had, ``grown`` how much of it came with
the map, in MB.

The works: ``tiny`` adds one to each of COUNT numbers, ``busy`` has COUNT items of 50 ms
of CPU, ``large`` takes COUNT items of 20 MB, made one after another, and gives as much
back, of which only a digest is kept. Two processes work, where there is a choice.
"""

import contextlib
import importlib
import json
import multiprocessing
import resource
import sys
import time
import zlib
from random import Random

WORKERS = 2
TOO_LONG_S = 2
LARGE_BYTES = 20_000_000


def plus_one(number):
    return number + 1


def busy(number):
    from time import process_time  # (ipyparallel sends the function alone)

    end = process_time() + 0.05
    while process_time() < end:
        pass
    return number


def turned(item):
    return item[::-1]


def items_of(work, count):
    """What is mapped; the large ones are made one by one."""
    if work == "large":
        chance = Random(7)
        return (chance.randbytes(LARGE_BYTES) for _ in range(count))
    return range(count)


IMPORTS = {
    "futures": ("concurrent.futures.process",),
    "joblib": ("joblib",),
    "ipyparallel": ("ipyparallel",),
    "dask": ("dask.bag", "distributed"),
    "real_local": ("fastmap",),
    "ours_local": ("pilothouse.fastmap.config",),
    "ours_adaptive": ("pilothouse.fastmap.config",),
    "ours_cloud": ("pilothouse.fastmap.config",),
}
FUNCTIONS = {"tiny": plus_one, "busy": busy, "large": turned}
WHO = {}


def contestant(function):
    """Enter one: a context whose value maps a function over items."""
    WHO[function.__name__] = contextlib.contextmanager(function)
    return function


@contestant
def builtin():
    yield map


@contestant
def pool():
    with multiprocessing.Pool(WORKERS) as running:

        def mapped(function, items):
            if hasattr(items, "__len__"):
                return running.map(function, items)
            return running.imap(function, items)

        yield mapped


@contestant
def futures():
    from concurrent.futures import ProcessPoolExecutor

    with ProcessPoolExecutor(WORKERS) as running:

        def mapped(function, items):
            # The size that multiprocessing would choose.
            size = -(-len(items) // (4 * WORKERS)) if hasattr(items, "__len__") else 1
            return running.map(function, items, chunksize=size)

        yield mapped


@contestant
def joblib():
    from joblib import Parallel, delayed

    with Parallel(n_jobs=WORKERS, return_as="generator") as running:

        def mapped(function, items):
            return running(delayed(function)(item) for item in items)

        yield mapped


@contestant
def ipyparallel():
    import ipyparallel

    with ipyparallel.Cluster(n=WORKERS, log_level=50) as client:
        direct = client[:]
        balanced = client.load_balanced_view()

        def mapped(function, items):
            if not hasattr(items, "__len__"):
                return balanced.imap(function, items, max_outstanding=2 * WORKERS)
            if function is plus_one:
                return direct.map_sync(function, items)
            return balanced.map_sync(function, items)

        yield mapped


@contestant
def dask():
    from dask import bag
    from distributed import Client, LocalCluster

    with (
        LocalCluster(
            n_workers=WORKERS, threads_per_worker=1, dashboard_address=None
        ) as cluster,
        Client(cluster) as client,
    ):

        def mapped(function, items):
            if function is plus_one:
                whole = bag.range(len(items), npartitions=4 * WORKERS)
                return whole.map(function).compute(scheduler=client)
            if function is busy:
                return client.gather(client.map(function, items, pure=False))
            return one_by_one(client, function, items)

        yield mapped


def one_by_one(client, function, items):
    """Few items at a time, since dask takes all that it is given."""
    waiting = []
    for item in items:
        waiting.append(client.submit(function, item, pure=False))
        if len(waiting) > 2 * WORKERS:
            yield waiting.pop(0).result()
    yield from (future.result() for future in waiting)


@contestant
def real_local():
    import fastmap

    config = fastmap.init(
        exec_policy="LOCAL", verbosity="SILENT", max_local_workers=WORKERS
    )
    yield config.fastmap


def ours(policy):
    """Our client under one policy."""

    def configured():
        from pilothouse import fastmap

        where = {}
        if policy != "LOCAL":
            where = {"cloud_url": sys.argv[4], "secret": sys.argv[5]}
        config = fastmap.init(
            exec_policy=policy,
            verbosity="SILENT",
            max_local_workers=WORKERS,
            max_cloud_workers=2 * WORKERS,
            **where,
        )
        try:
            yield config.fastmap
        finally:
            if hasattr(config, "close"):
                config.close()

    configured.__name__ = f"ours_{policy.lower()}"
    return configured


for _policy in ("LOCAL", "ADAPTIVE", "CLOUD"):
    contestant(ours(_policy))


def digest(results, work):
    """All of the results, in order, in one number."""
    if work != "large":
        results = results if isinstance(results, list) else list(results)
        assert results[-1] == len(results) - (work != "tiny"), results[-1]
        return sum(results)
    found = 0
    for result in results:
        assert len(result) == LARGE_BYTES
        found = zlib.crc32(result[:4096] + result[-4096:], found)
    return found


def peak_mb():
    """The most memory that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main():
    who, work, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    function = FUNCTIONS[work]
    for name in IMPORTS.get(who, ()):
        importlib.import_module(name)
    before = peak_mb()
    began = time.perf_counter()
    with WHO[who]() as mapped:
        found = digest(mapped(function, items_of(work, count)), work)
        first = again = time.perf_counter() - began
        if first < TOO_LONG_S:
            began = time.perf_counter()
            once_more = digest(mapped(function, items_of(work, count)), work)
            again = time.perf_counter() - began
            assert once_more == found, "the results differ"
    told = {"first": first, "again": again, "digest": found}
    told |= {"peak": peak_mb(), "grown": peak_mb() - before}
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main()
