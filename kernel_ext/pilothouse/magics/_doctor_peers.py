"""What the doctor asks of AIMM, Fastmap and mPlane: is it there, does it take us.

A connection that the session has is tried; without one, what the profile in use names
or what runs locally is asked once. Nobody is asked for a secret, nothing is started.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from pilothouse import secrets
from pilothouse.errors import (
    NotAuthorizedError,
    PilothouseError,
    SettingsError,
    TransportError,
)
from pilothouse.profiles import Endpoint, Setting

from ._doctor_ways import way_checks
from ._report import LOOPBACK, Check, State

if TYPE_CHECKING:
    from pilothouse.secrets import Secret

    from ._session import Session

__all__ = ["look_at_aimm", "look_at_fastmap", "look_at_mplane"]

_PATIENCE = 2.0


class _NoSecretError(Exception):
    """Nobody has the secret; the message names the variable that could hold it."""


def look_at_aimm(session: Session) -> Iterator[Check]:
    """Wait for an echo of the server."""
    from pilothouse import aimm

    def ask(place: Endpoint, local: Mapping[str, str]) -> str:
        kept = session.kept("aimm")
        if kept is not None:
            return f"echoes within {kept.ping() * 1000:.0f} ms"
        username = local.get("username") or place.username or ""
        password = _secret("password", place, local, username)
        where = str(place.url)
        with aimm.connect(
            where, username, password, verify=place.verify, timeout=_PATIENCE
        ) as client:
            return f"takes us, echoes within {client.ping() * 1000:.0f} ms"

    yield from _look(session, "AIMM", "aimm", "%aimm connect", ask)


def look_at_fastmap(session: Session) -> Iterator[Check]:
    """Ask the service whether it knows the secret."""
    from pilothouse import fastmap

    def ask(place: Endpoint, local: Mapping[str, str]) -> str:
        kept = session.kept("fastmap")
        if kept is not None and kept.url:
            kept.config.check()
            return "takes our secret"
        config = fastmap.init(
            cloud_url=place.url,
            secret=_secret("secret", place, local),
            verbosity="SILENT",
            timeout=_PATIENCE,
        )
        try:
            config.check()
        finally:
            config.close()
        return "takes our secret"

    yield from _look(session, "Fastmap", "fastmap", "%fastmap connect", ask)


def look_at_mplane(session: Session) -> Iterator[Check]:
    """Ask the component for its capabilities."""
    from pilothouse.mplane import model
    from pilothouse.mplane.client import HttpInitiatorClient

    def ask(place: Endpoint, local: Mapping[str, str]) -> str:
        kept = session.kept("mplane")
        url = f"{str(place.url).rstrip('/')}/capability"
        if kept is not None and kept.url:
            return f"offers {len(kept.client.retrieve_capabilities(url))} capabilities"
        model.initialize_registry()
        client = HttpInitiatorClient(None, place.url)
        try:
            return f"offers {len(client.retrieve_capabilities(url))} capabilities"
        finally:
            client.close()

    yield from _look(session, "mPlane", "mplane", "%mplane getcap", ask)


def _look(
    session: Session,
    name: str,
    service: str,
    connect: str,
    ask: Callable[[Endpoint, Mapping[str, str]], str],
) -> Iterator[Check]:
    try:
        place, local = _place(session, service)
    except SettingsError:
        return  # told with the profiles
    if not place.url:
        yield Check(name, State.NOTE, f"not connected; {connect}")
        return
    way = list(way_checks(name, place.url, place.verify, connect, _PATIENCE))
    yield from way
    if any(check.state is State.FAULT and check.name != "clock" for check in way):
        return
    try:
        yield Check(name, State.OK, f"{place.url} {ask(place, local)}")
    except _NoSecretError as exc:
        found = f"{place.url}: nobody has its secret"
        fix = f"set {exc}, or {connect} where it can ask"
        yield Check(name, State.NOTE, found, fix)
    except NotAuthorizedError:
        fix = f"{connect} ADDRESS, with the right secret"
        yield Check(name, State.FAULT, f"{place.url} does not take us", fix)
    except TransportError:
        fix = f"%pilot up, then {connect}"
        if not any(f"//{host}" in place.url for host in LOOPBACK):
            fix = "check the address, the network, the proxies and the certificate"
        yield Check(name, State.FAULT, f"{place.url} does not answer", fix)
    except PilothouseError:
        fix = "check the address: another kind of service answers there"
        yield Check(name, State.FAULT, f"{place.url} answers something else", fix)


def _place(session: Session, service: str) -> tuple[Endpoint, Mapping[str, str]]:
    """Return where a service is and, of a local one, what it takes."""
    from pilothouse import services

    kept = session.kept(service)
    at = "" if kept is None else str(kept.url)
    if at:
        return Endpoint(service, {"url": Setting(at, "the session")}), {}
    place = session.settings.profile().endpoint(service)
    for local in services.status():
        endpoint = local.services.get(service)
        if endpoint is not None and place.url in (None, "", str(endpoint.url)):
            settings = {**place.settings, "url": Setting(endpoint.url, "local")}
            return Endpoint(service, settings), endpoint.to_dict()
    return place, {}


def _secret(
    kind: str, place: Endpoint, local: Mapping[str, str], username: str = ""
) -> Secret:
    if kind in local:
        return secrets.Secret(local[kind])
    found = secrets.find(
        place.service,
        kind,
        url=str(place.url),
        username=username,
        ask=secrets.nobody,
    )
    if found is None:
        raise _NoSecretError(f"PILOTHOUSE_{place.service}_{kind}".upper())
    return found.secret
