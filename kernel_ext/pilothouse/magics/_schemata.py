"""The schemata of the notebook that a model's annotations name."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pilothouse.errors import ProtocolError

if TYPE_CHECKING:
    from pilothouse.fastscore import Schema

    from ._session import Session

__all__ = ["schemata_of", "variable_of"]


def variable_of(name: str) -> str:
    """Return the variable that an object of this name is bound to.

    A name that is no identifier gets underscores: ``in-1`` becomes ``in_1``.
    """
    variable = re.sub(r"\W", "_", name)
    return variable if not variable[:1].isdigit() else f"_{variable}"


def schemata_of(session: Session, source: str, mtype: str) -> dict[str, Schema]:
    """Return schemata by name: those that ``source`` names and the user has here.

    They go with the model, so that what is checked is what the notebook says, saved
    or not.
    """
    from pilothouse.fastscore import Schema
    from pilothouse.fastscore.wire.annotations import parse_options

    try:
        slots = parse_options(source, mtype).slots.values()
    except ProtocolError:  # the engine says it better
        return {}
    found: dict[str, Schema] = {}
    for name in {used.schema_name for used in slots if used.schema_name}:
        here = session.shell.user_ns.get(variable_of(name))
        if isinstance(here, Schema) and here.name == name:
            found[name] = here
    return found
