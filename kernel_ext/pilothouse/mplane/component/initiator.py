"""InitiatorHttpComponent: a component that goes to its client.

It registers its capabilities, asks every few seconds for specifications, and sends
receipts and results; a client that cannot be reached is asked again until it can.

Source: contract §6.5.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Self

from pilothouse.errors import (
    PilothouseError,
    ProtocolError,
    RemoteError,
    SettingsError,
    TransportError,
)
from pilothouse.mplane import configuration, model
from pilothouse.mplane.configuration import Connect
from pilothouse.mplane.exchange import get, send
from pilothouse.mplane.media import Message, is_media_type, message_of
from pilothouse.mplane.model import clock
from pilothouse.mplane.scheduler import Scheduler, Work
from pilothouse.mplane.tls import TlsState
from pilothouse.transport.answer import HttpAnswer

from .offering import Offering, Offers, scheduler_of
from .outbox import Outbox, Parcel

__all__ = ["CALLBACK", "InitiatorHttpComponent"]

log = logging.getLogger(__name__)

CALLBACK = "callback"
IDLE_SECONDS = 5.0
_LONGEST_IDLE_SECONDS = 24 * 3600.0
_STOP_SECONDS = 5.0


class InitiatorHttpComponent:
    """Services offered to one client, from threads of this process.

    Args:
        offers: A scheduler, a service or several.
        config: Anything that `pilothouse.mplane.configuration.read` takes, with a
            component that is an initiator.
        tls_state: Instead of one made from `config`.
        on_event: Called with a line for people at each registration and failure.
        idle_seconds: Pause between two questions for specifications.
        retry_seconds: Pause after a client could not be reached.

    Attributes:
        registered: Label of each capability -> ``"ok"`` or why it was refused.
        failure: Why the client refuses us for good; empty while it does not.

    Raises:
        SettingsError: If the configuration does not say where the client is.
    """

    def __init__(
        self,
        offers: Offers,
        config: configuration.Readable = None,
        *,
        tls_state: TlsState | None = None,
        on_event: Callable[[str], object] | None = None,
        idle_seconds: float = IDLE_SECONDS,
        retry_seconds: float = IDLE_SECONDS,
    ) -> None:
        settings = configuration.read(config)
        if not isinstance(settings.component, Connect):
            raise SettingsError(
                f"{settings.source} does not say where the client of the component is",
                protocol="mPlane",
                hint="[component] workflow = component-initiated, client_host, ...",
            )
        self._urls = settings.component
        self.scheduler = scheduler_of(offers, Scheduler(settings))
        self.tls_state = TlsState(settings) if tls_state is None else tls_state
        self.offering = Offering(self.scheduler, "")
        self.registered: dict[str, str] = {}
        self.failure = ""
        self._on_event = on_event
        self._idle = idle_seconds
        self._retry = retry_seconds
        self._client = ""  # the identity of the client
        self._shown: list[tuple[str, str]] = []
        self._callback = _callback_capability()
        self._ending = threading.Event()
        self._done = threading.Event()
        self._registration = threading.Event()
        self._lock = threading.Lock()
        self._links: dict[str, str] = {}  # token -> where the result goes
        self._held: set[str] = set()  # tokens whose receipt has not gone out yet
        self._due: set[str] = set()  # of those, the ones with a result already
        self._outbox = Outbox()
        self._thread: threading.Thread | None = None

    def __repr__(self) -> str:
        return f"<InitiatorHttpComponent for {self._urls.capability_url}>"

    def start(self) -> Self:
        """Begin to register and to ask."""
        if self._thread is None:
            self._thread = threading.Thread(
                target=self._run, name="mplane-initiator", daemon=True
            )
            self._thread.start()
        return self

    def stop(self, timeout: float = _STOP_SECONDS) -> None:
        """Ask no more, interrupt what runs, and send what was measured.

        Args:
            timeout: Longest wait for all of that, in seconds.
        """
        deadline = time.monotonic() + timeout
        self._ending.set()
        self.scheduler.is_ending = True
        self.scheduler.interrupt_all()
        if self._thread is not None:  # it may have fetched something just now
            self._thread.join(timeout / 2)
            self.scheduler.interrupt_all()
        for token, job in self.scheduler.jobs.items():
            is_over = job.wait(max(0.0, deadline - time.monotonic()))
            if is_over and token in self._links:
                self._send_result(token)  # the job's own thread may come too late
        self._outbox.close(max(0.0, deadline - time.monotonic()))
        self.tls_state.close()
        if self._thread is not None:
            self._thread.join(max(0.1, deadline - time.monotonic()))
            self._thread = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    @property
    def is_done(self) -> bool:
        """Whether it asks no more."""
        return self._done.is_set()

    def wait_registered(self, timeout: float | None = None) -> bool:
        """Wait until the client knows us; False if it does not, or not in time."""
        self._registration.wait(timeout)
        return bool(self.registered)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it asks no more; False if the time is up before that."""
        return self._done.wait(timeout)

    # -- the thread -------------------------------------------------------------------

    def _run(self) -> None:
        try:
            if self._register():
                self._ask()
        finally:
            self._registration.set()
            self._done.set()

    def _register(self) -> bool:
        """Register, as often as it takes; False when there is no use in it."""
        while not self._ending.is_set():
            try:
                self._client = self.tls_state.extract_peer_identity(
                    self._urls.capability_url
                )
                self._shown = self._offered()
                envelope = self._capabilities()
                if not len(envelope):
                    self._fail("no capability is granted to the client")
                    return False
                envelope.append_message(self._callback)
                answer = send(self.tls_state, self._urls.capability_url, envelope)
            except TransportError as exc:
                self._tell(f"the client is not there: {exc.message}")
            else:
                if answer.ok:
                    self._read_registration(answer)
                    return True
                if answer.status < 500:
                    self._fail(f"the client refuses: {_reason(answer)}")
                    return False
                self._tell(f"the client is not ready: {_reason(answer)}")
            self._ending.wait(self._retry)
        return False

    def _offered(self) -> list[tuple[str, str]]:
        """Return what the client may know, to see when that changes."""
        shown = self.scheduler.capabilities_for(self._client, withdrawn=True)
        return [(one.kind_str(), one.get_token()) for one in shown]

    def _capabilities(self) -> model.Envelope:
        envelope = model.Envelope()
        for one in self.scheduler.capabilities_for(self._client, withdrawn=True):
            envelope.append_message(self.offering.shown(one))
        return envelope

    def _read_registration(self, answer: HttpAnswer) -> None:
        try:
            told = answer.json()
        except ValueError:
            told = None
        if not isinstance(told, dict):
            told = {}
        for label, one in told.items():
            is_told = isinstance(one, dict)
            is_ok = is_told and one.get("registered") == "ok"
            why = str(one.get("reason", "no reason given")) if is_told else str(one)
            self.registered[str(label)] = "ok" if is_ok else why
            self._tell(f"{label}: {'registered' if is_ok else f'refused, {why}'}")
        self._registration.set()

    def _ask(self) -> None:
        while not self._ending.is_set():
            pause = self._idle
            if self._offered() != self._shown and not self._register():
                return  # what is offered has changed, and is unwelcome
            try:
                answer = get(self.tls_state, self._urls.specification_url)
                if answer.ok and is_media_type(answer.headers.get("Content-Type")):
                    pause = self._handle_all(message_of(answer.body))
                elif answer.status in {401, 428}:
                    self._tell("the client does not know this component any more")
                    if not self._register():
                        return
                elif answer.status != 404:  # 404: nothing to do (protocol draft)
                    self._tell(f"no specifications: {_reason(answer)}")
            except TransportError as exc:
                self._tell(f"the client is not there: {exc.message}")
                pause = self._retry
            except ProtocolError as exc:
                self._tell(exc.message)
            except Exception:
                log.exception("cannot handle what the client has sent")
            self._ending.wait(pause)

    # -- specifications ---------------------------------------------------------------

    def _handle_all(self, message: Message) -> float:
        """Take everything that waited for us; return when to ask again."""
        pause = self._idle
        for one in _flat(message):
            if _is_callback(one):
                pause = _pause_of(one, self._idle)
            else:
                self._handle(one)
        return pause

    def _handle(self, message: Message) -> None:
        token = message.get_token() or ""
        link = message.get_link() if isinstance(message, model.Statement) else None
        with self._lock:
            if isinstance(message, model.Specification):
                self._links[token] = self._place_of(link)
            self._held.add(token)
        reply = self.scheduler.process_message(
            self._client, message, callback=self._on_result
        )
        url = self._links.get(token, self._urls.result_url)
        self._outbox.put(
            Parcel(
                key=f"reply {token} {id(reply)}",
                url=url,
                send=partial(self._deliver, url, reply),
            )
        )
        with self._lock:
            self._held.discard(token)
            is_due = token in self._due
            self._due.discard(token)
        if is_due:
            self._send_result(token)

    def _place_of(self, link: str | None) -> str:
        """Return where results go: the client, or another place that the link names."""
        if not link:
            return self._urls.result_url
        try:
            there, here = (
                self.tls_state.peer_for(url)[0] for url in (link, self._urls.result_url)
            )
        except ValueError as exc:
            log.warning("the link %r cannot be used: %s", link[:200], exc)
            return self._urls.result_url
        return self._urls.result_url if there is here else link

    def _on_result(self, receipt: model.Receipt) -> None:
        token = receipt.get_token()
        with self._lock:
            if token in self._held:  # the receipt goes first
                self._due.add(token)
                return
        self._send_result(token)

    def _send_result(self, token: str) -> None:
        job = self.scheduler.jobs.get(token)
        if job is None:
            return
        # Results of a repeated measurement go out now and then, and at its end.
        wait = 0.0 if job.finished() else self._idle
        url = self._links.get(token, self._urls.result_url)
        self._outbox.put(
            Parcel(
                key=token,
                url=url,
                send=partial(self._deliver_result, url, job),
                not_before=time.monotonic() + wait,
            )
        )
        if job.finished():
            self._outbox.hurry(token)

    def _deliver_result(self, url: str, job: Work) -> bool:
        is_over = job.finished()
        if is_over and not self._is_owed(job):
            return True
        if not self._deliver(url, job.get_reply()):
            return False
        if is_over:
            self.scheduler.redeemed(job)
            with self._lock:
                self._links.pop(job.receipt.get_token(), None)
        return True

    def _is_owed(self, job: Work) -> bool:
        """Tell whether the client does not have the result of a job yet."""
        try:
            return self.scheduler.job_for_message(job.receipt, job.owner) is job
        except KeyError:
            return False

    def _deliver(self, url: str, message: Message) -> bool:
        """Send; False when that has to be tried again."""
        try:
            answer = send(self.tls_state, url, message, repeat=True)
        except (TransportError, RemoteError) as exc:
            self._tell(f"cannot send to {url}: {exc.message}")
            return False
        except (PilothouseError, ValueError) as exc:
            self._tell(f"cannot send to {url}: {exc}")
            return True
        if not answer.ok:
            self._tell(f"{url} refuses a result: {_reason(answer)}")
        return answer.status < 500

    def _fail(self, why: str) -> None:
        self.failure = why
        self._tell(why)

    def _tell(self, line: str) -> None:
        log.info("%s", line)
        if self._on_event is not None:
            self._on_event(line)


