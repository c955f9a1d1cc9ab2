"""The model of the bench on Ray Serve: ``python ray_service.py PORT``.

Prints ``ready`` and serves until its standard input ends.
"""

import sys

import ray
from ray import serve
from starlette.requests import Request


@serve.deployment(max_ongoing_requests=64)  # its default of 5 backs off at 32 clients
class Scorer:
    async def __call__(self, request: Request):
        record = await request.json()
        record["z"] = record["x"] * record["y"]
        return record


if __name__ == "__main__":
    ray.init(include_dashboard=False, num_cpus=2, log_to_driver=False)
    serve.start(http_options={"host": "127.0.0.1", "port": int(sys.argv[1])})
    serve.run(Scorer.bind())
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.read()
    serve.shutdown()
    ray.shutdown()
