"""What tests of mPlane share."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from certificates import Authority, Party
from free_ports import free_port


@pytest.fixture
def closed_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on."""
    return free_port()


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who cancels waits for the component, however busy the machine is."""
    monkeypatch.setattr("pilothouse.mplane.measurement._CANCEL_SECONDS", 60.0)


@pytest.fixture(autouse=True)
def _late_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Turns of repeated measurements are not left out on a busy machine."""
    monkeypatch.setattr("pilothouse.mplane.scheduler.multijob._LATE_SECONDS", 60.0)


@dataclass(frozen=True)
class Parties:
    """Who takes part in tests with TLS; all but the stranger know each other."""

    component: Party
    client: Party
    supervisor: Party
    stranger: Party


@pytest.fixture(scope="session")
def parties(tmp_path_factory: pytest.TempPathFactory) -> Parties:
    """Fresh certificates of an authority, and one of another."""
    ours = Authority(tmp_path_factory.mktemp("authority"))
    other = Authority(tmp_path_factory.mktemp("other-authority"), "Other")
    return Parties(
        component=ours.party("SSB", "Components", "Component-1"),
        client=ours.party("SSB", "Clients", "Client-1"),
        supervisor=ours.party("SSB", "Supervisors", "Supervisor-1"),
        stranger=other.party("SSB", "Clients", "Client-1"),
    )
