"""The model inspector: source, slots and schemas, attachments, snapshots."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

import traitlets

from pilothouse.errors import PilothouseError

from . import snapshot, words
from .assets import module
from .view import View

if TYPE_CHECKING:
    from pilothouse.fastscore.active import ActiveModelInfo
    from pilothouse.fastscore.model import Model
    from pilothouse.fastscore.wire.annotations import SlotOptions
    from pilothouse.fastscore.wire.messages import SlotInfo

__all__ = ["ModelInspector"]

_MOST_SOURCE: Final = 200_000
_MOST_SNAPSHOTS: Final = 100


class ModelInspector(View):
    """Shows what a model is made of.

    The source and what its annotations say are there at once; attachments and
    snapshots, which Model Manage is asked for, follow. `refresh` looks again.

    Args:
        model: A `Model`, or the active model of an engine.
    """

    _esm = module("inspector.js")

    name = traitlets.Unicode("", help="Name of the model.").tag(sync=True)
    mtype = traitlets.Unicode("", help="Type of the model.").tag(sync=True)
    source = traitlets.Unicode("", help="Its source.").tag(sync=True)
    slots = traitlets.List(
        trait=traitlets.Dict(), help="Slot, schema, record sets, action."
    ).tag(sync=True)
    options = traitlets.List(
        trait=traitlets.List(), help="Other options: name and value."
    ).tag(sync=True)
    attachments = traitlets.List(
        trait=traitlets.Dict(), help="Name, type, size in bytes."
    ).tag(sync=True)
    snapshots = traitlets.List(
        trait=traitlets.Dict(), help="Id, time, type, size in bytes."
    ).tag(sync=True)
    saved = traitlets.Bool(False, help="Whether Model Manage has it.").tag(sync=True)
    loading = traitlets.Bool(False, help="Whether an answer is awaited.").tag(sync=True)

    def __init__(self, model: Model | ActiveModelInfo) -> None:
        self._model: Any = model
        super().__init__(
            name=str(model.name),
            mtype=str(model.mtype),
            loading=True,
        )
        self._parts = self._subscribe(self._show, merge=lambda old, new: old | new)
        self.refresh()

    def refresh(self) -> None:
        """Look at the model again; answers appear as they come."""
        self._parts.put({"loading": True})
        self._errands.add(self._read)

    def asked(self, ask: str, content: Mapping[str, Any]) -> None:
        """Take a click on Refresh."""
        if ask == "refresh":
            self.refresh()

    def _show(self, parts: dict[str, Any]) -> None:
        self._update(**parts)

    # -- reading, on the errands' thread -------------------------------------------

    def _read(self) -> None:
        found: dict[str, Any] = {}
        troubles: list[str] = []
        for part, read in (
            ("source", self._source),
            ("slots", self._slots),
            ("options", self._options),
            ("attachments", self._attachments),
            ("snapshots", self._snapshots),
        ):
            try:
                found[part] = read()
            except (PilothouseError, ValueError) as exc:
                troubles.append(f"{part}: {str(exc).splitlines()[0]}")
            self._parts.put(dict(found))
        self._parts.put(
            {
                **found,
                "loading": False,
                "saved": self._is_saved,
                "trouble": "; ".join(troubles),
                "status": f"model {self.name} shown",
            }
        )

    @property
    def _is_saved(self) -> bool:
        return getattr(self._model, "model_manage", None) is not None

    def _source(self) -> str:
        source = self._model.source
        text = source if isinstance(source, str) else json.dumps(source, indent=2)
        if len(text) > _MOST_SOURCE:
            return (
                f"{text[:_MOST_SOURCE]}\n… {len(text) - _MOST_SOURCE:,} more characters"
            )
        return text

    def _slots(self) -> list[dict[str, Any]]:
        options = getattr(self._model, "options", None)
        if options is None:  # the active model of an engine tells its slots itself
            return [_slot(slot.slot, slot, self._schema) for slot in self._model.slots]
        return [_slot(n, slot, self._schema) for n, slot in options.slots.items()]

    def _schema(self, name: str) -> object:
        """Return the schema of that name as JSON; ``None`` when nobody has it."""
        own = getattr(self._model, "schemas", {})
        if name in own:
            return own[name].source
        manage = getattr(self._model, "model_manage", None)
        found = manage.schemata.get(name) if manage is not None else None
        return found.source if found is not None else None

    def _options(self) -> list[list[str]]:
        options = getattr(self._model, "options", None)
        if options is None:
            return [["snapshots", str(self._model.snapshots)]]
        fields = [f.name for f in dataclasses.fields(options) if f.name != "slots"]
        values = [(name, getattr(options, name)) for name in fields]
        return [[name.replace("_", " "), _words(value)] for name, value in values]

    def _attachments(self) -> list[dict[str, Any]]:
        every = getattr(self._model, "all_attachments", None)
        if every is None:
            names = getattr(self._model, "attachments", [])
            return [{"name": str(name), "type": "", "size": None} for name in names]
        return [
            {"name": one.name, "type": str(one.atype), "size": one.datasize}
            for one in every()
        ]

    def _snapshots(self) -> list[dict[str, Any]]:
        if not self._is_saved:
            return []
        return [
            {
                "id": one.id,
                "at": f"{one.created_on:%Y-%m-%d %H:%M:%S %Z}",
                "type": str(one.stype),
                "size": one.size,
            }
            for one in self._model.snapshots.browse(count=_MOST_SNAPSHOTS)
        ]

    # -- forms ---------------------------------------------------------------------

    def headline(self) -> str:
        """Return name, type and how much there is of each part."""
        lines = len(self.source.splitlines())
        parts = [
            words.plural(lines, "line"),
            words.plural(len(self.slots), "slot"),
            words.plural(len(self.attachments), "attachment"),
            words.plural(len(self.snapshots), "snapshot"),
        ]
        return f"model {self.name} ({self.mtype}): {', '.join(parts)}"

    def body_html(self) -> str:
        """Return all parts, the source as text."""
        parts = [snapshot.pre(self.source)] if self.source else []
        if self.slots:
            rows = [
                (s["label"], s["schema_name"], s["action"] or "", s["recordsets"])
                for s in self.slots
            ]
            parts.append(
                snapshot.table(["slot", "schema", "action", "record sets"], rows)
            )
        if self.attachments:
            files = [
                (
                    a["name"],
                    a["type"],
                    "" if a["size"] is None else words.size(a["size"]),
                )
                for a in self.attachments
            ]
            parts.append(snapshot.table(["attachment", "type", "size"], files))
        if self.snapshots:
            states = [
                (s["id"], s["at"], s["type"], words.size(s["size"]))
                for s in self.snapshots
            ]
            parts.append(snapshot.table(["snapshot", "saved", "type", "size"], states))
        return "".join(parts)


def _slot(
    number: int, slot: SlotOptions | SlotInfo, find: Callable[[str], object]
) -> dict[str, Any]:
    """Return one slot; a schema that is a name is looked up."""
    schema = slot.schema
    name = getattr(slot, "schema_name", None) or ""
    if name:
        found = find(name)
        schema = None if found is None else found
    if isinstance(schema, str):
        schema = _parsed(schema)
    return {
        "slot": number,
        "label": f"{'out' if number % 2 else 'in'} {number}",
        "schema_name": name or ("" if schema is None else _title(schema)),
        "schema": "" if schema is None else json.dumps(schema, indent=2, default=str),
        "recordsets": "yes" if slot.recordsets else "no",
        "action": slot.action,
    }


def _parsed(text: str) -> object:
    try:
        value: object = json.loads(text)
    except ValueError:
        return text
    return value


def _title(schema: object) -> str:
    if isinstance(schema, dict):
        return str(schema.get("name") or schema.get("type") or "schema")
    return str(schema)


def _words(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple | list):
        return ", ".join(map(str, value)) or "none"
    return str(value)
