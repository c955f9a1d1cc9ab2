"""Whether a word could be a secret: no placeholder, no name, random enough."""

from __future__ import annotations

import math
import re
from collections import Counter
from itertools import pairwise

__all__ = [
    "entropy",
    "is_example",
    "is_placeholder",
    "is_random",
    "is_scrambled",
    "is_strong",
]

_PLACEHOLDER = re.compile(
    r"""
    \W*+$                                            # nothing, ***, ..., <>
    | [<\[{(].*[>\]})]$                              # <your token>, {token}, [SEP]
    | .*\*\*\*                                       # blotted out
    | .*(?:\.\.\.|…)                                 # cut off
    | \$ | %\( | %[sdr]\b | .*\{\}                   # filled in elsewhere
    | (?:none|null|nil|true|false|yes|no|on|off|undefined|n/?a|empty|required|optional
      |str|int|float|bool|bytes|string|object|any|type|password|getpass|asked)$
    | (?:the|an?|my|your|some|any|new|old|wrong|bad|fake|dummy|test|sample|example|demo
      |insert|enter|put|replace|change|changeme|redacted|hidden|removed|masked|todo
      |placeholder|default|basic|bearer|digest|pass|passwd|password|passphrase|pwd
      |secret|token|key|credentials?|api[-_ ]?key|user|username)
      (?:[-_ ]?(?:the|an?|my|your|own|me|here|this|it|goes|access|api|auth|client
      |private|with|pass|passwd|password|passphrase|pwd|secret|token|key|credentials?
      |value|string|name|[0-9]{1,3}))*$
    | x{3,}$ | (.)\1{3,}$
    """,
    re.IGNORECASE | re.VERBOSE,
)
_VARIABLE = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\Z")
_EXAMPLE = re.compile(
    r"EXAMPLE|example|(?:x|X|0|\.|\*){8,}|0123456789|1234567890|abcdefghij|ABCDEFGHIJ"
)
_RUN = re.compile(r"[a-z]+")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z", re.IGNORECASE)


def is_placeholder(value: str) -> bool:
    """Return whether a value stands for a secret instead of being one."""
    return bool(_PLACEHOLDER.match(value) or _VARIABLE.match(value))


def is_example(value: str) -> bool:
    """Return whether a token is one of those that documentation shows."""
    return bool(_EXAMPLE.search(value))


def is_random(value: str, at_least: float = 2.5) -> bool:
    """Return whether letters and digits are mixed as in no word; no UUID is."""
    return (
        any(c.isdigit() for c in value)
        and any(c.isalpha() for c in value)
        and not is_example(value)
        and not _UUID.match(value)
        and entropy(value) >= at_least
    )


def is_strong(value: str) -> bool:
    """Return whether a bare word after ``password:`` is no prose, path or name."""
    kinds = {_kind(c) for c in value}
    return len(value) >= 6 and len(kinds) >= 2 and kinds != {"a", "A"}


def is_scrambled(value: str) -> bool:
    """Return whether capitals, small letters and digits follow without any order.

    A long name in a program has runs of one kind, and few digits; of random text, two
    characters out of three are followed by one of another kind.
    """
    runs = _RUN.findall(value)
    is_name = 4 * sum(len(run) == 1 for run in runs) <= len(runs)
    if is_name and sum(c.isdigit() for c in value) <= 2:
        return False
    kinds = [_kind(c) for c in value]
    changes = sum(a != b for a, b in pairwise(kinds))
    return (
        {"a", "A", "0"} <= set(kinds)
        and changes >= 0.4 * len(value)
        and entropy(value) >= 4.0
        and not is_example(value)
    )


def entropy(value: str) -> float:
    """Return the bits for each character, by how often each one comes."""
    total = len(value)
    counts = Counter(value).values()
    return -sum(n / total * math.log2(n / total) for n in counts) if total else 0.0


def _kind(char: str) -> str:
    if char.isdigit():
        return "0"
    if char.isalpha():
        return "A" if char.isupper() else "a"
    return "-"
