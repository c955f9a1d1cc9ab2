"""The names that the cell of a plan binds, as far as a half-written one tells.

Reads text only, with an eye for how a line begins: Tab must not wait for a parser.
"""

from __future__ import annotations

import re

__all__ = ["step_names"]

_BOUND = re.compile(
    r"^(?:([^\W\d]\w*)(?:\s*:[^=\n]*)?\s*=(?!=)|(?:def|class)\s+([^\W\d]\w*))", re.M
)


def step_names(cell: str) -> list[str]:
    """Return the names that a cell binds, in the order in which they stand."""
    return list(dict.fromkeys(a or b for a, b in _BOUND.findall(cell)))
