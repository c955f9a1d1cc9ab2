"""Names for completion that no service has to be asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pilothouse.errors import SettingsError

from ._names import Name

if TYPE_CHECKING:
    from ._session import Session

__all__ = ["MESSAGE_TYPES", "fixed_names"]

MESSAGE_TYPES = (
    Name("health", "an instance came or went"),
    Name("log", "what an instance writes to its log"),
    Name("model-console", "what a model prints"),
    Name("model-error", "a model failed"),
    Name("engine-state", "an engine changed its state"),
    Name("engine-config", "a model, stream or jet came or went"),
    Name("sensor-report", "what a sensor saw"),
)
"""The types of Pneumo messages."""


def fixed_names(session: Session, kind: str) -> Sequence[Name]:
    """Return the names of a kind that are known without a service."""
    if kind == "profile":
        return _profiles(session)
    if kind == "place":
        return [Name("local", "the local services"), *_profiles(session)]
    if kind == "stream":
        from pilothouse.fastscore.wire.literals import EXAMPLES

        return [Name(f"{tag}:", f"such as {EXAMPLES[tag]}") for tag in EXAMPLES]
    if kind == "message":
        return MESSAGE_TYPES
    if kind == "service":
        from pilothouse.services.registry import SERVICES

        return [Name(name) for name in SERVICES]
    if kind == "port":
        from pilothouse.services.registry import SERVICES

        return [Name(f"{name}=", "then its number") for name in SERVICES]
    if kind == "dask":
        return [Name("local", "a Dask cluster on this machine")]
    if kind == "plan":
        plans = session.kept("flow")
        return [] if plans is None else [Name(n, "a plan") for n in plans.ran]
    if kind == "job":
        from pilothouse.jobs import JobBook

        from ._jobs import job_names

        return job_names(JobBook())
    return ()


def _profiles(session: Session) -> list[Name]:
    try:
        profiles = session.settings.profiles().values()
    except SettingsError:  # %pilot profiles tells what is wrong with the file
        return []
    return [Name(p.name, p.description) for p in profiles]
