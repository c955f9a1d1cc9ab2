"""What the Fastmap tests share: configs, and servers that do as they are told."""

from __future__ import annotations

import threading

import pytest

from fastmap.scripted import Scripted
from pilothouse import fastmap


@pytest.fixture
def local():
    """A config that maps here, with two processes."""
    return fastmap.init(exec_policy="LOCAL", max_local_workers=2)


@pytest.fixture
def cloud(fastmap_service):
    """A config that maps at the local service."""
    return fastmap.init(
        cloud_url=fastmap_service.url,
        secret=fastmap_service.secret,
        exec_policy="CLOUD",
    )


@pytest.fixture
def scripted():
    """Make servers that answer as a script says; and configs for them."""
    made = []

    def make(script=lambda endpoint, request, number: None, **options):
        server = Scripted(script)
        made.append(server)
        options = {"exec_policy": "CLOUD", "max_cloud_workers": 2, **options}
        config = fastmap.init(cloud_url=server.url, secret=server.secret, **options)
        return server, config

    yield make
    for server in made:
        server.close()


@pytest.fixture
def no_threads_left():
    """See that a test leaves none of our threads."""
    names = ("run", "local", "cloud", "joining", "fetching")
    yield
    left = [
        thread
        for thread in threading.enumerate()
        if thread.name.startswith(tuple(f"fastmap-{name}" for name in names))
    ]
    for thread in left:
        thread.join(60)
    assert not [thread.name for thread in left if thread.is_alive()]
