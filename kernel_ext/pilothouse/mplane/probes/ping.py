"""Round-trip delay by ICMP echo.

    ping-4, ping-6                      a row for each request, with what was lost
    ping-detail-ip4, ping-detail-ip6    a row for each request
    ping-average-ip4, ping-average-ip6  minimum, mean, maximum, count

The last four have labels, columns and scopes of the reference implementation's ping
module. Sent is through a datagram ICMP socket where the system permits that to this
user, else through a raw one, else by the system's ping; without any of them there is
no such capability.

    [module_ping]
    module = pilothouse.mplane.probes.ping
    ip4addr = 192.0.2.7          ; optional: source address, fixed
    ip6addr = 2001:db8::7
    method = ping                ; optional: ping, datagram or raw

Source: contract §7.2.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from ipaddress import IPv4Address, IPv6Address
from typing import Final, TypeAlias

from pilothouse.mplane.model import Capability, Specification, clock

from .echo import KINDS, EchoSocket, is_permitted
from .errors import MeasurementError
from .pace import Pace
from .ping_tool import ping_once, ping_path
from .probe import Probe, Row, capability, microseconds
from .stopping import Stopping
from .targets import source, target, versions

__all__ = ["METHODS", "Ping", "PingAverage", "available_method", "services"]

METHODS: Final = (*KINDS, "ping")
"""Ways to send, in the order in which they are tried."""

_DELAY: Final = "delay.twoway.icmp.us"
_LONGEST_SECONDS: Final = 2.0
_ANY: Final = "now ... future"
_PERIODIC: Final = "now ... future / 1s"

_Address: TypeAlias = IPv4Address | IPv6Address
_Echo: TypeAlias = Callable[[Stopping, float], float | None]


def services(
    ip4addr: str | None = None, ip6addr: str | None = None, method: str = ""
) -> list[Probe]:
    """Return the pings that this machine can do.

    Args:
        ip4addr: Source address, the only one then; the system's choice without it.
        ip6addr: The same for IPv6.
        method: The one of `METHODS` to use; without it the first that works.

    Raises:
        MeasurementError: If there is no such method.
    """
    if method and method not in METHODS:
        raise MeasurementError(
            f"no way to ping is called {method!r}", hint=f"known: {', '.join(METHODS)}"
        )
    found: list[Probe] = []
    for version in versions():
        how = available_method(version, method)
        if how:
            own = ip4addr if version == 4 else ip6addr
            found += _services(version, how, own)
    return found


def available_method(version: int, method: str = "") -> str:
    """Return the way to ping that works here; empty if none does."""
    wanted = (method,) if method else METHODS
    return next((one for one in wanted if _works(one, version)), "")


def _works(method: str, version: int) -> bool:
    if method == "ping":
        return ping_path(version) is not None
    return is_permitted(version, method)


def _services(version: int, method: str, own: str | None) -> list[Probe]:
    aim = {f"destination.ip{version}": "*"}
    pair = {f"source.ip{version}": own, **aim} if own else aim
    algorithm = f"ICMP echo, {_WORDS[method]}"
    shown = partial(capability, algorithm=algorithm)
    average = [f"{_DELAY}.{one}" for one in ("min", "mean", "max")]
    average.append("delay.twoway.icmp.count")
    return [
        Ping(
            shown(f"ping-{version}", _ANY, pair, ["time", _DELAY, "packets.lost"]),
            version,
            method,
        ),
        Ping(
            shown(f"ping-detail-ip{version}", _PERIODIC, pair, ["time", _DELAY]),
            version,
            method,
        ),
        PingAverage(
            shown(f"ping-average-ip{version}", _PERIODIC, pair, average),
            version,
            method,
        ),
    ]


_WORDS: Final = {
    "datagram": "datagram socket",
    "raw": "raw socket",
    "ping": "ping of the system",
}


class _Echoing(Probe):
    """Sends echo requests and knows how.

    Args:
        capability: As `services` makes it.
        version: Of IP.
        method: One of `METHODS`.
    """

    def __init__(self, capability: Capability, version: int, method: str) -> None:
        super().__init__(capability)
        self._version = version
        self._method = method

    def _delays(
        self, specification: Specification, pace: Pace, stopping: Stopping
    ) -> Iterator[float | None]:
        """Yield the delay of each request, ``None`` for a lost one."""
        timeout = pace.patience(_LONGEST_SECONDS)
        address = target(specification, self._version)
        own = source(specification, self._version)
        with ExitStack() as stack:
            echo = self._open(stack, address, own)
            for _ in pace.ticks(stopping):
                yield echo(stopping, timeout)

    def _open(self, stack: ExitStack, address: _Address, own: _Address | None) -> _Echo:
        method = available_method(self._version, self._method)
        if method == "ping":
            path = ping_path(self._version) or ""

            def once(stopping: Stopping, timeout: float) -> float | None:
                return ping_once(path, address, stopping, timeout, own)

            return once
        if not method:
            raise MeasurementError(
                "this machine does not let this user ping any more",
                hint="install ping, or widen net.ipv4.ping_group_range",
            )
        return stack.enter_context(EchoSocket(address, method, own)).echo


def _silence(address: _Address) -> MeasurementError:
    return MeasurementError(
        f"no answer from {address}", hint="not every host answers echo requests"
    )


class Ping(_Echoing):
    """A row for each request."""

    def rows(
        self, specification: Specification, pace: Pace, stopping: Stopping
    ) -> Iterator[Row]:
        """Yield when each request was answered, and after what delay."""
        address = target(specification, self._version)
        tells_loss = specification.has_result_column("packets.lost")
        for delay in self._delays(specification, pace, stopping):
            values = {
                "time": clock.now(),
                _DELAY: microseconds(delay),
                "packets.lost": int(delay is None),
            }
            is_silent = delay is None and not tells_loss
            yield Row(values=values, failure=_silence(address) if is_silent else None)


class PingAverage(_Echoing):
    """One row, that sums up all requests so far."""

    def rows(
        self, specification: Specification, pace: Pace, stopping: Stopping
    ) -> Iterator[Row]:
        """Yield the figures of all answers so far, again and again."""
        address = target(specification, self._version)
        delays: list[int] = []
        for delay in self._delays(specification, pace, stopping):
            micros = microseconds(delay)
            if micros is not None:
                delays.append(micros)
            if not delays:
                yield Row(failure=_silence(address), is_again=True)
                continue
            values = {
                f"{_DELAY}.min": min(delays),
                f"{_DELAY}.mean": round(sum(delays) / len(delays)),
                f"{_DELAY}.max": max(delays),
                "delay.twoway.icmp.count": len(delays),
            }
            yield Row(values=values, is_again=True)
