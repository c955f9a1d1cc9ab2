"""The JSON form of a configuration.

Source: contract §6.8.

    {"TLS": {"ca-chain", "cert", "key"},
     "Access": {"Roles": {ROLE: [IDENTITY, ...]},
                "Authorizations": {LABEL: [ROLE, ...]}},
     "Registries": {"default": URI, "preload": [FILE, ...]},
     "Component": {"Modules": {MODULE: {KEYWORD: VALUE}}, "scheduler_max_results": N,
                   "Initiator": {"url"} | {"capability-url", "specification-url",
                                           "result-url"}
                   | "Listener": {"port", "interfaces": [ADDRESS, ...], "link"}},
     "Client": {"Initiator": {"capability-url", "default-url"}
                | "Listener": {"port", "interfaces", "capability-path",
                               "specification-path", "result-path", "link"}}}
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from pilothouse.errors import SettingsError

from .reading import Section
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

__all__ = ["from_json", "from_mapping"]

T = TypeVar("T")


def from_json(text: str, source: str, base: Path) -> Configuration:
    """Read the text of a JSON file.

    Raises:
        SettingsError: If something in it is wrong; section and key are named.
    """
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise SettingsError(f"{source} is no JSON: {exc}", protocol="mPlane") from exc
    if not isinstance(value, dict):
        raise SettingsError(f"{source} holds no JSON object", protocol="mPlane")
    return from_mapping(value, source, base)


def from_mapping(
    values: Mapping[str, object], source: str, base: Path
) -> Configuration:
    """Read a mapping of the same shape.

    Raises:
        SettingsError: As `from_json`.
    """
    whole = Section(source, "", values, base)
    sections = {
        name: _named(whole.inner(name), name)
        for name in ("TLS", "Access", "Registries", "Component", "Client")
    }
    whole.end()
    component = sections["Component"]
    modules: tuple[Module, ...] = ()
    most = 0
    if component is not None:
        modules = _modules(component)
        most = component.number("scheduler_max_results") or 0
    configuration = Configuration(
        source=source,
        tls=_if_there(sections["TLS"], _tls),
        access=_if_there(sections["Access"], _access),
        registries=_if_there(sections["Registries"], _registries) or Registries(),
        modules=modules,
        component=_if_there(component, _component),
        client=_if_there(sections["Client"], _client),
        max_results=most,
    )
    for section in sections.values():
        if section is not None:
            section.end()
    return configuration


def _named(section: Section | None, name: str) -> Section | None:
    if section is not None:
        section.name = name
    return section


def _if_there(section: Section | None, read: Callable[[Section], T]) -> T | None:
    return None if section is None else read(section)


def _tls(section: Section) -> Tls:
    return Tls(
        ca_chain=section.file("ca-chain"),
        cert=section.file("cert"),
        key=section.file("key"),
    )


def _registries(section: Section) -> Registries:
    return Registries(default=section.text("default"), preload=section.files("preload"))


def _access(section: Section) -> Access:
    roles: dict[str, set[str]] = {}
    of_role = section.inner("Roles")
    for role, identities in of_role.sets().items() if of_role is not None else ():
        for identity in identities:
            roles.setdefault(identity, set()).add(role)
    rules = section.inner("Authorizations")
    granted = {} if rules is None else rules.sets()
    return Access(
        roles={identity: frozenset(held) for identity, held in roles.items()},
        authorizations=granted,
    )


def _modules(component: Section) -> tuple[Module, ...]:
    modules = component.inner("Modules")
    if modules is None:
        return ()
    found = []
    for name in modules.keys():  # noqa: SIM118 - taken while we look
        options = modules.inner(name)
        values = {} if options is None else options.rest()
        found.append(Module(name=name, module=name, options=values))
    return tuple(found)


def _one_of(section: Section) -> tuple[Section | None, Section | None]:
    initiator, listener = section.inner("Initiator"), section.inner("Listener")
    if (initiator is None) == (listener is None):
        section.fail("Initiator, Listener", "exactly one of the two is needed")
    return initiator, listener


def _hosts(section: Section) -> tuple[str, ...]:
    return tuple(section.words("interfaces")) or (LOOPBACK,)


def _component(section: Section) -> Listen | Connect:
    initiator, listener = _one_of(section)
    if listener is not None:
        port = listener.port("port")
        found: Listen | Connect = Listen(
            port=COMPONENT_PORT if port is None else port,
            hosts=_hosts(listener),
            link=listener.url("link") or "",
        )
        listener.end()
        return found
    assert initiator is not None
    url = initiator.url("url")
    keys = ("capability-url", "specification-url", "result-url")
    if url is not None:
        root = url.rstrip("/")
        found = Connect(
            capability_url=f"{root}/register/capability",
            specification_url=f"{root}/show/specification",
            result_url=f"{root}/register/result",
        )
    else:
        urls = [initiator.url(key) for key in keys]
        for key, value in zip(keys, urls, strict=True):
            if value is None:
                initiator.fail(key, "is missing (or give url)")
        found = Connect(
            capability_url=str(urls[0]),
            specification_url=str(urls[1]),
            result_url=str(urls[2]),
        )
    initiator.end()
    return found


def _client(section: Section) -> ClientConnect | ClientListen:
    initiator, listener = _one_of(section)
    if initiator is not None:
        found: ClientConnect | ClientListen = ClientConnect(
            capability_url=initiator.url("capability-url"),
            default_url=initiator.url("default-url", "url"),
        )
        initiator.end()
        return found
    assert listener is not None
    port, plain = listener.port("port"), ClientListen()
    found = ClientListen(
        port=LISTENER_PORT if port is None else port,
        hosts=_hosts(listener),
        link=listener.url("link") or "",
        registration_path=(
            listener.text("capability-path", "registration-path")
            or plain.registration_path
        ).strip("/"),
        specification_path=(
            listener.text("specification-path") or plain.specification_path
        ).strip("/"),
        result_path=(listener.text("result-path") or plain.result_path).strip("/"),
    )
    listener.end()
    return found
