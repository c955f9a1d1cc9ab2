"""The secrets that this machine knows, to be found wherever they turn up.

    the environment      variables named like a secret; passwords in addresses
    the runtime files    of the local services and of Jupyter's own servers
    the keyring          what it has for the addresses of the profiles
    the profile files    what was written there by mistake

They are read when a notebook is looked at, held in memory, and shown nowhere.
"""

from __future__ import annotations

import base64
import html
import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final
from urllib.parse import quote, quote_plus, urlsplit

from pilothouse import secrets
from pilothouse.errors import PilothouseError
from pilothouse.secrets import Secret
from pilothouse.settings import Settings

from ._assignments import Match
from ._plausible import is_placeholder

__all__ = ["Known"]

_SHORTEST: Final = 6
_CERTAIN: Final = 12
_NAME = re.compile(
    r"(?:pass(?:word|wd|phrase)?|pwd|secret|token|credentials?|auth"
    r"|(?:api|access|private|secret|account)_?key)\Z",
    re.IGNORECASE,
)


class Known:
    """Secrets by where they are from; looks for each in the forms that it may take.

    Args:
        secrets: Where each is from, and the secret.
    """

    def __init__(self, secrets: Iterator[tuple[str, Secret]] | None = None) -> None:
        self._forms: dict[Secret, str] = {}
        self._count = 0
        for origin, secret in secrets or ():
            forms = [Secret(form) for form in _forms(secret.reveal())]
            self._count += bool(forms) and forms[0] not in self._forms
            for form in forms:
                self._forms.setdefault(form, origin)

    @classmethod
    def of_this_machine(cls, environ: Mapping[str, str] | None = None) -> Known:
        """Return what this machine knows; a place that cannot be read is left out."""
        environ = os.environ if environ is None else environ

        def gathered() -> Iterator[tuple[str, Secret]]:
            for part in (
                _services(),
                _jupyter(),
                _variables(environ),
                _profiles(environ),
                _keyring(environ),
            ):
                with suppress(PilothouseError, OSError):
                    yield from part

        return cls(gathered())

    def __len__(self) -> int:
        return self._count

    def __repr__(self) -> str:
        return f"<Known: {len(self)} secrets>"

    def look(self, text: str) -> Iterator[Match]:
        """Yield where any of them stands in a text."""
        for secret, origin in self._forms.items():
            form = secret.reveal()
            at = text.find(form)
            while at >= 0:
                if len(form) >= _CERTAIN or _stands_alone(text, at, len(form)):
                    yield Match(f"the secret of {origin}", at, form)
                at = text.find(form, at + len(form))


def _stands_alone(text: str, at: int, length: int) -> bool:
    around = text[at - 1 : at] + text[at + length : at + length + 1]
    return not any(c.isalnum() or c == "_" for c in around)


def _forms(value: str) -> set[str]:
    """Return a secret as it is, and as addresses, pages and base64 write it."""
    if len(value) < _SHORTEST or is_placeholder(value):
        return set()
    forms = {
        value,
        quote(value, safe=""),
        quote_plus(value),
        html.escape(value),
        json.dumps(value)[1:-1],
        repr(value)[1:-1],
    }
    raw = value.encode("utf-8", "surrogatepass")
    if len(raw) >= _CERTAIN:
        for shift in range(3):
            encoded = base64.b64encode(b"\0" * shift + raw).decode().rstrip("=")
            # what its neighbours change is left out at either end
            kept = encoded[-(-shift * 8 // 6) : len(encoded) - 1]
            forms |= {kept, kept.translate(str.maketrans("+/", "-_"))}
    return forms


def _services() -> Iterator[tuple[str, Secret]]:
    from pilothouse.services.runtime_files import find_records

    for record in find_records():
        for name, fields in record.services.items():
            for key, value in fields.items():
                if key in ("token", "password", "secret"):
                    yield f"the local {name} (runtime file)", Secret(value)


def _jupyter() -> Iterator[tuple[str, Secret]]:
    from pilothouse.services.runtime_files import runtime_dir

    for pattern, key in (("jpserver-*.json", "token"), ("kernel-*.json", "key")):
        for path in runtime_dir().glob(pattern):
            with suppress(OSError, ValueError, AttributeError):
                value = json.loads(path.read_bytes()).get(key)
                if isinstance(value, str):
                    yield "Jupyter (runtime file)", Secret(value)


def _variables(environ: Mapping[str, str]) -> Iterator[tuple[str, Secret]]:
    for name, value in environ.items():
        if _NAME.search(name) and not Path(value).is_absolute():
            yield f"{name} (environment)", Secret(value)
        for password in _passwords_in(value):
            yield f"the address in {name} (environment)", password


def _profiles(environ: Mapping[str, str]) -> Iterator[tuple[str, Secret]]:
    import tomllib

    for path in Settings(environ=environ).files():
        try:
            document = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        for key, value in _leaves(document):
            if _NAME.search(key):
                yield f"a profile ({path.name})", Secret(value)
            for password in _passwords_in(value):
                yield f"an address in a profile ({path.name})", password


def _leaves(table: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _leaves(value)
        elif isinstance(value, str):
            yield key, value


def _passwords_in(value: str) -> Iterator[Secret]:
    if "://" not in value:
        return
    with suppress(ValueError):
        password = urlsplit(value).password
        if password:
            yield Secret(password)


def _keyring(environ: Mapping[str, str]) -> Iterator[tuple[str, Secret]]:
    if secrets.keyring_backend() is None:
        return
    for profile in Settings(environ=environ).profiles().values():
        for service, endpoint in profile.endpoints.items():
            for kind in ("password", "token", "secret"):
                found = endpoint.url and secrets.find(
                    service,
                    kind,
                    url=endpoint.url,
                    username=endpoint.username or "",
                    ask=secrets.nobody,
                    environ={},
                )
                if found:
                    yield f"{service} in a profile (keyring)", found.secret
