"""How large things may be on the wire, in bytes where nothing else is said.

Source: seed "maximum payload size is 20MB"; the real client 0.0.6 cuts parts of 20 MiB
of function bytes, so that a body is a little larger (contract §2.8).
"""

from __future__ import annotations

from typing import Final

__all__ = [
    "BODY_BYTES",
    "BODY_ROOM",
    "FUNCTION_BYTES",
    "LABEL_CHARACTERS",
    "PARTS",
    "PART_BYTES",
    "RESULT_BYTES",
    "TEXT_CHARACTERS",
]

PART_BYTES: Final = 20 * 2**20
"""Most bytes of a function in one part."""

BODY_ROOM: Final = 64 * 2**10
"""What a body may hold beside its part or batch."""

BODY_BYTES: Final = PART_BYTES + BODY_ROOM
"""Longest body of init and map."""

RESULT_BYTES: Final = 256 * 2**20
"""Longest results of one batch, opened."""

FUNCTION_BYTES: Final = 2**30
"""Longest function dictionary, opened."""

PARTS: Final = 64
"""Most parts of one function."""

LABEL_CHARACTERS: Final = 16 * 2**10
"""Longest label."""

TEXT_CHARACTERS: Final = 4 * 2**10
"""Longest repr of an exception or an item."""
