"""Taking single values out of a configuration; errors name the section and the key.

The only look at the file system is whether a file that is named is there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlsplit

from pilothouse.errors import SettingsError

__all__ = ["Section", "comma_list"]


def comma_list(text: str) -> list[str]:
    """Return the members of a list with commas, without the blanks around them."""
    return [part.strip() for part in text.split(",") if part.strip()]


class Section:
    """One section of a file; each value is taken once, what is left over is a slip.

    Args:
        source: The file.
        name: As it stands in the file.
        values: Key -> value.
        base: Folder of the file.
    """

    def __init__(
        self, source: str, name: str, values: Mapping[str, object], base: Path
    ) -> None:
        self.source = source
        self.name = name
        self._values = dict(values)
        self._base = base

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def keys(self) -> list[str]:
        """Return the keys not taken yet."""
        return list(self._values)

    def fail(self, key: str, why: str, hint: str | None = None) -> NoReturn:
        """Refuse a value."""
        raise SettingsError(
            f"{self.source}, [{self.name}] {key}: {why}", protocol="mPlane", hint=hint
        )

    def take(self, key: str) -> object:
        """Return a value, None where there is none."""
        return self._values.pop(key, None)

    def text(self, *keys: str) -> str | None:
        """Return the text under the first of some keys that is there."""
        for key in keys:
            value = self.take(key)
            if value is None:
                continue
            if not isinstance(value, str):
                self.fail(key, f"{value!r} is no text")
            return value.strip()
        return None

    def needed(self, *keys: str) -> str:
        """Return a text that must be there."""
        value = self.text(*keys)
        if not value:
            self.fail(keys[0], "is missing")
        return value

    def number(self, *keys: str, least: int = 0, most: int = 2**31) -> int | None:
        """Return a whole number."""
        for key in keys:
            value = self.take(key)
            if value is None:
                continue
            text = str(value).strip()
            is_number = (
                not isinstance(value, bool) and text.isascii() and text.isdigit()
            )
            if not is_number or not least <= int(text) <= most:
                self.fail(key, f"{value!r} is no number from {least} to {most}")
            return int(text)
        return None

    def port(self, *keys: str) -> int | None:
        """Return a port."""
        return self.number(*keys, most=65535)

    def file(self, key: str) -> Path:
        """Return the path of a file that is there."""
        return self._file(key, self.needed(key))

    def _file(self, key: str, name: str) -> Path:
        """Look where we are, as the published peer does, then beside the file."""
        path = Path(name).expanduser()
        found = next((p for p in (path, self._base / path) if p.is_file()), None)
        if found is None:
            self.fail(key, f"there is no file {name!r}")
        return found

    def files(self, key: str) -> tuple[Path, ...]:
        """Return the paths of files that are there, from a list or a comma list."""
        value = self.take(key)
        if value is None:
            return ()
        names = comma_list(value) if isinstance(value, str) else value
        if not isinstance(names, list) or not all(isinstance(n, str) for n in names):
            self.fail(key, f"{value!r} is no list of files")
        return tuple(self._file(key, name) for name in names)

    def url(self, *keys: str) -> str | None:
        """Return an http or https URL."""
        found = next((key for key in keys if key in self), keys[0])
        value = self.text(*keys)
        if not value:
            return None
        try:
            parts = urlsplit(value)
            is_url = parts.scheme in {"http", "https"} and bool(parts.hostname)
            _ = parts.port
        except ValueError as exc:
            self.fail(found, f"{value!r} is no URL: {exc}")
        if not is_url:
            self.fail(found, f"{value!r} is no http or https URL")
        return value

    def words(self, key: str) -> list[str]:
        """Return a list of words, from a list or a comma list."""
        value = self.take(key)
        if value is None:
            return []
        if isinstance(value, str):
            return comma_list(value)
        if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
            self.fail(key, f"{value!r} is no list of words")
        return [word.strip() for word in value]

    def rest(self) -> dict[str, object]:
        """Return every value in this section as it is."""
        taken, self._values = self._values, {}
        return taken

    def sets(self) -> dict[str, frozenset[str]]:
        """Return every list of words in this section."""
        return {key: frozenset(self.words(key)) for key in list(self._values)}

    def inner(self, key: str) -> Section | None:
        """Return a section inside this one."""
        value = self.take(key)
        if value is None:
            return None
        if not isinstance(value, Mapping):
            self.fail(key, f"{value!r} is no section")
        return Section(self.source, f"{self.name}.{key}", value, self._base)

    def end(self, known: Iterable[str] = ()) -> None:
        """Refuse what nobody took."""
        left = [key for key in self._values if key not in known]
        if left:
            self.fail(left[0], "is not known here")
