"""The handlers of a component that clients come to.

Source: reference documentation, module ``mplane.component``; contract §6.1, §6.3.

    GET  /capability           a page of links; an envelope for who accepts our type
    GET  /capability/TOKEN     one capability, or its withdrawal
    GET  /capabilities         all of them, in an envelope
    GET  /                     a page to read; an envelope for who accepts our type
    POST /                     any message; also at /capability, /capabilities,
                               /specification, /result

What an identity may not run, it does not see.
"""

from __future__ import annotations

import asyncio
import html
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from tornado.iostream import StreamClosedError

from pilothouse.mplane import model
from pilothouse.mplane.media import MEDIA_TYPE, Message, Preferences, body_of
from pilothouse.mplane.model import clock
from pilothouse.mplane.scheduler import Scheduler, Work
from pilothouse.mplane.web import MessageHandler, RefusedError

if TYPE_CHECKING:
    from pilothouse.mplane.tls import TlsState

    from .offering import Offering

__all__ = [
    "IMMEDIATE_SECONDS",
    "DiscoveryHandler",
    "MPlaneHandler",
    "MessagePostHandler",
]

IMMEDIATE_SECONDS = 5.0
"""How long a specification is held back for its result."""
_SOON_SECONDS = 0.01
"""The same, for a client of ours that asks for the receipt soon."""


class MPlaneHandler(MessageHandler):
    """Base of the handlers; answers with a message or an exception."""

    scheduler: Scheduler
    tls_state: TlsState

    def initialize(
        self,
        *,
        scheduler: Scheduler,
        tls_state: TlsState,
        **_: Any,  # noqa: ANN401
    ) -> None:
        """Take what the application was made with."""
        self.scheduler = scheduler
        self.tls_state = tls_state

    def identity(self) -> str:
        """Return who asks: the subject of the certificate, or nobody."""
        return self.tls_state.extract_peer_identity(self.request)

    def preferences(self) -> Preferences:
        """Return what the client asks beyond the protocol."""
        return Preferences.of(self.request.headers)


class DiscoveryHandler(MPlaneHandler):
    """Shows the capabilities of a scheduler."""

    offering: Offering

    def initialize(
        self,
        *,
        scheduler: Scheduler,
        tls_state: TlsState,
        offering: Offering | None = None,
        **others: Any,  # noqa: ANN401
    ) -> None:
        """Take what the application was made with."""
        from .offering import Offering

        super().initialize(scheduler=scheduler, tls_state=tls_state, **others)
        self.offering = offering or Offering(scheduler)

    async def get(self, *_: str) -> None:
        """Answer a discovery.

        Raises:
            RefusedError: If there is no such capability for this identity.
        """
        path = self.request.path.rstrip("/")
        head, _slash, token = path.rpartition("/")
        if head == "/capability":
            self._one(token)
        elif path == "/capabilities" or self._takes_messages():
            await self._all()
        elif path:
            self._page(_links(self._shown()))
        else:
            self._page(_texts(self.offering.shown(one) for one in self._shown()))

    def _shown(self) -> Sequence[model.Capability | model.Withdrawal]:
        return self.scheduler.capabilities_for(
            self.identity(), withdrawn=self.preferences().withdrawals
        )

    def _takes_messages(self) -> bool:
        return MEDIA_TYPE in self.request.headers.get("Accept", "")

    async def _all(self) -> None:
        envelope = model.Envelope()
        for one in self._shown():
            envelope.append_message(self.offering.shown(one))
        await self.respond(envelope)

    def _one(self, token: str) -> None:
        try:
            found = self.scheduler.capability_for_key(token)
        except KeyError:
            found = None
        if found is None or not self.scheduler.authorization.check(
            found, self.identity()
        ):
            raise RefusedError(404, f"there is no capability {token[:64]!r}")
        self.send_body(body_of(self.offering.shown(found)))

    def _page(self, body: str) -> None:
        page = (
            "<!DOCTYPE html><html><head><meta charset='utf-8'>"
            f"<title>Capabilities</title></head><body>{body}</body></html>"
        )
        # Real clients compare the whole header.
        self.send_body(page.encode(), "text/html")


