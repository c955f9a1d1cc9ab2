"""serve: services of one's own as a component, from a notebook cell.

    served = mplane.component.serve(MyService())
    client.retrieve_capabilities(served.url)
    served.close()

The component has a thread and a loop of its own: it answers while a cell is busy.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import Any, Self

from pilothouse.errors import ServiceError
from pilothouse.mplane.scheduler import Scheduler, Service

from .listener import ListenerHttpComponent
from .offering import Offers

__all__ = ["Served", "serve"]

_START_SECONDS = 10.0
_STOP_SECONDS = 8.0


class Served:
    """A component in a thread of this process; made by `serve`.

    Attributes:
        url: Where clients find it; ends with a slash.
        port: The same, only the port.
    """

    def __init__(self, component: ListenerHttpComponent) -> None:
        self._component = component
        self._ending = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._started = threading.Event()
        self._failures: list[BaseException] = []
        self._thread = threading.Thread(
            target=self._main, name="mplane-component", daemon=True
        )
        self._thread.start()
        if not self._started.wait(_START_SECONDS):
            raise ServiceError(f"the component did not start in {_START_SECONDS:g} s")
        for failure in self._failures:
            self._thread.join()
            raise ServiceError(
                f"the component cannot start: {failure}", protocol="mPlane"
            ) from failure
        self.url = component.url
        self.port = component.port

    def __repr__(self) -> str:
        state = "" if self.is_running else ", closed"
        return f"<Served {len(self.scheduler.services)} services at {self.url}{state}>"

    @property
    def scheduler(self) -> Scheduler:
        """Who runs the services."""
        return self._component.scheduler

    @property
    def is_running(self) -> bool:
        """Whether it still answers."""
        return self._thread.is_alive()

    def add_service(self, service: Service) -> None:
        """Offer one more service."""
        self._component.add_service(service)

    def remove_service(self, service: Service) -> None:
        """Offer a service no more; clients that ask get its withdrawal."""
        self._component.remove_service(service)

    def close(self) -> None:
        """Interrupt what runs, and end. May be called twice."""
        if self._loop is not None and self._thread.is_alive():
            with contextlib.suppress(RuntimeError):  # the loop has just ended
                self._loop.call_soon_threadsafe(self._ending.set)
            self._thread.join(_STOP_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _main(self) -> None:
        with asyncio.Runner() as runner:
            self._loop = runner.get_loop()
            runner.run(self._serve())

    async def _serve(self) -> None:
        try:
            await self._component.start()
        except Exception as exc:
            self._failures.append(exc)
            return
        finally:
            self._started.set()
        await self._ending.wait()
        await self._component.stop()


def serve(offers: Offers, port: int = 0, **options: Any) -> Served:  # noqa: ANN401
    """Offer services to clients, from a thread of this process.

    Args:
        offers: A service, several, or a scheduler.
        port: 0 takes a free one.
        options: As `ListenerHttpComponent`.

    Raises:
        ServiceError: If the address cannot be had.
    """
    return Served(ListenerHttpComponent(offers, port=port, **options))
