"""The mPlane component of a session: connecting to it, its measurements, its names."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from pilothouse.errors import LineError, NotFoundError, PilothouseError
from pilothouse.nearest import did_you_mean
from pilothouse.profiles import Endpoint, Setting

from . import _restarts
from ._places import LOCAL, is_local, local_place, named_place, place_of
from ._session import Session

if TYPE_CHECKING:
    from pilothouse.mplane.client import HttpInitiatorClient
    from pilothouse.mplane.measurement import Measurement
    from pilothouse.mplane.model import Capability
    from pilothouse.mplane.shell.commands import Commands
    from pilothouse.mplane.tls import TlsState
    from pilothouse.services import Local

__all__ = [
    "HINT",
    "SERVICE",
    "Connected",
    "certified",
    "configured",
    "connect",
    "connect_soon",
    "connected",
    "known_url",
    "made",
    "pick",
]

SERVICE = "mplane"
HINT = "%mplane getcap URL, or %pilot up"


class Connected:
    """A client, the state of its commands, and the measurements of this session.

    Attributes:
        client: What asks components.
        commands: The words of mpcli over the client.
        tls: Certificates.
        url: Where capabilities were asked for last; empty before that.
        chosen: Where to ask next, as ``seturl`` says; empty without.
        measurements: By label, the oldest first.
        sent: What was sent last, or is being sent.
    """

    def __init__(
        self, client: HttpInitiatorClient, commands: Commands, tls: TlsState
    ) -> None:
        self.client = client
        self.commands = commands
        self.tls = tls
        self.url = ""
        self.chosen = ""
        self.measurements: dict[str, Measurement] = {}
        self.sent: Measurement | None = None
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"<mPlane component {self.url or 'not known yet'}>"

    @property
    def capabilities(self) -> list[Capability]:
        """What is known now, in mpcli's order; asks nobody."""
        return self.commands.listcap()

    def name_of(self, capability: Capability) -> str:
        """Return a capability's label, or its token when the label means another."""
        label = capability.get_label()
        token = capability.get_token()
        if label is None or self.commands.showcap(label).get_token() != token:
            return token
        return label

    def sends(self, measurement: Measurement) -> None:
        """Write down what is about to be sent."""
        from ._measuring import write_down

        self.sent = measurement
        write_down(measurement)

    def took(self, measurement: Measurement) -> Measurement:
        """Note a measurement of this session."""
        with self._lock:
            name = measurement.label or measurement.token
            self.measurements.pop(name, None)
            self.measurements[name] = measurement
        return measurement

    def measurement(self, token_or_label: str | None = None) -> Measurement:
        """Return a measurement of this session, the newest one without a name.

        Raises:
            NotFoundError: If there is none.
        """
        known = dict(self.measurements)
        if token_or_label is None and known:
            return list(known.values())[-1]
        for label, one in known.items():
            if token_or_label and (
                label == token_or_label or one.token.startswith(token_or_label)
            ):
                return one
        if token_or_label is None:
            problem = "nothing was measured in this notebook yet"
        else:
            close = did_you_mean(token_or_label, list(known))
            problem = f"no measurement {token_or_label!r}{close}"
        raise NotFoundError(
            problem,
            protocol="mPlane",
            hint=f"known: {', '.join(known)}" if known else "%mplane runcap LABEL",
        )

    def running(self) -> Iterable[Measurement]:
        """Return the measurements that are not over."""
        return [one for one in list(self.measurements.values()) if not one.is_over]

    def leave(self, urls: Iterable[str]) -> None:
        """Forget components that are gone; what was measured stays."""
        from pilothouse.mplane.model import Withdrawal

        gone = {url.rstrip("/") for url in urls}
        if self.url.rstrip("/") in gone:
            self.url = ""
        for one in self.capabilities:
            if (one.get_link() or "").rstrip("/") in gone:
                identity = self.client.identity_for(one.get_token())
                self.client.handle_message(Withdrawal(capability=one), identity)

    def close(self) -> None:
        """Leave what still runs to the component, and close the client."""
        for one in self.running():
            with suppress(PilothouseError):
                one.detach()
        self.commands.close()


def connected(session: Session) -> Connected:
    """Return the session's component; connects by itself where one is known.

    A component that the profile in use names, or the local one when it runs, is asked
    for its capabilities; so is a local one that was started again.

    Raises:
        LineError: If none is known, or the local services are stopped.
        TransportError: If it does not answer.
    """
    found: Connected | None = session.kept(SERVICE)
    if found is not None and found.url:
        if _restarts.is_gone(found):
            _renew(session, found)
        return found
    if known_url(session) is None:
        if found is not None and found.capabilities:
            return found
        raise LineError("no component yet", hint=HINT)
    connect(session)
    return made(session)


def _renew(session: Session, found: Connected) -> None:
    """Ask the present start of the local component; what was measured stays."""

    def anew(_before: Connected, local: Local) -> str:
        _connect(session, place_of(local, SERVICE)[0])
        return found.url

    if not _restarts.renew(session, SERVICE, "mPlane", anew):
        raise _restarts.stopped(found, SERVICE)


def connect(session: Session, where: str | None = None) -> list[Capability]:
    """Ask a component for its capabilities and keep it; return the new ones.

    Args:
        session: Whose component it becomes.
        where: An address, a profile's name, ``"local"``, or ``None``: what ``seturl``
            said, the address used last, the profile's, or the local one, started where
            none runs.

    Raises:
        SettingsError: If there is no such profile.
        TransportError: If the component does not answer.
    """
    place = _place(session, where)
    is_profile = where and "://" not in where and where != LOCAL
    return _connect(session, place, where if is_profile else None)


