"""Looking for secrets in saved notebooks.

    audit       looks at files and folders; what the command and the magic call
    known       the secrets of this machine, to be recognised anywhere
    notebook    a notebook as a stream of texts, each with its place

    _stream     JSON read in pieces, in bounded memory
    _pages      texts laid out as pages
    _rules      what is looked for on a page
    _shapes     secrets that show by their shape
    _assignments  secrets that show by what stands before them
    _plausible  whether a word could be a secret
    report      what was found, for people and programs

Nothing is sent anywhere and nothing is written. A finding holds the beginning of a
secret and its length, never the secret. It imports the base of the house and how
running services are found.
"""

from __future__ import annotations

from ._rules import is_secret
from .known import Known
from .looking import Finding, Looked, audit, notebooks
from .notebook import UnreadableError
from .report import Audit

__all__ = [
    "Audit",
    "Finding",
    "Known",
    "Looked",
    "UnreadableError",
    "audit",
    "is_secret",
    "notebooks",
]
