"""How far a scoring job is."""

from __future__ import annotations

from dataclasses import dataclass

from .tables import facts

__all__ = ["Progress"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a job is, at one moment.

    Attributes:
        state: ``"running"``, ``"done"``, ``"failed"``, ``"cancelled"``, ``"detached"``.
        sent: Records that the engine has accepted.
        in_doubt: Records of a call that was cut off; the engine may have them.
        received: Outputs that came back.
        rejected: Records and outputs that did not pass.
        total: Records in all; None if only the end will tell.
        seconds: Since it began.
    """

    state: str
    sent: int
    in_doubt: int
    received: int
    rejected: int
    total: int | None
    seconds: float

    @property
    def rate(self) -> float:
        """Outputs a second, on average."""
        return self.received / self.seconds if self.seconds > 0 else 0.0

    @property
    def fraction(self) -> float | None:
        """How much is done, from 0 to 1; None if the total is not known."""
        if self.state == "done":
            return 1.0
        if not self.total:
            return None
        return min(1.0, (self.received + self.rejected) / self.total)

    @property
    def eta(self) -> float | None:
        """Seconds still to go, if it goes on like this; None if nobody can tell."""
        fraction = self.fraction
        if not fraction:
            return None
        return self.seconds * (1.0 - fraction) / fraction

    def __str__(self) -> str:
        of = "" if self.total is None else f" of {self.total:,}"
        parts = [f"{self.sent:,}{of} sent", f"{self.received:,} received"]
        if self.in_doubt and self.state != "running":
            parts.append(f"{self.in_doubt:,} in doubt")
        if self.rejected:
            parts.append(f"{self.rejected:,} rejected")
        parts.append(f"{self.rate:,.0f} a second")
        if self.state == "running" and self.eta is not None:
            parts.append(f"{self.eta:.0f} s to go")
        return f"{self.state}: " + ", ".join(parts)

    def _repr_html_(self) -> str:
        return facts("Scoring", [("progress", str(self))])
