"""What the fault tests share: services in a process of their own, and a client."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from interop.suite_process import SuiteProcess


@pytest.fixture
def services(tmp_path: Path) -> Iterator[SuiteProcess]:
    """Services that this test has for itself; they must end in order."""
    with SuiteProcess(tmp_path / "services") as running:
        yield running
