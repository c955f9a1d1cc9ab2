"""The AIMM server of a session: connecting, its live names, its actions as jobs."""

from __future__ import annotations

import datetime as dt
import threading
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pilothouse import secrets
from pilothouse.errors import LineError, NotAuthorizedError, NotFoundError
from pilothouse.jobs import JobBook, JobRecord
from pilothouse.profiles import Endpoint
from pilothouse.secrets import Secret

from . import _restarts
from ._asking import ask_of
from ._following import follow
from ._jobs import JobKind
from ._names import Name
from ._places import local_place, named_place
from ._session import Session

if TYPE_CHECKING:
    from pilothouse.aimm import Action, Client, ModelInstance
    from pilothouse.services import Local

__all__ = [
    "KIND",
    "SERVICE",
    "ActionInterrupt",
    "Choice",
    "connect",
    "connected",
    "follow_action",
    "found_again",
    "is_local",
    "renewed",
    "write_down",
]

SERVICE = "aimm"
_STATE_SECONDS = 2.0
_LOOK_SECONDS = 0.01
_connecting = threading.RLock()  # views look for a restarted server on their own
_writing = threading.Lock()
_written: weakref.WeakKeyDictionary[Action, str] = weakref.WeakKeyDictionary()
"""The actions that are in the book of jobs, and their ids there."""


class ActionInterrupt(KeyboardInterrupt):
    """An action was interrupted; the message says what became of it.

    Attributes:
        action: Its handle.
    """

    def __init__(self, message: str, action: Action) -> None:
        super().__init__(message)
        self.action = action


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What ``%aimm connect`` was told.

    Attributes:
        where: An address, a profile's name, ``"local"``, or ``None``.
        user: Who logs in; ``None`` as the profile says.
        plain: Whether the password is sent as it is, and not its SHA-256.
        timeout: Longest wait for a short answer in seconds; ``None`` as options say.
    """

    where: str | None = None
    user: str | None = None
    plain: bool = False
    timeout: float | None = None


def connected(session: Session) -> Client:
    """Return the client; connects by itself where a server is known.

    Raises:
        PilothouseError: If none is known, or it does not take us.
    """
    found: Client | None = session.kept(SERVICE)
    if found is not None and str(found.connection) == "ready":
        return found
    with _connecting:
        return _connected(session)


def renewed(session: Session, before: Client) -> Client | None:
    """Return the client that goes on in the place of one that is lost; none yet: None.

    Only a local server has another address after a restart; a client that is closed
    gives way to the session's.
    """
    with _connecting:
        found: Client | None = session.kept(SERVICE)
        if found is None or str(before.connection) == "ready":
            return None
        if found is before and _restarts.is_gone(before):
            found = _again(session, before)
        if found is None or found is before or str(found.connection) != "ready":
            return None
        is_same = _restarts.has_same_data(before, found) or _restarts.is_same(
            before.url, found.url
        )
        return found if is_same else None


def _connected(session: Session) -> Client:
    found: Client | None = session.kept(SERVICE)
    if found is not None and str(found.connection) == "ready":
        return found
    if found is not None and _restarts.is_gone(found):
        made = _again(session, found)
        if made is None:
            raise _restarts.stopped(found, SERVICE)
        _restarts.tell("AIMM", made.url)
        return made
    if found is not None and str(found.connection) != "closed":
        return found
    if not _is_known(session):
        raise LineError("no AIMM server yet", hint="%aimm connect, or %pilot up")
    return connect(session, Choice())


def _again(session: Session, before: Client) -> Client | None:
    """Connect to the present start of the local server, if there is one."""
    local = _restarts.again(before, SERVICE)
    if local is None:
        return None
    return connect(session, Choice(where=local.services[SERVICE].url))


def connect(session: Session, choice: Choice) -> Client:
    """Connect to a server and keep the client: an address, a profile, or a local one.

    Without a place the profile in use decides; when it names none, the local services
    are taken, and started where none run.

    Raises:
        LineError: If nobody has the password.
        NotAuthorizedError: If the server does not take it.
        TransportError: If it does not answer.
    """
    with _connecting:
        return _connect(session, choice)


def _connect(session: Session, choice: Choice) -> Client:
    client = _made(session, choice)
    session.keep(SERVICE, client)
    session.names.watch(SERVICE, lambda: _names(client))
    return client


def _made(session: Session, choice: Choice) -> Client:
    from pilothouse import aimm

    place, username, password = _place(session, choice)
    try:
        client = aimm.connect(
            place.url or "",
            username,
            password,
            hash_password=not choice.plain,
            verify=place.verify,
            timeout=choice.timeout or place.timeout or session.options.timeout,
        )
    except NotAuthorizedError as exc:
        exc.hint = "the password comes from PILOTHOUSE_AIMM_PASSWORD or the keyring"
        raise
    _restarts.note(client, SERVICE, client.url)
    return client


def found_again(client: Client, instance: ModelInstance) -> ModelInstance:
    """Return an instance as this client reaches it.

    The local server has the same instances after a restart, at another address.
    """
    before = instance.client
    if before is client or not _restarts.has_same_data(before, client):
        return instance
    there = client.models.get(instance.id)
    is_same = there is not None and there.model_type == instance.model_type
    return there if is_same and there is not None else instance


def is_local(client: Client) -> bool:
    """Tell whether a client's server is one of the local services."""
    return _local(client.url) is not None