def _callback_capability() -> model.Capability:
    """Return what lets the client say when we shall ask again.

    A real client looks for the verb, a real supervisor for the label.
    """
    capability = model.Capability(verb=CALLBACK, label=CALLBACK, when="now ... future")
    capability.get_token()
    capability.set_link("")
    return capability


def _is_callback(message: Message) -> bool:
    return isinstance(message, model.Specification) and (
        CALLBACK in {message.verb(), message.get_label()}
    )


def _pause_of(message: Message, usual: float) -> float:
    scope = message.when() if isinstance(message, model.Specification) else None
    if scope is None:
        return usual
    start, end = scope.timer_delays(clock.now())
    pause = start if end is None else end
    return usual if pause is None else min(pause, _LONGEST_IDLE_SECONDS)


def _flat(message: Message) -> Iterator[Message]:
    if isinstance(message, model.Envelope):
        for one in message.messages():
            yield from _flat(one)
    else:
        yield message


def _reason(answer: HttpAnswer) -> str:
    why = answer.reason or "no reason given"
    if is_media_type(answer.headers.get("Content-Type")):
        try:
            message = message_of(answer.body)
        except ProtocolError:
            return f"{answer.status} {why}"
        if isinstance(message, model.Exception):
            why = message.errmsg()
    return f"{answer.status} {why}"
