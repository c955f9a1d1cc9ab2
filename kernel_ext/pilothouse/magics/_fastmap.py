"""The Fastmap of a session: connecting to a service, its runs, and its live names."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pilothouse import secrets
from pilothouse.errors import LineError, NotAuthorizedError, PilothouseError
from pilothouse.profiles import Endpoint, Setting
from pilothouse.secrets import Secret

from . import _restarts
from ._asking import ask_of
from ._names import Name
from ._places import is_local, local_place, named_place, place_of
from ._session import Session

if TYPE_CHECKING:
    from pilothouse.fastmap import Config, Run
    from pilothouse.services import Local

__all__ = [
    "POLICIES",
    "SERVICE",
    "Choice",
    "Connected",
    "config_at",
    "connect",
    "connected",
    "keep",
]

SERVICE = "fastmap"
POLICIES = ("ADAPTIVE", "CLOUD", "LOCAL")
_LEAVE_SECONDS = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What ``%fastmap connect`` was told.

    Attributes:
        where: An address, a profile's name, ``"local"``, or ``None``.
        policy: Where runs go when they do not say.
        workers: Most batches at a time at the service; ``None`` as the client says.
        here: Most workers on this machine; ``None`` as the client says.
        max_credits: Credits at which a run ends; ``None`` for no limit.
        timeout: Longest wait for one answer in seconds; ``None`` as options say.
    """

    where: str | None = None
    policy: str | None = None
    workers: int | None = None
    here: int | None = None
    max_credits: float | None = None
    timeout: float | None = None


class Connected:
    """What maps of a session go through: a service, or this machine's workers alone.

    Attributes:
        url: The service; empty without one.
        choice: What was asked for.
        policy: Where runs go when they do not say.
        runs: The runs of this session, the oldest first.
    """

    def __init__(self, config: Config, url: str, choice: Choice) -> None:
        self.config = config
        self.url = url
        self.choice = choice
        self.policy = choice.policy or ("ADAPTIVE" if url else "LOCAL")
        self.runs: list[Run] = []
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        where = self.url or "no service: this machine's own workers"
        return f"<Fastmap at {where}, {self.policy}>"

    def facts(self) -> list[str]:
        """Return what it is, in some lines."""
        where = self.url or "no service: maps run on this machine"
        return [where, f"policy: {self.policy}", f"runs under way: {len(self.running)}"]

    def submit(
        self,
        func: Callable[..., Any],
        items: Iterable[Any],
        *,
        label: str,
        policy: str,
        kwargs: Mapping[str, Any] | None,
        keep_errors: bool,
    ) -> Run:
        """Send a map off and return its handle, which is still to be written down.

        Raises:
            LineError: If it is to go to a service, and there is none, or the local
                services are stopped.
        """
        if policy == "CLOUD" and not self.url:
            raise LineError("no service yet", hint="%fastmap connect, or %pilot up")
        if policy == "CLOUD" and _restarts.is_gone(self):
            raise _restarts.stopped(self, SERVICE)
        run = self.config.submit(
            func,
            items,
            label=label,
            kwargs=kwargs,
            exec_policy=policy,
            return_exceptions=keep_errors,
        )
        self.took(run)
        return run

    def took(self, run: Run) -> None:
        """Note a run of this session."""
        with self._lock:
            self.runs = [r for r in self.runs if r.run_id != run.run_id]
            self.runs.append(run)

    @property
    def running(self) -> list[Run]:
        """The runs that are not over."""
        return [run for run in list(self.runs) if not run.wait(0)]

    def close(self) -> None:
        """Leave what still runs to the service, in two seconds at most."""
        leaving = [
            threading.Thread(target=_leave, args=(run,), daemon=True)
            for run in self.running
        ]
        for thread in leaving:
            thread.start()
        deadline = time.monotonic() + _LEAVE_SECONDS
        for thread in leaving:
            thread.join(max(0.0, deadline - time.monotonic()))
        self.config.close()


def _leave(run: Run) -> None:
    """Leave a run to its service; what cannot go on without this process ends."""
    try:
        run.detach()
    except PilothouseError:
        run.cancel()


def connected(session: Session) -> Connected:
    """Return what maps go through; connects by itself where a service is known.

    A service that the profile in use names, or a local one that runs, is taken; without
    one, maps use this machine's workers. Local services that were started again are
    connected to anew.

    Raises:
        PilothouseError: If a service is known and does not take us.
    """
    found: Connected | None = session.kept(SERVICE)
    if found is None or (found.url == "" and _known(session) is not None):
        endpoint = _known(session)
        if endpoint is not None:
            return connect(session, Choice())
        found = found or keep(
            session, Connected(_made(session, Choice()), "", Choice())
        )
    if not _restarts.is_gone(found):
        return found

    def anew(before: Connected, local: Local) -> str:
        endpoint, there = place_of(local, SERVICE)
        choice = replace(before.choice, where=None, policy=before.policy)
        return _connect(session, choice, endpoint, Secret(there.secret)).url

    _restarts.renew(session, SERVICE, "Fastmap", anew)
    renewed: Connected = session.kept(SERVICE)
    return renewed


