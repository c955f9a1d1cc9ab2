"""Notifications: what passes between client and component beside statements.

Source: reference document, BareNotification, Receipt, Redemption, Withdrawal,
Interrupt; contract §1.3 to §1.5. The Exception is in `exceptions`.
"""

from __future__ import annotations

from typing import Any

from .kinds import reads
from .statement import Statement
from .statements import Capability, Specification, demand_values, refuse_values

__all__ = [
    "BareNotification",
    "Interrupt",
    "Receipt",
    "Redemption",
    "StatementNotification",
    "Withdrawal",
]


class BareNotification:
    """A notification without the content of a statement.

    Args:
        dictval: Not looked at here.
        token: What it refers to, or None.
    """

    __slots__ = ("__weakref__", "_token")

    def __init__(
        self, dictval: dict[str, Any] | None = None, token: str | None = None
    ) -> None:
        self._token = token

    def get_token(self, lim: int | None = None) -> str | None:
        """Return the token, or None."""
        return None if self._token is None else self._token[:lim]

    def set_token(self, token: str | None) -> None:
        """Set the token."""
        self._token = token


class StatementNotification(Statement):
    """A notification with the content of a statement, or with its token only."""

    __slots__ = ()
    _token_is_enough = True

    def __init__(
        self,
        dictval: dict[str, Any] | None = None,
        source: Statement | None = None,
        token: str | None = None,
    ) -> None:
        super().__init__(dictval, token=token)
        if dictval is None and source is not None:
            self._copy_from(source)
            self._token = source.get_token() if token is None else token

    def validate(self) -> None:
        """Check that every parameter has a value and there are no result rows.

        Raises:
            ValueError: If it is otherwise.
        """
        demand_values(self)

    def __repr__(self) -> str:
        label = f" ({self._label})" if self._label is not None else ""
        return f"<{self.kind_str()}: {label}{self.get_token()}>"


class Receipt(StatementNotification):
    """Stands in for a result that is not ready yet.

    Args:
        dictval: A parsed JSON object to read.
        specification: What was asked for.
        token: The specification's when not given.
    """

    __slots__ = ()
    _kind = "receipt"

    def __init__(
        self,
        dictval: dict[str, Any] | None = None,
        specification: Specification | None = None,
        token: str | None = None,
    ) -> None:
        super().__init__(dictval, specification, token)


class Redemption(StatementNotification):
    """Asks for the result that a receipt stands for.

    Args:
        dictval: A parsed JSON object to read.
        receipt: The receipt.
        token: The receipt's when not given.
    """

    __slots__ = ()
    _kind = "redemption"

    def __init__(
        self,
        dictval: dict[str, Any] | None = None,
        receipt: Receipt | None = None,
        token: str | None = None,
    ) -> None:
        super().__init__(dictval, receipt, token)


class Interrupt(StatementNotification):
    """Asks to stop a measurement.

    Args:
        dictval: A parsed JSON object to read.
        specification: What was asked for, or the receipt for it.
        token: The specification's when not given.
    """

    __slots__ = ()
    _kind = "interrupt"

    def __init__(
        self,
        dictval: dict[str, Any] | None = None,
        specification: Specification | Receipt | None = None,
        token: str | None = None,
    ) -> None:
        super().__init__(dictval, specification, token)


class Withdrawal(StatementNotification):
    """Takes a capability back.

    Its parameters are read as constraints, so that what was read can be sent on; the
    published peer reads them as values, and cannot.

    Args:
        dictval: A parsed JSON object to read.
        capability: What is taken back.
        token: The capability's when not given.
    """

    __slots__ = ()
    _kind = "withdrawal"
    _reads_constraints = True

    def __init__(
        self,
        dictval: dict[str, Any] | None = None,
        capability: Capability | None = None,
        token: str | None = None,
    ) -> None:
        super().__init__(dictval, capability, token)

    def validate(self) -> None:
        """Check that no parameter has a value and there are no result rows.

        Raises:
            ValueError: If it is otherwise.
        """
        refuse_values(self)


reads("receipt", Receipt._from_dict)
reads("redemption", Redemption._from_dict)
reads("withdrawal", Withdrawal._from_dict)
reads("interrupt", Interrupt._from_dict)
