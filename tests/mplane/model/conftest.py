"""What tests of the model share: the core registry, and nothing else loaded."""

from __future__ import annotations

import pytest

from pilothouse.mplane import model


@pytest.fixture(autouse=True)
def core_registry():
    """The core registry, alone; whatever a test loads is forgotten after it."""
    model.forget_registries()
    model.initialize_registry()
    yield
    model.forget_registries()
