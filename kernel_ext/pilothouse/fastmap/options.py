"""Options of the client, with the names of the real one.

    config  = defaults, then a dict or a JSON file, then keywords

Unlike the real client a config completes the defaults instead of replacing them, and an
unknown key is refused wherever it stands. Source: contract §4.1.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from enum import StrEnum
from pathlib import Path
from typing import IO, Any, Final, TypeVar

from pilothouse import secrets
from pilothouse.nearest import did_you_mean
from pilothouse.secrets import Secret
from pilothouse.transport.endpoint import Endpoint

from .errors import FastmapUsageError
from .wire.limits import BODY_ROOM, PART_BYTES
from .wire.token import split

__all__ = [
    "ConfigSource",
    "ExecPolicy",
    "Options",
    "ReturnType",
    "Verbosity",
    "cores",
    "make_options",
    "word",
]

ConfigSource = Mapping[str, Any] | str | Path | IO[str]
E = TypeVar("E", bound=StrEnum)


class Verbosity(StrEnum):
    """What is printed: errors only, warnings too, progress too, everything."""

    SILENT = "SILENT"
    QUIET = "QUIET"
    NORMAL = "NORMAL"
    LOUD = "LOUD"


class ExecPolicy(StrEnum):
    """Where items are mapped: here, at the service, or wherever it is worth it."""

    LOCAL = "LOCAL"
    CLOUD = "CLOUD"
    ADAPTIVE = "ADAPTIVE"


class ReturnType(StrEnum):
    """What a map yields: results one by one, or lists of them as they come."""

    ELEMENTS = "ELEMENTS"
    BATCHES = "BATCHES"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How to map.

    Attributes:
        secret: The token of 64 characters. By default from the environment
            (``PILOTHOUSE_FASTMAP_SECRET``) or the keyring.
        cloud_url: The service.
        verbosity: What is printed; nothing by default.
        exec_policy: Where items are mapped.
        confirm_charges: Whether to ask before anything is sent.
        max_local_workers: Processes here; None: as many as there are cores.
        max_cloud_workers: Most requests open at once.
        requirements: Version by package, instead of what is found.
        max_credits: Most credits that one run may spend; None: no limit.
        timeout: Longest wait for one answer, in seconds; a batch that takes longer at
            the service is collected later.
        wait_timeout: Longest wait for workers to start, in seconds.
        retry_timeout: How long a service may be away, in seconds.
        batch_timeout: Longest time for one batch in a process here, in seconds; None:
            no limit.
        max_batch_bytes: Longest body of one batch.
        local_modules: More local modules to send, by name.
        exclude: Modules not to send.
        verify: Check of certificates: True, False or a CA file; None: off for this
            machine, on for every other.
    """

    secret: Secret | None = None
    cloud_url: str | None = None
    verbosity: Verbosity = Verbosity.SILENT
    exec_policy: ExecPolicy = ExecPolicy.ADAPTIVE
    confirm_charges: bool = False
    max_local_workers: int | None = None
    max_cloud_workers: int = 10
    requirements: Mapping[str, str] | None = None
    max_credits: float | None = None
    timeout: float = 120.0
    wait_timeout: float = 600.0
    retry_timeout: float = 60.0
    batch_timeout: float | None = None
    max_batch_bytes: int = PART_BYTES + BODY_ROOM // 2
    local_modules: Sequence[str] = ()
    exclude: Sequence[str] = field(default=())
    verify: bool | str | None = None

    @property
    def local_workers(self) -> int:
        """Processes here, at least one."""
        return self.max_local_workers or cores()

    @property
    def has_cloud(self) -> bool:
        """Whether there is a service to send to."""
        return self.secret is not None and self.cloud_url is not None


def cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def make_options(config: ConfigSource | None, given: Mapping[str, Any]) -> Options:
    """Return the options of a config and keywords.

    Args:
        config: A dict, the path of a JSON file, or such a file, open.
        given: Keywords; they win. None as value is as if it was not given.

    Raises:
        FastmapUsageError: If a key is unknown or a value is wrong; it shows no secret.
    """
    values = dict(_read(config))
    values.update({key: value for key, value in given.items() if value is not None})
    names = {each.name for each in fields(Options)}
    for key in values:
        if key not in names:
            raise FastmapUsageError(
                f"there is no option {key!r}{did_you_mean(str(key), names)}"
            )
    made = {key: _checked(key, value) for key, value in values.items()}
    if "secret" not in made and made.get("cloud_url"):
        found = secrets.find(
            "fastmap", "secret", url=made["cloud_url"], ask=secrets.nobody
        )
        if found is not None:
            made["secret"] = _secret(found.secret)
    return Options(**made)


