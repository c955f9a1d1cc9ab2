"""BaseClient: what a client knows, and what it does with each message that comes.

Source: reference documentation, ``mplane.client.BaseClient``; contract §6.2. No I/O.

Everything is kept by token; labels are a second way to the newest bearer of a name.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import datetime
from typing import Any

from pilothouse.mplane import model
from pilothouse.mplane.measurement import UNKNOWN_JOB, Measurement

from .shelf import Shelf
from .specifying import specified

__all__ = ["BaseClient", "Outcome"]

log = logging.getLogger(__name__)

Outcome = model.Result | model.Envelope | model.Exception


class BaseClient:
    """The state of a client; may be used by several threads.

    Args:
        tls_state: Certificates and connections; see `pilothouse.mplane.tls.TlsState`.
        supervisor: Pass every message that comes on to `exporter`.
        exporter: A queue (``put_nowait`` gets a list of message and identity), or
            a function of message and identity.
    """

    def __init__(
        self,
        tls_state: Any = None,  # noqa: ANN401 - a TlsState, typed in the subclasses
        supervisor: bool = False,
        exporter: Any = None,  # noqa: ANN401 - a queue or a function
    ) -> None:
        self._tls_state = tls_state
        self._export = _export_to(exporter) if supervisor else None
        self._lock = threading.RLock()
        self._capabilities: Shelf[model.Capability] = Shelf()
        self._receipts: Shelf[model.Receipt] = Shelf()
        self._results: Shelf[Outcome] = Shelf()
        self._identities: dict[str, str | None] = {}
        self._receipt_identities: dict[str, str | None] = {}
        self._asked: dict[str, str | None] = {}  # tokens sent -> their labels
        self._measurements: dict[str, Measurement] = {}
        self._serial = 0

    def __repr__(self) -> str:
        return (
            f"<{type(self).__name__}: {len(self._capabilities.tokens())} capabilities, "
            f"{len(self._receipts.tokens())} receipts, "
            f"{len(self._results.tokens())} results>"
        )

    # -- what it knows ----------------------------------------------------------------

    def capability_for(self, token_or_label: str) -> model.Capability:
        """Return a capability.

        Raises:
            KeyError: If there is none of that token or label.
        """
        with self._lock:
            found = self._capabilities.get(token_or_label)
        if found is None:
            raise KeyError(f"no capability for token or label {token_or_label}")
        return found

    def identity_for(self, token_or_label: str, receipt: bool = False) -> str | None:
        """Return who offers a capability, or who gave a receipt.

        Args:
            token_or_label: Of the capability, or of the receipt.
            receipt: Which of the two.

        Raises:
            KeyError: If there is none.
        """
        with self._lock:
            if receipt:
                token = self._receipts.find(token_or_label) or token_or_label
                if token in self._receipt_identities:
                    return self._receipt_identities[token]
            else:
                token = self._capabilities.find(token_or_label) or ""
                if token in self._identities:
                    return self._identities[token]
        kind = "receipt" if receipt else "capability"
        raise KeyError(f"no {kind} for token or label {token_or_label}")

    def capabilities_matching_schema(
        self, schema_capability: model.Statement
    ) -> list[model.Capability]:
        """Return the capabilities of the same schema and no wider constraints."""
        with self._lock:
            known = [self._capabilities.get(t) for t in self._capabilities.tokens()]
        return [
            one
            for one in known
            if one is not None
            and one.has_schema_of(schema_capability)
            and all(
                schema_capability.parameter(name)
                .constraint()
                .contains(one.parameter(name).constraint())
                for name in one.parameter_names()
            )
        ]

    def result_for(self, token_or_label: str) -> Outcome | model.Receipt:
        """Return the result of a token or label, or its receipt.

        Raises:
            KeyError: If there is neither.
        """
        with self._lock:
            found = self._results.get(token_or_label) or self._receipts.get(
                token_or_label
            )
        if found is None:
            raise KeyError(f"no such token or label {token_or_label}")
        return found

    def capability_tokens(self) -> tuple[str, ...]:
        """Return the tokens of all capabilities."""
        with self._lock:
            return self._capabilities.tokens()

    def capability_labels(self) -> tuple[str, ...]:
        """Return the labels of all capabilities that have one."""
        with self._lock:
            return self._capabilities.labels()

    def receipt_tokens(self) -> tuple[str, ...]:
        """Return the tokens of all outstanding receipts."""
        with self._lock:
            return self._receipts.tokens()

    def receipt_labels(self) -> tuple[str, ...]:
        """Return the labels of all outstanding receipts that have one."""
        with self._lock:
            return self._receipts.labels()

    def result_tokens(self) -> tuple[str, ...]:
        """Return the tokens of all results."""
        with self._lock:
            return self._results.tokens()

    def result_labels(self) -> tuple[str, ...]:
        """Return the labels of all results that have one."""
        with self._lock:
            return self._results.labels()

    def measurements(self) -> list[Measurement]:
        """Return the handles of what this client has asked for, the oldest first."""
        with self._lock:
            return list(self._measurements.values())

    def forget(self, token_or_label: str) -> None:
        """Forget receipt and result of a token or label."""
        with self._lock:
            asked = [t for t, label in self._asked.items() if label == token_or_label]
            tokens = {
                self._receipts.find(token_or_label),
                self._results.find(token_or_label),
                *asked[-1:],
                token_or_label,
            }
            for token in tokens - {None}:
                self._receipts.drop(str(token))
                self._results.drop(str(token))
                self._receipt_identities.pop(str(token), None)
                self._asked.pop(str(token), None)
                measurement = self._measurements.pop(str(token), None)
                if measurement is not None:
                    self._left(measurement)

    # -- what comes -------------------------------------------------------------------

    def handle_message(self, msg: object, identity: str | None = None) -> None:
        """Take a message that a component has sent, or that is to be injected.

        Args:
            msg: A capability, withdrawal, receipt, result, exception or an envelope.
            identity: Who has sent it.

        Raises:
            ValueError: If a client has no use for such a message.
        """
        if self._export is not None:
            self._export(msg, identity)
        if isinstance(msg, model.Envelope):
            self._handle_envelope(msg, identity)
        elif isinstance(msg, model.Capability):
            self._handle_capability(msg, identity)
        elif isinstance(msg, model.Withdrawal):
            self._handle_withdrawal(msg, identity)
        elif isinstance(msg, model.Receipt):
            self._handle_receipt(msg, identity)
        elif isinstance(msg, model.Result | model.Exception):
            self._handle_outcome(msg, identity)
        else:
            raise ValueError(  # noqa: TRY004 - as documented
                f"a client has no use for {type(msg).__name__}"
            )

    def _handle_each(self, msg: model.Envelope, identity: str | None) -> None:
        """Take all of them, and only then say that one was of no use."""
        refused: ValueError | None = None
        for one in msg.messages():
            try:
                self.handle_message(one, identity)
            except ValueError as exc:
                refused = refused or exc
        if refused is not None:
            raise refused

    def _handle_envelope(self, msg: model.Envelope, identity: str | None) -> None:
        token = msg.get_token()
        with self._lock:
            is_answer = token is not None and (
                self._receipts.find(token) == token
                or self._results.find(token) == token
                or token in self._asked
            )
        if not is_answer or token is None:
            self._handle_each(msg, identity)
            return
        with self._lock:
            if not self._is_from_asked(token, identity):
                return
            label = self._label_of(token, msg.get_label())
            self._results.put(token, label, msg)
            scope = msg.when()
            _, end = (None, None) if scope is None else scope.datetimes()
            measurement = self._measurements.get(token)
            if measurement is None:
                is_over = end is not None and end < model.clock.now()
            else:
                measurement.note(msg)
                is_over = measurement.is_over
            if is_over:
                self._receipts.drop(token)
        if measurement is not None:
            measurement.tell()
            if end is not None and not is_over:
                self._expect_end(measurement, end)

    def _handle_capability(self, msg: model.Capability, identity: str | None) -> None:
        token = msg.get_token()
        with self._lock:
            self._capabilities.put(token, msg.get_label(), msg)
            self._identities[token] = identity

    def _handle_withdrawal(self, msg: model.Withdrawal, identity: str | None) -> None:
        token = msg.get_token()
        with self._lock:
            gone = [token]
            if self._capabilities.find(token) != token:
                gone = [
                    one.get_token()
                    for one in self.capabilities_matching_schema(msg)
                    if one.get_label() == msg.get_label()
                ]
            for each in gone:
                if self._identities.get(each, identity) == identity:
                    self._capabilities.drop(each)
                    self._identities.pop(each, None)
            measurement = self._measurements.get(token)
        if measurement is not None:
            measurement.take(msg)

    def _handle_receipt(self, msg: model.Receipt, identity: str | None) -> None:
        token = msg.get_token()
        with self._lock:
            if self._results.find(token) != token:  # else it comes late
                label = msg.get_label() or self._asked.get(token)
                self._receipts.put(token, label, msg)
                self._receipt_identities[token] = identity
            measurement = self._measurements.get(token)
        if measurement is not None:
            measurement.take(msg)

    def _handle_outcome(
        self, msg: model.Result | model.Exception, identity: str | None
    ) -> None:
        token = msg.get_token()
        if token is None:
            log.warning("a component says: %s", _text(msg))
            return
        with self._lock:
            if not self._is_from_asked(token, identity):
                return
            known = self._results.get(token)
            is_late = isinstance(msg, model.Exception) and isinstance(
                known, model.Result | model.Envelope
            )
            if not (is_late and _text(msg) == UNKNOWN_JOB):
                label = self._label_of(token, msg.get_label())
                self._results.put(token, label, msg)
            self._receipts.drop(token)
            if identity is not None:
                self._receipt_identities.setdefault(token, identity)
            measurement = self._measurements.get(token)
        if measurement is not None:
            measurement.take(msg)

    def _is_from_asked(self, token: str, identity: str | None) -> bool:
        """Tell whether a result comes from who was asked, as far as that is known."""
        asked = self._receipt_identities.get(token)
        if asked is None or identity is None or asked == identity:
            return True
        log.warning("%s has sent a result for a receipt of %s", identity, asked)
        return False

    def _label_of(self, token: str, label: str | None) -> str | None:
        return label or self._receipts.label(token) or self._asked.get(token)

    # -- what goes --------------------------------------------------------------------

    def _specify(
        self,
        capability: model.Capability,
        when: model.When | str | None,
        params: Any,  # noqa: ANN401 - a mapping of names to anything
        label: str | None,
        *,
        is_strict: bool,
    ) -> model.Specification:
        """Return a specification, valid and with a token of its own.

        Args:
            capability: What is asked for.
            when: Temporal scope.
            params: Values by name.
            label: Instead of the capability's label and a number.
            is_strict: Refuse values for parameters that are not there or that can
                only have another value.

        Raises:
            KeyError: If a value is missing, or `is_strict` and there is no such
                parameter.
            ValueError: If scope or values do not meet the capability.
        """
        specification = specified(capability, when, params, is_strict=is_strict)
        if label is None:
            with self._lock:
                serial, self._serial = self._serial, self._serial + 1
            label = f"{capability.get_label() or capability.get_token()}-{serial}"
        specification.set_label(label)
        specification.validate()
        return specification

    def _remember_asked(
        self,
        specification: model.Specification,
        measurement: Measurement | None,
        identity: str | None,
    ) -> None:
        token = specification.get_token()
        with self._lock:
            self.forget(token)
            self._asked[token] = specification.get_label()
            if identity is not None:
                self._receipt_identities[token] = identity
            if measurement is not None:
                self._measurements[token] = measurement

    def _left(self, measurement: Measurement) -> None:
        """Ask for a measurement no more."""

    def _expect_end(self, measurement: Measurement, end: datetime) -> None:
        """Look at a repeated measurement when its scope ends (UTC, naive)."""


def _export_to(exporter: Any) -> Callable[[object, str | None], object] | None:  # noqa: ANN401
    if exporter is None or callable(exporter):
        return exporter  # type: ignore[no-any-return]
    return lambda msg, identity: exporter.put_nowait([msg, identity])


def _text(msg: model.Result | model.Exception) -> str:
    return msg.errmsg() if isinstance(msg, model.Exception) else ""
