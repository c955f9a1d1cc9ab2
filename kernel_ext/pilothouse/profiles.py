"""Profiles: named sets of endpoints and user names, in TOML and in the environment.

    file     = [ 'default = "' NAME '"' ] { profile }
    profile  = "[profiles." NAME "]" [ 'description = "..."' ] { service }
    service  = "[profiles." NAME "." SERVICE "]" { KEY " = " value }
    SERVICE  = "fastscore" / "aimm" / "fastmap" / "mplane"
    KEY      = as `KEYS` says
    variable = "PILOTHOUSE_" SERVICE "_" KEY, in capitals

A profile never holds a secret: a file with one is refused, naming the key.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pilothouse.errors import SettingsError
from pilothouse.nearest import did_you_mean
from pilothouse.secrets import without_traces

__all__ = [
    "KEYS",
    "Endpoint",
    "Profile",
    "Setting",
    "default_of",
    "from_environment",
    "merged",
    "profiles_of",
]

_COMMON: Mapping[str, tuple[type, ...]] = {
    "url": (str,),
    "username": (str,),
    "verify": (bool, str),
    "timeout": (int, float),
}
KEYS: Mapping[str, Mapping[str, tuple[type, ...]]] = {
    "fastscore": {**_COMMON, "engine": (str,), "model_manage": (str,)},
    "aimm": _COMMON,
    "fastmap": _COMMON,
    "mplane": _COMMON,
}
"""The keys that each service of a profile may have, with their types."""

_SECRET_KEY = re.compile(
    r"pass(word|wd|phrase)?$|secret|token|cookie|credential|(api|private)[_-]?key"
    r"|authorization",
    re.IGNORECASE,
)
_USERINFO = re.compile(r"^[a-z+]+://[^/@]*:[^/@]*@", re.IGNORECASE)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*\Z")


@dataclass(frozen=True, slots=True)
class Setting:
    """One value and where it came from.

    Attributes:
        value: As TOML or the environment gave it.
        origin: A file's path, or the name of an environment variable.
    """

    value: object
    origin: str


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where one service of a profile is, and as whom to go there.

    Attributes:
        service: For instance ``"fastscore"``.
        settings: The values by key, each with its origin.
    """

    service: str
    settings: Mapping[str, Setting] = field(default_factory=dict)

    def _text(self, key: str) -> str | None:
        setting = self.settings.get(key)
        return None if setting is None else str(setting.value)

    @property
    def url(self) -> str | None:
        """The address of the service, or ``None`` when the profile has none."""
        return self._text("url")

    @property
    def username(self) -> str | None:
        """The user to log in as, or ``None``."""
        return self._text("username")

    @property
    def engine(self) -> str | None:
        """The preferred engine of a FastScore suite, or ``None``."""
        return self._text("engine")

    @property
    def model_manage(self) -> str | None:
        """The preferred Model Manage of a FastScore suite, or ``None``."""
        return self._text("model_manage")

    @property
    def verify(self) -> bool | str | None:
        """Whether to check certificates, a CA file, or ``None`` for the default."""
        setting = self.settings.get("verify")
        if setting is None:
            return None
        return setting.value if isinstance(setting.value, bool) else str(setting.value)

    @property
    def timeout(self) -> float | None:
        """Longest wait for one answer in seconds, or ``None`` for the default."""
        setting = self.settings.get("timeout")
        return None if setting is None else float(str(setting.value))

    def where(self, key: str) -> str:
        """Return where the value of ``key`` came from; empty when it has none."""
        setting = self.settings.get(key)
        return "" if setting is None else setting.origin


@dataclass(frozen=True, slots=True)
class Profile:
    """A named set of endpoints.

    Attributes:
        name: As ``%pilot use`` takes it.
        description: One line for people; may be empty.
        origin: The place of its last definition; empty for an implied one.
        endpoints: The endpoints by service.
    """

    name: str
    description: str = ""
    origin: str = ""
    endpoints: Mapping[str, Endpoint] = field(default_factory=dict)

    def endpoint(self, service: str) -> Endpoint:
        """Return the endpoint of ``service``, an empty one when there is none."""
        return self.endpoints.get(service) or Endpoint(service)

    def rows(self) -> Iterator[tuple[str, str, Setting]]:
        """Yield service, key and setting of everything the profile says."""
        for service, endpoint in self.endpoints.items():
            for key, setting in endpoint.settings.items():
                yield service, key, setting


def from_environment(name: str, environ: Mapping[str, str]) -> Profile:
    """Return what the environment says of the profile in use, ``name``.

    Raises:
        SettingsError: If a value is of the wrong type, or holds a secret.
    """
    layer: dict[str, Endpoint] = {}
    for service, keys in KEYS.items():
        settings: dict[str, Setting] = {}
        for key, types in keys.items():
            variable = f"PILOTHOUSE_{service}_{key}".upper()
            if text := environ.get(variable):
                value = _from_text(text, types, variable)
                _check_value(value, types, variable)
                settings[key] = Setting(value, variable)
        if settings:
            layer[service] = Endpoint(service, settings)
    return Profile(name, endpoints=layer)


