"""Where a local service listens, and what it wants to see."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

__all__ = ["Endpoint", "Fields"]

_SECRET = ("token", "password", "secret")


class Fields(dict[str, str]):
    """Fields that show without the secrets among them, also in ``vars``."""

    def __repr__(self) -> str:
        shown = (
            f"{key!r}: {'***' if key in _SECRET else repr(value)}"
            for key, value in self.items()
        )
        return f"{{{', '.join(shown)}}}"

    __str__ = __repr__

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:  # noqa: ANN401
        printer.text(repr(self))


class Endpoint:
    """Address and credentials of one local service.

    Args:
        service: Its name: ``"fastscore"``.
        fields: As ``pilothouse up --json`` prints them.
    """

    def __init__(self, service: str, fields: Mapping[str, str]) -> None:
        self.service = service
        self._fields = Fields(fields)

    @property
    def url(self) -> str:
        """The address; with a slash at the end for mPlane alone, as its peers do."""
        return self._fields["url"]

    @property
    def token(self) -> str:
        """The token of this start; empty when the service asks for none."""
        return self._fields.get("token", "")

    @property
    def secret(self) -> str:
        """The Fastmap secret of this start; empty for other services."""
        return self._fields.get("secret", "")

    @property
    def username(self) -> str:
        """Who logs in at the AIMM server; empty for other services."""
        return self._fields.get("username", "")

    @property
    def password(self) -> str:
        """The AIMM password of this start; empty for other services."""
        return self._fields.get("password", "")

    def to_dict(self) -> dict[str, str]:
        """Return all fields, secrets included."""
        return dict(self._fields)

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("credentials cannot be pickled; take url and secret apart")

    def __copy__(self) -> Endpoint:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Endpoint:
        return self

    def __repr__(self) -> str:
        shown = ", ".join(
            f"{key}={'***' if key in _SECRET else value!r}"
            for key, value in self._fields.items()
        )
        return f"<Endpoint {self.service}: {shown}>"