def _read(config: ConfigSource | None) -> Mapping[str, Any]:
    if config is None or isinstance(config, Mapping):
        return config or {}
    try:
        if isinstance(config, str | Path):
            text = Path(config).expanduser().read_text(encoding="utf-8")
        else:
            text = config.read()
        found = json.loads(text)
    except (OSError, ValueError, AttributeError) as exc:
        raise FastmapUsageError(f"the config cannot be read: {exc}") from exc
    if not isinstance(found, dict):
        raise FastmapUsageError("the config has to be a JSON object")
    return found


def _checked(key: str, value: Any) -> Any:  # noqa: ANN401
    if value is None:
        return None
    if key in _ENUMS:
        return word(_ENUMS[key], key, value)
    if key == "secret":
        return _secret(value)
    if key == "cloud_url":
        return _url(value)
    if key == "requirements":
        return _requirements(value)
    if key in ("local_modules", "exclude"):
        if isinstance(value, str) or not all(isinstance(each, str) for each in value):
            raise FastmapUsageError(f"{key} has to be a list of module names")
        return tuple(value)
    kinds = _KINDS[key]
    is_wrong = isinstance(value, bool) and bool not in kinds
    if is_wrong or not isinstance(value, kinds):
        wanted = " or ".join(kind.__name__ for kind in kinds)
        raise FastmapUsageError(f"{key} has to be {wanted}, not {value!r}")
    if key in _POSITIVE and float(str(value)) <= 0:
        raise FastmapUsageError(f"{key} has to be more than 0, not {value!r}")
    return value


def word(kind: type[E], key: str, value: object) -> E:
    """Return a word of a closed set.

    Raises:
        FastmapUsageError: If it is none of them.
    """
    try:
        return kind(str(value))
    except ValueError:
        words = ", ".join(kind)
        raise FastmapUsageError(f"{key} is one of {words}, not {value!r}") from None


def _secret(value: object) -> Secret:
    text = value.reveal() if isinstance(value, Secret) else value
    try:
        split(text)
    except ValueError as exc:
        raise FastmapUsageError(f"Invalid secret token: {exc}") from None
    return Secret(str(text))


def _url(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise FastmapUsageError(f"cloud_url has to be an address, not {value!r}")
    url = value.strip()
    if "://" not in url:
        url = f"http://{url}"
    try:
        endpoint = Endpoint.parse(url)
    except ValueError as exc:
        raise FastmapUsageError(f"cloud_url: {exc}") from None
    if endpoint.userinfo:
        raise FastmapUsageError(
            f"cloud_url must not hold a user or a password: {endpoint.url}",
            hint="secret= is all that a service asks for",
        )
    if endpoint.scheme not in ("http", "https"):
        raise FastmapUsageError(f"cloud_url has to be http or https: {url!r}")
    return url.removesuffix("/")


def _requirements(value: object) -> dict[str, str]:
    if not isinstance(value, Mapping) or not all(
        isinstance(key, str) and isinstance(each, str) for key, each in value.items()
    ):
        raise FastmapUsageError("requirements has to be a dict of package and version")
    return dict(value)


_ENUMS: Final[Mapping[str, Any]] = {
    "verbosity": Verbosity,
    "exec_policy": ExecPolicy,
}
_KINDS: Final[Mapping[str, tuple[type, ...]]] = {
    "confirm_charges": (bool,),
    "max_local_workers": (int,),
    "max_cloud_workers": (int,),
    "max_credits": (int, float),
    "timeout": (int, float),
    "wait_timeout": (int, float),
    "retry_timeout": (int, float),
    "batch_timeout": (int, float),
    "max_batch_bytes": (int,),
    "verify": (bool, str),
}
_POSITIVE: Final = frozenset({*_KINDS} - {"confirm_charges", "verify", "max_credits"})