def _connect(
    session: Session, place: Endpoint, profile: str | None = None
) -> list[Capability]:
    mine = made(session)
    before, url = mine.url, str(place.url)
    if _restarts.is_gone(mine):
        mine.leave({before})
    _trust(session, mine.tls, profile)
    with certified():
        if not url.rstrip("/").endswith(("/capability", "/capabilities")):
            mine.commands.seturl(url)
            url = url.rstrip("/") + "/capability"
        new = mine.commands.getcap(url)
    mine.url, mine.chosen = _base(url), ""
    if is_local(place):
        _restarts.note(mine, SERVICE, mine.url)
    elif mine.url != before:
        _restarts.forget(mine)
    return new


@contextmanager
def certified() -> Iterator[None]:
    """Tell how to bring the certificate that an address needs."""
    from pilothouse.transport.failure import TlsError

    try:
        yield
    except ValueError as exc:
        raise LineError(str(exc)) from exc
    except TlsError as exc:
        exc.hint = (
            "a certificate of one's own: %mplane getcap URL --config FILE, as mpcli "
            "takes it; another authority: verify in the profile"
        )
        raise


def made(session: Session) -> Connected:
    """Return what the session keeps of mPlane; a fresh client opens nothing."""
    found: Connected | None = session.kept(SERVICE)
    if found is None:
        found = configured(session, None)
    return found


def configured(session: Session, file: Path | None) -> Connected:
    """Keep a client that a configuration describes: certificates and registries.

    Args:
        session: Whose client it becomes; what runs is left to its component.
        file: INI or JSON as mpcli takes it; plain HTTP and the core without one.

    Raises:
        LineError: If it is for a client that waits for its components.
        SettingsError: If it is wrong.
    """
    from pilothouse.mplane import configuration, model
    from pilothouse.mplane.client import HttpInitiatorClient
    from pilothouse.mplane.shell.commands import Commands
    from pilothouse.mplane.tls import TlsState

    settings = configuration.read(file)
    asks = settings.client
    if isinstance(asks, configuration.ClientListen):
        raise LineError(
            f"{file} is of a client that waits for its components",
            hint=f"mpcli --config {file} runs it",
        )
    model.initialize_registry()
    for registry in settings.registries.preload:
        model.preload_registry(str(registry))
    if settings.registries.default is not None:
        model.initialize_registry(settings.registries.default)
    tls = TlsState(settings, anonymous=True)
    client = HttpInitiatorClient(tls, None if asks is None else asks.default_url)
    found = Connected(client, Commands(client), tls)
    _trust(session, tls)
    client.on_send = found.sends
    session.keep(SERVICE, found)
    if asks is not None and asks.capability_url:
        found.commands.getcap(asks.capability_url)
        found.url = _base(asks.capability_url)
    return found


def connect_soon(session: Session) -> threading.Thread | None:
    """Begin to connect in the background where a component is known, for Tab."""
    if session.kept(SERVICE) is not None:
        return None

    def work() -> None:
        with suppress(PilothouseError):
            connected(session)

    thread = threading.Thread(target=work, name="pilothouse-mplane", daemon=True)
    thread.start()
    return thread


def known_url(session: Session) -> str | None:
    """Return where a component is that needs no start: of the profile, or local."""
    place = session.settings.profile().endpoint(SERVICE)
    found = place if place.url else _running()
    return None if found is None else found.url


def pick(session: Session, token_or_label: str) -> Capability:
    """Return a capability.

    Raises:
        NotFoundError: If there is none; the hint has the nearest labels.
    """
    mine = connected(session)
    try:
        return mine.commands.showcap(token_or_label)
    except NotFoundError as exc:
        labels = [str(one.get_label()) for one in mine.capabilities if one.get_label()]
        close = did_you_mean(token_or_label, labels)
        raise NotFoundError(
            f"no capability {token_or_label!r}{close}",
            protocol="mPlane",
            hint=f"known: {', '.join(labels)}" if labels else HINT,
        ) from exc


def _place(session: Session, where: str | None) -> Endpoint:
    found: Connected | None = session.kept(SERVICE)
    if where is None and found is not None:
        used = "" if _restarts.is_gone(found) else found.url
        if url := found.chosen or used:
            return Endpoint(SERVICE, {"url": Setting(url, "the session")})
    instead = "components know their clients by certificates"
    place = named_place(session, SERVICE, where, title="mPlane", instead=instead)
    if place.url:
        return place
    running = _running() if where is None else None
    return running or local_place(session, SERVICE, place)[0]


def _trust(session: Session, tls: TlsState, profile: str | None = None) -> None:
    """Check the certificate of a profile's component as that says."""
    place = session.settings.profile(profile).endpoint(SERVICE)
    if place.url:
        with certified():
            tls.trust(place.url, place.verify)


def _running() -> Endpoint | None:
    """Return the local component, if one runs."""
    from pilothouse import services

    for local in services.status():
        if SERVICE in local.services:
            return place_of(local, SERVICE)[0]
    return None


def _base(url: str) -> str:
    for ending in ("/capability", "/capabilities"):
        url = url.rstrip("/").removesuffix(ending)
    return f"{url}/"
