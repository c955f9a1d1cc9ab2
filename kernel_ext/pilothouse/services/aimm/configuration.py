"""The configuration file of an AIMM server: ours, and that of the real one as it is.

Source: REPL control, its schema; real server, aimm 1.2, `main.yaml`, `engine.yaml`.

    name     text
    engine   sigterm_timeout, max_children, check_children_period    ; seconds, count
    backend  module: aimm.server.backend.sqlite + path, or .dummy
    control  [module: aimm.server.control.repl, server: {host, port, ...}, users]
    plugins  names: [modules], files: [paths], paths: [folders]
    log      a logging dictConfig

Module names of the real package stand for our parts. Keys that only the real server
needs (``check_children_period``, ``shutdown_timeout``, ``hat``) are read and have no
effect.
"""

from __future__ import annotations

import json
import math
import numbers
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from pilothouse.errors import SettingsError

from .children import Plugins
from .connection import Timing
from .control import User

__all__ = ["Configuration", "ReplConfiguration", "read_configuration"]

_ROOT: Final = ("name", "engine", "backend", "control", "plugins", "log")
_SQLITE: Final = ("aimm.server.backend.sqlite", "sqlite")
_DUMMY: Final = ("aimm.server.backend.dummy", "dummy")
_REPL: Final = ("aimm.server.control.repl", "repl")
_NEEDS_HAT: Final = ("aimm.server.backend.event", "aimm.server.control.event")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplConfiguration:
    """One REPL control.

    Attributes:
        host: Address to listen on.
        port: Port to listen on; 0 takes a free one.
        users: Who may log in.
        timing: What connections wait for.
        pem_file: Certificate and key in one file, for TLS; None without.
    """

    host: str
    port: int
    users: tuple[User, ...]
    timing: Timing = field(default_factory=Timing)
    pem_file: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """One AIMM server.

    Attributes:
        name: What it is called.
        sigterm_timeout: Seconds that a cancelled plugin has to end by itself.
        max_children: Most plugin processes at a time.
        database: The file of the instances; None keeps them in memory.
        controls: Where it listens.
        plugins: What its processes load.
        log: A dictConfig of logging, or empty.
    """

    name: str
    sigterm_timeout: float
    max_children: int
    database: Path | None
    controls: tuple[ReplConfiguration, ...]
    plugins: Plugins
    log: Mapping[str, Any]


def read_configuration(path: Path) -> Configuration:
    """Return what a file says; paths in it are relative to its folder.

    Raises:
        SettingsError: If it cannot be read, or a key is missing, unknown here or of a
            wrong type; the text names the key.
    """
    try:
        text = path.read_text(encoding="utf-8")
        is_json = path.suffix.lower() == ".json"
        values = json.loads(text) if is_json else yaml.safe_load(text)
    except yaml.MarkedYAMLError as exc:
        # Its own words repeat the lines around, and a password may stand there.
        mark = exc.problem_mark
        where = "" if mark is None else f" in line {mark.line + 1}"
        raise SettingsError(f"cannot read {path}: {exc.problem}{where}") from None
    except yaml.YAMLError:
        raise SettingsError(f"cannot read {path}: it is no YAML") from None
    except (OSError, ValueError, RecursionError) as exc:
        raise SettingsError(f"cannot read {path}: {exc}") from None
    return _Reader(path.absolute().parent).whole(values)


