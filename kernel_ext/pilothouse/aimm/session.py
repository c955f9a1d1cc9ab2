"""One connection that stays, logs in by itself, and keeps the server's state.

    state:  connecting -> ready <-> lost -> closed

A reading thread (the transport's) takes what comes in; any thread may ask. A message's
segments leave together, with pongs between them if need be. After a lost connection
the session logs in again; what an action of our own server has brought meanwhile is
fetched by the action's number, what cannot be known any more is told as
`StillRunningError`.
"""

from __future__ import annotations

import enum
import hashlib
import logging
import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from typing import Any, Final

from pilothouse import errors, waits
from pilothouse.aimm import juggler
from pilothouse.aimm.json_text import size_of
from pilothouse.secrets import Secret
from pilothouse.transport.endpoint import Endpoint
from pilothouse.transport.websocket import FOREVER, Socket, SocketState

from .answer import Answer
from .errors import PROTOCOL, StillRunningError, refusal
from .extensions import ACTIONS, HEADER, LARGE_PAYLOAD, OURS, SEGMENTS
from .outbox import Entry, Outbox
from .state import State, StateReader
from .values.refusal import CannotTravelError

__all__ = ["Pending", "Session", "SessionState"]

_LOG = logging.getLogger(__name__)
_NO_LOCK: Final = nullcontext()
_GUESS_AFTER: Final = 1.0
_NOTICE_SECONDS: Final = 0.1
_LONG_FRAME: Final = 4096
_PATHS: Final = ("/ws", "/")


class SessionState(enum.StrEnum):
    """What a session is doing."""

    CONNECTING = "connecting"
    READY = "ready"
    LOST = "lost"
    CLOSED = "closed"


