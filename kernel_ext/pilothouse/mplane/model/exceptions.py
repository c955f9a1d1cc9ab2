"""The message that says what went wrong; it is no Python exception.

Source: reference document, class Exception; contract §1.2, §1.5. Elsewhere in this
package it is imported under another name, since it would hide Python's.
"""

from __future__ import annotations

from typing import Any, Final

from .errors import MessageError
from .kinds import reads
from .notifications import BareNotification
from .reading import text_of

__all__ = ["Exception"]

_UNSPECIFIED: Final = "Unspecified exception"


class Exception(BareNotification):
    """A message for people about a failure, from a component or a client.

    Args:
        token: Of the message that caused it, or None.
        dictval: A parsed JSON object to read.
        errmsg: What happened.
        status: HTTP status that goes with it; not part of the message.
    """

    __slots__ = ("_errmsg", "_status")

    def __init__(
        self,
        token: str | None = None,
        dictval: dict[str, Any] | None = None,
        errmsg: str | None = None,
        status: int | None = None,
    ) -> None:
        super().__init__(token=token)
        self._errmsg = _UNSPECIFIED if errmsg is None else str(errmsg)
        self._status = status
        if dictval is not None:
            self._token = text_of(dictval, "exception")
            if (message := text_of(dictval, "message")) is None:
                raise MessageError("an exception has a message")
            self._errmsg = message

    def kind_str(self) -> str:
        """Return ``exception``."""
        return "exception"

    def errmsg(self) -> str:
        """Return what happened."""
        return self._errmsg

    def status(self) -> int | None:
        """Return the HTTP status that goes with it, if one was given."""
        return self._status

    def get_label(self) -> None:
        """Return None: an exception has no label."""

    def validate(self) -> None:
        """Do nothing: every exception is valid."""

    def to_dict(self, token_only: bool = False) -> dict[str, Any]:
        """Return the exception as a dictionary, to become JSON."""
        return {"exception": self._token, "message": self._errmsg}

    def __repr__(self) -> str:
        return f"<Exception: {self._token} {self._errmsg}>"

    def _repr_html_(self) -> str:
        from .html import exception_html  # only in a notebook

        return exception_html(self)


reads("exception", lambda d: Exception(dictval=d))
