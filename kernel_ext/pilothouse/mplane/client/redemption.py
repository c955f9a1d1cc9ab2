"""RedeemingClient: a client that turns receipts into results.

By one thread in the background, or at once when somebody asks; never twice at a time.
"""

from __future__ import annotations

import threading
from typing import Any, Self

from pilothouse.errors import (
    PilothouseError,
    ProtocolError,
    RemoteError,
    TransportError,
)
from pilothouse.mplane import model
from pilothouse.mplane.exchange import Answered, post
from pilothouse.mplane.measurement import Measurement
from pilothouse.mplane.tls import TlsState

from .redeeming import Pace, Redeemer
from .state import BaseClient, Outcome

__all__ = ["RedeemingClient"]

_REDEEM_SECONDS = 10.0  # a real component is deaf for five seconds now and then


class RedeemingClient(BaseClient):
    """The half of `HttpInitiatorClient` that comes after a specification was sent.

    Args:
        tls_state: As there.
        default_url: As there.
        supervisor: As there.
        exporter: As there.
    """

    def __init__(
        self,
        tls_state: TlsState | None = None,
        default_url: str | None = None,
        supervisor: bool = False,
        exporter: Any = None,  # noqa: ANN401 - as BaseClient
    ) -> None:
        super().__init__(tls_state, supervisor, exporter)
        self._tls = TlsState() if tls_state is None else tls_state
        self._default_url = default_url
        self._links: dict[str, str] = {}  # specification token -> where it went
        self._paces: dict[str, Pace] = {}
        self._in_doubt: set[str] = set()
        self._redeeming: dict[str, threading.Lock] = {}
        self._redeemer = Redeemer(self._redeem_in_background)

    def _follow(self, measurement: Measurement, link: str) -> None:
        """Note where the messages of a measurement go."""
        with self._lock:
            self._links[measurement.token] = link
            self._paces[measurement.token] = Pace()

    def result_for(self, token_or_label: str) -> Outcome | model.Receipt:
        """Return a result, asking the component if it is not here; else the receipt.

        Raises:
            KeyError: If there is no result and no receipt of that token or label.
            TransportError: If no usable answer came.
            RemoteError: If the component refuses by its HTTP status.
        """
        with self._lock:
            token = self._receipts.find(token_or_label)
            found = self._results.get(token_or_label)
        if token is not None and (found is None or isinstance(found, model.Envelope)):
            self._redeem(token)
        return super().result_for(token_or_label)

    def interrupt_capability(self, token_or_label: str) -> None:
        """Ask the component to stop a measurement.

        Raises:
            KeyError: If there is no receipt of that token or label.
            TransportError: If no usable answer came.
        """
        with self._lock:
            receipt = self._receipts.get(token_or_label)
        if receipt is None:
            raise KeyError(f"no such token or label {token_or_label}")
        token = receipt.get_token()
        measurement = self._measurements.get(token)
        if measurement is not None:
            measurement.expect_interrupt()
        url = self._link_of_receipt(receipt)
        if not url:
            raise ValueError("nothing says where to send it: there is no default URL")
        answered = post(self._tls, url, model.Interrupt(specification=receipt))
        self._take_answer(token, answered, url)
        self._redeemer.hurry(token)

    def _link_of_receipt(self, receipt: model.Receipt) -> str | None:
        with self._lock:
            link = self._links.get(receipt.get_token())
        return link or receipt.get_link() or self._default_url

    def _redeem(self, token: str, timeout: float = _REDEEM_SECONDS) -> bool:
        """Redeem a receipt once; tell whether the component shows rows on their way.

        Two threads never redeem the same one at a time: only the first would get the
        result, and the other "Unknown job".
        """
        with self._lock:
            lock = self._redeeming.setdefault(token, threading.Lock())
        with lock:
            with self._lock:
                receipt = self._receipts.get(token)
                measurement = self._measurements.get(token)
            if receipt is None:
                return False
            url = self._link_of_receipt(receipt)
            if not url:
                raise ValueError("nothing says where to redeem: no link, no default")
            first = measurement.rows if measurement is not None else 0
            prefer = "" if measurement is None else f"partial-results={first}"
            if token in self._in_doubt:
                prefer = f"{prefer}, again".lstrip(", ")
            redemption = model.Redemption(receipt=receipt)
            try:
                answered = post(
                    self._tls, url, redemption, prefer=prefer, timeout=timeout
                )
            except TransportError:
                self._in_doubt.add(token)
                raise
            self._in_doubt.discard(token)
            if answered.partial_first is not None and measurement is not None:
                self._take_partial(token, measurement, answered)
                return True
            self._take_answer(token, answered, url)
            return False

    def _take_partial(
        self, token: str, measurement: Measurement, answered: Answered
    ) -> None:
        envelope = answered.message
        if not isinstance(envelope, model.Envelope):
            raise ProtocolError("rows so far come in an envelope", protocol="mPlane")
        measurement.take_partial(envelope, answered.partial_first or 0)
        for one in envelope.messages():
            if isinstance(one, model.Exception):
                self.handle_message(_of_token(one, token), None)

    def _redeem_in_background(self, token: str) -> float | None:
        with self._lock:
            measurement = self._measurements.get(token)
            pace = self._paces.get(token)
            is_open = self._receipts.find(token) == token
        if measurement is None or pace is None or not is_open:
            return None
        if measurement.is_over or measurement.is_detached:
            return None
        before = measurement.rows
        try:
            is_live = self._redeem(token)
        except TransportError as exc:
            measurement.troubled(exc.message)
            return pace.after_trouble()
        except (RemoteError, ProtocolError) as exc:
            # A proxy, a component that starts up: no word of the measurement itself.
            measurement.troubled(exc.message)
            return pace.after_trouble()
        if measurement.wait(0):
            return None
        return pace.after_answer(
            *measurement.remaining(),
            is_live=is_live,
            is_new=measurement.rows != before,
        )

    # -- for the handles --------------------------------------------------------------

    def interrupt(self, measurement: Measurement, seconds: float) -> str:
        """Ask the component to stop a measurement; return what became of that."""
        source = measurement.receipt or measurement.specification
        message = model.Interrupt(specification=source)
        url = measurement.link or self._default_url
        name = measurement.label or measurement.token
        with self._lock:
            turn = self._redeeming.setdefault(measurement.token, threading.Lock())
        # A result that is redeemed meanwhile would not tell whether it was cut short.
        has_turn = turn.acquire(timeout=seconds / 2)
        try:
            if measurement.is_over or measurement.is_detached:
                return measurement.outcome
            if not has_turn:  # then one may come before the answer does
                measurement.expect_interrupt()
            answered = post(self._tls, str(url), message, timeout=seconds)
            reply = answered.message
            if not isinstance(reply, model.Result):  # it was not over before
                measurement.expect_interrupt()
            if isinstance(reply, model.Result | model.Envelope | model.Exception):
                self._take_answer(measurement.token, answered, str(url))
                return measurement.outcome
        except PilothouseError as exc:
            measurement.expect_interrupt()  # it may have come
            return f"not confirmed: {name} may go on; {exc.message}"
        finally:
            if has_turn:
                turn.release()
        return (
            f"interrupted: the component has confirmed the interrupt of {name}, and "
            "has not stopped yet"
        )

    def hurry(self, measurement: Measurement) -> None:
        """Ask for the result of a measurement soon."""
        with self._lock:
            self._paces[measurement.token] = Pace()
        self._redeemer.hurry(measurement.token, 0.03)

    def leave(self, measurement: Measurement) -> None:
        """Ask for the result of a measurement no more."""
        self._redeemer.remove(measurement.token)

    def _left(self, measurement: Measurement) -> None:
        self._redeemer.remove(measurement.token)
        with self._lock:
            self._links.pop(measurement.token, None)
            self._paces.pop(measurement.token, None)
            self._redeeming.pop(measurement.token, None)
            self._in_doubt.discard(measurement.token)

    def _take_answer(self, token: str, answered: Answered, link: str) -> None:
        message = answered.message
        if message is None:
            raise ProtocolError(f"{link} answers without a message", protocol="mPlane")
        if isinstance(message, model.Exception):
            message = _of_token(message, token)
        if isinstance(message, model.Withdrawal):
            with self._lock:
                measurement = self._measurements.get(token)
            if measurement is not None:
                measurement.take(message)
        try:
            self.handle_message(message, self._tls.identity_at(link))
        except ValueError as exc:
            raise ProtocolError(
                f"{link} answers with what is no answer: {exc}", protocol="mPlane"
            ) from exc

    @property
    def tls(self) -> TlsState:
        """Its connections, with the certificates that they need."""
        return self._tls

    def close(self) -> None:
        """Redeem nothing more, and close the connections. May be called twice.

        Measurements that are not over are detached; a result that is under way is
        taken in before that, if it comes soon.
        """
        self._redeemer.close()
        for measurement in self.measurements():
            measurement.detach()
        self._tls.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


def _of_token(exception: model.Exception, token: str) -> model.Exception:
    """Return an exception that says what it is of: of this, if it does not tell."""
    if exception.get_token() is not None:
        return exception
    return model.Exception(token=token, errmsg=exception.errmsg())
