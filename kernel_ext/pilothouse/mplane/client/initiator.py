"""HttpInitiatorClient: a client that goes to its components.

Source: reference documentation, ``mplane.client.HttpInitiatorClient``; contract §6.2.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pilothouse.errors import (
    ConnectError,
    ProtocolError,
    RemoteError,
    TransportError,
)
from pilothouse.mplane import model
from pilothouse.mplane.exchange import post
from pilothouse.mplane.measurement import Measurement
from pilothouse.mplane.media import Message
from pilothouse.mplane.tls import TlsState

from .discovery import discover, root_of
from .redemption import RedeemingClient
from .specifying import receipt_from

__all__ = ["HttpInitiatorClient"]


class HttpInitiatorClient(RedeemingClient):
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
        super().__init__(tls_state, default_url, supervisor, exporter)
        self._has_chosen = default_url is not None
        self._origins: dict[str, str] = {}  # capability token -> where it came from

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
            RemoteError: If the component refuses by its HTTP status; what it refuses by
                an exception, fails the measurement.
            ConnectError: If there is no connection. When one breaks on the way, the
                component is asked what has become of the measurement.
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
            self._receipts.put(token, known.get_label(), known)
            self._follow(measurement, link)
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
        self._follow(measurement, link)
        if self.on_send is not None:
            self.on_send(measurement)
        try:
            answered = post(self._tls, link, specification, prefer=prefer, repeat=True)
        except (RemoteError, ProtocolError) as exc:
            error = exc if isinstance(exc, RemoteError) else RemoteError(str(exc))
            measurement.fail(error)
            self.forget(token)
            raise
        except ConnectError:
            self.forget(token)
            raise
        except TransportError as exc:  # it was sent, and may have been taken
            measurement.troubled(exc.message)
        except KeyboardInterrupt:
            self.interrupt(measurement, 1.0)
            raise
        else:
            try:
                self._take_answer(token, answered, link)
            except ProtocolError as exc:  # it may have been taken all the same
                measurement.troubled(exc.message)
        with self._lock:
            is_answered = token in {
                self._receipts.find(token),
                self._results.find(token),
            }
            if not is_answered and not measurement.is_over:
                # No answer, or one for something else: what became of it is asked.
                receipt = model.Receipt(specification=specification)
                self._receipts.put(token, specification.get_label(), receipt)
        if not measurement.is_over:
            self._redeemer.add(token)
        return measurement

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
