"""Where the services of a dashboard are, and how a client of each is made.

A `House` answers where each service is and what this process has sent off. The default
one reads the profiles; `Given` takes the local services that ``pilothouse.up()``
returned; ``%pilot dashboard`` brings its own, which also knows the notebook's
connections. Secrets come from the environment or the keyring: nobody is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol

from pilothouse import secrets
from pilothouse.errors import FastScoreError
from pilothouse.secrets import Secret
from pilothouse.settings import Settings

if TYPE_CHECKING:
    from pilothouse.aimm import Client
    from pilothouse.fastmap import Config, Run
    from pilothouse.fastscore.suite import Connect
    from pilothouse.mplane.client import HttpInitiatorClient
    from pilothouse.mplane.measurement import Measurement
    from pilothouse.mplane.model import Capability, When
    from pilothouse.profiles import Endpoint

__all__ = [
    "SERVICES",
    "Elsewhere",
    "Given",
    "House",
    "Place",
    "Profiles",
    "place_at",
    "place_of_profile",
]

SERVICES: Final = ("fastscore", "aimm", "fastmap", "mplane")
"""In the order of the page."""

_ANSWER_SECONDS: Final = 5.0
_KINDS: Final = {"fastscore": "token", "fastmap": "secret", "aimm": "password"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where one service is.

    Attributes:
        url: Its address.
        origin: Who named it, in a word or two.
        key: What tells one set of credentials from another.
        make: Makes a client, or gives one that is open; may take a while.
        is_shared: Whether that client is another's, who closes it.
    """

    url: str
    origin: str = ""
    key: object = field(default=None, repr=False)
    make: Callable[[], Any] = field(repr=False, compare=False)
    is_shared: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Elsewhere:
    """A measurement that another process has sent, as far as its scope tells.

    Attributes:
        token: Its token.
        label: Its label.
        begins: When it begins, seconds since the epoch.
        ends: When it ends; ``None`` when it has no planned end.
        place: Where it runs.
    """

    token: str
    label: str
    begins: float
    ends: float | None
    place: str


class House(Protocol):
    """What a dashboard asks; called from its threads, again and again."""

    def place(self, service: str, failed: str = "") -> Place | None:
        """Return where a service is, or ``None`` when nobody has named a place.

        Args:
            service: One of `SERVICES`.
            failed: An address that does not answer: another one is better.
        """

    def runs(self) -> Sequence[Run]:
        """Return the Fastmap runs of this process; quick."""

    def measurements(self) -> Sequence[Measurement]:
        """Return the mPlane measurements of this process; quick."""

    def elsewhere(self) -> Sequence[Elsewhere]:
        """Return measurements of other processes; may read small files."""

    def totals(self) -> Mapping[str, int]:
        """Return the items of runs of other processes, by id; may read small files."""

    def measure(
        self,
        client: HttpInitiatorClient,
        capability: Capability,
        when: When | None,
        params: Mapping[str, Any],
        label: str | None,
    ) -> Measurement:
        """Run a capability that was chosen on the page."""


class _Own:
    """What a house without a notebook knows of work: what the page itself began."""

    def __init__(self) -> None:
        self._measured: list[Measurement] = []

    def runs(self) -> Sequence[Run]:
        return ()

    def measurements(self) -> Sequence[Measurement]:
        return tuple(self._measured)

    def elsewhere(self) -> Sequence[Elsewhere]:
        return ()

    def totals(self) -> Mapping[str, int]:
        return {}

    def measure(
        self,
        client: HttpInitiatorClient,
        capability: Capability,
        when: When | None,
        params: Mapping[str, Any],
        label: str | None,
    ) -> Measurement:
        found = client.run(capability, when=when, params=dict(params), label=label)
        self._measured.append(found)
        return found


