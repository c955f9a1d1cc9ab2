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
from collections.abc import Mapping
from pathlib import Path

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
    component, registries = sections["Component"], sections["Registries"]
    tls = sections["TLS"]
    modules: tuple[Module, ...] = ()
    most = 0
    if component is not None:
        modules = _modules(component)
        most = component.number("scheduler_max_results") or 0
    configuration = Configuration(
        source=source,
        tls=tls
        and Tls(
            ca_chain=tls.file("ca-chain"), cert=tls.file("cert"), key=tls.file("key")
        ),
        access=sections["Access"] and _access(sections["Access"]),
        registries=Registries(
            default=registries.text("default"), preload=registries.files("preload")
        )
        if registries is not None
        else Registries(),
        modules=modules,
        component=component and _component(component),
        client=sections["Client"] and _client(sections["Client"]),
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


def _access(section: Section) -> Access:
    roles: dict[str, set[str]] = {}
    of_role = section.inner("Roles")
    for role in of_role.keys() if of_role is not None else ():
        for identity in of_role.words(role):
            roles.setdefault(identity, set()).add(role)
    rules = section.inner("Authorizations")
    granted = {} if rules is None else rules.sets()
    return Access(
        roles={identity: frozenset(held) for identity, held in roles.items()},
        authorizations=granted,
    )


def _modules(component: Section) -> tuple[Module, ...]:
    inner = component.inner("Modules")
    found: list[Module] = []
    for name in inner.keys() if inner is not None else ():
        options = inner.inner(name)
        values = {key: options.take(key) for key in options.keys()} if options else {}  # noqa: SIM118
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
