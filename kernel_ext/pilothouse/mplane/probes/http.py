"""HTTP: time to first byte, the phases before it, throughput.

    http-timing        name, connection, TLS, first byte, all: each by itself
    http-throughput    bytes, time and bit/s of one download

A GET of an address of scheme http or https; redirects are not followed, and of the
answer only its status and size are told.

    [module_http]
    module = pilothouse.mplane.probes.http
    max_bytes = 67108864         ; optional: of one answer
    ca_file = own-ca.pem         ; optional: authorities beside those of the system
"""

from __future__ import annotations

import ssl
from typing import Final

from pilothouse.mplane.model import Specification, clock

from .errors import MeasurementError
from .fetching import Fetched, checked_url, fetch
from .pace import Pace
from .probe import CORE, PROBES, Probe, Row, capability, microseconds
from .stopping import Stopping

__all__ = ["HttpThroughput", "HttpTiming", "services"]

_LONGEST_SECONDS: Final = 30.0
_MAX_BYTES: Final = 64 * 1024 * 1024
_URL: Final = "destination.url"


def services(max_bytes: str | int = _MAX_BYTES, ca_file: str = "") -> list[Probe]:
    """Return both probes.

    Args:
        max_bytes: Most bytes of one answer that are read.
        ca_file: PEM file of authorities to trust beside those of the system.

    Raises:
        MeasurementError: If that is no number of bytes, or no such file.
    """
    text = str(max_bytes).strip()
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise MeasurementError(f"max_bytes {text!r} is no number of bytes")
    if ca_file:
        try:
            ssl.create_default_context(cafile=ca_file)
        except OSError as exc:
            raise MeasurementError(
                f"ca_file {ca_file!r} cannot be used: {exc}"
            ) from exc
    return [HttpTiming(int(text), ca_file), HttpThroughput(int(text), ca_file)]


class _Fetching(Probe):
    """Gets one address for each row."""

    def __init__(
        self,
        label: str,
        columns: list[str],
        registry: str,
        max_bytes: int,
        ca_file: str,
    ) -> None:
        super().__init__(
            capability(
                label,
                "now ... future",
                {_URL: "*"},
                columns,
                registry=registry,
                algorithm="HTTP GET",
            )
        )
        self._max_bytes = max_bytes
        self._ca_file = ca_file

    def measure(
        self, specification: Specification, pace: Pace, stopping: Stopping
    ) -> Row:
        """Return how one request went; a gap if it failed."""
        url = str(specification.get_parameter_value(_URL))
        checked_url(url)
        try:
            got = fetch(
                url,
                stopping,
                timeout=_LONGEST_SECONDS,
                max_bytes=self._max_bytes,
                ca_file=self._ca_file,
            )
        except MeasurementError as exc:
            return Row(values={"time": clock.now()}, failure=exc)
        return Row(values={"time": clock.now(), **self._values(got)})

    def _values(self, got: Fetched) -> dict[str, int | None]:
        raise NotImplementedError(type(self).__name__)


class HttpTiming(_Fetching):
    """Each phase by itself."""

    def __init__(self, max_bytes: int, ca_file: str = "") -> None:
        columns = [
            "time",
            "delay.resolution.us",
            "delay.connect.us",
            "delay.tls.us",
            "delay.firstbyte.us",
            "duration.us",
            "octets.layer7",
            "http.status",
        ]
        super().__init__("http-timing", columns, PROBES, max_bytes, ca_file)

    def _values(self, got: Fetched) -> dict[str, int | None]:
        return {
            "delay.resolution.us": microseconds(got.resolution),
            "delay.connect.us": microseconds(got.connection),
            "delay.tls.us": microseconds(got.tls),
            "delay.firstbyte.us": microseconds(got.first_byte),
            "duration.us": microseconds(got.total),
            "octets.layer7": got.octets,
            "http.status": got.status,
        }


class HttpThroughput(_Fetching):
    """Bytes over time, with elements that every peer knows."""

    def __init__(self, max_bytes: int, ca_file: str = "") -> None:
        columns = [
            "time",
            "delay.firstbyte.ms",
            "duration.us",
            "octets.layer7",
            "bandwidth.partial.bps",
        ]
        super().__init__("http-throughput", columns, CORE, max_bytes, ca_file)

    def _values(self, got: Fetched) -> dict[str, int | None]:
        took = got.first_byte + got.transfer
        return {
            "delay.firstbyte.ms": round(got.first_byte * 1000),
            "duration.us": microseconds(took),
            "octets.layer7": got.octets,
            "bandwidth.partial.bps": round(got.octets * 8 / took) if took else None,
        }
