"""SOAP-RPC records: a model sees a dict of the body.

    <Envelope><Body><op><a>1</a><b>x</b><b>y</b></op></Body></Envelope>
    <->  {"op": {"a": "1", "b": ["x", "y"]}}

Names lose their prefixes and namespaces; leaves are strings, an empty one is null.
Document types and entities are refused.
"""

from __future__ import annotations

from xml.etree import ElementTree

from pilothouse.fastscore.wire.streams import EncodingKind
from pilothouse.fastscore.wire.values import Value

from .codec import CodecError, OneByOne

_NAMESPACE = "http://schemas.xmlsoap.org/soap/envelope/"


class SoapCodec(OneByOne):
    """Reads and writes SOAP envelopes."""

    kind = EncodingKind.SOAP

    def decode(self, record: bytes) -> dict[str, Value]:
        """Return the body of an envelope.

        Raises:
            CodecError: If the bytes are no SOAP envelope.
        """
        if b"<!" in record.replace(b"<!--", b"").replace(b"<![CDATA[", b""):
            raise CodecError("a SOAP envelope has no document type")
        try:
            root = ElementTree.fromstring(record)
        except (ElementTree.ParseError, ValueError, LookupError) as exc:
            raise CodecError(f"not XML: {exc}") from exc
        body = next((item for item in root if _name(item) == "Body"), None)
        if _name(root) != "Envelope" or body is None:
            raise CodecError("not a SOAP envelope")
        value = _value(body)
        return value if isinstance(value, dict) else {}

    def encode(self, value: Value) -> bytes:
        """Return an object as the body of an envelope.

        Raises:
            CodecError: If it is no object, or holds what XML cannot.
        """
        if not isinstance(value, dict):
            raise CodecError(f"soap-rpc takes objects, not {type(value).__name__}")
        ElementTree.register_namespace("soap", _NAMESPACE)
        root = ElementTree.Element(f"{{{_NAMESPACE}}}Envelope")
        body = ElementTree.SubElement(root, f"{{{_NAMESPACE}}}Body")
        _fill(body, value)
        written: bytes = ElementTree.tostring(root)
        return written


def _name(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]


def _value(element: ElementTree.Element) -> Value:
    if not len(element):
        return element.text or None
    out: dict[str, Value] = {}
    for item in element:
        name, value = _name(item), _value(item)
        if name not in out:
            out[name] = value
        elif isinstance(out[name], list):
            out[name].append(value)
        else:
            out[name] = [out[name], value]
    return out


def _fill(element: ElementTree.Element, value: Value) -> None:
    if isinstance(value, dict):
        for key, inner in value.items():
            if not isinstance(key, str) or not key.isidentifier():
                raise CodecError(f"{key!r} cannot be the name of an element")
            for item in inner if isinstance(inner, list | tuple) else (inner,):
                _fill(ElementTree.SubElement(element, key), item)
    elif isinstance(value, bool):
        element.text = "true" if value else "false"
    elif value is not None:
        if hasattr(value, "item"):
            value = value.item()
        if not isinstance(value, str | int | float):
            raise CodecError(f"XML cannot hold {type(value).__name__}")
        element.text = _xml_text(str(value))


def _xml_text(text: str) -> str:
    for character in text:
        if (
            not (character in "\t\n\r" or character >= " ")
            or character in "\ufffe\uffff"
        ):
            raise CodecError(f"XML cannot hold the character {character!r}")
    return text
