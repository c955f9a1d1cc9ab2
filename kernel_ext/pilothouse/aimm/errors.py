"""What the AIMM client raises beyond the common tree.

RemoteError
    ActionError           an action failed on the server
ConnectionLostError
    StillRunningError     the connection broke; the server may still be working
"""

from __future__ import annotations

from typing import Final

from pilothouse.errors import (
    ConnectionLostError,
    NotAuthorizedError,
    NotFoundError,
    PilothouseError,
    RemoteError,
)

__all__ = ["ActionError", "StillRunningError", "refusal"]

PROTOCOL: Final = "AIMM"


class ActionError(RemoteError):
    """An action failed on the server.

    Attributes:
        action: Name of the action, for instance ``"fit"``.
        kind: Name of the plugin's exception; empty when the server does not tell.
        traceback: The plugin's traceback; empty when the server does not tell.
    """

    def __init__(
        self,
        message: str,
        *,
        action: str,
        kind: str = "",
        traceback: str = "",
        hint: str | None = None,
    ) -> None:
        super().__init__(message, protocol=PROTOCOL, hint=hint)
        self.action = action
        self.kind = kind
        self.traceback = traceback


class StillRunningError(ConnectionLostError):
    """The connection broke under an action, which may still be running.

    Attributes:
        action: Name of the action.
        action_id: Its id, or None when the server does not tell.
    """

    def __init__(self, action: str, why: str, *, action_id: int | None = None) -> None:
        number = "" if action_id is None else f" (action {action_id})"
        super().__init__(
            f"the connection broke during {action}{number}, and the server may still "
            f"be working on it: {why}",
            protocol=PROTOCOL,
            hint="%aimm actions, or client.actions, shows how far it is",
        )
        self.action = action
        self.action_id = action_id


def refusal(action: str, data: object) -> PilothouseError:
    """Return the error that an answer without success stands for.

    Real servers say only the text of a Python exception, which may be empty, or the
    id or key that was not found; ours say its kind and traceback too.
    """
    kind = traceback = hint = ""
    if isinstance(data, dict) and isinstance(data.get("message"), str):
        text = str(data["message"])
        kind = str(data.get("type") or "")
        traceback = str(data.get("traceback") or "")
        hint = str(data.get("hint") or "")
    else:
        text = data if isinstance(data, str) else "" if data is None else str(data)
    if text == "unauthorized action":
        return NotAuthorizedError(
            f"{action}: nobody is logged in", protocol=PROTOCOL, hint="client.login()"
        )
    if kind == "NotFoundError":
        return NotFoundError(f"{action}: {text}", protocol=PROTOCOL, hint=hint)
    said = text or "the server gives no reason"
    if kind and kind not in {"RemoteError", "ActionError"}:
        said = f"{kind}: {said}"
    return ActionError(
        f"{action} failed: {said}",
        action=action,
        kind=kind,
        traceback=traceback,
        hint=hint,
    )
