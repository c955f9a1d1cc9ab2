"""ListenerHttpComponent: a component that clients come to."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Sequence

from pilothouse.mplane import configuration
from pilothouse.mplane.configuration import Listen
from pilothouse.mplane.media import MAX_MESSAGE_BYTES
from pilothouse.mplane.scheduler import Scheduler, Service, Work
from pilothouse.mplane.tls import TlsState
from pilothouse.mplane.web import MessageServer, application

from .handlers import IMMEDIATE_SECONDS, DiscoveryHandler, MessagePostHandler
from .offering import Offering, Offers, scheduler_of

__all__ = ["ListenerHttpComponent"]

_STOP_SECONDS = 5.0
_MOMENT_SECONDS = 1.5
_LOOK_SECONDS = 0.05
_DISCOVERY = r"/(?:capability(?:/[^/]*)?|capabilities/?)?"
_POSTS = r"/(?:specification|result)/?"


class ListenerHttpComponent:
    """Services behind an HTTP server, on the loop that runs.

    Args:
        offers: A scheduler, a service or several.
        config: Anything that `pilothouse.mplane.configuration.read` takes: TLS, access,
            and where to listen as far as the next ones do not say it.
        host: Address or addresses to listen on.
        port: 0 takes a free one.
        link: What capabilities name as the place for specifications; None: this server
            when `config` names no place to listen, and else what that says.
        immediate_seconds: How long a specification is held back for its result.
        max_body_bytes: Longest message that is read.
        tls_state: Instead of one made from `config`.
        ssl_context: Speak TLS with this, whoever the client is; by default what
            `tls_state` says.
    """

    def __init__(
        self,
        offers: Offers,
        *,
        config: configuration.Readable = None,
        host: str | Sequence[str] | None = None,
        port: int | None = None,
        link: str | None = None,
        immediate_seconds: float = IMMEDIATE_SECONDS,
        max_body_bytes: int = MAX_MESSAGE_BYTES,
        tls_state: TlsState | None = None,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        settings = configuration.read(config)
        listen = settings.component
        if not isinstance(listen, Listen):
            listen = Listen(port=0)
            self._link = link
        else:
            self._link = listen.link if link is None else link
        hosts = listen.hosts if host is None else (host,)
        if not isinstance(host, str | None):
            hosts = tuple(host)
        self.scheduler = scheduler_of(offers, Scheduler(settings))
        self.tls_state = TlsState(settings) if tls_state is None else tls_state
        self.offering = Offering(self.scheduler, self._link)
        self._under_way: set[object] = set()
        arguments = {
            "scheduler": self.scheduler,
            "tls_state": self.tls_state,
            "offering": self.offering,
            "immediate_seconds": immediate_seconds,
            "under_way": self._under_way,
        }
        self._server = MessageServer(
            application(
                [
                    (_POSTS, MessagePostHandler, arguments),
                    (_DISCOVERY, _Both, arguments),
                ]
            ),
            hosts=[str(one) for one in hosts],
            port=listen.port if port is None else port,
            tls=ssl_context or self.tls_state.get_ssl_options(),
            max_body_bytes=max_body_bytes,
        )

    def __repr__(self) -> str:
        return f"<ListenerHttpComponent {self.url}>"

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._server.port

    @property
    def url(self) -> str:
        """Where clients find it."""
        return self._server.url

    def add_service(self, service: Service) -> None:
        """Offer one more service, from now on."""
        self.scheduler.add_service(service)

    def remove_service(self, service: Service) -> None:
        """Offer a service no more; clients that ask get its withdrawal."""
        self.scheduler.remove_service(service)

    async def start(self) -> ListenerHttpComponent:
        """Listen.

        Raises:
            OSError: If the address cannot be had.
        """
        self._server.open()
        if self._link is None:
            self.offering.link = self.url
        return self

    async def stop(self, timeout: float = _STOP_SECONDS) -> None:
        """Take no more, interrupt what runs and wait for it so many seconds.

        Rows of what was interrupted can be redeemed for a moment. Answers that are
        being written are finished in the same time.
        """
        self.scheduler.is_ending = True
        deadline = time.monotonic() + timeout
        jobs = [job for job in self.scheduler.jobs.values() if not job.finished()]
        for job in jobs:
            job.interrupt()
        for job in jobs:
            left = max(0.0, deadline - time.monotonic())
            await asyncio.get_running_loop().run_in_executor(None, job.wait, left)
        moment = min(deadline, time.monotonic() + _MOMENT_SECONDS)
        while self._is_owed(jobs) and time.monotonic() < moment:
            await asyncio.sleep(_LOOK_SECONDS)
        while self._under_way and time.monotonic() < deadline:
            await asyncio.sleep(_LOOK_SECONDS)
        await self._server.close()

    def _is_owed(self, jobs: list[Work]) -> bool:
        kept = self.scheduler.jobs
        return any(job.receipt.get_token() in kept and not job.failed() for job in jobs)


class _Both(DiscoveryHandler, MessagePostHandler):
    """Discovery by GET and messages by POST, at the same path.

    A client that found us at /capability sends its redemptions there too.
    """

    get = DiscoveryHandler.get
