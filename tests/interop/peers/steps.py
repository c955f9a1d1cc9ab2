"""What the recipes are made of: a client library, small models, steps, and waiting.

The client library is the one named on the command line, see `recipes`. Standard library
only, beside it.
"""

from __future__ import annotations

import importlib
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

LIBRARY_NAME, URL, TOKEN, *WORDS = sys.argv[1:]
LIBRARY = importlib.import_module(LIBRARY_NAME)
SUITE = importlib.import_module(f"{LIBRARY_NAME}.suite")
IS_REAL = LIBRARY_NAME == "fastscore"
FSE = LIBRARY.FastScoreError
Model, Schema, Stream, Sensor = (
    LIBRARY.Model,
    LIBRARY.Schema,
    LIBRARY.Stream,
    LIBRARY.Sensor,
)
RECIPES = {}
LONGEST_S = 20
PACE = threading.Event()

REST = {"Transport": "REST", "Encoding": "json"}
CHUNKED = {"Transport": {"Type": "REST", "Mode": "chunked"}, "Encoding": "json"}
ECHO = "def action(x):\n    yield x\n"
CUBE = "def action(x):\n    yield x ** 3\n"
COUNTER = """\
# fastscore.snapshots: eof
import fastscore

def action(x):
    cell = fastscore.cells("sum")
    cell.update(lambda v: (v or 0) + x)
    yield cell.value
"""


def recipe(function):
    """Enter one recipe; its name is its function's."""
    RECIPES[function.__name__] = function
    return function


def connected():
    return SUITE.Connect(URL, oauth_secret=TOKEN)


def services():
    """A connection, Model Manage, and engine-1 in its first state."""
    c = connected()
    e = c.get("engine-1")
    e.reset()
    return c, c.lookup("model-manage"), e


@contextmanager
def refused(*words):
    """The block must raise a FastScoreError; its text must hold each of the words."""
    try:
        yield
    except FSE as error:
        text = str(error) + str(getattr(error.caused_by, "body", ""))
        for word in words:
            assert word.lower() in text.lower(), f"{word!r} is not in {text!r}"
    else:
        raise AssertionError("nothing was refused")


def until(question, wanted, longest_s=LONGEST_S):
    """Ask again and again until the answer is the wanted one."""
    end = time.monotonic() + longest_s
    while (answer := question()) != wanted:
        assert time.monotonic() < end, f"still {answer!r}, not {wanted!r}"
        PACE.wait(0.02)


def state_is(e, state):
    until(lambda: e.state, state)


def load(e, source, name="m", mtype="python3"):
    """Load a model that is saved nowhere."""
    e.load_model(Model(name, mtype, source), attachment_override_list=[])


def attach(e, slot, descriptor):
    Stream(f"stream-{slot}", descriptor).attach(e, slot)


def run(e, source, descriptor=REST):
    """Make a pipeline from slot 0 to slot 1 that runs."""
    load(e, source)
    attach(e, 0, descriptor)
    attach(e, 1, descriptor)
    state_is(e, "RUNNING")


def next_output(e, slot=1, longest_s=LONGEST_S):
    """What comes out next; waits for it."""
    end = time.monotonic() + longest_s
    while (data := e.output(slot)) is None:
        assert time.monotonic() < end, f"nothing came out of slot {slot}"
    return data


def streams(e):
    """The active streams as they are now; the real SDK keeps an old answer."""
    e.clear()
    return e.active_streams


def lines_of(path):
    return Path(path).read_text("utf-8").split()


@contextmanager
def pneumo(c, **options):
    socket = c.pneumo.socket(**options)
    try:
        yield socket
    finally:
        socket.close()


def message_where(socket, condition):
    """The first message that fits; fails when the socket's timeout passes."""
    while True:
        message = socket.recv()
        if condition(message):
            return message
