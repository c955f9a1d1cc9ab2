"""The unit of an element, read from its name.

Source: mPlane protocol specification, "Element naming": basename, modifiers, units and
aggregation, joined by dots (``delay.twoway.icmp.us.mean``). Core registry, all 113.
"""

from __future__ import annotations

from typing import Final

__all__ = ["unit_named", "unit_of"]

_AGGREGATIONS: Final = frozenset({"min", "max", "mean", "sum", "median"})

_UNITS: Final = {
    "s": "s",
    "ms": "ms",
    "us": "µs",
    "ns": "ns",
    "bps": "bit/s",
    "kbps": "kbit/s",
    "Mbps": "Mbit/s",
}

_BASES: Final = {
    "octets": "B",
    "packets": "packets",
    "flows": "flows",
    "sessions": "sessions",
    "hops": "hops",
    "fps": "frames/s",
    "bufferstalls": "stalls",
    "snr": "dB",
}

_WHOLE: Final = {
    "location.latitude": "°",
    "location.longitude": "°",
    "location.altitude": "m",
}


def unit_named(word: str) -> str:
    """Return a unit as this package spells it: ``us`` becomes ``µs``."""
    return _UNITS.get(word) or _BASES.get(word) or word


def unit_of(name: str) -> str:
    """Return the unit of the element's values, empty when it has none."""
    if name in _WHOLE:
        return _WHOLE[name]
    parts = name.split(".")
    while parts and (parts[-1] in _AGGREGATIONS or parts[-1].endswith("pct")):
        parts.pop()
    if not parts or parts[-1] == "count":
        return ""
    if len(parts) > 1 and parts[-1] in _UNITS:
        return _UNITS[parts[-1]]
    return _BASES.get(parts[0], "")
