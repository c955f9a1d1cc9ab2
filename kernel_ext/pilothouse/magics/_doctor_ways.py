"""What the doctor says of the way to a service: where it ends, and the one fix."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from pilothouse.transport.way import Step, Way, look

from ._report import LOOPBACK, Check, State

__all__ = ["clock_of", "way_checks"]

_SKEW_SECONDS = 30.0

_FIXES = {
    Step.PROXY: "export no_proxy=HOST, with the host of the service",
    Step.NAME: "write the name as it is; %pilot profiles shows where it comes from",
    Step.SILENT: "connect the VPN, or ask whether a firewall is in the way",
    Step.EXPIRED: "renew the certificate of the service",
    Step.NOT_YET: "make the certificate of the service anew: its time has not come",
    Step.OTHER_NAME: "use a name that the certificate has",
    Step.NO_TLS: "write {plain}:// in place of {scheme}://",
    Step.TLS_THERE: "write {scheme}s:// in place of {scheme}://",
    Step.NO_HTTP: "check the port: another kind of service answers there",
    Step.TLS: "ask what TLS the service speaks",
}


def way_checks(
    name: str, url: str, verify: bool | str | None, connect: str, patience: float
) -> Iterator[Check]:
    """Yield what is wrong on the way to a service, or how its clock goes.

    Args:
        name: What the service is called.
        url: Its address.
        verify: How certificates are checked.
        connect: The line that connects to it.
        patience: Longest wait at each step, in seconds.

    Raises:
        ValueError: If the address is none.
    """
    way = look(url, verify, timeout=patience)
    if way.step is Step.OPEN:
        yield from clock_of(name, way.date)
        return
    clocks = [one for one in clock_of(name, way.date) if one.state is State.FAULT]
    yield from clocks
    fix = "set the clock right, then look again" if clocks else _fix(way, url, connect)
    yield Check(name, State.FAULT, f"{url} ({way.found})", fix)


def _fix(way: Way, url: str, connect: str) -> str:
    parts = urlsplit(url)
    if way.step is Step.REFUSED:
        is_here = parts.hostname in LOOPBACK
        here = f"%pilot up, then {connect} local"
        return here if is_here else "start the service, or check the port"
    if way.step is Step.UNKNOWN_CA:
        return 'verify = "FILE" in the profile, with the file of its own authority'
    plain = parts.scheme.removesuffix("s")
    return _FIXES[way.step].format(scheme=parts.scheme, plain=plain)


def clock_of(name: str, date: str) -> Iterator[Check]:
    """Yield how far a peer's clock is from ours, by what its answer says."""
    try:
        theirs = parsedate_to_datetime(date)
    except ValueError:
        return
    skew = abs((datetime.now(UTC) - theirs).total_seconds())
    if skew <= _SKEW_SECONDS:
        found = f"within {_SKEW_SECONDS:g} s of {name}'s"
        yield Check("clock", State.OK, found)
        return
    yield Check(
        "clock",
        State.FAULT,
        f"{skew:.0f} s away from {name}'s",
        "sudo timedatectl set-ntp true, here or there",
    )
