"""The commands of mpcli as methods: they return values and raise errors.

Nothing is printed, asked or read here: the shell prints what these return, in the words
of the reference shell; ``%mplane`` shows it as objects.

    commands = Commands(client)
    commands.getcap("http://127.0.0.1:8890/capability")
    commands.set("destination.ip4", "127.0.0.1")
    commands.when("now + 10s / 1s")
    measurement = commands.runcap("ping-4")

Source: reference documentation, "mpcli command-line client"; contract §7.1.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import urljoin, urlsplit

from pilothouse.errors import LineError, NotFoundError, TransportError
from pilothouse.mplane import model

if TYPE_CHECKING:
    from pilothouse.mplane.client import HttpInitiatorClient, HttpListenerClient
    from pilothouse.mplane.measurement import Measurement

__all__ = ["Commands", "Message", "Missing"]

Message: TypeAlias = Any
"""A message of the model: receipt, result, exception, envelope."""

_OUTCOMES = (model.Result, model.Envelope, model.Exception)
_LOOK_SECONDS = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """What a capability needs before it can run.

    Attributes:
        when: Why the scope will not do; empty if it will.
        parameters: Name -> why it has no good value, sorted by name.
        fixed: Name -> the only value that the capability allows.
    """

    when: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)
    fixed: Mapping[str, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.when or self.parameters)


class Commands:
    """The commands over one client.

    Args:
        client: An initiator or a listener of `pilothouse.mplane.client`.

    Attributes:
        defaults: Parameter name -> value for the next run, as it was written.
        scope: Temporal scope for the next run.
        shows_tracebacks: Whether errors come with their traceback.
    """

    def __init__(self, client: HttpInitiatorClient | HttpListenerClient) -> None:
        self.client = client
        self.defaults: dict[str, str] = {}
        self.scope: model.When | None = None
        self.shows_tracebacks = False

    def seturl(self, url: str) -> None:
        """Set the default URL, for what has no link of its own.

        Raises:
            LineError: If it is no address, or the client waits for components.
        """
        self._initiator().set_default_url(_checked(url, needs_port=False))

    def getcap(self, url: str) -> list[model.Capability]:
        """Retrieve capabilities and withdrawals; return the capabilities now new.

        Args:
            url: A capability, several, or a page of links. When the root of a component
                has none of these, its ``/capability`` is asked.

        Raises:
            LineError: If it is no address, or the client waits for components.
            TransportError: If nothing usable came back.
        """
        initiator = self._initiator()
        before = set(self.client.capability_tokens())
        found = initiator.retrieve_capabilities(_checked(url, needs_port=True))
        if not found and urlsplit(url).path in {"", "/"}:
            initiator.retrieve_capabilities(urljoin(url, "/capability"))
        return [
            self.client.capability_for(token)
            for token in self.client.capability_tokens()
            if token not in before
        ]

    def _initiator(self) -> Any:  # noqa: ANN401 - HttpInitiatorClient, or alike
        if not hasattr(self.client, "retrieve_capabilities"):
            raise LineError(
                "This command can only be used in client-initiated workflows",
                hint="components register themselves with this client",
            )
        return self.client

    def listcap(self) -> list[model.Capability]:
        """Return the capabilities: the labelled ones by label, then the others."""
        known = [
            self.client.capability_for(token)
            for token in self.client.capability_tokens()
        ]
        labelled = [one for one in known if one.get_label()]
        labelled.sort(key=lambda one: str(one.get_label()))
        return [*labelled, *(one for one in known if not one.get_label())]

    def showcap(self, token_or_label: str) -> model.Capability:
        """Return a capability.

        Raises:
            NotFoundError: If none has that label or token.
        """
        try:
            return self.client.capability_for(token_or_label)
        except KeyError as exc:
            labels = ", ".join(sorted(map(str, self.client.capability_labels())))
            how = "getcap first"
            if not hasattr(self.client, "retrieve_capabilities"):
                how = "no component has registered yet"
            raise NotFoundError(
                f"no capability for token or label {token_or_label}",
                protocol="mPlane",
                hint=f"known: {labels}" if labels else how,
            ) from exc

    def when(self, text: str | None = None) -> model.When | None:
        """Set the scope for the next run, or leave it; return it.

        Raises:
            LineError: If it is no temporal scope; the old one stays.
        """
        if text:
            self.scope = _scope(text)
        return self.scope

    def set(self, name: str, value: str) -> None:
        """Set a default parameter value for the next run.

        Raises:
            LineError: If there is no name or no value.
        """
        if not name or not value:
            raise LineError(
                f"Couldn't set default {name}", hint="set [parameter-name] [value]"
            )
        self.defaults[name] = value

    def unset(self, *names: str) -> None:
        """Forget defaults, all of them without names.

        Raises:
            LineError: If one of them is not set; the others are forgotten.
        """
        if not names:
            self.defaults.clear()
        unknown = [name for name in names if self.defaults.pop(name, None) is None]
        if unknown:
            raise LineError(f"Couldn't unset default(s) {' '.join(unknown)}")

    def show(self, *names: str) -> dict[str, str]:
        """Return defaults, all of them without names.

        Raises:
            LineError: If one of them is not set.
        """
        for name in names:
            if name not in self.defaults:
                raise LineError(f"No such default {name}")
        return {name: self.defaults[name] for name in names or sorted(self.defaults)}

    def missing(
        self,
        token_or_label: str,
        *,
        when: model.When | str | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> Missing:
        """Return what a run still needs, beside the defaults and what is given here.

        Raises:
            NotFoundError: If no capability has that label or token.
            LineError: If `when` is no temporal scope.
        """
        capability = self.showcap(token_or_label)
        values = {**self.defaults, **(params or {})}
        absent: dict[str, str] = {}
        fixed: dict[str, str] = {}
        for name in sorted(capability.parameter_names()):
            only = capability.get_single_parameter_value(name)
            if only is not None:
                fixed[name] = model.element(name, _registry(capability)).unparse(only)
            elif name not in values:
                absent[name] = "has no value"
            elif why := capability.parameter(name).why_not(values[name]):
                absent[name] = f"does not allow {str(values[name])!r}: {why}"
        return Missing(
            when=_why_not(self._scope(when), capability),
            parameters=absent,
            fixed=fixed,
        )

    def _scope(self, when: model.When | str | None) -> model.When | None:
        if when is None:
            return self.scope
        return _scope(when) if isinstance(when, str) else when

    def runcap(
        self,
        token_or_label: str,
        relabel: str | None = None,
        *,
        when: model.When | str | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> Measurement:
        """Run a capability with the defaults and what is given here.

        Args:
            token_or_label: Of the capability.
            relabel: Label of the measurement; ``LABEL-N`` by default.
            when: Its scope; the one set before by default.
            params: Parameter name -> value; these come before the defaults.

        Raises:
            NotFoundError: If no capability has that label or token.
            LineError: If scope or parameters are missing or not acceptable; the
                message names each.
            TransportError: If nothing usable came back.
        """
        capability = self.showcap(token_or_label)
        lack = self.missing(token_or_label, when=when, params=params)
        if lack:
            raise _cannot_run(token_or_label, lack)
        for name in params or {}:
            if not capability.has_parameter(name):
                known = ", ".join(sorted(capability.parameter_names()))
                raise LineError(
                    f"{token_or_label} has no parameter {name}",
                    hint=f"it has {known}" if known else "it has none",
                )
        values = {
            name: value
            for name, value in {**self.defaults, **(params or {})}.items()
            if capability.has_parameter(name) and name not in lack.fixed
        }
        return self.client.run(
            capability, when=self._scope(when), params=values, label=relabel
        )

    def listmeas(self) -> list[Message]:
        """Redeem what is open; return receipts, then results and exceptions.

        A component that does not answer leaves its receipt in the list.
        """
        for token in self.client.receipt_tokens():
            with suppress(TransportError):
                self.client.result_for(token)
        return [
            self._known(token)
            for token in dict.fromkeys(
                (*self.client.receipt_tokens(), *self.client.result_tokens())
            )
        ]

    def _known(self, token_or_label: str) -> Message:
        """Return what the client has, asking nobody."""
        from pilothouse.mplane.client import BaseClient

        return BaseClient.result_for(self.client, token_or_label)

    def showmeas(self, token_or_label: str) -> Message:
        """Try to redeem a receipt; return the receipt, or what it became.

        Raises:
            NotFoundError: If there is no such measurement.
            TransportError: If the component does not answer.
        """
        with self._finding(token_or_label):
            return self.client.result_for(token_or_label)

    def stopmeas(self, token_or_label: str) -> None:
        """Interrupt a running measurement.

        Raises:
            NotFoundError: If there is no such measurement.
            TransportError: If the component does not answer.
        """
        with self._finding(token_or_label):
            self._known(token_or_label)
            self.client.interrupt_capability(token_or_label)

    def waitmeas(
        self,
        token_or_label: str,
        timeout: float | None = None,
        is_stopped: Callable[[], bool] | None = None,
    ) -> Message:
        """Wait until a measurement is over; return its result or exception.

        Args:
            token_or_label: Of the measurement.
            timeout: Longest wait, in seconds; as long as it takes by default.
            is_stopped: Asked some times a second whether to give up.

        Returns:
            The result, the envelope of a repeated measurement, or the exception; what
            there is, the receipt for instance, when the time was over.

        Raises:
            NotFoundError: If there is no such measurement.
            RemoteError: If the component has forgotten it.
            TransportError: If the component does not answer.
        """
        measurement = self._measurement(token_or_label)
        if measurement is None:
            return self.showmeas(token_or_label)
        end = None if timeout is None else time.monotonic() + timeout
        while not measurement.wait(_left_until(end, _LOOK_SECONDS)):
            if is_stopped is not None and is_stopped():
                break
            if end is not None and time.monotonic() >= end:
                break
        try:
            found = self._known(measurement.token)
        except KeyError:  # no receipt has come yet, or it came to nothing
            found = measurement.specification
        if measurement.is_over and not isinstance(found, _OUTCOMES):
            measurement.result()  # raises why there is none
        return found

    def _measurement(self, token_or_label: str) -> Measurement | None:
        """Return the handle of a run of this client, the newest of that name."""
        for one in reversed(self.client.measurements()):
            if token_or_label in (one.token, one.label):
                return one
        return None

    def tbenable(self) -> None:
        """Show tracebacks of errors from now on."""
        self.shows_tracebacks = True

    @contextmanager
    def _finding(self, token_or_label: str) -> Iterator[None]:
        try:
            yield
        except KeyError as exc:
            raise NotFoundError(
                f"no such token or label {token_or_label}",
                protocol="mPlane",
                hint="listmeas lists the measurements",
            ) from exc

    def close(self) -> None:
        """Close the client. May be called twice."""
        self.client.close()


def _left_until(end: float | None, most: float) -> float:
    return most if end is None else max(0.0, min(most, end - time.monotonic()))


def _checked(url: str, *, needs_port: bool) -> str:
    try:
        parts = urlsplit(url)
        is_fine = parts.scheme in {"http", "https"} and bool(parts.hostname)
        is_fine = is_fine and not (needs_port and parts.port is None)
    except ValueError:
        is_fine = False
    if not is_fine:
        raise LineError("Bad format for url", hint="as http://host:port/capability")
    return url


def _scope(text: str) -> model.When:
    try:
        return model.When(text)
    except ValueError as exc:
        raise LineError(
            f"Invalid temporal scope {text}",
            hint="for instance now + 10s / 1s: for ten seconds, once a second",
        ) from exc


def _registry(capability: model.Capability) -> str | None:
    """Return the URI of the registry of a capability."""
    found = capability.to_dict().get("registry")
    return found if isinstance(found, str) else None


def _why_not(when: model.When | None, capability: model.Capability) -> str:
    if when is None:
        return "no scope is set"
    outer = capability.when()
    if outer is None or when.follows(outer):
        return ""
    return f"{when} does not follow {outer}"


def _cannot_run(token_or_label: str, lack: Missing) -> LineError:
    reasons = [f"when: {lack.when}"] if lack.when else []
    reasons += [f"{name} {reason}" for name, reason in lack.parameters.items()]
    return LineError(
        f"{token_or_label} cannot run: {'; '.join(reasons)}",
        hint="when SCOPE and set NAME VALUE before it, or --when and --set with it",
    )