class _Table(dict[str, object]):
    """A table of a file that shows its keys only, also in a traceback with variables.

    What stands in it is not checked yet: a secret may have got there by mistake.
    """

    @classmethod
    def of(cls, table: Mapping[str, object]) -> _Table:
        return cls(
            (key, cls.of(value) if isinstance(value, dict) else value)
            for key, value in table.items()
        )

    def __repr__(self) -> str:
        return f"<table {', '.join(self)}>"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:  # noqa: ANN401
        printer.text(repr(self))


def _read(path: Path) -> dict[str, object]:
    import tomllib

    try:
        return _Table.of(tomllib.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as exc:
        without_traces(exc)  # the frames of the parser hold the file
        raise SettingsError(f"{path} cannot be read: {exc}") from exc


def default_of(path: Path) -> str | None:
    """Return the profile that a file makes the one in use, if it does.

    Raises:
        SettingsError: If the file cannot be read, or names none.
    """
    default = _read(path).get("default")
    if default is not None and not isinstance(default, str):
        raise SettingsError(f"{path}: 'default' has to be a profile's name")
    return default


def profiles_of(path: Path) -> Iterator[tuple[str, Profile]]:
    """Yield the profiles of a file by name; none when there is no such file.

    Raises:
        SettingsError: If it cannot be read, breaks the grammar, or holds a secret.
    """
    document = _read(path)
    _refuse_unknown(document, {"default", "profiles"}, str(path))
    profiles = document.get("profiles", {})
    if not isinstance(profiles, dict):
        raise SettingsError(f"{path}: 'profiles' has to be a table")
    for name, table in profiles.items():
        place = f"{path}: profiles.{name}"
        if not isinstance(table, dict) or not _NAME.match(name):
            raise SettingsError(f"{place} has to be a table with a plain name")
        _refuse_unknown(table, {"description", *KEYS}, place)
        yield (
            name,
            Profile(
                name,
                str(table.get("description", "")),
                str(path),
                {
                    service: _endpoint_of(service, table[service], place, str(path))
                    for service in KEYS
                    if service in table
                },
            ),
        )


def _endpoint_of(service: str, table: object, place: str, origin: str) -> Endpoint:
    place = f"{place}.{service}"
    if not isinstance(table, dict):
        raise SettingsError(f"{place} has to be a table")
    _refuse_unknown(table, set(KEYS[service]), place)
    for key, value in table.items():
        _check_value(value, KEYS[service][key], f"{place}.{key}")
    return Endpoint(
        service, {key: Setting(value, origin) for key, value in table.items()}
    )


def _refuse_unknown(table: Mapping[str, object], known: set[str], place: str) -> None:
    for key in table:
        if key in known:
            continue
        if _SECRET_KEY.search(key):
            raise SettingsError(
                f"{place} holds a secret under {key!r}; a profile never does",
                hint="take it out, change it if others could read it, and give it in "
                "the environment (PILOTHOUSE_FASTSCORE_PASSWORD), in the keyring or "
                "when asked",
            )
        raise SettingsError(
            f"{place} has an unknown key {key!r}{did_you_mean(key, known)}"
        )


def _check_value(value: object, types: tuple[type, ...], place: str) -> None:
    if (isinstance(value, bool) and bool not in types) or not isinstance(value, types):
        names = " or ".join(t.__name__ for t in types)
        raise SettingsError(f"{place} has to be {names}, not {value!r}")
    if isinstance(value, str) and _USERINFO.match(value):
        raise SettingsError(
            f"{place} holds a password inside its address; a profile never does",
            hint="leave 'user:password@' out and set 'username'",
        )


def _from_text(text: str, types: tuple[type, ...], variable: str) -> object:
    if bool in types and text.lower() in {"true", "false", "1", "0", "yes", "no"}:
        return text.lower() in {"true", "1", "yes"}
    if float in types:
        try:
            return float(text)
        except ValueError as exc:
            raise SettingsError(f"{variable} has to be a number, not {text!r}") from exc
    return text


def merged(below: Profile | None, above: Profile) -> Profile:
    """Return one profile of two layers; the values of ``above`` win, one by one."""
    if below is None:
        return above
    endpoints = dict(below.endpoints)
    for service, endpoint in above.endpoints.items():
        settings = {**below.endpoint(service).settings, **endpoint.settings}
        endpoints[service] = Endpoint(service, settings)
    return Profile(
        above.name,
        above.description or below.description,
        above.origin or below.origin,
        endpoints,
    )
