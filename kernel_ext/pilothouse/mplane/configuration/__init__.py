"""One value for all that a component or a client can be configured with.

    configuration.read("component.conf")      # INI or JSON, whatever the file holds

May import `pilothouse.errors`; reads files, and nothing else.
"""

from __future__ import annotations

import configparser
from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

from pilothouse.errors import SettingsError

from .ini import from_ini, from_parser
from .json_form import from_json, from_mapping
from .values import (
    Access,
    ClientConnect,
    ClientListen,
    Configuration,
    Connect,
    Listen,
    Module,
    Registries,
    Tls,
)

__all__ = [
    "Access",
    "ClientConnect",
    "ClientListen",
    "Configuration",
    "Connect",
    "Listen",
    "Module",
    "Readable",
    "Registries",
    "Tls",
    "read",
]

Readable: TypeAlias = (
    Configuration
    | configparser.RawConfigParser
    | Mapping[str, object]
    | Path
    | str
    | None
)
"""What `read` takes."""

_MAX_FILE_BYTES = 1 << 20


def read(source: Readable = None) -> Configuration:
    """Return a configuration.

    Args:
        source: A file, INI or JSON; or what the standard library has read of either; a
            `Configuration`, which is returned as it is; None: the defaults.

    Raises:
        SettingsError: If it cannot be read or something in it is wrong; section and key
            are named.
    """
    if source is None:
        return Configuration()
    if isinstance(source, Configuration):
        return source
    if isinstance(source, configparser.RawConfigParser):
        return from_parser(source, "the configuration", Path())
    if isinstance(source, Mapping):
        return from_mapping(source, "the configuration", Path())
    path = Path(source).expanduser()
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_FILE_BYTES + 1)
        if len(data) > _MAX_FILE_BYTES:
            raise SettingsError(f"{path} is longer than {_MAX_FILE_BYTES} bytes")
        text = data.decode("utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise SettingsError(
            f"cannot read the configuration {str(path)!r}: {exc}", protocol="mPlane"
        ) from exc
    form = from_json if text.lstrip().startswith("{") else from_ini
    return form(text, path.name, path.parent)
