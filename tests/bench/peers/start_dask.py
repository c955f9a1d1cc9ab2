"""How long a dask LocalCluster of two workers takes to be there; prints seconds."""

import sys
import time

from dask.distributed import Client, LocalCluster

if __name__ == "__main__":
    began = time.perf_counter()
    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None
        ) as cluster,
        Client(cluster) as client,
    ):
        client.wait_for_workers(2)
        took = time.perf_counter() - began
    sys.stdout.write(f"{took}\n")
