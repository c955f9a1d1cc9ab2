"""All of it on one page: services, engines, instances, runs, measurements, events."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

import traitlets

from pilothouse.errors import PilothouseError

from . import dashboard_snapshot
from .assets import module
from .busy import the_cell_clock
from .dashboard_board import Board
from .dashboard_places import SERVICES, Given, House, Profiles
from .dashboard_reader import Reader
from .dashboard_servers import MapReader, MeasurementReader, ServerReader
from .dashboard_suite import SuiteReader
from .dashboard_views import KINDS, open_view
from .delta import DeltaView
from .view import CATCH_UP_SECONDS, View

__all__ = ["Dashboard"]

_BEAT_SECONDS: Final = 0.5
_PULSE_SECONDS: Final = 2.0
_LOOKS_SECONDS: Final = 60.0
_UNSEEN_TIMES: Final = 5.0
_END_SECONDS: Final = 6.0
_READERS: Final[tuple[type[Reader], ...]] = (
    SuiteReader,
    ServerReader,
    MapReader,
    MeasurementReader,
)


class Dashboard(DeltaView):
    """One page that shows everything, and opens the full views in its place.

    It is there at once and fills as services answer; one that goes away is shown with
    what was known last, and tried again. It sends at most two messages a second, and
    none while nobody looks at it.

    Args:
        house: What to show: the local services that ``pilothouse.up()`` returned, a
            `House`, ``None`` for the places of the profile in use, or a `Board` that
            somebody else fills.
        services: Only these; all four by default.
        every: Seconds between two questions to a service.

    Raises:
        ValueError: If there is no such service, or ``every`` is not above 0.
    """

    _esm = module("dashboard.js")
    _is_early = True

    services = traitlets.List(
        trait=traitlets.Unicode(), help="Which services are shown."
    ).tag(sync=True)
    opened = traitlets.Dict(help="Kind, key and title of the full view.").tag(sync=True)
    view = traitlets.Unicode("", help="The full view's model.").tag(sync=True)
    refused = traitlets.Unicode("", help="Why a view could not be opened.").tag(
        sync=True
    )

    def __init__(
        self,
        house: object = None,
        *,
        services: Sequence[str] = SERVICES,
        every: float = 1.0,
    ) -> None:
        unknown = [name for name in services if name not in SERVICES]
        if unknown:
            raise ValueError(
                f"there is no service {unknown[0]!r}; known: {', '.join(SERVICES)}"
            )
        if not every > 0:
            raise ValueError(f"every must be above 0, not {every!r}")
        self.board = house if isinstance(house, Board) else Board()
        self._house = Profiles() if isinstance(house, Board) else _house_of(house)
        self._every = every
        self._full: View | None = None
        self._heard_at: float | None = None
        self._made_at = time.monotonic()
        self._sent_at = 0.0
        self._readers: dict[str, Reader] = {
            made.service: made(self._house, self.board, self._pace)
            for made in _READERS
            if made.service in services and not isinstance(house, Board)
        }
        shown = [name for name in SERVICES if name in services]
        super().__init__(title="pilothouse", services=shown)
        for reader in self._readers.values():
            reader.start()
        self._changed()  # from here on the beat keeps itself

    # -- what is shown -----------------------------------------------------------------

    def whole(self) -> dict[str, Any]:
        """Return all sections."""
        return self.board.whole()

    def take_delta(self) -> dict[str, Any]:
        """Return what changed; now and then only the time, as a sign of life."""
        if not self._is_seen():
            return {}
        delta = self.board.take()
        now = time.monotonic()
        if len(delta) == 1 and now - self._sent_at < _PULSE_SECONDS:
            return {}
        self._sent_at = now
        return delta

    def _send_delta(self, _nothing: None) -> float | None:
        """Show what readers know, send what changed, and come again."""
        now = time.time()
        for reader in self._readers.values():
            reader.show(now)
        super()._send_delta(None)
        return _BEAT_SECONDS

    def _is_seen(self) -> bool:
        """Whether a page looks at this; none has told for long when it was closed."""
        if the_cell_clock().busy_for:
            return True  # what the page says may wait for the cell
        last = self._made_at if self._heard_at is None else self._heard_at
        return time.monotonic() - last < _LOOKS_SECONDS

    def _pace(self) -> float:
        return self._every if self._is_seen() else self._every * _UNSEEN_TIMES

    # -- what the page asks for --------------------------------------------------------

    def asked(self, ask: str, content: Mapping[str, Any]) -> None:
        """Take a sign of life, a tile that is opened, and the way back."""
        self._heard_at = time.monotonic()
        super().asked(ask, content)
        if ask == "open":
            kind, key = content.get("kind"), content.get("key", "")
            if kind in KINDS and isinstance(key, str):
                title = str(content.get("title", ""))[:200]
                self._errands.add(partial(self.enter, kind, key, title))
        elif ask == "back":
            self._errands.add(self.back)
        elif ask == "look":
            for reader in self._readers.values():
                reader.look()

    def enter(self, kind: str, key: str = "", title: str = "") -> None:
        """Open a full view in the place of the tiles.

        Args:
            kind: ``"engine"``, ``"console"``, ``"instances"``, ``"run"``,
                ``"measurement"`` or ``"capabilities"``.
            key: An engine's name, a run's id, a measurement's token.
            title: What stands above it.
        """
        opened = {"kind": kind, "key": key, "title": title or key or kind}
        try:
            view = open_view(kind, key, self._house, self._readers)
        except PilothouseError as exc:
            hint = f" ({exc.hint})" if exc.hint else ""
            self._swap(None, opened, f"{exc.message}{hint}")
            return
        self._swap(view, opened, "")

    def back(self) -> None:
        """Close the full view; the tiles are shown again."""
        self._swap(None, {}, "")

    def _swap(self, view: View | None, opened: dict[str, str], refused: str) -> None:
        before, self._full = self._full, view
        ref = "" if view is None else f"anywidget:{view.model_id}"
        self._update(view=ref, opened=opened, refused=refused)
        if before is not None:
            before.close()

    # -- the forms and the end ---------------------------------------------------------

    def headline(self) -> str:
        """Return how many services are up, and what there is."""
        return dashboard_snapshot.headline(self.board)

    def _state_in_words(self) -> str:
        return self.headline()

    def body_html(self) -> str:
        """Return all sections as tables."""
        return dashboard_snapshot.body(self.board)

    def catch_up(self) -> None:
        """Ask all services again, and show what they say."""
        deadline = time.monotonic() + CATCH_UP_SECONDS
        for reader in self._readers.values():
            reader.catch_up(deadline)
        super().catch_up()

    def stop(self) -> None:
        """End every thread and the full view."""
        for reader in self._readers.values():
            reader.stop()
        full, self._full = self._full, None
        if full is not None:
            full.close()
        deadline = time.monotonic() + _END_SECONDS
        for reader in self._readers.values():
            reader.join(max(0.1, deadline - time.monotonic()))


def _house_of(house: Any) -> House:  # noqa: ANN401  what the caller has
    if house is None:
        return Profiles()
    services = getattr(house, "services", None)
    if isinstance(services, Mapping):
        return Given(services)
    if not isinstance(getattr(house, "place", None), Callable):  # type: ignore[arg-type]
        raise TypeError(f"{house!r} tells no places of services")
    found: House = house
    return found
