"""What two ends of ours agree on at login; real peers pass over all of it.

    login data     {"username", "password", "ext": [names]}
    login answer   {"success": true, "ext": [the names that both have], "run": id}

    nd1      arguments and results in the lossless encoding (`values.Lossless`)
    slim1    models in state and answers have size and sha256 instead of instance;
             get_instance {"instance_id"} -> {"instance_b64"}
    act1     notify "action" {"request", "action_id"} when an action begins;
             get_result {"action_id"} -> what the action's own answer was, or will be
    cancel1  cancel {"action_id"} -> {"cancelled": bool}
    err1     a refusal's data is {"type", "message", "traceback", "hint"}
    del1     delete_instance {"instance_id"} -> null
    seg1     segments of up to a mebibyte: fewer of them for a large message
    load1    load_plugin {"name", "source"} -> {"data_access", "model_types"};
             plugins null -> the same

``run`` names one run of the server: action numbers count only in it. The handshake
header says the wire ahead, so that neither end has to wait for a first frame.
"""

from __future__ import annotations

from typing import Final

__all__ = [
    "ACTIONS",
    "CANCEL",
    "DELETE",
    "ERRORS",
    "HEADER",
    "LARGE_PAYLOAD",
    "LOAD",
    "OURS",
    "SEGMENTS",
    "SLIM",
    "VALUES",
]

VALUES: Final = "nd1"
SLIM: Final = "slim1"
ACTIONS: Final = "act1"
CANCEL: Final = "cancel1"
ERRORS: Final = "err1"
DELETE: Final = "del1"
LOAD: Final = "load1"
SEGMENTS: Final = "seg1"

LARGE_PAYLOAD: Final = 1 << 20
"""Characters in one segment, once both ends have agreed on that."""

OURS: Final = frozenset({VALUES, SLIM, ACTIONS, CANCEL, ERRORS, DELETE, LOAD, SEGMENTS})
"""All names that this release has."""

HEADER: Final = "X-Juggler"
"""Of the handshake, both ways: the wire that is going to be spoken."""
