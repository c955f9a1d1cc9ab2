"""From a capability to the fields of a form: parameters, constraints, scope, label."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from . import scope_words
from .allowed import suggestions
from .form import Field

if TYPE_CHECKING:
    from pilothouse.mplane.model import Capability, Parameter, When

__all__ = ["LABEL", "SCOPE", "fields_of"]

SCOPE: Final = "@when"
"""Name of the field that holds the temporal scope; no element is called so."""
LABEL: Final = "@label"
"""Name of the field that holds the measurement's label."""

_PARAMETERS: Final = "Parameters"
_WHEN: Final = "When"


def fields_of(capability: Capability) -> list[Field]:
    """Return a field for each parameter, one for the scope and one for the label."""
    found = [_field(capability.parameter(n)) for n in capability.parameter_names()]
    offered = capability.when()
    if offered is not None:
        found.append(_scope_field(offered))
    found.append(
        Field(
            name=LABEL,
            label="label",
            group=_WHEN,
            help="name of the measurement",
            hint="optional",
            is_required=False,
        )
    )
    return found


def _field(parameter: Parameter) -> Field:
    from pilothouse.mplane.model import SetConstraint

    constraint = parameter.constraint()
    kind = parameter.primitive_name()
    is_fixed = parameter.is_single_value()
    numbers = {"natural": "natural", "real": "real", "boolean": "boolean"}
    is_number = kind in ("natural", "real")
    is_list = str(constraint).startswith("[")
    is_choice = isinstance(constraint, SetConstraint) and not is_fixed
    known = suggestions(parameter)
    single = parameter.get_single_value() if is_fixed else None
    return Field(
        name=parameter.name(),
        kind="text" if is_list else numbers.get(kind, "text"),
        unit=parameter.unit(),
        help=(parameter.desc() or ""),
        hint="" if is_choice or is_fixed else _hint(kind, str(constraint)),
        group=_PARAMETERS,
        value=parameter.unparse(single) if is_fixed else "",
        choices=known if is_choice else (),
        suggestions=() if is_choice or is_fixed or is_number else known,
        minimum=_end(constraint, "a") if is_number else None,
        maximum=_end(constraint, "b") if is_number else None,
        is_fixed=is_fixed,
        parse=_reader(parameter, is_list=is_list),
    )


def _hint(kind: str, constraint: str) -> str:
    if constraint == "*":
        return {"natural": "any number", "real": "any number"}.get(kind, f"any {kind}")
    return constraint


def _end(constraint: object, name: str) -> float | None:
    end = getattr(constraint, name, None)
    return end if isinstance(end, int | float) else None


def _reader(parameter: Parameter, *, is_list: bool) -> Callable[[str], Any]:
    def read(text: str) -> Any:  # noqa: ANN401  what the element's type is
        texts = [part.strip() for part in text.split(",")] if is_list else text
        if why := parameter.why_not(texts):
            raise ValueError(why)
        return list(map(parameter.parse, texts)) if is_list else parameter.parse(text)

    return read


def _scope_field(offered: When) -> Field:
    return Field(
        name=SCOPE,
        label="when",
        group=_WHEN,
        help="temporal scope, for instance now + 10s / 1s",
        hint=str(offered).strip(),
        value=scope_words.first_scope(offered),
        suggestions=scope_words.offered_scopes(offered),
        parse=lambda text: scope_words.read_scope(text, offered),
        explain=scope_words.told,
    )