def write_down(client: Client, action: Action, *, now: bool = False) -> None:
    """Write an action into the book, until it is over; a detached one stays there.

    A server that keeps no results of actions has no jobs to be found again.

    Args:
        client: Whose action.
        action: To write down, as soon as the server has told its number.
        now: Whether to wait for that.
    """
    if not client.run:
        return

    def forget(_action: object) -> None:
        remove()
        _cross_out(action)

    remove = client.on_change(lambda _state: _note(client, action))
    action.on_end(forget)
    if now and action.begun(_STATE_SECONDS):
        # Who looks for the job next asks the state, which comes a moment later.
        deadline = time.monotonic() + _STATE_SECONDS
        while action.entry is None and time.monotonic() < deadline:
            if action.wait(_LOOK_SECONDS):
                break
    _note(client, action)


def _note(client: Client, action: Action) -> None:
    """Write an action down that has a number, goes on, and is not written down yet."""
    with _writing:  # who finds it noted finds it in the book
        if action.id is None or action.is_over or action in _written:
            return
        of = "" if action.model is None else f" of instance {action.model}"
        record = JobRecord(
            id=f"{client.run}-{action.id}",
            kind=SERVICE,
            url=client.url,
            label=f"{action.call}{of}",
            details={
                "action": action.id,
                "run": client.run,
                "user": client.username,
            },
        )
        with suppress(OSError):  # a full disk is no reason not to run
            JobBook().remember(record)
        _written[action] = record.id


def _cross_out(action: Action) -> None:
    with _writing:
        if action.is_over and (job_id := _written.get(action)):
            JobBook().forget(job_id)


def follow_action(
    session: Session,
    action: Action,
    out: str | None,
    begin: Callable[[], object] = bool,
) -> object:
    """Wait for an action with its progress shown, and return its result.

    Args:
        session: Whose line waits.
        action: What for.
        out: The name that the result is bound to.
        begin: Called first, when an interrupt is heard already: what notes the action.

    Raises:
        KeyboardInterrupt: If interrupted; it says what became of the action.
        ActionError: If it failed or was cancelled.
    """
    of = "" if action.model is None else f" of instance {action.model}"
    return follow(
        session,
        action,
        label=f"{action.call}{of}",
        unit="steps",
        out=out,
        interrupt=lambda text: ActionInterrupt(text, action),
        is_listed=lambda: not action.is_over and _is_written(action),
        cross_out=lambda: _cross_out(action),
        begin=begin,
    )


def _is_written(action: Action) -> bool:
    with _writing:
        return JobBook().has(_written.get(action, ""))


def _is_known(session: Session) -> bool:
    if session.settings.profile().endpoint(SERVICE).url:
        return True
    return _runs_here()


def _local_servers() -> list[tuple[Local, str]]:
    """Return the local services that have an AIMM server, with its address."""
    from pilothouse import services

    running = [(local, local.services.get(SERVICE)) for local in services.status()]
    return [(local, place.url) for local, place in running if place is not None]


def _runs_here() -> bool:
    return bool(_local_servers())


