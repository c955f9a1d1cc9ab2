"""A client with the local component's capabilities, and its commands."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pilothouse.mplane import model
from pilothouse.mplane.client import HttpInitiatorClient
from pilothouse.mplane.shell.commands import Commands


@pytest.fixture
def commands() -> Iterator[Commands]:
    """The commands over a client that knows nothing yet."""
    model.initialize_registry()
    made = Commands(HttpInitiatorClient())
    yield made
    made.close()


@pytest.fixture
def known(commands: Commands, component: str) -> Commands:
    """The commands, with the capabilities of the local component."""
    commands.getcap(component)
    return commands
