"""The INI form of a configuration.

Source: reference documentation ("mpcom component runtime"), contract §6.7. Names of
options keep their case, "=" or ":" separates. Client options have hyphens, component
options underscores; both are taken in both places.

    [TLS]             ca-chain, cert, key
    [Roles]           IDENTITY = ROLE, ROLE
    [Authorizations]  LABEL = ROLE, ROLE
    [component]       registry_preload, registry_uri, workflow, scheduler_max_results,
                      listen-port, listen-cap-link, listen-host |
                      client_host, client_port, registration_path, specification_path,
                      result_path
    [client]          registry_preload, registry_uri, workflow, default-url,
                      capability-url, component-urls |
                      listen-port, listen-spec-link, listen-host, registration-path,
                      specification-path, result-path
    [module_NAME]     module, and the keyword arguments of its function `services`
"""

from __future__ import annotations

import configparser
from pathlib import Path

from pilothouse.errors import SettingsError

from .reading import Section, comma_list
from .values import (
    COMPONENT_PORT,
    LISTENER_PORT,
    LOOPBACK,
    Access,
    ClientConnect,
    ClientListen,
    Configuration,
    Connect,
    Listen,
    Module,
    Registries,
    Tls,
)

__all__ = ["from_ini", "from_parser"]

_MODULE_PREFIXES = ("module_", "service_")
_WORKFLOWS = ("client-initiated", "component-initiated")


def from_ini(text: str, source: str, base: Path) -> Configuration:
    """Read the text of an INI file.

    Args:
        text: The file.
        source: Its name, for errors.
        base: Folder of the file.

    Raises:
        SettingsError: If something in it is wrong; section and key are named.
    """
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # keep the case
    try:
        parser.read_string(text, source)
    except configparser.Error as exc:
        raise SettingsError(
            f"{source} is no INI file: {' '.join(str(exc).split())}", protocol="mPlane"
        ) from exc
    return from_parser(parser, source, base)


def from_parser(
    parser: configparser.RawConfigParser, source: str, base: Path
) -> Configuration:
    """Read what the standard library's parser has read.

    Raises:
        SettingsError: As `from_ini`.
    """
    sections = {
        name: Section(source, name, dict(parser.items(name, raw=True)), base)
        for name in parser.sections()
    }
    component = sections.get("component")
    client = sections.get("client")
    owner = component or client
    registries = Registries() if owner is None else _registries(owner)
    if client is not None and client is not owner:
        _registries(client)
    most = 0 if component is None else component.number("scheduler_max_results") or 0
    return Configuration(
        source=source,
        tls=_tls(sections.get("TLS")),
        access=_access(sections.get("Roles"), sections.get("Authorizations")),
        registries=registries,
        modules=tuple(
            _module(section)
            for name, section in sections.items()
            if name.startswith(_MODULE_PREFIXES)
        ),
        component=None if component is None else _component(component),
        client=None if client is None else _client(client),
        max_results=most,
    )


def _tls(section: Section | None) -> Tls | None:
    if section is None:
        return None
    return Tls(
        ca_chain=section.file("ca-chain"),
        cert=section.file("cert"),
        key=section.file("key"),
    )


def _access(roles: Section | None, rules: Section | None) -> Access | None:
    if roles is None and rules is None:
        return None
    return Access(roles=_sets(roles), authorizations=_sets(rules))


def _sets(section: Section | None) -> dict[str, frozenset[str]]:
    return {} if section is None else section.sets()


def _registries(section: Section) -> Registries:
    return Registries(
        preload=section.files("registry_preload"),
        default=section.text("registry_uri") or None,
    )


def _module(section: Section) -> Module:
    module = section.needed("module")
    options = {
        key: value for key, value in section.rest().items() if key[:6] != "module"
    }
    return Module(name=section.name, module=module, options=options)


def _workflow(section: Section) -> str:
    workflow = section.needed("workflow")
    if workflow not in _WORKFLOWS:
        section.fail("workflow", f"{workflow!r} is none of {', '.join(_WORKFLOWS)}")
    return workflow


def _hosts(section: Section) -> tuple[str, ...]:
    return tuple(comma_list(section.text("listen-host", "listen_host") or LOOPBACK))


def _component(section: Section) -> Listen | Connect:
    if _workflow(section) == "client-initiated":
        port = section.port("listen-port", "listen_port")
        return Listen(
            port=COMPONENT_PORT if port is None else port,
            hosts=_hosts(section),
            link=section.url("listen-cap-link", "listen_cap_link") or "",
        )
    host = section.needed("client_host", "client-host")
    port = section.port("client_port", "client-port") or COMPONENT_PORT
    origin = host if "://" in host else f"//{host}"
    return Connect(
        **{
            f"{name}_url": f"{origin}:{port}/{_path(section, f'{name_of_path}_path')}"
            for name, name_of_path in (
                ("capability", "registration"),
                ("specification", "specification"),
                ("result", "result"),
            )
        }
    )


def _path(section: Section, key: str) -> str:
    return section.needed(key, key.replace("_", "-")).lstrip("/")


def _client(section: Section) -> ClientConnect | ClientListen:
    if _workflow(section) == "client-initiated":
        return ClientConnect(
            default_url=section.url("default-url", "default_url"),
            capability_url=section.url("capability-url", "capability_url"),
            component_urls=tuple(comma_list(section.text("component-urls") or "")),
        )
    port = section.port("listen-port", "listen_port")
    plain = ClientListen()
    paths = {
        key: (section.text(key.replace("_", "-"), key) or getattr(plain, key)).strip(
            "/"
        )
        for key in ("registration_path", "specification_path", "result_path")
    }
    return ClientListen(
        port=LISTENER_PORT if port is None else port,
        hosts=_hosts(section),
        link=section.url("listen-spec-link", "listen_spec_link") or "",
        **paths,
    )
