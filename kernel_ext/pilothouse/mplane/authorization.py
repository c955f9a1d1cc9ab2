"""Who may run what: capabilities by label or token, identities by role. No I/O.

Without rules everything is allowed; with rules, only what a rule grants.
Source: contract §5; a rule names one capability exactly (or one of its numbered twins,
``LABEL-3``), where the published peer takes any label that contains the name.
"""

from __future__ import annotations

import re

from pilothouse.mplane import model
from pilothouse.mplane.configuration import Access

__all__ = ["Authorization"]

_SERIAL = re.compile(r"-[0-9]+\Z")


class Authorization:
    """Decides who may see and run a capability.

    Args:
        access: The rules; None: everything is allowed.
    """

    def __init__(self, access: Access | None = None) -> None:
        self._access = access

    def __repr__(self) -> str:
        return "<Authorization off>" if self._access is None else "<Authorization>"

    @property
    def is_on(self) -> bool:
        """Whether there are rules."""
        return self._access is not None

    def check(self, capability: model.Statement, identity: str | None) -> bool:
        """Tell whether an identity may see and run a capability."""
        access = self._access
        if access is None:
            return True
        held = access.roles.get(identity or "", frozenset())
        return any(
            held & access.authorizations.get(name, frozenset())
            for name in _names_of(capability)
        )


def _names_of(capability: model.Statement) -> list[str]:
    label = capability.get_label()
    names = [capability.get_token()]
    if label:
        names += [label, _SERIAL.sub("", label)]
    return names
