"""Components of tests end soon."""

import pytest


@pytest.fixture(autouse=True)
def _no_long_goodbye(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows of what was interrupted at the end wait only a moment for their client."""
    moment = "pilothouse.mplane.component.listener._MOMENT_SECONDS"
    monkeypatch.setattr(moment, 0.3)