class _Reader:
    """Reads values, with the name of each key for what may be wrong with it."""

    def __init__(self, here: Path) -> None:
        self._here = here

    def whole(self, values: object) -> Configuration:
        root = _object(values, "the file")
        for key in _ROOT:
            _member(root, key, "")
        engine = _object(root["engine"], "engine")
        _number(engine, "check_children_period", "engine.")
        controls = root["control"]
        if not isinstance(controls, list) or not controls:
            raise SettingsError("control is a list of at least one control")
        return Configuration(
            name=_text(root, "name", ""),
            sigterm_timeout=_number(engine, "sigterm_timeout", "engine."),
            max_children=int(_number(engine, "max_children", "engine.", least=1)),
            database=self._database(_object(root["backend"], "backend")),
            controls=tuple(
                self._control(_object(one, f"control[{i}]"), f"control[{i}].")
                for i, one in enumerate(controls)
            ),
            plugins=self._plugins(_object(root["plugins"], "plugins")),
            log=_object(root["log"], "log"),
        )

    def _database(self, backend: dict[str, Any]) -> Path | None:
        module = _text(backend, "module", "backend.")
        if module in _DUMMY:
            return None
        if module not in _SQLITE:
            raise _unknown_module("backend.module", module, (_SQLITE[0], _DUMMY[0]))
        return self._here / _text(backend, "path", "backend.")

    def _control(self, control: dict[str, Any], where: str) -> ReplConfiguration:
        module = control.get("module", control.get("type"))
        if module not in _REPL:
            raise _unknown_module(f"{where}module", module, (_REPL[0],))
        if control.get("type", "repl") != "repl":
            raise SettingsError(f"{where}type is 'repl', not {control['type']!r}")
        server = _object(_member(control, "server", where), f"{where}server")
        users = _member(control, "users", where)
        if not isinstance(users, list):
            raise SettingsError(f"{where}users is a list, not {users!r}")
        where_server = f"{where}server."
        pem = server.get("pem_file")
        return ReplConfiguration(
            host=_text(server, "host", where_server),
            port=_port(server, where_server),
            users=tuple(
                _user(user, f"{where}users[{i}]") for i, user in enumerate(users)
            ),
            timing=_timing(server, where_server),
            pem_file=None
            if pem is None
            else self._here / _text(server, "pem_file", where_server),
        )

    def _plugins(self, plugins: dict[str, Any]) -> Plugins:
        paths = _texts(plugins.get("paths", []), "plugins.paths")
        files = _texts(plugins.get("files", []), "plugins.files")
        return Plugins(
            names=_texts(_member(plugins, "names", "plugins."), "plugins.names"),
            files=[str(self._here / one) for one in files],
            # The real server is started in the folder of its plugins.
            paths=[*(str(self._here / one) for one in paths), str(self._here)],
        )


def _timing(server: dict[str, Any], where: str) -> Timing:
    if "shutdown_timeout" in server:
        _number(server, "shutdown_timeout", where)
    if "autoflush_delay" not in server:
        return Timing()
    if server["autoflush_delay"] is None:
        return Timing(autoflush_delay=None)
    return Timing(autoflush_delay=_number(server, "autoflush_delay", where))


def _user(value: object, where: str) -> User:
    user = _object(value, where)
    extra = set(user) - {"username", "password"}
    if extra:
        raise SettingsError(f"{where} has an unknown key {sorted(extra)[0]!r}")
    return User(
        _text(user, "username", f"{where}."), _text(user, "password", f"{where}.")
    )


def _port(server: dict[str, Any], where: str) -> int:
    port = _member(server, "port", where)
    if type(port) is not int or not 0 <= port <= 65535:
        raise SettingsError(f"{where}port is a number from 0 to 65535, not {port!r}")
    return port


def _unknown_module(key: str, module: object, known: tuple[str, ...]) -> SettingsError:
    if module in _NEEDS_HAT:
        return SettingsError(
            f"{key} is {module!r}, which needs the Hat event server",
            hint=f"here there is: {', '.join(known)}",
        )
    return SettingsError(
        f"{key} is {module!r}, which is not known", hint=f"known: {', '.join(known)}"
    )


def _object(value: object, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise SettingsError(f"{where} holds keys and values, not {_shown(value)}")
    return value


def _member(values: dict[str, Any], key: str, where: str) -> Any:  # noqa: ANN401
    if key not in values:
        raise SettingsError(f"{where}{key} is missing")
    return values[key]


def _text(values: dict[str, Any], key: str, where: str) -> str:
    value = _member(values, key, where)
    if not isinstance(value, str):
        shown = "what it is" if key == "password" else _shown(value)
        raise SettingsError(
            f"{where}{key} is a text, not {shown}",
            hint="quotes make a text of a number",
        )
    return value


def _texts(value: object, where: str) -> list[str]:
    if not isinstance(value, list) or any(not isinstance(one, str) for one in value):
        raise SettingsError(f"{where} is a list of texts, not {_shown(value)}")
    return list(value)


def _number(values: dict[str, Any], key: str, where: str, *, least: float = 0) -> float:
    value = _member(values, key, where)
    is_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value) or value < least:
        raise SettingsError(
            f"{where}{key} is a number from {least:g} up, not {_shown(value)}"
        )
    return float(value)


def _shown(value: object) -> str:
    return repr(value)[:80]
