"""A component whose one measurement goes on until it is told to end."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from magics.kernels import patient, started
from pilothouse import mplane


class Endless(mplane.scheduler.Service):
    """Gives two rows and goes on until it is interrupted; deaf when it is told so.

    Attributes:
        url: Where it is served.
        reported: Set once the rows are there.
        is_deaf: Whether it goes on all the same.
        was_asked: Whether it was interrupted.
        end: Ends it, if set.
    """

    def __init__(self):
        capability = mplane.model.Capability(label="endless", when="now ... future")
        capability.add_result_column("rtt.us")
        super().__init__(capability)
        self.url = ""
        self.reported = threading.Event()
        self.is_deaf = self.was_asked = False
        self.end = threading.Event()

    def run(self, specification, check_interrupt):
        result = mplane.model.Result(specification=specification)
        begin = mplane.model.clock.now()
        for row in range(2):
            result.set_result_value("rtt.us", 7 + row, row)
        result.set_when(mplane.model.When(a=begin, b=begin), force=True)
        check_interrupt.report(result)
        self.reported.set()
        while not self.end.is_set():
            self.was_asked = check_interrupt.wait(0.02)
            if self.was_asked and not self.is_deaf:
                break
            self.end.wait(0.02)
        return result


@contextmanager
def served() -> Iterator[Endless]:
    """Serve one, and end it."""
    mplane.model.initialize_registry()
    service = Endless()
    with mplane.component.serve(service) as component:
        service.url = component.url
        yield service
        service.end.set()


@contextmanager
def kernels_that_know(service: Endless, home):
    """Give a function that starts kernels of one user that know the component."""
    opened = []

    def start():
        context = started(home)
        kernel = context.__enter__()
        opened.append(context)
        assert kernel.result("%load_ext pilothouse") is None
        patient(kernel)
        assert "endless" in kernel.result(f"%mplane getcap {service.url}")
        return kernel

    yield start
    for context in opened:
        context.__exit__(None, None, None)
