"""Sensors: what to tap on an instance, and how to report it.

Source: developer interface, "Sensors".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .errors import FastScoreUsageError
from .wire.sensors import prep

if TYPE_CHECKING:
    from .instance import Instance
    from .model_manage import ModelManage

__all__ = ["Sensor"]


class Sensor:
    """A sensor descriptor with a name.

    Args:
        name: For instance ``"sensor-1"``.
        desc: The descriptor, for instance ``{"Tap": "sys.memory"}``.
        model_manage: Where `update` saves it.
    """

    def __init__(
        self,
        name: str,
        desc: dict[str, Any] | None = None,
        model_manage: ModelManage | None = None,
    ) -> None:
        self.name = name
        self.desc: Any = desc
        self._mm = model_manage

    def __repr__(self) -> str:
        return f"<Sensor {self.name} on {self.tap}>"

    def _repr_html_(self) -> str:
        from .tables import facts, json_facts

        return facts(f"Sensor {self.name}", json_facts(self.desc))

    @property
    def tap(self) -> str | None:
        """The tapping point that it names."""
        desc = self.desc if isinstance(self.desc, dict) else {}
        return next((v for k, v in desc.items() if str(k).lower() == "tap"), None)

    @staticmethod
    def prep(
        tap: str,
        activate: Any = "permanent",  # noqa: ANN401 - a word or an object
        aggregate: Any = "sum",  # noqa: ANN401 - a word or an object
        interval: float = 1.0,
    ) -> Sensor:
        """Return a sensor on a tapping point that reports to Pneumo.

        Args:
            tap: For instance ``"manifold.0.records.count"``.
            activate: When it listens.
            aggregate: ``"sum"``, ``"count"``, ``"accumulate"`` or None.
            interval: Seconds between reports; 0 reports each reading at once.
        """
        return Sensor(tap, prep(tap, activate, aggregate, interval))

    def update(self, model_manage: ModelManage | None = None) -> bool:
        """Save it; True if one of that name was replaced, False if it is new.

        Raises:
            FastScoreError: If there is nowhere to save it, or it is refused.
        """
        self._mm = model_manage or self._mm
        if self._mm is None:
            raise FastScoreUsageError(f"no Model Manage given to save {self.name!r} in")
        return self._mm.save_sensor(self)

    def install(self, target: Instance) -> int:
        """Install it on an instance and return its id there.

        Raises:
            FastScoreError: If the descriptor is refused, for instance its tap.
        """
        return target.install_sensor(self)
