"""The configuration of a suite: YAML text in, a bounded JSON object out."""

from __future__ import annotations

import datetime
from typing import Any

import yaml

from pilothouse.errors import NotFoundError, ProtocolError
from pilothouse.fastscore.wire.values import JSON

__all__ = ["dump_yaml", "find_section", "parse_configuration"]

_MAX_VALUES = 20_000
_MAX_DEPTH = 50
_LARGEST_INTEGER = 2**63


def parse_configuration(text: str) -> dict[str, Any]:
    """Return a configuration as a JSON object; JSON is YAML too. Empty means ``{}``.

    Raises:
        ProtocolError: If it is no YAML, no object, too deep or too large. Aliases are
            expanded against that bound, so a small text cannot grow without end.
    """
    try:
        loaded = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, TypeError, OverflowError) as exc:
        line = str(exc).replace("\n", " ")
        raise ProtocolError(f"the configuration is not YAML: {line[:300]}") from exc
    except RecursionError:
        raise ProtocolError("the configuration is nested too deep") from None
    if loaded is None:
        return {}
    if not isinstance(loaded, dict):
        raise ProtocolError("the configuration must be an object")
    found = _Reader().read(loaded, 0)
    assert isinstance(found, dict)
    return found


def find_section(config: dict[str, Any], name: str) -> JSON:
    """Return a section: of the top level first, then of ``fastscore``.

    Raises:
        NotFoundError: If there is none of that name.
    """
    inner = config.get("fastscore")
    for place in (config, inner if isinstance(inner, dict) else {}):
        if name in place:
            return place[name]
    raise NotFoundError(f"the configuration has no section {name[:100]!r}")


def dump_yaml(value: JSON) -> str:
    """Return a JSON value as YAML text."""
    return str(yaml.safe_dump(value, sort_keys=False, allow_unicode=True))


class _Reader:
    """Copies YAML values as JSON ones, counting them."""

    def __init__(self) -> None:
        self._left = _MAX_VALUES

    def read(self, value: JSON, depth: int) -> JSON:
        self._left -= 1
        if self._left < 0 or depth > _MAX_DEPTH:
            raise ProtocolError("the configuration is too large or nested too deep")
        if isinstance(value, dict):
            return {_key(k): self.read(v, depth + 1) for k, v in value.items()}
        if isinstance(value, list | tuple):
            return [self.read(item, depth + 1) for item in value]
        if isinstance(value, datetime.date):  # a datetime is a date
            return value.isoformat()
        if isinstance(value, int) and abs(value) >= _LARGEST_INTEGER:
            raise ProtocolError("the configuration holds an integer beyond 64 bits")
        if isinstance(value, str):
            return _text(value)
        if value is None or isinstance(value, bool | int | float):
            return value
        raise ProtocolError(
            f"the configuration holds a {type(value).__name__}, which JSON has not"
        )


def _key(key: JSON) -> str:
    if isinstance(key, str | int | float | bool) or key is None:
        return _text(str(key))
    raise ProtocolError("a key of the configuration is not a word")


def _text(text: str) -> str:
    if not text.isascii() and any("\ud800" <= letter <= "\udfff" for letter in text):
        raise ProtocolError("the configuration holds half of a surrogate pair")
    return text
