"""What came back from an HTTP peer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

__all__ = ["HttpAnswer", "filename_of", "range_start", "retry_after"]


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """One complete answer, whatever its status.

    Attributes:
        status: For instance 200.
        reason: The peer's words for the status; may be empty.
        headers: Looked up without regard to case.
        body: As it came; never shown by ``repr``.
        attempts: How often the request was sent until this answer came.
    """

    status: int
    reason: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    attempts: int = 1

    @property
    def ok(self) -> bool:
        """Whether the status is one of success."""
        return 200 <= self.status < 300

    @property
    def text(self) -> str:
        """The body as UTF-8 text; what is no UTF-8 shows as U+FFFD."""
        return self.body.decode("utf-8", "replace")

    def json(self) -> Any:  # noqa: ANN401 - JSON comes in here
        """Return the body as a JSON value.

        Raises:
            ValueError: If it is not JSON.
        """
        return orjson.loads(self.body)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds a ``Retry-After`` header asks for; None without a number."""
    text = headers.get("Retry-After", "").strip()
    return float(text) if text.isascii() and text.isdigit() else None


def range_start(headers: Mapping[str, str]) -> int | None:
    """Return the first byte that a ``Content-Range`` header names."""
    unit, _, rest = headers.get("Content-Range", "").partition(" ")
    first = rest.partition("-")[0].strip()
    return int(first) if unit == "bytes" and first.isdigit() else None


def filename_of(headers: Mapping[str, str]) -> str | None:
    """Return the file name of a ``Content-Disposition`` header, without any folder."""
    for part in headers.get("Content-Disposition", "").split(";")[1:]:
        key, _, value = part.strip().partition("=")
        if key.lower() == "filename":
            return value.strip('" ').replace("\\", "/").rpartition("/")[2] or None
    return None
