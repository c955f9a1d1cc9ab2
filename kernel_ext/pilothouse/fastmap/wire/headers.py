"""Headers: their names, and what the values of some say.

    X-Python-Version = *WSP major "." minor [ "." micro ] *any    ; the real client
                                                                  ; sends the banner
    seconds, credits = plain decimal text, no unit

Source: seed; contract §2.2 (the result headers were read in the real client 0.0.6).
"""

from __future__ import annotations

import math
import platform
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

from pilothouse.errors import ProtocolError

__all__ = [
    "APPLICATION_SECONDS",
    "AUTHORIZATION",
    "BIND",
    "BOUND_SIGNATURE",
    "CLIENT_VERSION",
    "CONTENT_SIGNATURE",
    "CONTROLLER_ID",
    "CREDITS",
    "FUNC_HASH",
    "MAP_SECONDS",
    "MEM_TOTAL",
    "MEM_USED",
    "MSGPACK",
    "OCTET_STREAM",
    "PYTHON_VERSION",
    "REASON",
    "SERVER_WARNING",
    "SERVICE_ID",
    "STATUS",
    "WORKER_ID",
    "PythonVersion",
    "Spent",
    "decimal",
]

AUTHORIZATION: Final = "Authorization"
CONTENT_SIGNATURE: Final = "X-Content-Signature"
PYTHON_VERSION: Final = "X-Python-Version"
CLIENT_VERSION: Final = "X-Client-Version"
BIND: Final = "X-Bind"
BOUND_SIGNATURE: Final = "X-Bound-Signature"
FUNC_HASH: Final = "X-Func-Hash"
"""Only the release 0.0.4 sends it; its protocol is another one."""
STATUS: Final = "X-Status"
SERVICE_ID: Final = "X-Service-Id"
CONTROLLER_ID: Final = "X-Controller-Id"
WORKER_ID: Final = "X-Worker-Id"
APPLICATION_SECONDS: Final = "X-Application-Seconds"
MAP_SECONDS: Final = "X-Map-Seconds"
CREDITS: Final = "X-Credits"
MEM_USED: Final = "X-Mem-Used"
MEM_TOTAL: Final = "X-Mem-Total"
SERVER_WARNING: Final = "X-Server-Warning"
REASON: Final = "X-Reason"

MSGPACK: Final = "application/msgpack"
OCTET_STREAM: Final = "application/octet-stream"
"""Content types; real clients compare the whole header with them."""

_VERSION: Final = re.compile(r"\s*(\d{1,4})\.(\d{1,4})(?:\.(\d{1,4}))?", re.ASCII)
_NUMBER: Final = re.compile(r"\d+(\.\d*)?([eE][-+]?\d{1,3})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class PythonVersion:
    """An interpreter, as far as pickles of code care.

    Attributes:
        implementation: ``"CPython"`` or ``"PyPy"``.
        major: For instance 3.
        minor: For instance 11.
    """

    implementation: str
    major: int
    minor: int

    def __str__(self) -> str:
        return f"{self.implementation} {self.major}.{self.minor}"

    @classmethod
    def parse(cls, text: str | None) -> Self:
        """Read an ``X-Python-Version`` header.

        Raises:
            ProtocolError: If it is absent or unreadable.
        """
        found = _VERSION.match(text or "")
        if found is None:
            raise ProtocolError(
                f"{PYTHON_VERSION} is absent or unreadable: {(text or '')[:100]!r}",
                protocol="Fastmap",
            )
        implementation = "PyPy" if "PyPy" in (text or "") else "CPython"
        return cls(implementation, int(found[1]), int(found[2]))

    @classmethod
    def own(cls) -> Self:
        """Return the interpreter that runs this."""
        return cls(platform.python_implementation(), *sys.version_info[:2])


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What one batch took.

    Attributes:
        service_id: Who did it; empty: not told.
        application_seconds: Time at the service.
        map_seconds: Time in the user's function.
        credits: Its price.
    """

    service_id: str = ""
    application_seconds: float = 0.0
    map_seconds: float = 0.0
    credits: float = 0.0

    def to_headers(self) -> dict[str, str]:
        """Return the headers, for all clients of the era."""
        return {
            SERVICE_ID: self.service_id,
            CONTROLLER_ID: self.service_id,
            WORKER_ID: self.service_id,
            APPLICATION_SECONDS: decimal(self.application_seconds),
            MAP_SECONDS: decimal(self.map_seconds),
            CREDITS: decimal(self.credits),
        }

    @classmethod
    def from_headers(cls, headers: Mapping[str, str]) -> Self:
        """Read the headers of an answer; what is absent counts as nothing spent.

        Raises:
            ProtocolError: If one is no plain number.
        """
        return cls(
            service_id=headers.get(SERVICE_ID) or headers.get(WORKER_ID) or "",
            application_seconds=_number(headers, APPLICATION_SECONDS),
            map_seconds=_number(headers, MAP_SECONDS),
            credits=_number(headers, CREDITS),
        )


def decimal(number: float) -> str:
    """Return a number as plain decimal text."""
    return f"{number:.9f}".rstrip("0").rstrip(".")


def _number(headers: Mapping[str, str], name: str) -> float:
    text = (headers.get(name) or "0").strip()
    if not _NUMBER.fullmatch(text) or not math.isfinite(float(text)):
        raise ProtocolError(f"{name} is no number: {text[:100]!r}", protocol="Fastmap")
    return float(text)
