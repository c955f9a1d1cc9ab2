"""The FastScore suite of a session: connecting to it, and its live names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pilothouse import secrets
from pilothouse.errors import (
    LineError,
    NotAuthorizedError,
    NotFoundError,
    PilothouseError,
)
from pilothouse.nearest import did_you_mean
from pilothouse.profiles import Endpoint
from pilothouse.secrets import Secret

from . import _restarts
from ._asking import ask_of
from ._names import Name
from ._places import is_local, local_place, named_place, place_of
from ._session import Session

if TYPE_CHECKING:
    from pilothouse.fastscore.suite import Connect, Engine, ModelManage
    from pilothouse.services import Local

__all__ = [
    "SERVICE",
    "Choice",
    "connect",
    "engine",
    "engine_at",
    "keep",
    "log_in",
    "model_manage",
    "pick",
    "suite",
]

SERVICE = "fastscore"
_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Choice:
    """What ``%fastscore connect`` was told.

    Attributes:
        where: An address, a profile's name, ``"local"``, or ``None``.
        username: Whose password to ask for.
        verify: Whether to check certificates, or a CA file; ``None`` as profiles say.
        timeout: Longest wait for one answer in seconds; ``None`` as options say.
        engine: The engine to prefer.
    """

    where: str | None = None
    username: str | None = None
    verify: bool | str | None = None
    timeout: float | None = None
    engine: str | None = None


def suite(session: Session) -> Connect:
    """Return the suite that the session is connected to.

    A local one that was started again is connected to anew.

    Raises:
        LineError: If it is connected to none, or the local services are stopped.
    """
    found: Connect | None = session.kept(SERVICE)
    if found is None:
        raise LineError("no suite yet", hint="%fastscore connect")
    if not _restarts.is_gone(found):
        return found

    def anew(before: Connect, local: Local) -> str:
        endpoint, there = place_of(local, SERVICE)
        choice = Choice(timeout=before.gateway.peer.timeout)
        connected = _connect(session, choice, endpoint, Secret(there.token))
        for service, name in before.preferred.items():
            connected.prefer(service, name)
        return endpoint.url or ""

    if not _restarts.renew(session, SERVICE, "FastScore", anew):
        raise _restarts.stopped(found, SERVICE)
    renewed: Connect = session.kept(SERVICE)
    return renewed


def model_manage(session: Session) -> ModelManage:
    """Return the suite's preferred Model Manage."""
    found: ModelManage = suite(session).lookup("model-manage")
    return found


def engine(session: Session, wanted: object = None) -> Engine:
    """Return an engine: an object as it is, one by name, or the preferred one.

    Raises:
        LineError: If there is no suite yet.
        NotFoundError: If the fleet has no engine of that name.
    """
    from pilothouse.fastscore.suite import Engine

    if isinstance(wanted, Engine):
        return wanted
    connected = suite(session)
    if wanted is None:
        preferred: Engine = connected.lookup("engine")
        return preferred
    try:
        found = connected.get(str(wanted))
    except NotFoundError as exc:
        known = [each["name"] for each in connected.fleet() if each["api"] == "engine"]
        exc.hint = f"engines are: {', '.join(known)}{did_you_mean(str(wanted), known)}"
        raise
    if not isinstance(found, Engine):
        raise LineError(f"{wanted!r} is no engine but {found.api}")
    return found


def engine_at(session: Session, url: str, name: str) -> Engine:
    """Return an engine of the suite at an address: ours, or one more connection.

    Raises:
        FastScoreError: If the suite does not answer, or has no such engine.
    """
    kept: Connect | None = session.kept(SERVICE)
    if kept is None or kept.proxy_prefix.rstrip("/") != url.rstrip("/"):
        kept = session.kept(f"{SERVICE} {url}")
    if kept is None:
        choice = Choice(where=url)
        place, token = _place(session, choice)
        kept = _made(session, choice, place, token or _local_token(url))
        session.keep(f"{SERVICE} {url}", kept)
    found: Engine = kept.get(name)
    return found


def _local_token(url: str) -> Secret | None:
    """Return what the local services want to see, if they are at an address."""
    from pilothouse import services

    for local in services.status():
        endpoint = local.services.get(SERVICE)
        if endpoint is not None and endpoint.url.rstrip("/") == url.rstrip("/"):
            return Secret(endpoint.token) if endpoint.token else None
    return None


def pick(collection: Any, name: str) -> Any:  # noqa: ANN401  one of four kinds
    """Return one of a collection of Model Manage by name.

    Raises:
        NotFoundError: If there is none; the hint has the nearest names.
    """
    try:
        return collection[name]
    except NotFoundError as exc:
        known = collection.names()
        shown = ", ".join(known[:_SHOWN]) + (", …" if len(known) > _SHOWN else "")
        exc.hint = f"{collection.kind} are: {shown or 'none'}"
        exc.hint += did_you_mean(name, known)
        raise


def connect(session: Session, choice: Choice) -> Connect:
    """Connect to a suite and keep it: an address, a profile, or local services.

    Without a place the profile in use decides; when it names none, the local services
    are taken, and started where none run.

    Raises:
        SettingsError: If there is no such profile.
        TransportError: If the suite does not answer.
        NotAuthorizedError: If it wants other credentials.
    """
    endpoint, token = _place(session, choice)
    return _connect(session, choice, endpoint, token)


