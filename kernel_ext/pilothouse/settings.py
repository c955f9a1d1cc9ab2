"""Options and profiles, and where each value came from.

Options are traits of `Pilothouse`, so ``%config Pilothouse`` lists them and a line
such as ``c.Pilothouse.timeout = 60`` in IPython's own configuration sets them.

Profiles are named sets of endpoints and user names, in TOML. Three layers, later wins:

    1  pilothouse.toml in the platform's configuration folder
    2  pilothouse.toml in the notebook's folder (where the kernel runs)
    3  the environment: PILOTHOUSE_PROFILE, PILOTHOUSE_<SERVICE>_<KEY>

    file     = [ 'default = "' NAME '"' ] { profile }
    profile  = "[profiles." NAME "]" [ 'description = "..."' ] { service }
    service  = "[profiles." NAME "." SERVICE "]" { KEY " = " value }
    SERVICE  = "fastscore" / "aimm" / "fastmap" / "mplane"
    KEY      = as `KEYS` says

A profile never holds a secret: a file with one is refused, naming the key.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import traitlets
from traitlets.config.configurable import Configurable

from pilothouse.errors import SettingsError

__all__ = [
    "FILE_NAME",
    "KEYS",
    "Endpoint",
    "Pilothouse",
    "Profile",
    "Setting",
    "Settings",
]

FILE_NAME = "pilothouse.toml"
"""The name of a profile file in either folder."""

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


class Pilothouse(Configurable):
    """Options of the extension; ``%config Pilothouse.timeout = 60`` sets one."""

    profile = traitlets.Unicode(
        "",
        help="Profile in use; %pilot use sets it. Empty: as files and environment say.",
    ).tag(config=True)
    timeout = traitlets.Float(
        30.0, min=0.1, help="Longest wait for one answer, in seconds."
    ).tag(config=True)
    interrupt_timeout = traitlets.Float(
        2.0,
        min=0.1,
        help="Longest wait for the remote end to confirm a cancel, in seconds.",
    ).tag(config=True)
    refresh = traitlets.Float(
        5.0,
        min=0.0,
        help="Age at which names for completion are fetched again, in seconds.",
    ).tag(config=True)
    save = traitlets.Bool(
        True, help="Whether the cell magics save to Model Manage when connected."
    ).tag(config=True)
    brief_errors = traitlets.Bool(
        True, help="Whether an error shows in short; %tb has the whole trace."
    ).tag(config=True)
    progress = traitlets.Enum(
        ["auto", "widget", "text", "off"],
        "auto",
        help="How long work shows its progress.",
    ).tag(config=True)


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


class Settings:
    """The profiles, read afresh at each call from files and environment.

    Args:
        config_folder: The folder of layer 1; the platform's by default.
        folder: The folder of layer 2; the current one by default.
        environ: The environment of layer 3; this process's by default.
        options: Whose ``profile`` comes before what files and environment say.
    """

    def __init__(
        self,
        *,
        config_folder: Path | None = None,
        folder: Path | None = None,
        environ: Mapping[str, str] | None = None,
        options: Pilothouse | None = None,
    ) -> None:
        self._options = options
        self._config_folder = config_folder
        self._folder = folder
        self._environ = os.environ if environ is None else environ

    def files(self) -> list[Path]:
        """Return where profile files are looked for, weakest first."""
        folder = self._config_folder
        if folder is None:
            import platformdirs

            folder = platformdirs.user_config_path("pilothouse")
        return [folder / FILE_NAME, (self._folder or Path.cwd()) / FILE_NAME]

    def profiles(self) -> dict[str, Profile]:
        """Return all profiles by name, with the environment's values in the one used.

        Raises:
            SettingsError: If a file cannot be read, breaks the grammar, or holds a
                secret.
        """
        used = self.in_use()
        return {
            name: self._with_environment(profile) if name == used.value else profile
            for name, profile in self._from_files(str(used.value)).items()
        }

    def profile(self, name: str | None = None) -> Profile:
        """Return one profile, the one in use by default.

        Raises:
            SettingsError: If no layer has a profile of that name.
        """
        if name is None:
            name = str(self.in_use().value)
            return self._with_environment(self._from_files(name)[name])
        used = self.in_use().value
        known = self._from_files("default" if name == used else str(used))
        if name not in known:
            raise SettingsError(
                f"no profile named {name!r}{_meant(name, known)}",
                hint=f"define [profiles.{name}.fastscore] in {self.files()[1]}",
            )
        return self._with_environment(known[name]) if name == used else known[name]

    def in_use(self) -> Setting:
        """Return the name of the profile in use, and what chose it."""
        if self._options is not None and self._options.profile:
            return Setting(self._options.profile, "Pilothouse.profile")
        if name := self._environ.get("PILOTHOUSE_PROFILE"):
            return Setting(name, "PILOTHOUSE_PROFILE")
        for path in reversed(self.files()):
            default = _read(path).get("default")
            if default is not None:
                if not isinstance(default, str):
                    raise SettingsError(f"{path}: 'default' has to be a profile's name")
                return Setting(default, str(path))
        return Setting("default", "")

    def _from_files(self, used: str) -> dict[str, Profile]:
        found: dict[str, Profile] = {}
        for path in self.files():
            for name, profile in _profiles_of(path):
                found[name] = _merge(found.get(name), profile)
        if used not in found:
            if used != "default":
                raise SettingsError(
                    f"no profile named {used!r}{_meant(used, found)}",
                    hint=f"{self.in_use().origin} chose it",
                )
            found["default"] = Profile("default")
        return found

    def _with_environment(self, profile: Profile) -> Profile:
        layer: dict[str, Endpoint] = {}
        for service, keys in KEYS.items():
            settings: dict[str, Setting] = {}
            for key, types in keys.items():
                variable = f"PILOTHOUSE_{service}_{key}".upper()
                if text := self._environ.get(variable):
                    value = _from_text(text, types, variable)
                    _check_value(value, types, variable)
                    settings[key] = Setting(value, variable)
            if settings:
                layer[service] = Endpoint(service, settings)
        return _merge(profile, Profile(profile.name, endpoints=layer))


def _read(path: Path) -> dict[str, object]:
    import tomllib

    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as exc:
        raise SettingsError(f"{path} cannot be read: {exc}") from exc


def _profiles_of(path: Path) -> Iterator[tuple[str, Profile]]:
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
        raise SettingsError(f"{place} has an unknown key {key!r}{_meant(key, known)}")


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


def _merge(below: Profile | None, above: Profile) -> Profile:
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


def _meant(word: str, known: Mapping[str, object] | set[str]) -> str:
    close = difflib.get_close_matches(word, list(known), 1)
    return f"; did you mean {close[0]!r}?" if close else ""
