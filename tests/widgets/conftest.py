"""A comm that records what a widget sends, as ipywidgets' own tests have one."""

import threading
import time
from itertools import count

import comm
import pytest

import pilothouse_widgets
from pilothouse.fastscore import Model, Schema
from pilothouse.fastscore.suite import Connect


class RecordedComm:
    """Takes a widget's messages; `hear` gives it one of the browser's."""

    kernel = "none"
    _ids = count(1)

    def __init__(self, comm_id=None, data=None, buffers=None, **_options):
        self.comm_id = comm_id or f"comm-{next(self._ids)}"
        self.opened = data
        self.messages = []
        self.buffers = []
        self.times = []
        self.closed = False
        self._heard = None
        self._lock = threading.Lock()

    def on_msg(self, callback):
        self._heard = callback

    def send(self, data=None, buffers=None, **_options):
        with self._lock:
            assert not self.closed
            self.times.append(time.monotonic())
            self.messages.append(data)
            self.buffers.append(list(buffers or []))

    def close(self, *_args, **_kwargs):
        self.closed = True

    def hear(self, content):
        """Give the widget a custom message of the browser."""
        self._heard(
            {
                "content": {
                    "comm_id": self.comm_id,
                    "data": {"method": "custom", "content": content},
                },
                "buffers": [],
            }
        )

    @property
    def custom(self):
        """What was sent as custom messages, with buffers."""
        return [
            (message["content"], buffers)
            for message, buffers in zip(self.messages, self.buffers, strict=False)
            if message["method"] == "custom"
        ]

    @property
    def updates(self):
        """The states that were sent."""
        return [m["state"] for m in self.messages if m["method"] == "update"]


@pytest.fixture(autouse=True)
def comms(monkeypatch):
    """All comms of a test; every view is closed at its end."""
    made = []

    def create_comm(**options):
        made.append(RecordedComm(**options))
        return made[-1]

    monkeypatch.setattr(comm, "create_comm", create_comm)
    yield made
    pilothouse_widgets.close_all()


SOURCE = """\
# fastscore.schema.0: num
# fastscore.schema.1: num
import math


def action(x):
    yield math.sqrt(x)
"""


@pytest.fixture
def connect(suite):
    """A Connect of the local suite."""
    with Connect(suite.url, oauth_secret=suite.token) as connect:
        yield connect


@pytest.fixture
def root_model(connect):
    """A model that takes the root of numbers, not saved."""
    return Model("root", "python3", SOURCE, schemas=[Schema("num", {"type": "double"})])


@pytest.fixture
def engine(connect):
    """An engine after a reset."""
    engine = connect.get("engine-1")
    engine.reset()
    yield engine
    engine.reset()


@pytest.fixture
def deployed(engine, root_model):
    """An engine that runs the model over chunked REST."""
    root_model.deploy(engine, streams={0: "rest-chunked:", 1: "rest-chunked:"}, wait=20)
    return engine
