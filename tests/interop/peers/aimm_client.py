"""Drives the real AIMM client through a session, and prints what it saw as JSON.

Run by the Python of an environment with the real package:
``aimm_client.py STEP URL PASSWORD``.
"""

import asyncio
import builtins
import json
import sys
import time

import aimm.client.repl as repl
import numpy
import pandas
from hat import juggler

from aimm import plugins

STEP, URL, PASSWORD = sys.argv[1:]
builtins.input = lambda prompt: "user"
repl.getpass = lambda prompt: PASSWORD


async def session():
    """All actions, with values of each kind, and the state all along."""
    client = repl.AIMM()
    await client.connect(URL)
    seen = {}
    model = await client.create_instance("lab", n=1)
    number = model._instance_id
    await model.fit()
    await model.fit("", repl.DataAccessArg("numbers", [3], {}))
    seen["fits"] = await model.predict()
    array = numpy.arange(6, dtype="int16").reshape(2, 3)
    back = await model.predict("echo", array)
    seen["array"] = [type(back).__name__, back.tolist()]
    frame = pandas.DataFrame({"a": [1.5, 2.5]}, index=["r", "s"])
    seen["frame"] = (await model.predict("echo", frame)).equals(frame)
    series = pandas.Series([1, 2])
    seen["series"] = (await model.predict("echo", series)).equals(series)
    seen["plain"] = await model.predict("echo", {"a": [1, None, "é"]})
    try:
        await model.fit("raise")
    except juggler.JugglerError as exc:
        seen["error"] = exc.data
    try:
        await client.create_instance("nope")
    except juggler.JugglerError as exc:
        seen["unknown"] = exc.data
    added = await client.add_instance("text", "an instance")
    seen["added"] = (await added.predict()) if False else added._instance_id > number
    await client.update_instance("text", added._instance_id, "another")
    for _ in range(5):  # each is a change of the state
        await model.fit()
        await asyncio.sleep(0.1)
    await asyncio.sleep(0.5)
    state = client.state
    seen["models"] = sorted(map(str, state["models"]))
    seen["progress"] = [entry["progress"] for entry in state["actions"].values()]
    seen["number"] = number
    seen["last fits"] = await model.predict()
    await client.async_close()
    return seen


async def wrong():
    """A wrong password has to be told by connect."""
    client = repl.AIMM()
    try:
        await client.connect(URL)
    except juggler.JugglerError as exc:
        return {"refused": exc.data}
    return {"refused": None}


async def watch():
    """Follow the state until somebody else has made an instance and fitted it."""
    client = repl.AIMM()
    await client.connect(URL)
    known = set(client.state["actions"])  # told with the login
    sys.stdout.write("watching\n")
    sys.stdout.flush()
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        calls = [
            (entry["meta"]["call"], entry["progress"])
            for number, entry in client.state["actions"].items()
            if number not in known
        ]
        if ("fit", "complete") in calls:
            await client.async_close()
            return {"calls": calls}
        await asyncio.sleep(0.02)
    return {"calls": None, "open": client._connection is not None}


async def echo():
    """hat-juggler's own client: many requests at a time, each with its answer."""
    connection = await juggler.connect(URL)
    answers = await asyncio.gather(
        *(connection.send("", {"n": n}) for n in range(1000))
    )
    await connection.async_close()
    return {"right": answers == [{"n": n} for n in range(1000)]}


plugins.serialize(["text"])(str.encode)
result = asyncio.run(globals()[STEP]())
sys.stdout.write(json.dumps(result) + "\n")
