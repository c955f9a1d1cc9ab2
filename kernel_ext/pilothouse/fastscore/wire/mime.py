"""Model types, attachment types and the content types that carry them.

Source: developer interface, "Models", "Attachments"; real SDK 1.10.3, `constants`.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

_MODEL: Final = "application/vnd.fastscore.model-"
_POLICY: Final = "application/vnd.fastscore.import-policy-"

MODEL_TYPES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "pfa-json": _MODEL + "pfa+json",
        "pfa-yaml": _MODEL + "pfa-yaml",
        "pfa-pretty": _MODEL + "pfa-pretty",
        "h2o-java": _MODEL + "h2o-java",
        "python": _MODEL + "python",
        "python3": _MODEL + "python3",
        "R": _MODEL + "r",
        "java": _MODEL + "java",
        "c": _MODEL + "c",
        "octave": _MODEL + "m",
        "jupyter": _MODEL + "jupyter",
        "sas": _MODEL + "sas",
    }
)
"""Canonical model type -> content type."""

ATTACHMENT_TYPES: Final[Mapping[str, str]] = MappingProxyType(
    {"zip": "application/zip", "tgz": "application/gzip"}
)
"""Attachment type -> content type."""

POLICY_TYPES: Final[Mapping[str, str]] = MappingProxyType(
    {
        mtype: _POLICY + mtype.lower()
        for mtype in ("python", "python3", "R", "java", "c")
    }
)
"""Model type that may have an import policy -> content type of the policy."""

MODEL_SUFFIXES: Final[Mapping[str, str]] = MappingProxyType(
    {
        ".pfa": "pfa-json",
        ".json": "pfa-json",
        ".yaml": "pfa-yaml",
        ".ppfa": "pfa-pretty",
        ".py": "python",
        ".py3": "python3",
        ".R": "R",
        ".java": "java",
        ".c": "c",
        ".m": "octave",
        ".ipynb": "jupyter",
    }
)
"""Suffix of a model file -> model type, as the real CLI 1.10.3 guesses it."""

SCHEMA_MIME: Final = "application/vnd.fastscore.schema-avro"
JSON_MIME: Final = "application/json"
YAML_MIME: Final = "application/x-yaml"
BYTES_MIME: Final = "application/octet-stream"
FORM_MIME: Final = "application/x-www-form-urlencoded"

_BY_MIME: Final = {mime: mtype for mtype, mime in MODEL_TYPES.items()}
_ATTACHMENT_BY_MIME: Final = {mime: atype for atype, mime in ATTACHMENT_TYPES.items()}


def model_type(name: str) -> str:
    """Return the canonical form of a model type; ``"r"`` becomes ``"R"``.

    Raises:
        ValueError: If there is no such type; the message lists the known ones.
    """
    canonical = "R" if name == "r" else name
    if canonical not in MODEL_TYPES:
        raise ValueError(
            f"unknown model type {name!r}; known are {', '.join(MODEL_TYPES)}"
        )
    return canonical


def model_mime(mtype: str) -> str:
    """Return the content type of a model type.

    Raises:
        ValueError: If there is no such type.
    """
    return MODEL_TYPES[model_type(mtype)]


def model_type_of(mime: str) -> str:
    """Return the model type of a content type; parameters are ignored.

    Raises:
        ValueError: If it is not the content type of a model.
    """
    found = _BY_MIME.get(bare(mime))
    if found is None:
        raise ValueError(f"unknown model content type {mime!r}")
    return found


def attachment_mime(atype: str) -> str:
    """Return the content type of an attachment type.

    Raises:
        ValueError: If there is no such type.
    """
    if atype not in ATTACHMENT_TYPES:
        raise ValueError(
            f"unknown attachment type {atype!r}; "
            f"known are {', '.join(ATTACHMENT_TYPES)}"
        )
    return ATTACHMENT_TYPES[atype]


def attachment_type_of(mime: str) -> str:
    """Return the attachment type of a content type; parameters are ignored.

    Raises:
        ValueError: If it is not the content type of an attachment.
    """
    found = _ATTACHMENT_BY_MIME.get(bare(mime))
    if found is None:
        raise ValueError(f"unknown attachment content type {mime!r}")
    return found


def attachment_type_of_name(filename: str) -> str:
    """Guess an attachment type: ``.zip`` is zip, ``.tar.gz`` and ``.tgz`` are tgz.

    Raises:
        ValueError: If the name ends in none of them.
    """
    lowered = filename.lower()
    if lowered.endswith(".zip"):
        return "zip"
    if lowered.endswith((".tar.gz", ".tgz")):
        return "tgz"
    raise ValueError(
        f"unable to guess the attachment type of {filename!r}: "
        "it ends in none of .zip, .tar.gz, .tgz"
    )


def policy_mime(mtype: str) -> str:
    """Return the content type of the import policy for a model type.

    Raises:
        ValueError: If models of that type have no import policy.
    """
    canonical = "R" if mtype == "r" else mtype
    if canonical not in POLICY_TYPES:
        raise ValueError(
            f"model type {mtype!r} has no import policy; "
            f"those that have: {', '.join(POLICY_TYPES)}"
        )
    return POLICY_TYPES[canonical]


def policy_type_of(mime: str) -> str:
    """Return the model type whose import policy has this content type.

    Raises:
        ValueError: If it is not the content type of an import policy.
    """
    for mtype, known in POLICY_TYPES.items():
        if known == bare(mime):
            return mtype
    raise ValueError(f"unknown policy content type {mime!r}")


def bare(mime: str) -> str:
    """Return a content type without parameters, in lower case."""
    return mime.partition(";")[0].strip().lower()