def _connect(
    session: Session, choice: Choice, endpoint: Endpoint, token: Secret | None
) -> Connect:
    connected = _made(session, choice, endpoint, token)
    try:
        username = choice.username or endpoint.username
        if username:
            log_in(session, connected, endpoint.url or "", username)
        connected.check_health()
    except NotAuthorizedError as exc:
        connected.close()
        exc.hint = "%fastscore connect ADDRESS --user NAME asks for the password"
        raise
    except BaseException:
        connected.close()
        raise
    for service, name in (
        ("engine", choice.engine or endpoint.engine),
        ("model-manage", endpoint.model_manage),
    ):
        if name:
            connected.prefer(service, name)
    keep(session, connected)
    if is_local(endpoint):
        _restarts.note(connected, SERVICE, endpoint.url or "")
    return connected


def keep(session: Session, connected: Connect) -> None:
    """Make ``connected`` the suite of the session."""
    session.keep(SERVICE, connected)
    session.names.watch(SERVICE, lambda: _names(connected))


def log_in(session: Session, connected: Connect, url: str, username: str) -> str:
    """Log in with a password found in environment, keyring or by asking.

    Returns:
        Where the password was found.

    Raises:
        LineError: If nobody has it.
        NotAuthorizedError: If the suite does not take it.
    """
    found = secrets.find(SERVICE, url=url, username=username, ask=ask_of(session.shell))
    if found is None:
        raise LineError(
            f"no password for {username} at {url}",
            hint="set PILOTHOUSE_FASTSCORE_PASSWORD, or run this where it can ask",
        )
    connected.login(username, found.secret)
    return found.origin


def _place(session: Session, choice: Choice) -> tuple[Endpoint, Secret | None]:
    place = named_place(
        session,
        SERVICE,
        choice.where,
        title="FastScore",
        instead="%fastscore connect ADDRESS --user NAME asks for it",
    )
    if place.url:
        found = secrets.find(SERVICE, "token", url=place.url, ask=secrets.nobody)
        return place, found.secret if found else None
    place, local = local_place(session, SERVICE, place)
    return place, Secret(local.token) if local.token else None


def _made(
    session: Session, choice: Choice, endpoint: Endpoint, token: Secret | None
) -> Connect:
    from pilothouse.fastscore.suite import Connect

    verify = endpoint.verify if choice.verify is None else choice.verify
    timeout = choice.timeout or endpoint.timeout or session.options.timeout
    made: Connect = Connect(
        endpoint.url or "", oauth_secret=token, verify=verify, timeout=timeout
    )
    return made


def _names(connected: Connect) -> Mapping[str, Sequence[Name]]:
    """Ask a suite for all its names; a part that fails is missing."""
    found: dict[str, Sequence[Name]] = {}
    for part in _PARTS:
        with suppress(PilothouseError):
            found.update(part(connected))
    return found


def _fleet_names(connected: Connect) -> Mapping[str, Sequence[Name]]:
    fleet = connected.fleet()
    instances = [Name(each["name"], each["api"]) for each in fleet]
    return {
        "instance": [Name("connect", "connect"), *instances],
        "engine": [
            Name(each["name"], each["health"])
            for each in fleet
            if each["api"] == "engine"
        ],
    }


def _saved_names(connected: Connect) -> Mapping[str, Sequence[Name]]:
    manage: ModelManage = connected.lookup("model-manage")
    return {
        "model": [Name(model.name, model.mtype) for model in manage.models],
        "schema": [Name(name) for name in manage.schemata.names()],
        "stream": [Name(name) for name in manage.streams.names()],
        "sensor": [Name(name) for name in manage.sensors.names()],
    }


def _engine_names(connected: Connect) -> Mapping[str, Sequence[Name]]:
    engine: Engine = connected.lookup("engine")
    active = engine.active_model
    slots = [int(used.slot) for used in active.slots] if active else [0, 1]
    return {
        "tap": [Name(tap) for tap in engine.tapping_points],
        "slot": [Name(str(n), "output" if n % 2 else "input") for n in slots],
    }


def _engine_states(connected: Connect) -> Mapping[str, Sequence[Name]]:
    engine: Engine = connected.lookup("engine")
    sensors = engine.active_sensors
    return {
        "installed sensor": [Name(str(n), sensors[n].tap) for n in sensors],
    }


def _snapshot_names(connected: Connect) -> Mapping[str, Sequence[Name]]:
    engine: Engine = connected.lookup("engine")
    active = engine.active_model
    if active is None:
        return {"snapshot": []}
    manage: ModelManage = connected.lookup("model-manage")
    newest = manage.models[active.name].snapshots.browse(count=_SHOWN)
    return {"snapshot": [Name(s.id, f"{s.created_on:%F %T}") for s in newest]}


def _section_names(connected: Connect) -> Mapping[str, Sequence[Name]]:
    return {"section": [Name(str(each)) for each in connected.get_config() or ()]}


_PARTS = (
    _fleet_names,
    _saved_names,
    _engine_names,
    _engine_states,
    _snapshot_names,
    _section_names,
)
