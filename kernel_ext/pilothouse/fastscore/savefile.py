"""The savefile of a Connect: a YAML mapping, keys in alphabetical order.

    proxy-prefix                                    text
    preferred                                       service -> instance name
    target-name                                     text or null
    ldap-auth-secret, basic-auth-secret,
    oauth2-secret, session-cookie                   text or null

``auth-secret`` is read as ``ldap-auth-secret``. Source: real SDK 1.10.3 as recorded.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .errors import FastScoreError, FastScoreUsageError

__all__ = ["Saved", "read_savefile", "write_savefile"]

_SECRETS = ("ldap-auth-secret", "basic-auth-secret", "oauth2-secret", "session-cookie")


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """What a savefile holds; the secrets do not show.

    Attributes:
        secrets: One of the four keys -> its text, only those that are set.
    """

    proxy_prefix: str
    preferred: Mapping[str, str] = field(default_factory=dict)
    target_name: str | None = None
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)

    @classmethod
    def from_wire(cls, obj: Any) -> Saved:  # noqa: ANN401 - YAML comes in here
        """Read the mapping.

        Raises:
            FastScoreUsageError: If a required key is missing, or a value is wrong.
        """
        if not isinstance(obj, dict):
            raise FastScoreUsageError("a savefile holds a YAML mapping")
        for key in ("proxy-prefix", "preferred", "target-name"):
            if key not in obj:
                raise FastScoreUsageError(f"the savefile has no {key!r}")
        prefix, preferred, target = (
            obj["proxy-prefix"],
            obj["preferred"] or {},
            obj["target-name"],
        )
        if not isinstance(prefix, str):
            raise FastScoreUsageError("'proxy-prefix' of the savefile is no text")
        if not isinstance(preferred, dict) or not all(
            isinstance(word, str) for pair in preferred.items() for word in pair
        ):
            raise FastScoreUsageError("'preferred' of the savefile is no mapping")
        if target is not None and not isinstance(target, str):
            raise FastScoreUsageError("'target-name' of the savefile is no text")
        given = {key: obj.get(key) for key in _SECRETS}
        given["ldap-auth-secret"] = given["ldap-auth-secret"] or obj.get("auth-secret")
        secrets = {key: value for key, value in given.items() if value is not None}
        if not all(isinstance(value, str) for value in secrets.values()):
            raise FastScoreUsageError("a secret of the savefile is no text")
        return cls(
            proxy_prefix=prefix,
            preferred=dict(preferred),
            target_name=target,
            secrets=secrets,
        )

    def to_wire(self) -> dict[str, Any]:
        """Return the mapping, all seven keys."""
        return {
            "basic-auth-secret": self.secrets.get("basic-auth-secret"),
            "ldap-auth-secret": self.secrets.get("ldap-auth-secret"),
            "oauth2-secret": self.secrets.get("oauth2-secret"),
            "preferred": dict(self.preferred),
            "proxy-prefix": self.proxy_prefix,
            "session-cookie": self.secrets.get("session-cookie"),
            "target-name": self.target_name,
        }


def read_savefile(path: str | os.PathLike[str]) -> Saved:
    """Read a savefile; nothing but plain YAML values is constructed.

    Raises:
        FastScoreError: If it cannot be read, or is no savefile.
    """
    import yaml

    try:
        obj = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except OSError as exc:
        raise FastScoreError(f"Unable to read {os.fspath(path)!r}", exc) from exc
    except (yaml.YAMLError, UnicodeDecodeError):
        # The text of such an error quotes the file, and so its secrets.
        raise FastScoreUsageError(f"{os.fspath(path)!r} is not YAML") from None
    return Saved.from_wire(obj)


def write_savefile(path: str | os.PathLike[str], saved: Saved) -> None:
    """Write a savefile: for its owner only, and all or nothing.

    Raises:
        FastScoreError: If it cannot be written.
    """
    import yaml

    target = Path(path).expanduser()
    text = yaml.safe_dump(saved.to_wire(), default_flow_style=False, sort_keys=True)
    temporary = ""
    try:
        # mkstemp makes the file with mode 0600, before a byte of it is there.
        handle, temporary = tempfile.mkstemp(
            dir=target.parent, prefix=f"{target.name}."
        )
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(target)
    except OSError as exc:
        raise FastScoreError(f"Unable to write {os.fspath(path)!r}", exc) from exc
    finally:
        if temporary:
            with suppress(OSError):
                Path(temporary).unlink()
