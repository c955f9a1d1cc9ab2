"""A measurement of nothing: what goes in comes out.

    test-loopback      test.input -> test.output

To see whether client and component understand each other; label, names and registry
are those of the reference implementation's loopback module (contract §7.2). With
another registry, a reference client need not know that one too.

    [module_loopback]
    module = pilothouse.mplane.probes.loopback
    registry = urn:pilothouse:registry:probes      ; optional
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


def services(registry: str = LOOPBACK) -> list[Probe]:
    """Return the one probe.

    Args:
        registry: URI of a registry that has both elements.

    Raises:
        ValueError: If there is no such registry.
    """
    return [Loopback(registry)]


class Loopback(Probe):
    """Gives back its input.

    Args:
        registry: URI of a registry that has both elements.
    """

    def __init__(self, registry: str = LOOPBACK) -> None:
        super().__init__(
            capability(
                "test-loopback",
                "now ... future",
                {"test.input": "*"},
                ["test.output"],
                registry=registry,
            )
        )

    def rows(
        self, specification: Specification, pace: Pace, stopping: Stopping
    ) -> Iterator[Row]:
        """Yield the input, once, at once, whatever the scope."""
        value = specification.get_parameter_value("test.input")
        yield Row(values={"test.output": value})
