"""Tokens and schema hashes: which strings are hashed.

Source: contract §4.1, checked against release 0.9.0. MD5 of UTF-8, lower-case hex;
names are sorted, lists joined by one blank, URI and verb joined by nothing. It names
things and proves nothing: no secret goes in, no trust comes out.

    schema        = uri " p " parameters " r " columns
    specification = uri verb " w " scope " pk " names " pv " values " r " columns
    all others    = uri verb " w " scope " pk " names " pc " constraints
                    " pv " values " mk " names " mv " values " r " columns " ex " export
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import md5

from .elements import Metavalue, Parameter

__all__ = ["digest", "schema_text", "specification_text", "statement_text"]


def digest(text: str) -> str:
    """Return the 32 hex digits of a text."""
    data = text.encode("utf-8", "surrogatepass")
    return md5(data, usedforsecurity=False).hexdigest()


def schema_text(uri: str, parameters: Iterable[str], columns: Iterable[str]) -> str:
    """Return what a schema hash is made of."""
    return f"{uri} p {' '.join(sorted(parameters))} r {' '.join(sorted(columns))}"


def specification_text(
    head: str, scope: str, parameters: Mapping[str, Parameter], columns: Iterable[str]
) -> str:
    """Return what a specification's token is made of; `head` is URI and verb."""
    names = sorted(parameters)
    values = " ".join(parameters[name].value_text() for name in names)
    return (
        f"{head} w {scope} pk {' '.join(names)} pv {values} r "
        f"{' '.join(sorted(columns))}"
    )


def statement_text(
    head: str,
    scope: str,
    parameters: Mapping[str, Parameter],
    metadata: Mapping[str, Metavalue],
    columns: Iterable[str],
    export: str | None,
) -> str:
    """Return what any other statement's token is made of; `head` is URI and verb."""
    names, metanames = sorted(parameters), sorted(metadata)
    constraints = " ".join(str(parameters[name].constraint()) for name in names)
    values = " ".join(parameters[name].value_text() for name in names)
    metavalues = " ".join(metadata[name].wire() for name in metanames)
    return (
        f"{head} w {scope} pk {' '.join(names)} pc {constraints} pv {values} "
        f"mk {' '.join(metanames)} mv {metavalues} r {' '.join(sorted(columns))} "
        f"ex {export}"
    )