class Profiles(_Own):
    """The places of the profile in use.

    Args:
        settings: Where profiles are read; files and environment by default.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        super().__init__()
        self._settings = settings or Settings()

    def place(self, service: str, failed: str = "") -> Place | None:
        """Return the place that the profile names; as `House.place`."""
        return place_of_profile(self._settings, service)


class Given(_Own):
    """Services that were given, each with address and credentials.

    Args:
        services: Service -> what has ``to_dict()``, such as the endpoints of
            ``pilothouse.up()``.
    """

    def __init__(self, services: Mapping[str, Any]) -> None:
        super().__init__()
        self._fields = {name: dict(one.to_dict()) for name, one in services.items()}

    def place(self, service: str, failed: str = "") -> Place | None:
        """Return the place that was given; as `House.place`."""
        fields = self._fields.get(service)
        return None if fields is None else place_at(service, fields, "local services")


def place_of_profile(settings: Settings, service: str) -> Place | None:
    """Return the place that the profile in use names, if it names one.

    Raises:
        SettingsError: If the profiles cannot be read.
    """
    profile = settings.profile()
    endpoint = profile.endpoint(service)
    if not endpoint.url:
        return None
    fields = {"url": endpoint.url, "username": endpoint.username or ""}
    kind = "password" if service == "fastscore" and endpoint.username else ""
    found = None
    if kind or service in _KINDS:
        found = secrets.find(
            service,
            kind or _KINDS[service],
            url=endpoint.url,
            username=endpoint.username or "",
            ask=secrets.nobody,
        )
    secret = None if found is None else found.secret
    return _placed(service, fields, secret, f"profile {profile.name}", endpoint)


def place_at(service: str, fields: Mapping[str, str], origin: str) -> Place:
    """Return the place that some fields describe, as ``pilothouse up --json`` does."""
    named = fields.get(_KINDS.get(service, ""), "")
    secret = Secret(named) if named else None
    return _placed(service, fields, secret, origin, None)


def _placed(
    service: str,
    fields: Mapping[str, str],
    secret: Secret | None,
    origin: str,
    endpoint: Endpoint | None,
) -> Place:
    url, username = fields["url"], fields.get("username", "")
    verify = None if endpoint is None else endpoint.verify
    wait = _ANSWER_SECONDS
    if endpoint is not None and endpoint.timeout:
        wait = min(wait, endpoint.timeout)
    makers: dict[str, Callable[[], Any]] = {
        "fastscore": lambda: _suite(url, username, secret, verify, wait),
        "aimm": lambda: _server(url, username, secret, verify, wait),
        "fastmap": lambda: _maps(url, secret, verify, wait),
        "mplane": lambda: _component(url, verify),
    }
    return Place(url=url, origin=origin, key=(username, secret), make=makers[service])


Verify = bool | str | None


def _suite(
    url: str, username: str, secret: Secret | None, verify: Verify, timeout: float
) -> Connect:
    from pilothouse.fastscore.gateway import gateway_of, make_newest
    from pilothouse.fastscore.suite import Connect

    newest = None
    with suppress(FastScoreError):  # none was made yet
        newest = gateway_of(None)
    token = None if username else secret
    connect = Connect(url, oauth_secret=token, verify=verify, timeout=timeout)
    if newest is not None:
        make_newest(newest)  # a user's own Connect stays the one that was made last
    if username and secret is not None:
        connect.login(username, secret)
    return connect


def _server(
    url: str, username: str, secret: Secret | None, verify: Verify, timeout: float
) -> Client:
    from pilothouse import aimm

    return aimm.connect(
        url,
        username,
        secret,
        verify=verify,
        timeout=timeout,
        ask=secrets.nobody,
    )


def _maps(url: str, secret: Secret | None, verify: Verify, timeout: float) -> Config:
    from pilothouse import fastmap

    if secret is None:
        from pilothouse.errors import NotAuthorizedError

        raise NotAuthorizedError(
            f"no secret for {url}",
            protocol="Fastmap",
            hint="PILOTHOUSE_FASTMAP_SECRET, or the keyring",
        )
    return fastmap.init(
        cloud_url=url,
        secret=secret,
        verify=verify,
        timeout=timeout,
        exec_policy="CLOUD",
        verbosity="SILENT",
    )


def _component(url: str, verify: Verify) -> HttpInitiatorClient:
    from pilothouse.mplane import configuration, model
    from pilothouse.mplane.client import HttpInitiatorClient
    from pilothouse.mplane.tls import TlsState

    settings = configuration.read(None)
    model.base_registry()  # loads the core unless somebody has chosen another
    for registry in settings.registries.preload:
        model.preload_registry(str(registry))
    tls = TlsState(settings, anonymous=True)
    tls.trust(url, verify)
    return HttpInitiatorClient(tls, url)
