"""What tests of the services share.

lingering       a refusal is read, however long the rest of its request takes
"""

import pytest

from pilothouse.services import serving


@pytest.fixture
def lingering(monkeypatch):
    """Services read on for long after a refusal, so that the refusal is read, too."""
    monkeypatch.setattr(serving, "_LINGER_SECONDS", 60.0)