class MessagePostHandler(MPlaneHandler):
    """Takes messages of clients and gives them to a scheduler.

    A specification is held back for some seconds, and then answered with its result or
    its receipt; meanwhile the loop serves others.
    """

    immediate_seconds: float

    def initialize(
        self,
        *,
        scheduler: Scheduler,
        tls_state: TlsState,
        immediate_seconds: float = IMMEDIATE_SECONDS,
        under_way: set[object] | None = None,
        **others: Any,  # noqa: ANN401
    ) -> None:
        """Take what the application was made with.

        Args:
            scheduler: Takes the messages.
            tls_state: Knows who asks.
            immediate_seconds: How long a specification is held back.
            under_way: Holds the handlers whose answers are not on their way yet.
            others: For the base.
        """
        super().initialize(scheduler=scheduler, tls_state=tls_state, **others)
        self.immediate_seconds = immediate_seconds
        self._under_way = set() if under_way is None else under_way
        self._waiting: asyncio.Event | None = None

    async def get(self, *_: str) -> None:
        """Refuse.

        Raises:
            RefusedError: Always.
        """
        raise RefusedError(405, f"GET is not for {self.request.path[:100]!r}")

    async def post(self, *_: str) -> None:
        """Answer a message.

        Raises:
            RefusedError: If it is none.
        """
        self._under_way.add(self)
        try:
            await self._answer()
        finally:
            self._under_way.discard(self)

    async def _answer(self) -> None:
        message = self.read_message()
        identity, wishes = self.identity(), self.preferences()
        reply: Message = self.scheduler.process_message(
            identity, message, again=wishes.again
        )
        if isinstance(message, model.Specification):
            reply = await self._held_back(identity, reply, wishes)
        elif isinstance(message, model.Redemption) and wishes.partial_rows is not None:
            await self._so_far(identity, reply, wishes.partial_rows)
            return
        try:
            await self.respond(reply)
        except StreamClosedError:
            self.scheduler.not_redeemed(identity, message)
            raise

    def on_connection_close(self) -> None:
        """Wait no longer for the result of a client that has gone."""
        if self._waiting is not None:
            self._waiting.set()

    async def _held_back(
        self, identity: str, reply: Message, wishes: Preferences
    ) -> Message:
        if not isinstance(reply, model.Receipt):
            return reply
        job = self._job(identity, reply)
        if job is None:
            return reply
        seconds = _SOON_SECONDS if wishes.respond_async else self.immediate_seconds
        if not _can_end_within(job, seconds):
            return job.receipt if not job.finished() else job.get_reply()
        await self._wait(job, seconds)
        if not job.finished():
            return job.receipt
        self.scheduler.answered(job)
        return job.get_reply()

    async def _wait(self, job: Work, seconds: float) -> None:
        """Wait until a job is over: on an event, no longer than so many seconds."""
        loop = asyncio.get_running_loop()
        self._waiting = over = asyncio.Event()

        def look() -> None:
            if job.finished():
                with suppress(RuntimeError):  # the loop has ended
                    loop.call_soon_threadsafe(over.set)

        forget = job.on_change(look)
        try:
            async with asyncio.timeout(seconds):
                await over.wait()
        except TimeoutError:
            pass
        finally:
            forget()
            self._waiting = None

    async def _so_far(self, identity: str, reply: Message, first: int) -> None:
        """Answer a redemption with what there is so far, for a client of ours.

        An envelope of a receipt (it goes on) or an exception (it failed), and the rows
        or results from the one on that the client asked for.
        """
        job = self._job(identity, reply)
        if job is None:  # it was over, or is not known
            try:
                await self.respond(reply)
            except StreamClosedError:
                self.scheduler.not_redeemed(identity, reply)
                raise
            return
        part = job.partial(first)
        envelope = model.Envelope()
        is_failure = isinstance(reply, model.Exception)
        envelope.append_message(reply if is_failure else job.receipt)
        if part is not None:
            envelope.append_message(part)
        given = f"partial-results={min(first, job.count_partial)}"
        await self.respond(envelope, headers={"Preference-Applied": given})

    def _job(self, identity: str, message: object) -> Work | None:
        try:
            return self.scheduler.job_for_message(message, identity)
        except KeyError:
            return None


def _can_end_within(job: Work, seconds: float) -> bool:
    """Tell whether it makes sense to wait so long for a result."""
    scope = job.specification.when()
    if scope is None or scope.is_repeated():
        return job.finished()
    start, _ = scope.timer_delays(clock.now())
    return job.finished() or (start is not None and start < seconds)


def _links(shown: Sequence[model.Capability | model.Withdrawal]) -> str:
    tokens = (html.escape(one.get_token(), quote=True) for one in shown)
    return "".join(f"<a href='/capability/{t}'>{t}</a><br/>" for t in tokens)


def _texts(shown: Any) -> str:  # noqa: ANN401 - an iterable of statements
    bodies = (html.escape(model.unparse_json(one)) for one in shown)
    return "".join(f"<pre>{body}</pre>" for body in bodies)