@dataclass(slots=True, eq=False)
class Pending:
    """A request that waits for its answer.

    Attributes:
        name: The action's name.
        answer: What comes of it.
        action_id: The action's number on the server, once it is told.
        run: The run of the server in which that number counts.
    """

    name: str
    answer: Answer = field(default_factory=Answer)
    action_id: int | None = None
    run: str = ""


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request as it was asked for, to be made anew on another connection."""

    pending: Pending
    data: Any
    name: str


class Session:
    """A connection to one AIMM server, as one user.

    Args:
        url: ``ws://`` or ``wss://`` with host and port; of the paths ``/ws`` and
            ``/`` the other one is tried when the server does not know the first.
        username: Who logs in.
        password: What with.
        hash_password: Send the hex of its SHA-256, as the real client does.
        verify: As of `Endpoint.verify`.
        timeout: Longest wait for a connection, a login or a short answer, in seconds.
        patience: How long an action under way waits for a lost connection to come
            back, in seconds.
        wire: Which juggler is spoken; None: found out.
    """

    def __init__(
        self,
        url: str,
        *,
        username: str,
        password: Secret,
        hash_password: bool = True,
        verify: bool | str | None = None,
        timeout: float = 10.0,
        patience: float = 60.0,
        wire: juggler.Wire | None = None,
    ) -> None:
        self._endpoint = Endpoint.parse(url)
        self._username = username
        self._password = password
        self._hash_password = hash_password
        self._verify = verify
        self._timeout = timeout
        self._patience = patience
        self._giving_up: threading.Timer | None = None
        self._wire = wire
        self._machine: juggler.ClientConnection | None = None
        self._socket: Socket | None = None
        self._login: Pending | None = None
        self._wants_login = True
        self._pending: dict[int, Pending] = {}
        self._orphans: list[Pending] = []
        self._unsent: list[_Asked] = []
        self._outbox = Outbox(self._flush)
        self._changed = waits.Condition()
        self._machine_lock = threading.Lock()
        self._frame_lock = threading.Lock()
        self._message_lock = threading.Lock()
        self._lost = waits.Event()
        self._listeners: list[Callable[[State], object]] = []
        self._failure: errors.PilothouseError | None = None
        self.state = SessionState.CONNECTING
        self.extensions: frozenset[str] = frozenset()
        self.run = ""
        self.server_state = State()
        self._reader = StateReader()

    @property
    def url(self) -> str:
        """The address, with the path that worked."""
        return self._endpoint.url

    @property
    def username(self) -> str:
        """Who logs in."""
        return self._username

    def open(self) -> None:
        """Connect and log in.

        Raises:
            NotAuthorizedError: If the server refuses the login.
            TransportError: If no connection could be made.
            RemoteError: If no path of the server is an AIMM control.
        """
        given = self._endpoint.path
        paths = list(dict.fromkeys([given or "/ws", "/ws", "/"]))
        if given not in ("", *_PATHS):
            paths = [given]  # somebody's own: nothing else is meant
        for path in paths:
            endpoint = Endpoint.parse(self._endpoint.origin + path)
            socket = self._new_socket(self._endpoint.origin + path)
            self._socket = socket
            try:
                socket.open()
            except errors.NotFoundError:
                if path == paths[-1]:
                    self.close()
                    raise errors.NotFoundError(
                        f"{self._endpoint.authority} has no AIMM control at "
                        f"{' or '.join(paths)}",
                        protocol=PROTOCOL,
                    ) from None
                continue
            except BaseException:
                self.close()
                raise
            self._endpoint = endpoint
            break
        self._await_login()

    def request(
        self,
        name: str,
        data: Any,  # noqa: ANN401  any JSON
        timeout: float = math.inf,
    ) -> Pending:
        """Send a request, waiting for a connection if need be.

        Args:
            name: What is asked for.
            data: With what, any JSON.
            timeout: Longest wait for a connection, in seconds, if that is shorter than
                the session's own.

        Raises:
            ConnectionLostError: If there is no connection within the timeout.
        """
        deadline = time.monotonic() + min(timeout, self._timeout)
        while True:
            self._await_ready(min(timeout, self._timeout))
            pending = Pending(name)
            try:
                self._send(pending, data)
            except errors.ConnectionLostError:
                # Its last segment did not leave, so the server has no such message.
                if time.monotonic() > deadline:
                    raise
                self._lost.wait(_NOTICE_SECONDS)
            else:
                return pending

    def call(self, name: str, data: Any, timeout: float | None = None) -> Any:  # noqa: ANN401
        """Return the answer to a short request.

        Raises:
            AnswerTimeoutError: If none came within the timeout.
            RemoteError: If the server refused.
        """
        longest = math.inf if timeout is None else timeout
        return self.wait(self.request(name, data, longest), timeout)

    def wait(self, pending: Pending, timeout: float | None = None) -> Any:  # noqa: ANN401
        """Return the answer to a request.

        Raises:
            AnswerTimeoutError: If none came within the timeout.
            RemoteError: If the server refused.
        """
        timeout = self._timeout if timeout is None else timeout
        with suppress(TimeoutError):
            return pending.answer.result(timeout)
        if pending.answer.done():  # it came at the last moment
            return pending.answer.result(0)
        raise errors.AnswerTimeoutError(
            f"no answer to {pending.name} within {timeout:g} s", protocol=PROTOCOL
        )

    def login(
        self, username: str | None = None, password: Secret | None = None
    ) -> None:
        """Log in, as somebody else if need be.

        Raises:
            NotAuthorizedError: If the server refuses.
        """
        self._username = self._username if username is None else username
        self._password = self._password if password is None else password
        with self._changed:
            self._wants_login = True
            self._failure = None
            if self.state is SessionState.READY:
                self.state = SessionState.CONNECTING
        self._send_login()
        self._await_login()

    def logout(self) -> None:
        """Log out; the connection stays, and is not logged in again by itself."""
        self._wants_login = False
        try:
            self.call("logout", None)
        except errors.RemoteError as exc:
            # What a real server 1.2 answers to every logout, which it does perform.
            if "set_local_data" not in str(exc):
                raise
        if not self.extensions:
            self._take_state(None)

    def on_change(self, listener: Callable[[State], object]) -> Callable[[], None]:
        """Have a function called with each new state; return what ends that.

        It is called too when an action's number is told, and when the connection is
        lost, back, or closed.
        """
        with self._changed:
            self._listeners.append(listener)

        def remove() -> None:
            with self._changed, suppress(ValueError):
                self._listeners.remove(listener)

        return remove

    def close(self) -> None:
        """End the connection; may be called twice."""
        with self._changed:
            self._wants_login = False
        self._end_patience()
        self._flush()
        if self._socket is not None:
            self._socket.close()
        self._outbox.close()
        self._set_state(SessionState.CLOSED)
        self._fail_pending("the session was closed", keep=False)

    def _end_patience(self) -> None:
        with self._changed:
            timer, self._giving_up = self._giving_up, None
        if timer is not None:
            timer.cancel()

    # What follows runs on the thread of whoever asks.

    def _await_login(self) -> None:
        with self._changed:
            over = (SessionState.READY, SessionState.CLOSED)
            arrived = self._changed.wait_for(
                lambda: self._failure is not None or self.state in over, self._timeout
            )
            failure = self._failure
            if self.state is SessionState.CLOSED and failure is None:
                failure = errors.ConnectionLostError(
                    "the session is closed", protocol=PROTOCOL
                )
        if failure is not None:
            self.close()
            raise failure
        if not arrived:
            self.close()
            raise errors.AnswerTimeoutError(
                f"{self._endpoint.authority} did not answer the login within "
                f"{self._timeout:g} s",
                protocol=PROTOCOL,
            )

    def _await_ready(self, timeout: float) -> None:
        if self.state is SessionState.READY:
            return
        over = (SessionState.READY, SessionState.CLOSED)
        with self._changed:
            self._changed.wait_for(lambda: self.state in over, timeout)
            if self.state.value == SessionState.READY:
                return
            failure, state = self._failure, self.state
        if failure is not None:
            raise failure
        why = (
            "the session is closed"
            if state is SessionState.CLOSED
            else (f"no connection to {self._endpoint.authority} now, it is tried again")
        )
        raise errors.ConnectionLostError(why, protocol=PROTOCOL)

    def _send(self, pending: Pending, data: Any, name: str = "") -> None:  # noqa: ANN401
        """Send a request; its segments leave together, on one connection."""
        machine = self._machine
        if machine is None:
            raise self._no_connection()
        number, frames = machine.made(name or pending.name, data)
        self._check_size(frames)
        is_close = self._outbox.is_close()
        with self._machine_lock:  # a number counts on its own connection only
            if machine is not self._machine:
                raise self._no_connection()
            others = bool(self._pending)
            self._pending[number] = pending
            if is_close and others and len(frames) == 1:
                again = _Asked(pending, data, name)
                if self._outbox.put(Entry(number, frames[0], again)):
                    return
        with self._message_lock:
            try:
                self._send_gathered(machine)
                self._send_frames(machine, frames)
            except errors.PilothouseError:
                self._forget(number, pending)
                raise

    def _forget(self, number: int, pending: Pending) -> None:
        """Take back what did not leave; the number may be another's by now."""
        with self._machine_lock:
            if self._pending.get(number) is pending:
                self._pending.pop(number, None)

    def _send_frames(
        self, machine: juggler.ClientConnection, frames: Sequence[bytes]
    ) -> None:
        """Send frames; between long ones others may send theirs, as pongs."""
        long = len(frames) > 1 and len(frames[0]) > _LONG_FRAME
        for some in [[one] for one in frames] if long else [frames]:
            with self._frame_lock:
                if machine is not self._machine or self._socket is None:
                    raise errors.ConnectionLostError(
                        f"the connection to {self._endpoint.authority} broke",
                        protocol=PROTOCOL,
                    )
                self._socket.send_utf8(some)

    def _flush(self) -> None:
        """Send what was gathered; what a connection that breaks did not take stays."""
        with self._message_lock, suppress(errors.PilothouseError):
            machine = self._machine
            if machine is not None:
                self._send_gathered(machine)

    def _send_gathered(self, machine: juggler.ClientConnection) -> None:
        with self._frame_lock:  # the loss of the connection comes before, or behind
            with self._machine_lock:
                # What is there now was gathered for the connection there is now.
                entries = self._outbox.take() if machine is self._machine else []
            if not entries or self._socket is None:
                return
            try:
                self._socket.send_utf8([entry.frame for entry in entries])
            except errors.ConnectionLostError as exc:
                if exc.__cause__ is None:  # gone before: nothing of it has left
                    with self._machine_lock:
                        self._keep(entries)
                raise

    def _check_size(self, frames: Sequence[bytes]) -> None:
        """Refuse what one of our servers would end the connection for."""
        size = size_of(frames)
        if self.extensions and size > juggler.MAX_TEXT:
            raise CannotTravelError(
                f"a request of {size:,} bytes; the server takes {juggler.MAX_TEXT:,}",
                hint="in parts, or as data access that the server reads itself",
            )

    def _no_connection(self) -> errors.ConnectionLostError:
        return errors.ConnectionLostError(
            f"no connection to {self._endpoint.authority} now", protocol=PROTOCOL
        )

    def _send_login(self) -> None:
        password = self._password.reveal()
        if self._hash_password:
            password = hashlib.sha256(password.encode()).hexdigest()
        self._login = Pending("login")
        self._login.answer.add_done_callback(self._take_login)
        with suppress(errors.TransportError):
            self._send(
                self._login,
                {"username": self._username, "password": password, "ext": sorted(OURS)},
            )

    # What follows runs on the reading thread.

    def _new_socket(self, url: str) -> Socket:
        return Socket(
            url,
            headers={HEADER: juggler.Wire.SEGMENTED.value},
            verify=self._verify,
            on_utf8=self._take_frame,
            on_state=self._take_socket_state,
            on_open=self._begin,
            ping_interval=30.0,
            answer_timeout=60.0,
            connect_timeout=self._timeout,
            reconnect=FOREVER,
            protocol=PROTOCOL,
        )

    def _begin(self, socket: Socket) -> None:
        said = socket.answer_headers.get(HEADER.lower())
        wire = juggler.Wire.SEGMENTED if said == juggler.Wire.SEGMENTED else self._wire
        machine = juggler.ClientConnection(now=time.monotonic(), wire=wire)
        with self._frame_lock, self._machine_lock:
            self._machine = machine
        if wire is None:
            self._guess_later(machine)
        else:
            self._know_wire(wire)

    def _guess_later(self, machine: juggler.ClientConnection) -> None:
        """Take the newest wire when no frame tells; the first one may tell another."""

        def guess() -> None:
            with self._machine_lock:
                if machine is not self._machine or machine.wire is not None:
                    return
                machine.wire = juggler.Wire.SEGMENTED
            self._send_login()

        timer = threading.Timer(min(_GUESS_AFTER, self._timeout / 2), guess)
        timer.daemon = True
        timer.name = "pilothouse-aimm-guess"
        timer.start()

    def _know_wire(self, wire: juggler.Wire) -> None:
        with self._changed:
            self._wire = wire
            wanted = self._wants_login
        if wanted:
            self._send_login()
        else:
            self._set_state(SessionState.READY)
            self._fail_pending("nobody is logged in any more", keep=False)

    def _take_socket_state(self, state: SocketState) -> None:
        if state is SocketState.LOST:
            with self._frame_lock, self._machine_lock:
                self._machine = None
                self._keep(self._outbox.take())
            self._set_state(SessionState.LOST)
            self._lost.set()
            self._fail_pending(self._why_lost(), keep=True)
            self._give_up_later()
        elif state is SocketState.CLOSED:
            with self._frame_lock, self._machine_lock:
                self._machine = None
                self._keep(self._outbox.take())
            if self._failure is None and self._socket is not None:
                self._failure = self._socket.error
            self._set_state(SessionState.CLOSED)
            self._fail_pending(self._why_lost(), keep=False)

    def _keep(self, unsent: Sequence[Entry]) -> None:
        """Keep what has not left for the next connection."""
        for entry in unsent:
            if self._pending.pop(entry.number, None) is not None:
                self._unsent.append(entry.again)

    def _why_lost(self) -> str:
        error = None if self._socket is None else self._socket.error
        return "the connection ended" if error is None else error.message

    def _take_frame(self, frame: memoryview) -> None:
        machine = self._machine
        if machine is None:
            return
        is_first = self._wire is None
        guessed = None
        try:
            with self._machine_lock if is_first else _NO_LOCK:
                if is_first:
                    guessed = machine.wire
                    machine.wire = juggler.Wire.of_first_frame(bytes(frame))
                events = machine.receive(frame, time.monotonic())
        except errors.ProtocolError as exc:
            self._give_up(exc)
            return
        for pong in machine.take_outgoing() if machine.outgoing else ():
            with suppress(errors.TransportError):
                self._send_frames(machine, [pong])
        if is_first and machine.wire is not None:
            self._take_wire(machine.wire, guessed)
        for event in events:
            self._take_event(event)

    def _take_wire(self, wire: juggler.Wire, guessed: juggler.Wire | None) -> None:
        """Log in by what the first frame tells, if that was not done by a guess."""
        if wire is guessed:
            self._wire = wire
        else:
            self._know_wire(wire)

    def _give_up(self, exc: errors.ProtocolError) -> None:
        """End a connection whose peer broke the protocol."""
        _LOG.warning("%s: %s", self._endpoint.authority, exc.message)
        if self.state is SessionState.CONNECTING or self._wire is None:
            self._fail(exc)
        if self._socket is not None:
            self._socket.renew()

    def _take_event(self, event: juggler.Event) -> None:
        match event:
            case juggler.Response(id=number):
                pending = self._pending.pop(number, None)
                if pending is not None:
                    _resolve(pending, event)
            case juggler.StateChanged(state=state):
                self._take_state(state)
            case juggler.Notify(name="action", data=data) if isinstance(data, Mapping):
                pending = self._pending.get(data.get("request", 0))
                number = data.get("action_id")
                if pending is not None and isinstance(number, int):
                    pending.action_id, pending.run = number, self.run
                    self._tell()

    def _take_state(self, obj: Any) -> None:  # noqa: ANN401  any JSON
        self.server_state = self._reader.read(obj)
        self._tell()

    def _tell(self) -> None:
        state = self.server_state
        with self._changed:
            listeners = list(self._listeners)
        for listener in listeners:
            try:
                listener(state)
            except Exception:
                _LOG.exception("a callback for the AIMM state failed")

    def _take_login(self, answer: Answer) -> None:
        exc = answer.exception()
        if isinstance(exc, errors.TransportError):
            return  # the connection broke; the next one logs in again
        said = None if exc is not None else answer.result()
        refused = isinstance(said, Mapping) and said.get("success") is False
        if exc is not None or refused:
            self._fail(
                errors.NotAuthorizedError(
                    f"{self._endpoint.authority} refused the login of "
                    f"{self._username!r}",
                    protocol=PROTOCOL,
                    hint="the right user name and password",
                )
            )
            return
        told = said if isinstance(said, Mapping) else {}
        extensions = told.get("ext")
        names = extensions if isinstance(extensions, list) else []
        self.extensions = OURS & {name for name in names if isinstance(name, str)}
        self.run = str(told.get("run") or "")
        with self._machine_lock:
            if self._machine is not None and SEGMENTS in self.extensions:
                self._machine.max_payload = LARGE_PAYLOAD
        self._lost.clear()
        self._end_patience()
        self._set_state(SessionState.READY)
        self._adopt()

    def _adopt(self) -> None:
        """Ask again for what was under way when the last connection broke."""
        with self._changed:
            orphans, self._orphans = self._orphans, []
            unsent, self._unsent = self._unsent, []
        for asked in unsent:
            try:
                self._send(asked.pending, asked.data, asked.name)
            except errors.PilothouseError as exc:
                _fail(asked.pending, exc)
        for pending in orphans:
            if pending.run != self.run or ACTIONS not in self.extensions:
                _fail(
                    pending,
                    StillRunningError(
                        pending.name,
                        "the server was restarted meanwhile",
                        action_id=pending.action_id,
                    ),
                )
                continue
            try:
                self._send(pending, {"action_id": pending.action_id}, "get_result")
            except errors.PilothouseError:
                with self._changed:
                    self._orphans.append(pending)

    def _fail_pending(self, why: str, *, keep: bool) -> None:
        with self._changed:
            pending, self._pending = list(self._pending.values()), {}
            if not keep:
                pending += self._orphans
                unsent, self._orphans, self._unsent = self._unsent, [], []
            else:
                unsent = []
        for asked in unsent:
            _fail(asked.pending, self._no_connection())
        for one in pending:
            if one.name == "login":
                _fail(one, errors.ConnectionLostError(why, protocol=PROTOCOL))
            elif keep and one.action_id is not None:
                with self._changed:
                    self._orphans.append(one)
            else:
                _fail(one, StillRunningError(one.name, why, action_id=one.action_id))

    def _give_up_later(self) -> None:
        """Let what is under way fail when the connection does not come back."""

        def give_up() -> None:
            if self.state is SessionState.LOST:
                why = f"there is no connection for {self._patience:g} s"
                self._fail_pending(why, keep=False)

        timer = threading.Timer(self._patience, give_up)
        timer.daemon = True
        timer.name = "pilothouse-aimm-patience"
        with self._changed:
            if self._giving_up is not None:
                self._giving_up.cancel()
            self._giving_up = timer
        timer.start()

    def _fail(self, exc: errors.PilothouseError) -> None:
        """Give the session up: what failed would fail again."""
        with self._changed:
            self._failure = exc
            self._wants_login = False
            self._changed.notify_all()
        if self._socket is not None:
            self._socket.close()

    def _set_state(self, state: SessionState) -> None:
        with self._changed:
            before = self.state
            if before is not SessionState.CLOSED:
                self.state = state
            is_new = self.state is not before
            self._changed.notify_all()
        if is_new:
            self._tell()


def _resolve(pending: Pending, response: juggler.Response) -> None:
    if not response.success:
        pending.answer.set_exception(refusal(pending.name, response.data))
    else:
        pending.answer.set_result(response.data)


def _fail(pending: Pending, exc: BaseException) -> None:
    pending.answer.set_exception(exc)
