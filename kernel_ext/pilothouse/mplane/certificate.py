"""Whom a certificate names: the subject, as mPlane writes identities. No I/O.

    identity = value *( "." value )      ; of the subject's attributes, in their order

Source: contract §6.6; RFC 5280 §4.1, X.690 (DER). The published peer reads its own
identity from a text dump in front of the certificate, which may tell anything; this
reads the certificate.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["identity_of", "identity_of_pem"]

_SEQUENCE, _SET, _OBJECT_ID, _VERSION = 0x30, 0x31, 0x06, 0xA0
_BMP, _LATIN = 0x1E, (0x13, 0x14, 0x16)
_BEGIN, _END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"


def identity_of(certificate: Mapping[str, Any] | None) -> str | None:
    """Return the identity in a certificate as `ssl` gives it, None without one."""
    if not certificate:
        return None
    subject = certificate.get("subject", ())
    return ".".join(value for names in subject for _, value in names) or None


def identity_of_pem(text: str) -> str:
    """Return the identity in the first certificate of a PEM file.

    Raises:
        ValueError: If there is none, or it is damaged.
    """
    start, end = text.find(_BEGIN), text.find(_END)
    if start < 0 or end < start:
        raise ValueError("there is no PEM certificate in it")
    der = ssl.PEM_cert_to_DER_cert(text[start : end + len(_END)])
    try:
        (_, whole), *_ = _items(der)
        (_, body), *_ = _items(whole)
        fields = [item for item in _items(body) if item[0] != _VERSION]
        # serial, signature, issuer, validity, subject
        values = [
            _text(tag, value)
            for _, names in _items(fields[4][1])
            for _, pair in _items(names)
            for tag, value in list(_items(pair))[1:]
        ]
    except (IndexError, ValueError) as exc:
        raise ValueError(f"the certificate is damaged: {exc}") from exc
    if not values:
        raise ValueError("the certificate names no subject")
    return ".".join(values)


def _items(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield tag and content of each DER item."""
    at = 0
    while at < len(data):
        tag, length, at = data[at], data[at + 1], at + 2
        if length & 0x80:
            count = length & 0x7F
            length, at = int.from_bytes(data[at : at + count], "big"), at + count
        if at + length > len(data):
            raise ValueError("an item is cut off")
        yield tag, data[at : at + length]
        at += length


def _text(tag: int, value: bytes) -> str:
    if tag == _BMP:
        return value.decode("utf-16-be")
    return value.decode("latin-1" if tag in _LATIN else "utf-8")
