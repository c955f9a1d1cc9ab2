"""A form of typed fields: checked while one types, sent only when all is right.

The kernel's checks decide; each gives the reason in words, which stands below its field
and is read out. The browser does the plain ones itself too (something is missing, no
number, outside of the range, not one of the words), since the kernel's answer waits
while a cell runs. A form is one widget model, whatever the number of its fields.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import traitlets

from . import snapshot, words
from .assets import module
from .view import View

__all__ = ["Field", "Form"]

KINDS: Final = ("text", "natural", "real", "boolean", "choice")
_TRUTHS: Final = ("True", "False")


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field of a form.

    Attributes:
        name: Its key in the values.
        label: What stands above it; the name when empty.
        kind: ``"text"``, ``"natural"``, ``"real"``, ``"boolean"`` or ``"choice"``.
        unit: Unit of a number, shown beside it.
        help: One sentence on what belongs in.
        hint: What is allowed, in a few words, for instance ``"0 ... 99"``.
        group: The heading that it stands under.
        value: Its first text.
        choices: The only words it takes, when not empty.
        suggestions: Words that are offered, among others.
        minimum: Smallest number, when there is one.
        maximum: Largest number, when there is one.
        is_required: Whether it may not be left empty.
        is_fixed: Whether it is only shown.
        parse: Makes the value of a text; raises `ValueError` with the reason.
        explain: Tells what a value means, in a sentence; may be left out.
    """

    name: str
    label: str = ""
    kind: str = "text"
    unit: str = ""
    help: str = ""
    hint: str = ""
    group: str = ""
    value: str = ""
    choices: tuple[str, ...] = ()
    suggestions: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    is_required: bool = True
    is_fixed: bool = False
    parse: Callable[[str], Any] | None = None
    explain: Callable[[Any], str] | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind {self.kind!r} is none of {', '.join(KINDS)}")

    @property
    def words(self) -> tuple[str, ...]:
        """The only words it takes; empty when it takes any text."""
        return self.choices or (_TRUTHS if self.kind == "boolean" else ())

    def read(self, text: str) -> Any:  # noqa: ANN401  what the field's parse makes
        """Return the value of a text; ``None`` for an empty one that may be empty.

        Raises:
            ValueError: If it is not allowed; the message is the reason.
        """
        text = text.strip()
        if not text:
            if self.is_required:
                raise ValueError("is missing")
            return None
        value = self._number(text)
        if self.words and text not in self.words:
            raise ValueError(f"{text!r} is none of {', '.join(self.words)}")
        return value if self.parse is None else self.parse(text)

    def _number(self, text: str) -> str | int | float:
        if self.kind not in ("natural", "real"):
            return text
        try:
            value = int(text) if self.kind == "natural" else float(text)
        except ValueError:
            noun = "whole number" if self.kind == "natural" else "number"
            raise ValueError(f"{text!r} is no {noun}") from None
        if self.minimum is not None and value < self.minimum:
            raise ValueError(f"{text} is less than {self.minimum:g}")
        if self.maximum is not None and value > self.maximum:
            raise ValueError(f"{text} is more than {self.maximum:g}")
        return value

    def judge(self, text: str) -> tuple[str, str]:
        """Return why a text is not allowed, and what it means; one of them is empty."""
        try:
            value = self.read(text)
        except (ValueError, TypeError) as exc:
            return str(exc) or "is not allowed", ""
        if self.explain is None or value is None:
            return "", ""
        return "", self.explain(value)

    def to_trait(self) -> dict[str, Any]:
        """Return the form that the browser gets."""
        return {
            "name": self.name,
            "label": self.label or self.name,
            "kind": self.kind,
            "unit": self.unit,
            "help": self.help,
            "hint": self.hint,
            "group": self.group,
            "choices": list(self.words),
            "suggestions": list(self.suggestions),
            "minimum": self.minimum,
            "maximum": self.maximum,
            "required": self.is_required,
            "fixed": self.is_fixed,
        }