def connect(session: Session, choice: Choice) -> Connected:
    """Connect to a service and keep it: an address, a profile, or local services.

    Without a place the profile in use decides; when it names none, the local services
    are taken, and started where none run.

    Raises:
        LineError: If nobody has the secret.
        SettingsError: If there is no such profile.
        TransportError: If the service does not answer.
        NotAuthorizedError: If it does not take the secret.
    """
    endpoint, secret = _place(session, choice)
    return _connect(session, choice, endpoint, secret)


def _connect(
    session: Session, choice: Choice, endpoint: Endpoint, secret: Secret
) -> Connected:
    url = endpoint.url or ""
    choice = replace(choice, timeout=choice.timeout or endpoint.timeout)
    config = _made(session, choice, url, secret)
    try:
        config.check()
    except NotAuthorizedError as exc:
        config.close()
        exc.hint = "the secret comes from PILOTHOUSE_FASTMAP_SECRET or the keyring"
        raise
    except BaseException:
        config.close()
        raise
    made = keep(session, Connected(config, url, choice))
    if is_local(endpoint):
        _restarts.note(made, SERVICE, url)
    return made


def keep(session: Session, made: Connected) -> Connected:
    """Make ``made`` what the maps of the session go through; its runs stay known."""
    before: Connected | None = session.kept(SERVICE)
    if before is not None:
        made.runs = [run for run in before.runs if run.wait(0)]
    session.keep(SERVICE, made)
    session.names.watch(SERVICE, lambda: _names(made))
    return made


def config_at(session: Session, url: str) -> Config:
    """Return a config for the service at an address, with the secret that is known.

    Raises:
        LineError: If nobody has the secret.
    """
    found: Connected | None = session.kept(SERVICE)
    if found is not None and found.url.rstrip("/") == url.rstrip("/"):
        return found.config
    local = _local_secret(url)
    secret = local or _secret(session, url)
    return _made(session, Choice(), url, secret)


def _known(session: Session) -> Endpoint | None:
    """Return where a service is that needs no start: the profile's, or a local one."""
    place = session.settings.profile().endpoint(SERVICE)
    if place.url:
        return place
    url = _local_url()
    if url is None:
        return None
    return Endpoint(SERVICE, {**place.settings, "url": Setting(url, "local services")})


def _local_url() -> str | None:
    from pilothouse import services

    for local in services.status():
        if SERVICE in local.services:
            return str(local.services[SERVICE].url)
    return None


def _local_secret(url: str) -> Secret | None:
    from pilothouse import services

    for local in services.status():
        endpoint = local.services.get(SERVICE)
        if endpoint is not None and endpoint.url.rstrip("/") == url.rstrip("/"):
            return Secret(endpoint.to_dict()["secret"])
    return None


def _place(session: Session, choice: Choice) -> tuple[Endpoint, Secret]:
    place = named_place(
        session,
        SERVICE,
        choice.where,
        title="Fastmap",
        instead="set PILOTHOUSE_FASTMAP_SECRET, or run this where it can ask",
    )
    if place.url:
        return place, _local_secret(place.url) or _secret(session, place.url)
    place, local = local_place(session, SERVICE, place)
    return place, Secret(local.secret)


def _secret(session: Session, url: str) -> Secret:
    found = secrets.find(SERVICE, "secret", url=url, ask=ask_of(session.shell))
    if found is None:
        raise LineError(
            f"no secret for {url}",
            hint="set PILOTHOUSE_FASTMAP_SECRET, or run this where it can ask",
        )
    return found.secret


def _made(
    session: Session, choice: Choice, url: str = "", secret: Secret | None = None
) -> Config:
    from pilothouse import fastmap

    options: dict[str, Any] = {
        "max_cloud_workers": choice.workers,
        "max_local_workers": choice.here,
        "max_credits": choice.max_credits,
        "timeout": choice.timeout or session.options.timeout,
    }
    given = {name: value for name, value in options.items() if value is not None}
    if url and secret is not None:
        given.update(cloud_url=url, secret=secret)
    policy = choice.policy or ("ADAPTIVE" if url else "LOCAL")
    return fastmap.init(verbosity="SILENT", exec_policy=policy, **given)


def _names(made: Connected) -> Mapping[str, Sequence[Name]]:
    """Return the runs, of this session and at the service."""
    found = {
        run.run_id: Name(run.run_id[:8], f"{run.name} {run.state}") for run in made.runs
    }
    if made.url:
        with suppress(PilothouseError):
            for each in made.config.runs():
                help_text = f"{each.name} {each.state}"
                found.setdefault(each.run_id, Name(each.run_id[:8], help_text))
    return {"run": list(found.values())}
