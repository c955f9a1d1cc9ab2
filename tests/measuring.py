"""Services whose beginning and end a test decides, and what to ask them."""

from __future__ import annotations

import threading

from pilothouse.mplane import model
from pilothouse.mplane.scheduler import Service

ADDRESS = "10.0.37.2"


def capability(label="count", when="now ... future", column="rtt.us", **metadata):
    """Return a capability with one parameter, `destination.ip4`."""
    model.initialize_registry()
    made = model.Capability(label=label, when=when)
    made.add_parameter("destination.ip4")
    made.add_result_column(column)
    for name, value in metadata.items():
        made.add_metadata(name, value)
    return made


def specification(made_for, when="now", address=ADDRESS, label=None):
    """Return a specification with a token of its own, as one that was parsed."""
    made = model.Specification(capability=made_for, when=when)
    made.set_parameter_value("destination.ip4", address)
    made.retoken()
    if label is not None:
        made.set_label(label)
    return model.parse_json(model.unparse_json(made))


def column_of(statement):
    """Return the name of the only column."""
    return next(statement.result_column_names())


class Once(Service):
    """Gives one row at once: the number of the run."""

    def __init__(self, made=None):
        super().__init__(made or capability("once"))
        self.runs = 0
        self._lock = threading.Lock()

    def run(self, specification, check_interrupt):
        with self._lock:
            self.runs += 1
            number = self.runs
        result = model.Result(specification=specification)
        result.set_result_value(column_of(specification), number)
        return result


class Counting(Service):
    """Reports a row every few milliseconds until it is told to stop."""

    def __init__(self, made=None, pause=0.02):
        super().__init__(made or capability("count"))
        self.pause = pause
        self.has_rows = threading.Event()

    def run(self, specification, check_interrupt):
        result = model.Result(specification=specification)
        rows = 0
        while not check_interrupt():
            result.set_result_value(column_of(specification), rows, rows)
            rows += 1
            check_interrupt.report(result)
            if rows >= 3:
                self.has_rows.set()
            check_interrupt.wait(self.pause)
        return result


class Gated(Service):
    """Runs until the test opens its gate."""

    def __init__(self, made=None):
        super().__init__(made or capability("gated"))
        self.began = threading.Event()
        self.gate = threading.Event()
        self.runs = 0

    def run(self, specification, check_interrupt):
        self.runs += 1
        self.began.set()
        assert self.gate.wait(60)
        result = model.Result(specification=specification)
        result.set_result_value(column_of(specification), 1)
        return result


class Failing(Service):
    """Fails, after some rows if it is told to report any."""

    def __init__(self, made=None, rows=0):
        super().__init__(made or capability("fails"))
        self.rows = rows

    def run(self, specification, check_interrupt):
        result = model.Result(specification=specification)
        for row in range(self.rows):
            result.set_result_value(column_of(specification), row, row)
        if self.rows:
            check_interrupt.report(result)
        raise OSError(
            f"no route to {specification.get_parameter_value('destination.ip4')}"
        )