class Form(View):
    """A form; its traits are its whole state.

    Args:
        fields: What it asks for, in order; neighbours of one group stand together.
        title: The heading.
        submit: The word on the button; without one there is no button.
        on_submit: Takes the parsed values by name when the button is pressed and all
            of them are right. Runs on a thread of the form; what it returns is shown
            below the button, what it raises as well.

    Raises:
        ValueError: If two fields have one name.
    """

    _esm = module("form.js")

    fields = traitlets.List(trait=traitlets.Dict(), help="See `Field.to_trait`.").tag(
        sync=True
    )
    values = traitlets.Dict(help="The text of each field.").tag(sync=True)
    errors = traitlets.Dict(help="Why a text is not allowed, by name.").tag(sync=True)
    notes = traitlets.Dict(help="What a text means, by name.").tag(sync=True)
    submit = traitlets.Unicode("", help="The word on the button.").tag(sync=True)
    doing = traitlets.Unicode("", help="What the button has begun.").tag(sync=True)
    outcome = traitlets.Unicode("", help="What became of it.").tag(sync=True)
    refused = traitlets.Unicode("", help="Why it did nothing.").tag(sync=True)

    def __init__(
        self,
        fields: Iterable[Field] = (),
        *,
        title: str = "",
        submit: str = "",
        on_submit: Callable[[dict[str, Any]], object] | None = None,
    ) -> None:
        self._fields: dict[str, Field] = {}
        self._on_submit = on_submit
        super().__init__(title=title, submit=submit)
        self._edits = self._subscribe(self._edit, hz=20, merge=_both)
        self._clicks = self._subscribe(self._told, hz=20, merge=_both)
        self.ask_for(fields)

    # -- fields and values, from Python -------------------------------------------

    def ask_for(self, fields: Iterable[Field], *, title: str | None = None) -> None:
        """Ask for other fields; texts of fields with the same name stay."""
        listed = list(fields)
        named = {field.name: field for field in listed}
        if len(named) < len(listed):
            raise ValueError(f"two fields of one name in {[f.name for f in listed]}")
        with self._lock:
            before = {} if self._is_new() else dict(self.values)
            texts = {
                name: field.value
                if field.is_fixed or field.value or field.words
                else before.get(name, "")
                for name, field in named.items()
            }
            self._fields = named
            self._show(
                texts,
                fields=[field.to_trait() for field in listed],
                title=self.title if title is None else title,
                outcome="",
                refused="",
            )

    def fill(self, values: Mapping[str, object] | None = None, **more: object) -> None:
        """Put values into fields, as if typed.

        Raises:
            KeyError: If there is no such field.
        """
        texts = {n: str(v) for n, v in {**(values or {}), **more}.items()}
        if unknown := [name for name in texts if name not in self._fields]:
            raise KeyError(f"no field {unknown[0]!r} in {list(self._fields)}")
        self._edit(texts)

    @property
    def is_right(self) -> bool:
        """Whether every field holds what is allowed."""
        return not self.errors

    def read(self) -> dict[str, Any]:
        """Return the parsed values by name.

        Raises:
            ValueError: If a field holds what is not allowed; it says which and why.
        """
        found: dict[str, Any] = {}
        for name, field in self._fields.items():
            try:
                found[name] = field.read(self.values.get(name, ""))
            except ValueError as exc:
                raise ValueError(f"{field.label or name}: {exc}") from exc
        return found

    def _is_new(self) -> bool:
        return not self._fields

    # -- the browser ----------------------------------------------------------------

    def asked(self, ask: str, content: Mapping[str, Any]) -> None:
        """Take what was typed, and the button."""
        values = content.get("values")
        if not isinstance(values, dict):
            return
        texts = {
            name: text
            for name, text in values.items()
            if name in self._fields and isinstance(text, str)
        }
        if ask == "edit":
            self._edits.put(texts)
        elif ask == "submit" and not self.doing:
            self._errands.add(lambda: self._press(texts))

    def press(self) -> None:
        """Do what the button does, now; the outcome is then shown."""
        self._press(dict(self.values))

    def _edit(self, texts: Mapping[str, str]) -> None:
        """Take texts: on the publisher thread, or where Python fills them in."""
        with self._lock:
            kept = {n: t for n, t in texts.items() if not self._fields[n].is_fixed}
            self._show({**self.values, **kept})

    def _show(self, texts: Mapping[str, str], **more: object) -> None:
        errors: dict[str, str] = {}
        notes: dict[str, str] = {}
        for name, field in self._fields.items():
            reason, note = ("", "") if field.is_fixed else field.judge(texts[name])
            if reason:
                errors[name] = reason
            if note:
                notes[name] = note
        self._update(values=dict(texts), errors=errors, notes=notes, **more)

    def _press(self, texts: Mapping[str, str]) -> None:
        self._edit(texts)
        if self.errors or self._on_submit is None:
            self._clicks.put({"refused": self._why(), "outcome": ""})
            return
        self._clicks.put({"doing": self.submit or "sending", "refused": ""})
        try:
            outcome, refused = self._on_submit(self.read()), ""
        except Exception as exc:  # shown: nothing else could take it
            outcome, refused = "", f"{type(exc).__name__}: {exc}"
        shown = outcome if isinstance(outcome, str) else ""
        self._clicks.put({"doing": "", "outcome": shown, "refused": refused})

    def _why(self) -> str:
        shown = [
            f"{self._fields[name].label or name} {reason}"
            for name, reason in self.errors.items()
        ]
        return "; ".join(shown)

    def _told(self, traits: Mapping[str, str]) -> None:
        said = traits.get("refused") or traits.get("outcome") or traits.get("doing", "")
        self._update(**traits, status=said)

    # -- forms ------------------------------------------------------------------------

    def headline(self) -> str:
        """Return how many fields there are, and how many are not right."""
        shown = words.plural(len(self._fields), "field")
        if self.errors:
            shown += f", {len(self.errors)} to be filled or mended"
        return f"{self.title}: {shown}" if self.title else f"form of {shown}"

    def body_html(self) -> str:
        """Return fields, texts and what is wrong with them."""
        rows: Sequence[Sequence[object]] = [
            (
                field.label or name,
                f"{self.values.get(name, '')} {field.unit}".strip(),
                field.hint,
                self.errors.get(name, ""),
            )
            for name, field in self._fields.items()
        ]
        return snapshot.table(["field", "value", "allowed", "not right"], rows)


def _both(waiting: dict[str, str], value: dict[str, str]) -> dict[str, str]:
    return {**waiting, **value}
