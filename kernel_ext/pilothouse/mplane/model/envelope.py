"""Envelopes: several messages at once.

Source: reference document, class Envelope; contract §1.1, §1.2, §1.5.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from .errors import MessageError
from .kinds import MAX_DEPTH, Message, message_from_dict, reads
from .reading import check_version, text_of
from .times import time_future, time_past
from .when import When

if TYPE_CHECKING:
    import pandas as pd


__all__ = ["Envelope"]

_CONTENTS: Final = "contents"


class Envelope:
    """Contains other messages.

    Args:
        dictval: A parsed JSON object to read.
        content_type: What it contains: ``message``, ``statement``, ``notification`` or
            the name of a kind; nothing depends on it.
        token: Of the repeated specification whose results it contains.
        label: A name for people.
        when: Temporal scope; kept as the absolute start and end that it has now.
    """

    __slots__ = (
        "__weakref__",
        "_content_type",
        "_label",
        "_messages",
        "_token",
        "_when",
    )

    def __init__(
        self,
        dictval: dict[str, Any] | None = None,
        content_type: str = "message",
        token: str | None = None,
        label: str | None = None,
        when: When | str | None = None,
    ) -> None:
        self._messages: list[Message] = []
        if dictval is not None:
            self._read(dictval)
            return
        self._content_type = content_type
        self._token = token
        self._label = label
        self._when = None if when is None else _absolute(when)

    def _read(self, d: dict[str, Any]) -> None:
        check_version(d)
        _check_depth(d)
        content_type = d.get("envelope")
        if not isinstance(content_type, str):
            raise MessageError(f"envelope has no content type: {content_type!r:.80}")
        self._content_type = content_type
        self._token = text_of(d, "token")
        self._label = text_of(d, "label")
        scope = text_of(d, "when")
        self._when = None if scope is None else When.parse(scope)
        contents = d.get(_CONTENTS)
        if not isinstance(contents, list):
            raise MessageError(f"envelope has no contents: {contents!r:.80}")
        self._messages = [message_from_dict(each) for each in contents]

    def kind_str(self) -> str:
        """Return ``envelope``."""
        return "envelope"

    def content_type(self) -> str:
        """Return what it says that it contains."""
        return self._content_type

    def append_message(self, msg: Message) -> None:
        """Append a message."""
        self._messages.append(msg)

    def messages(self) -> Iterator[Message]:
        """Iterate over the messages."""
        yield from self._messages

    def trim(self, n: int) -> None:
        """Keep the last `n` messages; 0: all of them."""
        if n > 0:
            del self._messages[:-n]

    def get_token(self, lim: int | None = None) -> str | None:
        """Return the token, or None."""
        return None if self._token is None else self._token[:lim]

    def set_token(self, token: str | None) -> None:
        """Set the token."""
        self._token = token

    def get_label(self) -> str | None:
        """Return the label, or None."""
        return self._label

    def set_label(self, label: str | None) -> None:
        """Set the label."""
        self._label = label

    def when(self) -> When | None:
        """Return the temporal scope that the results cover, or None."""
        return self._when

    def __len__(self) -> int:
        return len(self._messages)

    def __bool__(self) -> bool:
        return True

    def __iter__(self) -> Iterator[Message]:
        return self.messages()

    def validate(self) -> None:
        """Check that every message is valid.

        Raises:
            ValueError: If one is not.
        """
        for message in self._messages:
            message.validate()

    def to_dict(self, token_only: bool = False) -> dict[str, Any]:
        """Return the envelope as a dictionary, to become JSON.

        Args:
            token_only: Passed on to the messages.

        Raises:
            ValueError: If a message is not valid.
        """
        d: dict[str, Any] = {"envelope": self._content_type, "version": 1}
        if self._label is not None:
            d["label"] = self._label
        if self._token is not None:
            d["token"] = self._token
        if self._when is not None:
            d["when"] = str(self._when)
        d[_CONTENTS] = [message.to_dict(token_only) for message in self._messages]
        return d

    def __repr__(self) -> str:
        token = f" token {self._token}" if self._token is not None else ""
        contents = " ".join(map(repr, self._messages))
        return f"<envelope: {self._content_type} ({len(self)}){token}: {contents}>"

    def _repr_html_(self) -> str:
        from .html import envelope_html  # only in a notebook

        return envelope_html(self)

    def to_frame(self) -> pd.DataFrame:
        """Return the rows of all results; the index is when each one began."""
        from .frames import envelope_frame  # pandas is heavy

        return envelope_frame(self)


def _absolute(when: When | str) -> When:
    scope = when if isinstance(when, When) else When.parse(when)
    start, end = scope.datetimes()
    return When(a=start or time_past, b=end or time_future, period=scope.period())


def _check_depth(d: object, depth: int = 1) -> None:
    if depth > MAX_DEPTH:
        raise MessageError(f"envelopes lie in envelopes more than {MAX_DEPTH} deep")
    contents = d.get(_CONTENTS) if isinstance(d, dict) else None
    if isinstance(contents, list):
        for each in contents:
            if isinstance(each, dict) and _CONTENTS in each:
                _check_depth(each, depth + 1)


reads("envelope", lambda d: Envelope(dictval=d))
