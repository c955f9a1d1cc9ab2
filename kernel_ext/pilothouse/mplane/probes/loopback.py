"""A measurement of nothing: what goes in comes out.

    test-loopback      test.input -> test.output

To see whether client and component understand each other; label, names and registry
are those of the reference implementation's loopback module (contract §7.2).

    [module_loopback]
    module = pilothouse.mplane.probes.loopback
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from pilothouse.mplane.model import Specification

from .pace import Pace
from .probe import Probe, Row, capability
from .stopping import Stopping

__all__ = ["LOOPBACK", "Loopback", "services"]

LOOPBACK: Final = "http://mplane.corvid.ch/registry/loopback"
"""Registry with the two elements."""


def services() -> list[Probe]:
    """Return the one probe."""
    return [Loopback()]


class Loopback(Probe):
    """Gives back its input."""

    def __init__(self) -> None:
        super().__init__(
            capability(
                "test-loopback",
                "now ... future",
                {"test.input": "*"},
                ["test.output"],
                registry=LOOPBACK,
            )
        )

    def rows(
        self, specification: Specification, pace: Pace, stopping: Stopping
    ) -> Iterator[Row]:
        """Yield the input, once, at once, whatever the scope."""
        value = specification.get_parameter_value("test.input")
        yield Row(values={"test.output": value})
