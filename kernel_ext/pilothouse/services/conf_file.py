"""The YAML file of ``pilothouse serve``."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import yaml

from pilothouse.errors import ServiceError, SettingsError

from .host import HostConfig, tls_context
from .spawn import default_data_dir

__all__ = ["read_conf"]

_COMMON: dict[str, type] = {
    "data_dir": str,
    "host": str,
    "port": int,
    "tls_cert": str,
    "tls_key": str,
}
_OWN: dict[str, dict[str, tuple[str, type]]] = {
    "fastscore": {
        "engines": ("engines", list),
        "database": ("database_url", str),
        "allow_exec": ("allow_exec", bool),
        "python": ("python", str),
        "max_attachment_bytes": ("max_attachment_bytes", int),
        "jet_memory_bytes": ("jet_memory_bytes", int),
        "record_timeout": ("record_timeout", float),
    },
    "fastmap": {
        "workers": ("workers", int),
        "dask": ("dask", str),
        "pythons": ("pythons", list),
        "secret_file": ("secret_file", str),
        "memory_bytes": ("memory_bytes", int),
        "body_bytes": ("body_bytes", int),
        "result_bytes": ("result_bytes", int),
        "kept_bytes": ("kept_bytes", int),
        "batch_seconds": ("batch_seconds", float),
        "idle_seconds": ("idle_seconds", float),
        "kept_seconds": ("kept_seconds", float),
        "hold_seconds": ("hold_seconds", float),
        "install": ("install", bool),
        "price_per_core_hour": ("price_per_core_hour", float),
        "price_per_gib": ("price_per_gib", float),
        "credits": ("credits", float),
        "vocabulary": ("vocabulary", str),
    },
    "mplane": {
        "probes": ("probes", list),
    },
}
"""Service -> key -> name and type of its option."""


def read_conf(service: str, path: Path) -> HostConfig:
    """Return what a file says about how to run a service.

    Raises:
        ServiceError: If it cannot be read, or a key is unknown or has a wrong value.
    """
    if service == "aimm":
        return _read_aimm(path)
    values = _load(path)
    own = _OWN.get(service, {})
    _check(values, _COMMON | {key: kind for key, (_, kind) in own.items()}, path)
    cert, key = values.get("tls_cert"), values.get("tls_key")
    here = path.absolute().parent  # paths in the file are relative to it
    data_dir = values.get("data_dir")
    if "secret_file" in values:
        values["secret_file"] = str(here / values["secret_file"])
    return HostConfig(
        services=(service,),
        data_dir=default_data_dir() if data_dir is None else here / data_dir,
        host=values.get("host", "127.0.0.1"),
        ports={service: values.get("port", 0)},
        tls=None
        if cert is None
        else tls_context(here / cert, here / key if key else None),
        options={service: {own[k][0]: v for k, v in values.items() if k in own}},
    )


def _read_aimm(path: Path) -> HostConfig:
    """Return how to run an AIMM server; its file has the shape of the real one's."""
    from .aimm.configuration import read_configuration

    try:
        configuration = read_configuration(path)
    except SettingsError as exc:
        raise ServiceError(exc.message, hint=exc.hint) from None
    digest = hashlib.sha256(str(path.absolute()).encode()).hexdigest()[:12]
    return HostConfig(
        services=("aimm",),
        data_dir=default_data_dir() / f"served-{digest}",
        host=configuration.controls[0].host,
        options={"aimm": {"configuration": configuration}},
    )


def _load(path: Path) -> dict[str, Any]:
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as exc:
        raise ServiceError(f"cannot read {path}: {exc}") from exc
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise ServiceError(f"{path} must hold keys and values")
    return values


def _check(values: dict[str, Any], known: dict[str, type], path: Path) -> None:
    for key, value in values.items():
        kind = known.get(key)
        if kind is None:
            raise ServiceError(
                f"{path} has an unknown key {key!r}", hint=f"known: {', '.join(known)}"
            )
        fits = isinstance(value, (int, float) if kind is float else kind)
        if not fits or (kind is not bool and isinstance(value, bool)):
            raise ServiceError(f"{path}: {key} must be of type {kind.__name__}")
        if isinstance(value, list) and not all(isinstance(v, str) for v in value):
            raise ServiceError(f"{path}: {key} must be a list of names")