def _local(url: str) -> Mapping[str, str] | None:
    for local, there in _local_servers():
        if _restarts.is_same(there, url):
            return local.services[SERVICE].to_dict()
    return None


def _place(session: Session, choice: Choice) -> tuple[Endpoint, str, Secret]:
    place = named_place(
        session,
        SERVICE,
        choice.where,
        title="AIMM",
        instead="set PILOTHOUSE_AIMM_PASSWORD, or run this where it can ask",
    )
    if not place.url:
        place, local = local_place(session, SERVICE, place)
        return place, local.username, Secret(local.password)
    fields = _local(place.url)
    if fields is not None:
        return place, fields["username"], Secret(fields["password"])
    username = choice.user or place.username or ""
    found = secrets.find(
        SERVICE, url=place.url, username=username, ask=ask_of(session.shell)
    )
    if found is None:
        raise LineError(
            f"no password of {username!r} for {place.url}",
            hint="set PILOTHOUSE_AIMM_PASSWORD, or run this where it can ask",
        )
    return place, username, found.secret


def _names(client: Client) -> Mapping[str, Sequence[Name]]:
    """Return what completes: instances, model types, data, actions."""
    plugins = client.plugins()
    modules = {n.partition(".")[0]: 0 for part in plugins.values() for n in part}
    return {
        "plugin": [Name(name) for name in modules],
        "instance": [
            Name(str(number), instance.model_type)
            for number, instance in client.models.items()
        ],
        "action": [
            Name(str(number), f"{entry.call} {entry.progress}")
            for number, entry in client.actions.items()
        ],
        "model type": [Name(name, "model type") for name in plugins["model_types"]],
        "data access": [Name(f"@{name}", "data") for name in plugins["data_access"]],
    }


def _client_of(session: Session, record: JobRecord) -> Client:
    """Return a client of a job's server: the session's, or one of the job's own.

    The session's stays what it is; several threads ask at a time.
    """
    if (found := _ready_at(session, SERVICE, record.url)) is not None:
        return found
    own = f"{SERVICE} at {record.url}"
    with _connecting:
        for key in (SERVICE, own):
            if (found := _ready_at(session, key, record.url)) is not None:
                return found
        user = record.details.get("user")
        choice = Choice(where=record.url, user=user if isinstance(user, str) else None)
        before: Client | None = session.kept(SERVICE)
        if before is None or str(before.connection) == "closed":
            return _connect(session, choice)
        made = _made(session, choice)
        session.keep(own, made)
        return made


def _ready_at(session: Session, key: str, url: str) -> Client | None:
    found: Client | None = session.kept(key)
    if found is None or str(found.connection) != "ready":
        return None
    return found if _restarts.is_same(found.url, url) else None


def _numbers(record: JobRecord) -> tuple[str, int]:
    run, number = record.details.get("run"), record.details.get("action")
    if not isinstance(run, str) or not isinstance(number, int):
        raise NotFoundError(f"{record.id} names no action", protocol="AIMM")
    return run, number


def _known(session: Session, record: JobRecord) -> tuple[Client, int]:
    """Return a client of the server that knows an action, and the action's number.

    The state comes a moment behind the number: what is newer than all in it counts too.
    """
    run, number = _numbers(record)
    client = _client_of(session, record)
    actions = client.state.actions
    is_there = number in actions or number > max(actions, default=0)
    if client.run != run or not is_there:
        raise NotFoundError(f"{record.url} knows no action {number} of that run")
    return client, number


def _look(session: Session, record: JobRecord) -> str:
    client, number = _known(session, record)
    entry = client.state.actions.get(number)
    age = dt.datetime.now(dt.UTC) - record.created
    told = "" if entry is None else entry.progress
    return told or f"sent {age.total_seconds():.0f} s ago"


def _open(session: Session, record: JobRecord) -> Action:
    client, number = _known(session, record)
    return client.attach(number, record.label.partition(" ")[0] or "action")


def _follow(session: Session, handle: Any, out: str | None) -> object:  # noqa: ANN401
    return follow_action(session, handle, out)


KIND = JobKind(_look, _open, _follow, lambda action: not action.is_over)
"""How actions of an earlier kernel are found again."""
