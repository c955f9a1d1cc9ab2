"""The real AIMM client and hat-juggler's, timed at a server; prints JSON.

Run by the Python of an environment with the real package:
``aimm_calls.py STEP URL PASSWORD AMOUNT``.
"""

import asyncio
import builtins
import json
import sys
import time

import aimm.client.repl as repl
import numpy
from hat import juggler

STEP, URL, PASSWORD, AMOUNT = sys.argv[1:]
builtins.input = lambda prompt: "user"
repl.getpass = lambda prompt: PASSWORD


async def calls():
    """Echoes one after another, and many under way at a time: calls a second."""
    amount = int(AMOUNT)
    connection = await juggler.connect(URL)
    await asyncio.gather(*(connection.send("", 1) for _ in range(500)))
    began = time.perf_counter()
    for _ in range(amount):
        await connection.send("", 1)
    one = amount / (time.perf_counter() - began)
    began = time.perf_counter()
    await asyncio.gather(*(connection.send("", 1) for _ in range(5 * amount)))
    many = 5 * amount / (time.perf_counter() - began)
    await connection.async_close()
    return {"sequential": one, "pipelined": many}


async def predict():
    """An array of that many float64 there and back: the best time in seconds."""
    client = repl.AIMM()
    await client.connect(URL)
    model = await client.create_instance("lab")
    array = numpy.random.default_rng(0).random(int(AMOUNT))
    took = []
    for _ in range(3):
        began = time.perf_counter()
        back = await model.predict("echo", array)
        took.append(time.perf_counter() - began)
    right = bool((numpy.asarray(back) == array).all())
    await client.async_close()
    return {"seconds": min(took), "right": right}


async def state():
    """Connect, and wait for the first whole state: seconds for that many clients."""
    began = time.perf_counter()

    async def one():
        client = repl.AIMM()
        await client.connect(URL)
        while len((client.state or {}).get("models", {})) < 50:
            await asyncio.sleep(0.005)
        return client

    clients = await asyncio.gather(*(one() for _ in range(int(AMOUNT))))
    took = time.perf_counter() - began
    for client in clients:
        await client.async_close()
    return {"seconds": took}


sys.stdout.write(json.dumps(asyncio.run(globals()[STEP]())) + "\n")
