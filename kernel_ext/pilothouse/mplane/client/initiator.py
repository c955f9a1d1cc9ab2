"""HttpInitiatorClient: a client that goes to its components.

Source: reference documentation, ``mplane.client.HttpInitiatorClient``; contract §6.2.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
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
from pilothouse.mplane.media import Message
from pilothouse.mplane.tls import TlsState

from .discovery import discover, root_of
from .redeeming import Pace, Redeemer
from .specifying import receipt_from
from .state import BaseClient, Outcome

__all__ = ["HttpInitiatorClient"]

_REDEEM_SECONDS = 10.0  # a real component is deaf for five seconds now and then


class HttpInitiatorClient(BaseClient):
    """A client that fetches capabilities and sends specifications.

    Receipts are redeemed in the background, at the place that the capability names, by
    one thread; `result_for` redeems at once.

    Args:
        tls_state: Certificates and connections; None: plain HTTP.
        default_url: Where messages go whose capability names no place.
        supervisor: Pass every message that comes on to `exporter`.
        exporter: As `BaseClient`.

    Attributes:
        on_send: Called with each measurement before its specification is sent, for who
            writes it down.
    """

    on_send: Callable[[Measurement], object] | None = None

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
        self._has_chosen = default_url is not None
        self._origins: dict[str, str] = {}  # capability token -> where it came from
        self._links: dict[str, str] = {}  # specification token -> where it went
        self._paces: dict[str, Pace] = {}
        self._in_doubt: set[str] = set()
        self._redeeming: dict[str, threading.Lock] = {}
        self._redeemer = Redeemer(self._redeem_in_background)

    # -- discovery --------------------------------------------------------------------

    @property
    def default_url(self) -> str | None:
        """Where messages go whose capability names no place."""
        return self._default_url

    def set_default_url(self, url: str | None) -> None:
        """Set where messages go whose capability names no place.

        Raises:
            ValueError: If it is no URL of a component.
        """
        if url is not None:
            self._tls.peer_for(url)
        self._default_url = url
        self._has_chosen = url is not None

    def retrieve_capabilities(
        self,
        url: str,
        urlchain: list[str] | tuple[str, ...] = (),
        pool: object = None,
        identity: str | None = None,
    ) -> list[str]:
        """Fetch capabilities and withdrawals, also behind the links of a page.

        Args:
            url: A capability, several in an envelope, or a page of links to such.
            urlchain: What has been fetched on the way here.
            pool: Not used: each link is fetched from the host that it names.
            identity: Whom the capabilities belong to; None: whoever answers.

        Returns:
            The tokens of the capabilities that came.

        Raises:
            TransportError: If no usable answer came.
            RemoteError: If the component refuses.
            ProtocolError: If what it sends is no mPlane message.
        """
        self._tls.peer_for(url)
        tokens = []
        for found in discover(self._tls, url, urlchain):
            if isinstance(found.message, model.Capability):
                tokens.append(found.message.get_token())
                with self._lock:
                    self._origins[tokens[-1]] = found.url
            self.handle_message(found.message, identity or found.identity)
        if self._default_url is None:
            self._default_url = url
        return tokens

    # -- asking -----------------------------------------------------------------------

    def invoke_capability(
        self,
        cap_tol: str,
        when: model.When | str | None,
        params: Mapping[str, object] | None,
        relabel: str | None = None,
    ) -> model.Specification:
        """Make a specification from a capability and send it.

        Args:
            cap_tol: Token or label of the capability.
            when: Temporal scope.
            params: Values of the parameters that are still open; others are passed
                over.
            relabel: Label, instead of the capability's with a number.

        Raises:
            KeyError: If there is no such capability, or a value is missing.
            ValueError: If scope or values do not meet the capability.
            TransportError: If no usable answer came.
            RemoteError: If the component refuses.
        """
        capability = self.capability_for(cap_tol)
        specification = self._specify(
            capability, when, params, relabel, is_strict=False
        )
        self._begin(capability, specification, "")
        return specification

    def run(
        self,
        cap_tol: model.Capability | str,
        when: model.When | str | None = None,
        params: Mapping[str, object] | None = None,
        label: str | None = None,
    ) -> Measurement:
        """Make a specification from a capability, send it and return its handle.

        Args:
            cap_tol: The capability, or its token or label.
            when: Temporal scope; None: now.
            params: Values of the parameters, by name.
            label: Instead of the capability's with a number.

        Raises:
            KeyError: If there is no such capability or parameter, or a value lacks.
            ValueError: If scope or values do not meet the capability.
            TransportError: If no usable answer came.
            RemoteError: If the component refuses by its HTTP status; what it refuses by
                an exception, fails the measurement.
        """
        if isinstance(cap_tol, model.Capability):
            capability = cap_tol
        else:
            capability = self.capability_for(cap_tol)
        specification = self._specify(capability, when, params, label, is_strict=True)
        return self._begin(capability, specification, "respond-async")

    def attach(
        self,
        receipt: str | bytes | Mapping[str, Any] | model.Receipt,
        url: str | None = None,
    ) -> Measurement:
        """Take up a measurement of an earlier session; its result comes by and by.

        Args:
            receipt: What ``Measurement.saved`` has given, as JSON or its value; or any
                receipt.
            url: Where it is redeemed; None: at its link, or else the default URL.

        Raises:
            ValueError: If it is no receipt, or nothing says where to redeem it.
        """
        known, asked = receipt_from(receipt)
        link = url or known.get_link() or self._default_url
        if not link:
            raise ValueError("nothing says where to redeem the receipt: give url=")
        token = known.get_token()
        with self._lock:
            running = self._measurements.get(token)
            if running is not None and not (running.is_over or running.is_detached):
                return running
            self.forget(token)
            measurement = Measurement(self, known, link=link, asked=asked)
            self._measurements[token] = measurement
            self._asked[token] = known.get_label()
            self._links[token] = link
            self._receipts.put(token, known.get_label(), known)
            self._paces[token] = Pace()
        self._redeemer.add(token, 0.0)
        return measurement

    def _begin(
        self,
        capability: model.Capability,
        specification: model.Specification,
        prefer: str,
    ) -> Measurement:
        link = self._link_of(capability)
        measurement = Measurement(self, specification, capability=capability, link=link)
        token = specification.get_token()
        self._remember_asked(specification, measurement, None)
        with self._lock:
            self._links[token] = link
            self._paces[token] = Pace()
        if self.on_send is not None:
            self.on_send(measurement)
        try:
            answered = post(self._tls, link, specification, prefer=prefer, repeat=True)
        except (RemoteError, ProtocolError) as exc:
            error = exc if isinstance(exc, RemoteError) else RemoteError(str(exc))
            measurement.fail(error)
            self.forget(token)
            raise
        except TransportError:
            self.forget(token)
            raise
        except KeyboardInterrupt:
            self.interrupt(measurement, 1.0)
            raise
        self._take_answer(token, answered, link)
        with self._lock:
            is_answered = token in {
                self._receipts.find(token),
                self._results.find(token),
            }
            if not is_answered and not measurement.is_over:
                # The answer was for something else; what became of ours is asked.
                receipt = model.Receipt(specification=specification)
                self._receipts.put(token, specification.get_label(), receipt)
                measurement.take(receipt)
        if not measurement.is_over:
            self._redeemer.add(token)
        return measurement

    def _take_answer(self, token: str, answered: Answered, link: str) -> None:
        message = answered.message
        if message is None:
            raise ProtocolError(f"{link} answers without a message", protocol="mPlane")
        if isinstance(message, model.Exception) and message.get_token() is None:
            message = model.Exception(token=token, errmsg=message.errmsg())
        if isinstance(message, model.Withdrawal):
            with self._lock:
                measurement = self._measurements.get(token)
            if measurement is not None:
                measurement.take(message)
        self.handle_message(message, self._tls.identity_at(link))

    def _link_of(self, capability: model.Statement) -> str:
        """Return where the messages for a capability go."""
        link = capability.get_link()
        if link:
            return link
        with self._lock:
            origin = self._origins.get(capability.get_token())
        if self._has_chosen and self._default_url:
            return self._default_url
        if origin is not None:
            return root_of(origin)
        if self._default_url:
            return self._default_url
        raise ValueError(
            f"nothing says where {capability.get_label() or capability.get_token()} "
            "is: its link is empty, and there is no default URL"
        )

    def send_message(self, msg: Message, dst_url: str | None = None) -> Message | None:
        """Send a message and take the answer into the state of this client.

        Args:
            msg: Any message.
            dst_url: Where to; None: the default URL.

        Returns:
            The answer.

        Raises:
            ValueError: If nothing says where to.
            TransportError: If no usable answer came.
            RemoteError: If the component refuses by its HTTP status.
            ProtocolError: If the answer is no mPlane message.
        """
        url = dst_url or self._default_url
        if not url:
            raise ValueError("nothing says where to send it: there is no default URL")
        answered = post(
            self._tls, url, msg, repeat=isinstance(msg, model.Specification)
        )
        if answered.message is not None:
            self.handle_message(answered.message, self._tls.identity_at(url))
        return answered.message

    # -- results ----------------------------------------------------------------------

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
        self.send_message(
            model.Interrupt(specification=receipt), self._link_of_receipt(receipt)
        )
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
                self.handle_message(one, None)

    def _redeem_in_background(self, token: str) -> float | None:
        with self._lock:
            measurement = self._measurements.get(token)
            pace = self._paces.get(token)
            is_open = self._receipts.find(token) == token
        if measurement is None or pace is None or measurement.is_over or not is_open:
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
        try:
            answered = post(self._tls, str(url), message, timeout=seconds)
        except PilothouseError as exc:
            return f"not confirmed: {name} may go on; {exc.message}"
        reply = answered.message
        if isinstance(reply, model.Result | model.Envelope | model.Exception):
            self._take_answer(measurement.token, answered, str(url))
            return measurement.outcome
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

    def close(self) -> None:
        """Redeem nothing more, and close the connections. May be called twice.

        Measurements that are not over are detached.
        """
        self._redeemer.close()
        for measurement in self.measurements():
            measurement.detach()
        self._tls.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()
