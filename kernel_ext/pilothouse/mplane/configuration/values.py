"""What a component or a client is configured with: values, checked where they are made.

No I/O.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pilothouse.errors import SettingsError

__all__ = [
    "Access",
    "ClientConnect",
    "ClientListen",
    "Configuration",
    "Connect",
    "Listen",
    "Module",
    "Registries",
    "Tls",
]

COMPONENT_PORT = 1228
LISTENER_PORT = 8888
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, kw_only=True)
class Tls:
    """Mutual TLS.

    Attributes:
        ca_chain: PEM file of the authorities that sign peers.
        cert: PEM file of one's own certificate.
        key: PEM file of its key.
    """

    ca_chain: Path
    cert: Path
    key: Path


@dataclass(frozen=True, kw_only=True)
class Access:
    """Who may run what; nothing that no rule grants.

    Attributes:
        roles: Identity -> its roles.
        authorizations: Label or token of a capability -> the roles that may run it.
    """

    roles: Mapping[str, frozenset[str]]
    authorizations: Mapping[str, frozenset[str]]


@dataclass(frozen=True, kw_only=True)
class Registries:
    """Which registries of elements to load.

    Attributes:
        default: URI of the base registry; None: the core registry.
        preload: Registry files.
    """

    default: str | None = None
    preload: tuple[Path, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Module:
    """A Python module with a function ``services``.

    Attributes:
        name: Its section.
        module: What to import.
        options: Keyword arguments of ``services``.
    """

    name: str
    module: str
    options: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Listen:
    """A component that clients come to.

    Attributes:
        port: Where it listens; 0 takes a free port.
        hosts: Addresses on which it listens.
        link: What capabilities name as the place for specifications; "": the place
            that they were fetched from.
    """

    port: int = COMPONENT_PORT
    hosts: tuple[str, ...] = (LOOPBACK,)
    link: str = ""


@dataclass(frozen=True, kw_only=True)
class Connect:
    """A component that goes to its client.

    Attributes:
        capability_url: Where it registers its capabilities.
        specification_url: Where it asks for specifications.
        result_url: Where it sends results.
    """

    capability_url: str
    specification_url: str
    result_url: str


@dataclass(frozen=True, kw_only=True)
class ClientConnect:
    """A client that goes to components.

    Attributes:
        default_url: Where messages go whose capability names no link.
        capability_url: Fetched at the start.
        component_urls: Components of a supervisor, fetched at the start.
    """

    default_url: str | None = None
    capability_url: str | None = None
    component_urls: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ClientListen:
    """A client that components come to.

    Attributes:
        port: Where it listens; 0 takes a free port.
        hosts: Addresses on which it listens.
        link: What specifications name as the place for results; "": the place that
            they were fetched from.
        registration_path: Where capabilities are registered.
        specification_path: Where specifications are fetched.
        result_path: Where results are sent.
    """

    port: int = LISTENER_PORT
    hosts: tuple[str, ...] = (LOOPBACK,)
    link: str = ""
    registration_path: str = "register/capability"
    specification_path: str = "show/specification"
    result_path: str = "register/result"


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """Everything that a file can say; what it does not say is off or the default.

    Attributes:
        source: The file, or a word for where else it comes from.
        tls: None: no TLS, and all peers are nobody in particular.
        access: None: everything is allowed.
        registries: Which elements are known.
        modules: What a component offers, in the order of the file.
        component: How a component meets its clients.
        client: How a client meets its components.
        max_results: Results kept of a repeated measurement; 0: no bound set.
    """

    source: str = "the defaults"
    tls: Tls | None = None
    access: Access | None = None
    registries: Registries = field(default_factory=Registries)
    modules: tuple[Module, ...] = ()
    component: Listen | Connect | None = None
    client: ClientConnect | ClientListen | None = None
    max_results: int = 0

    def __post_init__(self) -> None:
        if self.tls is not None and self.component is not None and self.access is None:
            raise SettingsError(
                f"{self.source}: a component with TLS needs to know who may do what",
                protocol="mPlane",
                hint="add the sections [Roles] and [Authorizations] (JSON: Access)",
            )
