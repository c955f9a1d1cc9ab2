"""The ``mpcom`` command: ``mpcom --config FILE``.

Runs until SIGTERM, SIGINT or SIGHUP; running measurements are then interrupted. Exit
codes: 0; 1 when it could not begin; 2 for wrong words.

Source: reference documentation, "mpcom component runtime"; contract §7.2.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from pilothouse.errors import PilothouseError, ServiceError, SettingsError
from pilothouse.mplane import configuration, model
from pilothouse.mplane.scheduler import Service

from .aliases import install
from .loading import look_beside, services_of

__all__ = ["main"]

_NAMES = ("SIGTERM", "SIGINT", "SIGHUP")
_SIGNALS = [getattr(signal, name) for name in _NAMES if hasattr(signal, name)]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="mpcom", description="Runtime of mPlane components."
    )
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="configuration of the component, INI or JSON",
    )
    args = parser.parse_args(argv)
    if args.config is None:
        sys.stdout.write("\nERROR: missing --config\n\n")
        parser.print_help()
        return 1
    try:
        _run(args.config)
    except (PilothouseError, OSError, ValueError) as exc:
        sys.stderr.write(f"mpcom: {exc}\n")
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _run(path: Path) -> None:
    settings = configuration.read(path)
    for registry in settings.registries.preload:
        model.preload_registry(str(registry))
    model.initialize_registry(settings.registries.default)
    install()
    look_beside(path)
    services = [one for module in settings.modules for one in services_of(module)]
    if not services:
        raise SettingsError(
            f"{path} names no module that has a service",
            protocol="mPlane",
            hint="add [module_ping] with module = pilothouse.mplane.probes.ping",
        )
    for service in services:
        _say(f"Added {service!r}")
    if isinstance(settings.component, configuration.Connect):
        _connect(services, settings)
    elif isinstance(settings.component, configuration.Listen):
        asyncio.run(_listen(services, settings))
    else:
        raise SettingsError(
            f"{path} does not say how clients and component meet",
            protocol="mPlane",
            hint="workflow = client-initiated or component-initiated in [component]",
        )


async def _listen(
    services: list[Service], settings: configuration.Configuration
) -> None:
    from pilothouse.mplane.component import ListenerHttpComponent

    ending = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in _SIGNALS:
        with contextlib.suppress(NotImplementedError):  # Windows: Ctrl-C is enough
            loop.add_signal_handler(number, ending.set)
    component = ListenerHttpComponent(services, config=settings)
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(message)s")
    await component.start()
    try:
        _say(f"ListenerHttpComponent running on port {component.port}")
        await ending.wait()
    finally:
        await component.stop()


class _Ended(BaseException):
    """A signal ends us; raised in the main thread, which only waits."""


def _connect(services: list[Service], settings: configuration.Configuration) -> None:
    from pilothouse.mplane.component import InitiatorHttpComponent

    def end(*_: object) -> None:
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        raise _Ended

    component = InitiatorHttpComponent(services, config=settings, on_event=_say)
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(message)s")
    for number in _SIGNALS:
        signal.signal(number, end)
    try:
        component.start()
        if component.wait_registered():
            _say("Checking for Specifications...")
        component.wait()
    except _Ended:
        return
    finally:
        component.stop()
    if component.failure:
        raise ServiceError(component.failure, protocol="mPlane")


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
