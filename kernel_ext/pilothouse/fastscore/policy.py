"""The import policies of an engine: which libraries a model may use.

Source: developer interface, ``Engine.policy``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .errors import FastScoreUsageError
from .wire import mime

if TYPE_CHECKING:
    from .engine import Engine

__all__ = ["Policy"]


class Policy:
    """The import policies of one engine, one for each model type."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def __repr__(self) -> str:
        return f"<import policies of {self._engine.name}>"

    def set(self, ptype: str, mtype: str, text: str, preinstall: bool = False) -> None:
        """Set a policy.

        Args:
            ptype: ``"import"``, the only kind there is.
            mtype: A model type, for instance ``"python3"``.
            text: YAML lines such as ``numpy: install``.
            preinstall: Install at once what the policy says to install.

        Raises:
            FastScoreError: If the kind or type is unknown, or it is refused.
        """
        content_type = _content_type(ptype, mtype)
        engine = self._engine
        engine.gateway.call(
            f"Unable to set the import policy of {engine.name} for {mtype!r}",
            "PUT",
            engine.route(f"1/policy?preinstall={bool(preinstall)}"),
            headers={"Content-Type": content_type},
            body=text.encode(),
        )

    def get(self, ptype: str, mtype: str) -> str:
        """Return a policy.

        Args:
            ptype: ``"import"``, the only kind there is.
            mtype: A model type, for instance ``"python3"``.

        Raises:
            FastScoreError: If the kind or type is unknown, or it cannot be had.
        """
        content_type = _content_type(ptype, mtype)
        engine = self._engine
        return engine.gateway.call(
            f"Unable to retrieve the import policy of {engine.name} for {mtype!r}",
            "GET",
            engine.route("1/policy"),
            headers={"Accept": content_type},
        ).text


def _content_type(ptype: str, mtype: str) -> str:
    if ptype != "import":
        raise FastScoreUsageError(f"the only kind of policy is 'import', not {ptype!r}")
    try:
        return mime.policy_mime(mtype)
    except ValueError as exc:
        raise FastScoreUsageError(str(exc)) from None
