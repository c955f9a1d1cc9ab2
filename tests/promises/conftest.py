"""One process with all four services, and kernels of the same user."""

from __future__ import annotations

import os
import signal
from contextlib import ExitStack, contextmanager

import pytest

from interop.suite_process import ServicesProcess
from magics.kernels import environment, started
from promises.works import install, prepare


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def services(home):
    """All four, where the kernels of `home` find them; ``frozen()`` halts them."""
    with ServicesProcess(home, environment=environment(home)) as running:
        running.frozen = lambda: _frozen(running.pid)
        yield running


@contextmanager
def _frozen(pid):
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@pytest.fixture(scope="module")
def kernels(home, services):
    """Return a function that starts a kernel; the first one makes model and instance.

    Those whose number is not the first find the instance as the first one left it.
    """
    with ExitStack() as stack:
        opened = []

        def start():
            kernel = stack.enter_context(started(home))
            prepare(kernel, services)
            if opened:
                kernel.result("m = 1")
            else:
                install(kernel)
            opened.append(kernel)
            return kernel

        yield start


@pytest.fixture(scope="module")
def kernel(kernels):
    """A kernel of a whole module: leave it as you found it."""
    return kernels()
