"""HttpListenerClient: a client that components come to.

Source: reference documentation, ``mplane.client.HttpListenerClient``; contract §6.4.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Self

from pilothouse import waits
from pilothouse.errors import ServiceError
from pilothouse.mplane import configuration, model
from pilothouse.mplane.configuration import ClientListen
from pilothouse.mplane.measurement import Measurement
from pilothouse.mplane.media import MAX_RESULT_BYTES, NOBODY, Message
from pilothouse.mplane.scheduler.runtime import shared_runtime
from pilothouse.mplane.tls import TlsState
from pilothouse.mplane.web import MessageServer, application

from .interactions import InteractionsHandler
from .specifying import receipt_from
from .state import BaseClient, Outcome

__all__ = ["HttpListenerClient"]

log = logging.getLogger(__name__)

_MAX_WAITING = 10_000
_START_SECONDS = 10.0
_STOP_SECONDS = 5.0


class HttpListenerClient(BaseClient):
    """A client whose components register with it and fetch their specifications.

    What waits for a component waits for its identity. Without TLS all components are
    nobody in particular: the first that asks gets what waits for any of them.

    Args:
        config: Anything that `pilothouse.mplane.configuration.read` takes.
        tls_state: Instead of one made from `config`.
        supervisor: Pass every message that comes on to `exporter`.
        exporter: As `BaseClient`.
        io_loop: Tornado's or asyncio's loop to listen on, from its next turn on; None:
            `listen_in_background`, or ``await start()``.

    Attributes:
        paths: Where it listens, and for what.
        tls_state: Certificates.
    """

    def __init__(
        self,
        config: configuration.Readable = None,
        tls_state: TlsState | None = None,
        supervisor: bool = False,
        exporter: Any = None,  # noqa: ANN401 - as BaseClient
        io_loop: Any = None,  # noqa: ANN401 - Tornado's loop or asyncio's
    ) -> None:
        settings = configuration.read(config)
        self.tls_state = TlsState(settings) if tls_state is None else tls_state
        super().__init__(self.tls_state, supervisor, exporter)
        found = settings.client
        self.paths = found if isinstance(found, ClientListen) else ClientListen()
        self._waiting: dict[str, list[Message]] = {}
        self._registered = waits.Condition()
        self._registrations = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        rules = [
            (f"/{path}/?", InteractionsHandler, {"client": self})
            for path in dict.fromkeys(
                (
                    self.paths.registration_path,
                    self.paths.specification_path,
                    self.paths.result_path,
                )
            )
        ]
        self._server = MessageServer(
            application(rules),
            hosts=self.paths.hosts,
            port=self.paths.port,
            tls=self.tls_state.get_ssl_options(),
            max_body_bytes=MAX_RESULT_BYTES,
        )
        if io_loop is not None:
            self._open_on(io_loop)

    # -- listening --------------------------------------------------------------------

    @property
    def url(self) -> str:
        """Where components find it; ends with a slash."""
        return self._server.url

    @property
    def port(self) -> int:
        """The port of it."""
        return self._server.port

    async def start(self) -> Self:
        """Listen on the loop that runs.

        Raises:
            OSError: If the address cannot be had.
        """
        self._loop = asyncio.get_running_loop()
        self._server.open()
        return self

    async def stop(self) -> None:
        """Listen no more."""
        await self._server.close()

    def listen_in_background(self, io_loop: Any = None) -> None:  # noqa: ANN401
        """Listen on a thread of its own, or on a loop that somebody else runs.

        Raises:
            ServiceError: If the address cannot be had.
        """
        if io_loop is not None:
            self._open_on(io_loop)
            return
        if self._thread is not None:
            return
        ready = threading.Event()
        failures: list[BaseException] = []
        self._thread = threading.Thread(
            target=self._main, args=(ready, failures), name="mplane-client", daemon=True
        )
        self._thread.start()
        if not ready.wait(_START_SECONDS):
            raise ServiceError(f"the client did not listen in {_START_SECONDS:g} s")
        if failures:
            self._thread.join()
            self._thread = None
            raise ServiceError(
                f"the client cannot listen: {failures[0]}", protocol="mPlane"
            ) from failures[0]

    def close(self) -> None:
        """Listen no more. May be called twice.

        Measurements that are not over are detached.
        """
        for measurement in self.measurements():
            measurement.detach()
        loop, thread = self._loop, self._thread
        if loop is not None and not loop.is_closed():
            with contextlib.suppress(RuntimeError):  # it has just ended
                if thread is not None:
                    loop.call_soon_threadsafe(loop.stop)
                    thread.join(_STOP_SECONDS)
                else:
                    asyncio.run_coroutine_threadsafe(self._server.close(), loop)
        self._thread = None
        self.tls_state.close()

    def __enter__(self) -> Self:
        self.listen_in_background()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _open_on(self, io_loop: Any) -> None:  # noqa: ANN401 - as in the constructor
        loop = getattr(io_loop, "asyncio_loop", io_loop)
        self._loop = loop
        loop.call_soon_threadsafe(self._server.open)

    def _main(self, ready: threading.Event, failures: list[BaseException]) -> None:
        with asyncio.Runner() as runner:
            loop = runner.get_loop()
            try:
                runner.run(self.start())
            except OSError as exc:
                failures.append(exc)
                return
            finally:
                ready.set()
            try:
                loop.run_forever()
            finally:
                runner.run(self._server.close())

    # -- asking -----------------------------------------------------------------------

    def invoke_capability(
        self,
        cap_tol: str,
        when: model.When | str | None,
        params: Mapping[str, object] | None,
        relabel: str | None = None,
        callback_when: model.When | str | None = None,
    ) -> model.Specification:
        """Make a specification, and let it wait for the component to fetch it.

        Args:
            cap_tol: Token or label of the capability.
            when: Temporal scope.
            params: Values of the parameters that are still open; others are passed
                over.
            relabel: Label, instead of the capability's with a number.
            callback_when: When the component is to ask again, if it lets itself be
                told (it offers a callback).

        Raises:
            KeyError: If there is no such capability, or a value is missing.
            ValueError: If scope or values do not meet it, or too much waits.
        """
        capability = self.capability_for(cap_tol)
        specification = self._specify(
            capability, when, params, relabel, is_strict=False
        )
        self._begin(capability, specification, callback_when)
        return specification

    def run(
        self,
        cap_tol: model.Capability | str,
        when: model.When | str | None = None,
        params: Mapping[str, object] | None = None,
        label: str | None = None,
        callback_when: model.When | str | None = None,
    ) -> Measurement:
        """As `invoke_capability`, but strict, and return the handle.

        Raises:
            KeyError: If there is no such capability or parameter, or a value lacks.
            ValueError: If scope or values do not meet the capability.
        """
        if isinstance(cap_tol, model.Capability):
            capability = cap_tol
        else:
            capability = self.capability_for(cap_tol)
        specification = self._specify(capability, when, params, label, is_strict=True)
        return self._begin(capability, specification, callback_when)

    def attach(
        self,
        receipt: str | bytes | Mapping[str, Any] | model.Receipt,
        identity: str = NOBODY,
    ) -> Measurement:
        """Take up a measurement of an earlier session.

        Its component is asked for the result when it comes next, unless it has sent it
        to this client already.

        Args:
            receipt: What ``Measurement.saved`` has given, or any receipt.
            identity: The component.

        Raises:
            ValueError: If it is no receipt.
        """
        known, asked = receipt_from(receipt)
        token = known.get_token()
        with self._lock:
            running = self._measurements.get(token)
            if running is not None and not (running.is_over or running.is_detached):
                return running
            arrived = self._arrived(token, identity)
            self.forget(token)
            measurement = Measurement(self, known, asked=asked)
            self._measurements[token] = measurement
            self._asked[token] = known.get_label()
            self._receipts.put(token, known.get_label(), known)
            self._receipt_identities[token] = identity
        if arrived is not None:  # the component has been quicker than we
            self.handle_message(arrived, identity)
        if not measurement.is_over:
            self._wait_for(identity, model.Redemption(receipt=known))
        return measurement

    def _arrived(self, token: str, identity: str) -> Outcome | None:
        """Return what a component has sent already; it will not send that again."""
        found = self._results.get(token)
        is_there = found is not None and self._results.find(token) == token
        is_theirs = self._receipt_identities.get(token, identity) == identity
        is_refusal = isinstance(found, model.Exception)
        return found if is_there and is_theirs and not is_refusal else None

    def interrupt_capability(self, token_or_label: str) -> None:
        """Let an interrupt wait for the component of a measurement.

        Raises:
            KeyError: If there is no receipt of that token or label.
        """
        with self._lock:
            receipt = self._receipts.get(token_or_label)
        if receipt is None:
            raise KeyError(f"no such token or label {token_or_label}")
        token = receipt.get_token()
        with self._lock:
            identity = self._receipt_identities.get(token) or NOBODY
            measurement = self._measurements.get(token)
        if measurement is not None:
            measurement.expect_interrupt()
        self._wait_for(identity, model.Interrupt(specification=receipt))

    def _begin(
        self,
        capability: model.Capability,
        specification: model.Specification,
        callback_when: model.When | str | None,
    ) -> Measurement:
        identity = self.identity_for(capability.get_token()) or NOBODY
        if self.paths.link:
            specification.set_link(self.paths.link)
        measurement = Measurement(self, specification, capability=capability)
        self._remember_asked(specification, measurement, identity)
        with self._lock:  # whoever fetches the one gets the other too
            self._wait_for(identity, specification)
            callback = None if callback_when is None else self._callback_of(identity)
            if callback is not None:
                self._wait_for(
                    identity,
                    model.Specification(
                        capability=callback, when=callback_when, label="callback"
                    ),
                )
        return measurement

    def _callback_of(self, identity: str) -> model.Capability | None:
        """Return the callback capability of a component: by its verb, or its label."""
        with self._lock:
            known = [
                self._capabilities.get(token)
                for token in self._capabilities.tokens()
                if self._identities.get(token) == identity
            ]
        for one in known:
            if one is not None and "callback" in {one.verb(), one.get_label()}:
                return one
        return None

    # -- what waits -------------------------------------------------------------------

    def _wait_for(self, identity: str, message: Message) -> None:
        with self._lock:
            queue = self._waiting.setdefault(identity, [])
            if len(queue) >= _MAX_WAITING:
                raise ValueError(
                    f"{_MAX_WAITING} messages wait for {identity}, which does not come"
                )
            queue.append(message)

    def take_waiting(self, identity: str) -> list[Message]:
        """Return what waits for a component, and let it wait no more.

        A callback comes last: a real component skips what is behind it.
        """
        with self._lock:
            waiting = self._waiting.pop(identity, [])
        return sorted(waiting, key=_is_callback)

    def put_back(self, identity: str, messages: list[Message]) -> None:
        """Let messages wait again that did not reach their component."""
        with self._lock:
            self._waiting[identity] = messages + self._waiting.get(identity, [])

    def count_waiting(self, identity: str = NOBODY) -> int:
        """Return how many messages wait for a component."""
        with self._lock:
            return len(self._waiting.get(identity, []))

    def note_registration(self, identity: str, names: list[str]) -> None:
        """Note that a component has registered its capabilities.

        One that comes anew may have forgotten what it was asked before; where it is
        known by its certificate, it is asked for the receipts that are still open.
        """
        log.info("%s has registered %s", identity, ", ".join(names))
        if self.tls_state.is_on:
            with self._lock:
                open_ones = [
                    self._receipts.get(token)
                    for token in self._receipts.tokens()
                    if self._receipt_identities.get(token) == identity
                ]
            for receipt in open_ones:
                if receipt is not None:
                    self._wait_for(identity, model.Redemption(receipt=receipt))
        with self._registered:
            self._registrations += 1
            self._registered.notify_all()

    def wait_registered(self, timeout: float | None = None) -> bool:
        """Wait until a component has registered; False if the time is up before."""
        with self._registered:
            return self._registered.wait_for(lambda: self._registrations > 0, timeout)

    def _expect_end(self, measurement: Measurement, end: datetime) -> None:
        # A component may send its last envelope before the scope has ended.
        def settle() -> None:
            with self._lock:
                self._receipts.drop(measurement.token)
            measurement.settle()

        shared_runtime().timers.at(measurement.latest(end), settle)

    # -- for the handles --------------------------------------------------------------

    def interrupt(self, measurement: Measurement, seconds: float) -> str:
        """Let an interrupt wait for the component; return what became of that."""
        measurement.expect_interrupt()
        source = measurement.receipt or measurement.specification
        name = measurement.label or measurement.token
        with self._lock:
            identity = self._receipt_identities.get(measurement.token) or NOBODY
            queue = self._waiting.get(identity, [])
            if measurement.specification in queue:
                queue.remove(measurement.specification)
                self.handle_message(
                    model.Exception(
                        token=measurement.token,
                        errmsg="interrupted before the component has fetched it",
                    ),
                    identity,
                )
                return measurement.outcome
        self._wait_for(identity, model.Interrupt(specification=source))
        return (
            f"not confirmed yet: the component of {name} hears of it when it asks next"
        )

    def hurry(self, measurement: Measurement) -> None:
        """Do nothing: the component comes when it comes."""

    def leave(self, measurement: Measurement) -> None:
        """Do nothing: results that come are kept all the same."""


def _is_callback(message: Message) -> bool:
    return isinstance(message, model.Specification) and (
        "callback" in {message.verb(), message.get_label()}
    )
