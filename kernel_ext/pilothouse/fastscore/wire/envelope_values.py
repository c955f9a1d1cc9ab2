r"""The envelope of a stream: what separates the records of a byte stream.

Source: vendor manual, "Envelopes".

    Envelope = word / {"Type": word, ...}
    delimited      Separator ("\\n")
    fixed          Size
    ocf-block      SyncMarker, Compress (null / "deflate"), SkipHeader (true)
    delimited-csv  Separator ("\\r\\n"), SkipHeader (true), SkipBlankLines (true)
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias

from pilothouse.errors import ProtocolError

from .folded import Folded
from .values import JSON, brief

MARKER_SIZE = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Delimited:
    """Records end with a separator; a last one may lack it."""

    word: ClassVar[str] = "delimited"
    separator: bytes = b"\n"

    def internal(self) -> dict[str, Any]:
        """Return the internal form."""
        return {"type": self.word, "separator": self.separator.decode()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fixed:
    """Records of one size in bytes; output is padded with zeros, or cut."""

    word: ClassVar[str] = "fixed"
    size: int

    def internal(self) -> dict[str, Any]:
        """Return the internal form."""
        return {"type": self.word, "size": self.size}


@dataclass(frozen=True, slots=True, kw_only=True)
class OcfBlock:
    """Blocks of an Avro object container file.

    Attributes:
        sync_marker: 16 bytes after each block; ``None`` = as the header says.
        compress: ``None`` or ``"deflate"``.
        skip_header: Whether input begins with a header, to be skipped.
    """

    word: ClassVar[str] = "ocf-block"
    sync_marker: bytes | None = None
    compress: str | None = None
    skip_header: bool = True

    def internal(self) -> dict[str, Any]:
        """Return the internal form; the marker as hex digits."""
        marker = None if self.sync_marker is None else self.sync_marker.hex()
        return {
            "type": self.word,
            "sync_marker": marker,
            "compress": self.compress,
            "skip_header": self.skip_header,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class DelimitedCsv:
    """Rows of csv; a separator between quotes does not end a row.

    Attributes:
        skip_header: Whether input begins with a row of names.
    """

    word: ClassVar[str] = "delimited-csv"
    separator: bytes = b"\r\n"
    skip_header: bool = True
    skip_blank_lines: bool = True

    def internal(self) -> dict[str, Any]:
        """Return the internal form."""
        return {
            "type": self.word,
            "separator": self.separator.decode(),
            "skip_header": self.skip_header,
            "skip_blank_lines": self.skip_blank_lines,
        }


Envelope: TypeAlias = Delimited | Fixed | OcfBlock | DelimitedCsv


def parse_envelope(obj: JSON) -> Envelope:
    """Read the ``Envelope`` of a descriptor.

    Raises:
        ProtocolError: If the type is unknown, or a field is missing or wrong.
    """
    if isinstance(obj, str):
        obj = {"Type": obj}
    fields = Folded(obj, "Envelope")
    word = fields.text("Type").lower()
    if word == Delimited.word:
        return Delimited(separator=_separator(fields, "\n"))
    if word == Fixed.word:
        size = fields.integer("Size")
        if size < 1:
            raise fields.wrong("Size", "at least 1", size)
        return Fixed(size=size)
    if word == OcfBlock.word:
        return OcfBlock(
            sync_marker=_marker(fields.optional_text("SyncMarker")),
            compress=_compress(fields),
            skip_header=fields.boolean("SkipHeader", True),
        )
    if word == DelimitedCsv.word:
        return DelimitedCsv(
            separator=_separator(fields, "\r\n"),
            skip_header=fields.boolean("SkipHeader", True),
            skip_blank_lines=fields.boolean("SkipBlankLines", True),
        )
    raise ProtocolError(f"unknown envelope {fields.text('Type')!r}")


def _separator(fields: Folded, default: str) -> bytes:
    separator = fields.text("Separator", default)
    if not separator:
        raise ProtocolError("Envelope: Separator must not be empty")
    return separator.encode()


def _compress(fields: Folded) -> str | None:
    if fields.get("Compress") is None:
        return None
    word = fields.choice("Compress", ("null", "deflate"))
    return None if word == "null" else word


def _marker(text: str | None) -> bytes | None:
    """Return the 16 bytes that 32 hex digits, base64 or 16 characters stand for."""
    if text is None:
        return None
    candidates = []
    for decode in (bytes.fromhex, _base64, str.encode):
        try:
            candidates.append(decode(text))
        except (ValueError, binascii.Error):
            continue
    for marker in candidates:
        if len(marker) == MARKER_SIZE:
            return marker
    raise ProtocolError(f"SyncMarker must hold 16 bytes, not {brief(text)}")


def _base64(text: str) -> bytes:
    return base64.b64decode(text, validate=True)
