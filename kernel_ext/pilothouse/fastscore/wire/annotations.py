"""Annotations of a model: comments that bind its slots.

Source: vendor manual, "Model annotations"; FastScore Deploy 1.10.4.

    annotation = *WSP mark *WSP ("fastscore" / "odg" / "ModelOp") "." tag ":" value
    tag        = "schema" / "recordsets" / "action" / "slot" ["." scope]
               / "module-attached" / "snapshots" / "input" / "output"
    scope      = slot number / "input" / "output" / "$all" / "$in" / "$out"

The comment is the whole line; the value begins after the first colon. Slots 0 and 1
are in use by default. A slot number wins over ``$in`` and ``$out``, those over
``$all``. Unknown tags are ignored. PFA models say the same in their document.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias, TypeVar

from pilothouse.errors import ProtocolError

from .mime import model_type
from .values import JSON

_MARKS: Final = {
    "java": r"//+|\*",
    "c": r"//+|\*",
    "h2o-java": r"//+|\*",
    "octave": r"[%#]+",
    "sas": r"\*|/\*",
}
_SCOPES: Final = ("$all", "$in", "$out")
_NAMED_SLOTS: Final = {"input": 0, "output": 1}
_UNUSED: Final = ("none", "unused")
_YES_NO: Final = {"yes": True, "true": True, "no": False, "false": False}

Scope: TypeAlias = int | str
_T = TypeVar("_T")


class AnnotationError(ProtocolError):
    """An annotation cannot be understood.

    Attributes:
        line: Line of the source, from 1.
    """

    def __init__(self, message: str, *, line: int) -> None:
        super().__init__(f"line {line}: {message}", protocol="FastScore")
        self.line = line


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotOptions:
    """How a model uses one slot.

    Attributes:
        schema_name: Name of its schema in Model Manage or among the embedded ones;
            ``None`` when untyped or given as JSON.
        schema: Its schema as JSON (PFA models).
        recordsets: Whether it uses record sets.
        action: Function that handles an input slot; ``None`` for outputs and in
            explicit models.
    """

    schema_name: str | None = None
    schema: JSON = None
    recordsets: bool = False
    action: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelOptions:
    """What the annotations of a model say.

    Attributes:
        slots: The slots in use, in order.
        explicit: Whether the model reads and writes its slots itself.
        attached_modules: Modules that come with an attachment.
        snapshots: ``"none"`` or ``"eof"``.
    """

    slots: Mapping[int, SlotOptions] = field(default_factory=dict)
    explicit: bool = False
    attached_modules: tuple[str, ...] = ()
    snapshots: str = "none"

    @property
    def inputs(self) -> tuple[int, ...]:
        """The input slots in use, in order."""
        return tuple(slot for slot in self.slots if slot % 2 == 0)

    @property
    def outputs(self) -> tuple[int, ...]:
        """The output slots in use, in order."""
        return tuple(slot for slot in self.slots if slot % 2 == 1)


def parse_options(source: str, mtype: str) -> ModelOptions:
    """Return what a model says about its slots.

    Args:
        source: The model; PFA as JSON or YAML (PrettyPFA has to be converted first).
        mtype: Its type.

    Raises:
        AnnotationError: If an annotation has a wrong scope or value.
        ProtocolError: If a PFA document cannot be read.
        ValueError: If the model type is unknown.
    """
    mtype = model_type(mtype)
    if mtype.startswith("pfa-"):
        return options_of_pfa(_pfa_document(source, mtype))
    reading = _Reading()
    for line, tag, value in iter_annotations(source, mtype):
        reading.take(line, tag, value)
    return reading.options()


def iter_annotations(
    source: str, mtype: str = "python"
) -> Iterator[tuple[int, str, str]]:
    """Yield line (from 1), tag and value of each annotation."""
    mark = _MARKS.get(mtype, "#+")
    pattern = re.compile(
        rf"\s*(?:{mark})\s*(?:fastscore|odg|modelop)\.([^:]*):(.*)", re.IGNORECASE
    )
    # Not splitlines: Python counts no form feed or U+2028 as the end of a line.
    for number, text in enumerate(re.split(r"\r\n|\r|\n", source), 1):
        found = pattern.fullmatch(text)
        if found is not None:
            yield number, found[1].strip(), found[2].strip()


def options_of_pfa(document: JSON) -> ModelOptions:
    """Return what a PFA document says about its slots.

    Raises:
        ProtocolError: If it is no object, or has no ``input`` or ``output``.
    """
    if not isinstance(document, dict):
        raise ProtocolError("a PFA document must be an object")
    for key in ("input", "output"):
        if key not in document:
            raise ProtocolError(f"the PFA document has no {key!r}")
    metadata = document.get("metadata") or {}
    if not isinstance(metadata, dict):
        raise ProtocolError("the PFA document's 'metadata' must be an object")
    both = str(metadata.get("recordsets", "none")).lower()
    if both not in ("none", "input", "output", "both"):
        raise ProtocolError(f"metadata.recordsets of the PFA document is {both!r}")
    snapshots = str(metadata.get("snapshots", "none")).lower()
    if snapshots not in ("none", "eof"):
        raise ProtocolError(f"metadata.snapshots of the PFA document is {snapshots!r}")
    slots = {
        0: SlotOptions(
            schema=document["input"],
            recordsets=both in ("input", "both"),
            action="action",
        ),
        1: SlotOptions(
            schema=document["output"], recordsets=both in ("output", "both")
        ),
    }
    return ModelOptions(slots=slots, snapshots=snapshots)


def _pfa_document(source: str, mtype: str) -> JSON:
    try:
        if mtype == "pfa-yaml":
            import yaml

            return yaml.safe_load(source)
        return json.loads(source)
    except ValueError as exc:
        hint = ""
        if mtype == "pfa-pretty":
            hint = "convert it to PFA JSON first (titus.prettypfa)"
        raise ProtocolError(f"not a {mtype} document: {exc}", hint=hint) from exc
    except Exception as exc:  # yaml.YAMLError, which is no ValueError
        raise ProtocolError(f"not a {mtype} document: {exc}") from exc


class _Reading:
    """Takes annotations in the order of the source."""

    def __init__(self) -> None:
        self.in_use = {0, 1}
        self.schemas: dict[Scope, str] = {}
        self.recordsets: dict[Scope, bool] = {}
        self.actions: dict[Scope, str | None] = {}
        self.explicit = False
        self.modules: list[str] = []
        self.snapshots = "none"

    def take(self, line: int, tag: str, value: str) -> None:
        name, _, scope_text = tag.partition(".")
        name, scope_text = name.strip().lower(), scope_text.strip()
        if name == "schema":
            self._bind(self.schemas, _scope(scope_text or "$all", line), value, line)
        elif name in ("input", "output"):
            self._bind(self.schemas, _NAMED_SLOTS[name], value, line)
        elif name == "recordsets":
            self._take_recordsets(scope_text, value.lower(), line)
        elif name == "action":
            self._take_action(scope_text, value, line)
        elif name == "slot":
            self._take_slot(_scope(scope_text or "$all", line), value.lower(), line)
        elif name == "module-attached":
            self.modules.append(_given(value, "a module", line))
        elif name == "snapshots":
            if value.lower() not in ("none", "eof"):
                raise AnnotationError(
                    f"snapshots are none or eof: {value!r}", line=line
                )
            self.snapshots = value.lower()

    def options(self) -> ModelOptions:
        slots = {slot: self._slot(slot) for slot in sorted(self.in_use)}
        inputs = [options for slot, options in slots.items() if slot % 2 == 0]
        silent = bool(inputs) and all(options.action is None for options in inputs)
        return ModelOptions(
            slots=slots,
            explicit=self.explicit or silent,
            attached_modules=tuple(self.modules),
            snapshots=self.snapshots,
        )

    def _slot(self, slot: int) -> SlotOptions:
        action: str | None = None
        if slot % 2 == 0 and not self.explicit:
            action = _lookup(self.actions, slot, "action")
        return SlotOptions(
            schema_name=_lookup(self.schemas, slot, None),
            recordsets=_lookup(self.recordsets, slot, False),
            action=action,
        )

    def _bind(
        self, table: dict[Scope, str], scope: Scope, value: str, line: int
    ) -> None:
        table[scope] = _given(value, "a schema", line)
        self._mention(scope)

    def _mention(self, scope: Scope) -> None:
        if isinstance(scope, int):
            self.in_use.add(scope)

    def _take_recordsets(self, scope_text: str, value: str, line: int) -> None:
        if not scope_text and value in ("none", "input", "output", "both"):
            self.recordsets[0] = value in ("input", "both")
            self.recordsets[1] = value in ("output", "both")
            return
        if value not in _YES_NO:
            raise AnnotationError(f"recordsets are yes or no: {value!r}", line=line)
        scope = _scope(scope_text or "$all", line)
        self.recordsets[scope] = _YES_NO[value]
        self._mention(scope)

    def _take_action(self, scope_text: str, value: str, line: int) -> None:
        unused = value.lower() in _UNUSED
        if not scope_text:
            self.explicit = unused
            self.actions["$in"] = None if unused else _function(value, line)
            return
        scope = _scope(scope_text, line)
        if scope == "$out" or (isinstance(scope, int) and scope % 2 == 1):
            raise AnnotationError(
                f"slot {scope_text} is an output; actions handle inputs", line=line
            )
        self.actions[scope] = None if unused else _function(value, line)
        self._mention(scope)

    def _take_slot(self, scope: Scope, value: str, line: int) -> None:
        if value == "in-use":
            if not isinstance(scope, int):
                raise AnnotationError(
                    f"in-use needs a slot number, not {scope}", line=line
                )
            self.in_use.add(scope)
        elif value == "unused":
            self.in_use = {slot for slot in self.in_use if not _covers(scope, slot)}
            for table in (self.schemas, self.recordsets, self.actions):
                for key in [key for key in table if _cancels(scope, key)]:
                    del table[key]
        else:
            raise AnnotationError(f"a slot is in-use or unused: {value!r}", line=line)


def _lookup(table: Mapping[Scope, _T], slot: int, default: _T) -> _T:
    for scope in (slot, "$out" if slot % 2 else "$in", "$all"):
        if scope in table:
            return table[scope]
    return default


def _covers(scope: Scope, slot: int) -> bool:
    if isinstance(scope, int):
        return scope == slot
    return scope == "$all" or (scope == "$out") == (slot % 2 == 1)


def _cancels(scope: Scope, key: Scope) -> bool:
    return key == scope or (isinstance(key, int) and _covers(scope, key))


def _scope(text: str, line: int) -> Scope:
    if text.isascii() and text.isdigit():
        return int(text)
    lowered = text.lower()
    if lowered in _SCOPES:
        return lowered
    if lowered in _NAMED_SLOTS:
        return _NAMED_SLOTS[lowered]
    raise AnnotationError(
        f"no slot is named {text!r}; use a number, $in, $out or $all", line=line
    )


def _given(value: str, what: str, line: int) -> str:
    if not value:
        raise AnnotationError(f"the annotation names no {what.split()[-1]}", line=line)
    return value


def _function(value: str, line: int) -> str:
    if not re.fullmatch(r"[^\W\d][\w.]*", value):
        raise AnnotationError(f"{value!r} is not the name of a function", line=line)
    return value
