"""Modules that a configuration names, to services.

A module has ``services(**kwargs)`` that returns a list of services; its options are the
keyword arguments. ``service`` is taken too, as the reference documentation prints it.

Source: reference documentation, "mpcom component runtime"; contract §6.7. It imports
what the configuration names.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from importlib import import_module
from pathlib import Path
from typing import Any

from pilothouse.errors import PilothouseError, SettingsError
from pilothouse.mplane.configuration import Module
from pilothouse.mplane.scheduler import Service

__all__ = ["look_beside", "services_of"]


def look_beside(config: Path) -> None:
    """Let modules be found in the working folder and beside the configuration."""
    for folder in (Path.cwd(), config.absolute().parent):
        if str(folder) not in sys.path:
            sys.path.append(str(folder))


def services_of(one: Module) -> list[Service]:
    """Import a module and return its services.

    Raises:
        SettingsError: If it cannot be imported, has no function ``services``, does not
            take the options, or returns something else.
    """
    make = _function(one)
    try:
        made = make(**one.options)
    except TypeError as exc:
        raise _wrong(
            one, str(exc), "see the options that its services() takes"
        ) from exc
    except PilothouseError as exc:
        raise _wrong(one, exc.message, exc.hint) from exc
    except Exception as exc:
        raise _wrong(one, f"{type(exc).__name__}: {exc}", None) from exc
    if not isinstance(made, Iterable):
        raise _wrong(one, f"it returned {made!r}", "services() returns a list")
    services = list(made)
    for service in services:
        if not isinstance(service, Service):
            raise _wrong(
                one,
                f"{service!r} is no service",
                "services are objects of subclasses of mplane.scheduler.Service",
            )
    return services


def _function(one: Module) -> Callable[..., Any]:
    try:
        module = import_module(one.module)
    except Exception as exc:
        raise _wrong(
            one,
            f"it cannot be imported: {type(exc).__name__}: {exc}",
            "put it beside the configuration file, or on PYTHONPATH",
        ) from exc
    for name in ("services", "service"):
        if callable(found := getattr(module, name, None)):
            return found  # type: ignore[no-any-return]
    raise _wrong(one, "it has no function services(**kwargs)", None)


def _wrong(one: Module, reason: str, hint: str | None) -> SettingsError:
    return SettingsError(
        f"module {one.module} of [{one.name}]: {reason}", protocol="mPlane", hint=hint
    )
