"""The instances of an AIMM server: what they are, what runs on them, and what to do."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

import traitlets

from pilothouse.waits import Event

from . import snapshot, words
from .assets import module
from .delta import DeltaView
from .instance_line import read_line
from .instance_report import amount, making, result_words, rows_of

if TYPE_CHECKING:
    from pilothouse.aimm import Action, Client, State

__all__ = ["InstanceTable"]

_CALLS: Final = ("fit", "predict")
_LONGEST_LINE: Final = 20_000
_STATIC_ROWS: Final = 50
_SAID_CHARS: Final = 600
_SEEK_SECONDS: Final = 1.0


class InstanceTable(DeltaView):
    """A live table of the instances; fits, predicts, deletes and cancels.

    It moves and takes clicks while a cell is busy, and goes on by itself when a lost
    connection is back. What the last click on an instance brought is in ``results``.
    Without a client it shows the states that `show` gets.

    Args:
        client: Whose instances, or ``None``.
        title: The heading.
        renew: Looks for another client once the connection is lost or closed, and
            returns it, or ``None``; called each second on a thread of this view. A
            local server that was started again has another address.

    Attributes:
        results: The last result of a click, by the instance's id.
    """

    _esm = module("instances.js")
    _is_early = True

    place = traitlets.Unicode("", help="The server's address.").tag(sync=True)
    connection = traitlets.Unicode("", help="As the client says it.").tag(sync=True)
    making = traitlets.List(
        trait=traitlets.Unicode(), help="Instances that are being made."
    ).tag(sync=True)
    offers = traitlets.List(
        trait=traitlets.Unicode(), help="Data that the server fetches."
    ).tag(sync=True)
    acts = traitlets.Bool(False, help="Whether there is a client to act by.").tag(
        sync=True
    )
    deletes = traitlets.Bool(False, help="Whether the server can delete.").tag(
        sync=True
    )
    cancels = traitlets.Bool(False, help="Whether the server can cancel.").tag(
        sync=True
    )

    def __init__(
        self,
        client: Client | None = None,
        *,
        title: str = "Instances",
        renew: Callable[[], Client | None] | None = None,
    ) -> None:
        self._client = client
        self._renew = renew
        self._seeker: threading.Thread | None = None
        self._stopped = Event()
        self.results: dict[int, Any] = {}
        self._state: State | None = None if client is None else client.state
        self._rows_lock = threading.RLock()
        self._rows: dict[int, dict[str, Any]] = {}
        self._sent: dict[int, dict[str, Any]] = {}
        self._said: dict[int, tuple[str, str]] = {}
        self._handles: dict[int, Action] = {}
        self._leave: Callable[[], None] | None = None
        self._asked_at = ""
        self._offers: list[str] = []
        self._read()
        super().__init__(
            title=title,
            acts=client is not None,
            place="" if client is None else client.url,
        )
        self._look()
        if client is not None:
            self._leave = client.on_change(lambda _state: self._changed())
            self._changed()

    def use(self, client: Client) -> None:
        """Go on with another client, as of a server that was started again."""
        with self._rows_lock:
            if client is self._client or self._stopped.is_set():
                return
            leave, self._client = self._leave, client
            self._leave = client.on_change(lambda _state: self._changed())
            self._handles.clear()
            self._asked_at = ""
        if leave is not None:
            leave()
        self._update(acts=True)
        self._changed()

    def show(self, state: State) -> None:
        """Show one state at once."""
        with self._rows_lock:
            self._state = state
        self._send_delta(None)

    # -- from the state to rows ------------------------------------------------------

    def _read(self) -> None:
        """Make the rows of what is known now."""
        with self._rows_lock:
            if self._client is not None:
                self._state = self._client.state
            rows = {} if self._state is None else rows_of(self._state)
            for number, row in rows.items():
                row["said_as"], row["said"] = self._said.get(number, ("", ""))
            self._rows = rows

    def _look(self) -> None:
        """Set what stands around the rows."""
        client = self._client
        connection = "" if client is None else str(client.connection)
        can = frozenset() if client is None else client.extensions
        self._update(
            place="" if client is None else client.url,
            connection=connection,
            making=[] if self._state is None else making(self._state),
            offers=self._offers,
            deletes="del1" in can,
            cancels="cancel1" in can,
            status=self._counted(),
        )
        if connection == "ready" and client is not None:
            if self._asked_at != client.run:
                self._asked_at = client.run
                self._errands.add(self._ask_offers)
        elif connection:
            self._asked_at = ""
            self._seek()

    def _seek(self) -> None:
        """Look for another client until there is one, or this one is back."""
        if self._renew is None or (self._seeker and self._seeker.is_alive()):
            return
        self._seeker = threading.Thread(
            target=self._look_around, name="pilothouse-instances-renew", daemon=True
        )
        self._seeker.start()

    def _look_around(self) -> None:
        assert self._renew is not None
        while not self._stopped.wait(_SEEK_SECONDS):
            if self._client is None or str(self._client.connection) == "ready":
                return
            try:
                found = self._renew()
            except Exception:  # not yet; what is wrong, a line of the user tells
                continue
            if found is not None:
                self.use(found)

    def _ask_offers(self) -> None:
        assert self._client is not None
        try:
            names = self._client.plugins()["data_access"]
        except Exception:  # they are only offered: the table is complete without
            return
        self._offers = [f"@{name}" for name in names]
        self._changed()

    def _counted(self) -> str:
        running = sum(row["runs"] for row in self._rows.values())
        counted = words.plural(len(self._rows), "instance")
        if running:
            counted += f", {words.plural(running, 'action')} under way"
        return counted

    def whole(self) -> dict[str, Any]:
        """Return all rows."""
        with self._rows_lock:
            return {"rows": list(self._rows.values())}

    def take_delta(self) -> dict[str, Any]:
        """Return what changed of ``rows``, and the ids that are ``gone``."""
        with self._rows_lock:
            self._read()
            rows = [
                _changes(self._sent.get(number, {}), row)
                for number, row in self._rows.items()
                if self._sent.get(number) != row
            ]
            gone = [number for number in self._sent if number not in self._rows]
            for number in gone:
                self._said.pop(number, None)
            self._sent = dict(self._rows)
        found = {"rows": rows, "gone": gone}
        return {name: value for name, value in found.items() if value}

    def _send_delta(self, _nothing: None) -> None:
        super()._send_delta(None)
        self._look()

    # -- clicks ----------------------------------------------------------------------

    def asked(self, ask: str, content: Mapping[str, Any]) -> None:
        """Take the browser's answers, and the buttons of a row."""
        super().asked(ask, content)
        number = content.get("id")
        if self._client is None or isinstance(number, bool):
            return
        if not isinstance(number, int) or number not in self._rows:
            return
        if ask in _CALLS:
            line = str(content.get("line", ""))[:_LONGEST_LINE]
            self._errands.add(lambda: self._begin(ask, number, line))
        elif ask == "delete":
            self._errands.add(lambda: self._delete(number))
        elif ask == "cancel" and isinstance(content.get("action"), int):
            self._errands.add(lambda: self._cancel(number, content["action"]))

    def _begin(self, call: str, number: int, line: str) -> None:
        assert self._client is not None
        try:
            args, kwargs = read_line(line)
            submit = (
                self._client.submit_fit
                if call == "fit"
                else self._client.submit_predict
            )
            action = submit(number, *args, **kwargs)
        except Exception as exc:  # shown: nothing else could take it
            self._say(number, "refused", _words_of(exc))
            return
        with self._rows_lock:
            self._handles[number] = action
        self._say(number, "doing", f"{call} was asked for")
        action.on_end(lambda ended: self._ended(number, ended))

    def _ended(self, number: int, action: Action) -> None:
        """Show what came out; on the client's reading thread."""
        with self._rows_lock:
            if self._handles.get(number) is action:
                del self._handles[number]
        try:
            result = action.result(0)
            told = action.outcome if action.call == "fit" else result_words(result)
        except Exception as exc:  # shown: nothing else could take it
            self._say(number, "refused", f"{action.call}: {_words_of(exc)}")
            return
        self.results[number] = result
        if action.call != "fit":
            told += f"\nall of it is in .results[{number}]"
        self._say(number, "result", told)

    def _delete(self, number: int) -> None:
        assert self._client is not None
        self._say(number, "doing", "delete was asked for")
        try:
            self._client.delete_instance(number)
        except Exception as exc:  # shown: nothing else could take it
            self._say(number, "refused", f"not deleted: {_words_of(exc)}")

    def _cancel(self, number: int, action: int) -> None:
        assert self._client is not None
        with self._rows_lock:
            handle = self._handles.get(number)
        try:
            if handle is None or handle.id != action:
                handle = self._client.attach(action)
            said = handle.cancel()
        except Exception as exc:  # shown: nothing else could take it
            said = f"the cancel was not confirmed: {_words_of(exc)}"
            self._say(number, "refused", said)
            return
        self._say(number, "result", said)

    def _say(self, number: int, kind: str, text: str) -> None:
        with self._rows_lock:
            self._said[number] = (kind, text[:_SAID_CHARS])
        self._changed()

    # -- the forms and the end -------------------------------------------------------

    def stop(self) -> None:
        """Stop watching; what runs goes on."""
        self._stopped.set()
        leave, self._leave = self._leave, None
        if leave is not None:
            leave()

    def headline(self) -> str:
        """Return how many instances there are, and what runs."""
        parts = [self._counted()]
        if self.place:
            parts[0] += f" at {self.place}"
        if self.connection not in ("", "ready"):
            parts.append(f"connection {self.connection}")
        return f"{self.title}: {', '.join(parts)}"

    def body_html(self) -> str:
        """Return the first rows."""
        rows = list(self._rows.values())[:_STATIC_ROWS]
        heads = ["id", "model type", "size", "last action", "progress"]
        cells = [
            (
                row["id"],
                row["type"],
                "" if row["size"] is None else words.size(row["size"]),
                row["call"],
                ", ".join(
                    filter(
                        None,
                        (
                            row["progress"].replace("_", " "),
                            amount(row),
                            row["words"],
                            row["error"],
                        ),
                    )
                ),
            )
            for row in rows
        ]
        return snapshot.table(heads, cells, more=len(self._rows) - len(rows))


def _changes(before: Mapping[str, Any], row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the members of a row that are new, with its id."""
    return {
        name: value
        for name, value in row.items()
        if name == "id" or name not in before or before[name] != value
    }


def _words_of(exc: Exception) -> str:
    return str(getattr(exc, "message", "") or exc) or type(exc).__name__
