"""The request that loads a model into an engine.

Source: real SDK 1.10.3, `Engine.load_model` as recorded.

    plain     = source                 ; neither attachments nor schemas
                Content-Type: model type
                Content-Disposition: x-model; name="<model>"
    multipart = *(CRLF "--" boundary CRLF part) CRLF "--" boundary "--" CRLF
                Content-Type: multipart/mixed; boundary=<24 hex digits>
    part      = external / inline / schema / model      ; the model comes last
    external  = attachment; filename="<name>"
                message/external-body; access-type=x-model-manage;
                  ref="urn:fastscore:attachment:<model>:<name>"
                body: Content-Type and Content-Length lines, then an empty line
    inline    = attachment; filename="<name>", application/zip or application/gzip
    schema    = x-schema; name="<schema>", schema content type, JSON text
    model     = x-model; name="<model>", model type, source
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from pilothouse.errors import ProtocolError

from . import mime
from .disposition import disposition, parameter, parse_header
from .values import JSON, unquoted

MAX_INLINE_BYTES: Final = 1024 * 1024
"""Attachments above this size travel by reference unless they are forced inline."""

_REF_PREFIX: Final = "urn:fastscore:attachment:"


@dataclass(frozen=True, slots=True, kw_only=True)
class InlineAttachment:
    """An attachment whose bytes travel with the model.

    Attributes:
        atype: ``"zip"`` or ``"tgz"``.
    """

    name: str
    atype: str
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExternalAttachment:
    """An attachment that the engine has to fetch from Model Manage.

    Attributes:
        atype: ``"zip"`` or ``"tgz"``.
        size: In bytes.
        model: The model that it is attached to in Model Manage.
        ref_name: Its name in Model Manage, where that differs from `name`.
    """

    name: str
    atype: str
    size: int
    model: str
    ref_name: str = ""

    @property
    def stored_name(self) -> str:
        """Its name in Model Manage."""
        return self.ref_name or self.name


AnyAttachment: TypeAlias = InlineAttachment | ExternalAttachment


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadRequest:
    """A model, with what it needs, for an engine."""

    name: str
    mtype: str
    source: str
    attachments: tuple[AnyAttachment, ...] = ()
    schemas: Mapping[str, JSON] = field(default_factory=dict)


def build_load(
    *,
    name: str,
    mtype: str,
    source: str,
    attachments: Sequence[AnyAttachment] = (),
    schemas: Mapping[str, JSON] | None = None,
    boundary: str | None = None,
) -> tuple[dict[str, str], bytes]:
    """Return headers and body of "load model".

    Args:
        name: Name of the model.
        mtype: Its type.
        source: Its source.
        attachments: In the order in which they are sent.
        schemas: Schema name -> Avro schema, as JSON or as JSON text.
        boundary: For a multipart body; random when omitted.

    Raises:
        ValueError: If the model type or an attachment type is unknown.
    """
    content_type = mime.model_mime(mtype)
    where = disposition("x-model", "name", name)
    if not attachments and not schemas:
        headers = {"Content-Type": content_type, "Content-Disposition": where}
        return headers, source.encode()
    parts = [_attachment_part(attachment) for attachment in attachments]
    parts += [_schema_part(key, schema) for key, schema in (schemas or {}).items()]
    parts.append((where, content_type, source.encode()))
    boundary = boundary or _free_boundary(parts)
    headers = {"Content-Type": f"multipart/mixed; boundary={boundary}"}
    return headers, _multipart(parts, boundary)


def parse_load(
    content_type: str | None, content_disposition: str | None, body: bytes
) -> LoadRequest:
    """Read "load model", plain or multipart.

    Args:
        content_type: Header of the request.
        content_disposition: Header of the request; a multipart body has none.
        body: As received.

    Raises:
        ProtocolError: If the body breaks the grammar, a part is missing or twice
            there, or the model type is unknown.
    """
    kind, parameters = parse_header(content_type or "")
    if kind != "multipart/mixed":
        if not content_disposition:
            raise ProtocolError(
                "no model name: Content-Disposition must be 'x-model; name=\"...\"'"
            )
        return _parse_parts([(content_disposition, content_type or "", body)])
    boundary = parameters.get("boundary", "")
    if not boundary:
        raise ProtocolError("a multipart body needs a boundary")
    return _parse_parts(_split(body, boundary))


def read_source(mtype: str, body: bytes) -> str:
    """Return the source of a model from the bytes of a request.

    The real SDK 1.10.3 sends PFA source that it holds as text as a JSON string; it
    is unpacked here.

    Raises:
        ProtocolError: If the bytes are no UTF-8.
    """
    try:
        source = body.decode()
    except UnicodeDecodeError as exc:
        raise ProtocolError(f"the source of a model must be UTF-8: {exc}") from exc
    if mtype == "pfa-json" and source.lstrip().startswith('"'):
        try:
            inner = json.loads(source)
        except ValueError:
            return source
        return inner if isinstance(inner, str) else source
    return source


_Part: TypeAlias = tuple[str, str, bytes]  # disposition, content type, body


def _attachment_part(attachment: AnyAttachment) -> _Part:
    where = disposition("attachment", "filename", attachment.name)
    content_type = mime.attachment_mime(attachment.atype)
    if isinstance(attachment, InlineAttachment):
        return where, content_type, attachment.data
    ref = f"{_REF_PREFIX}{attachment.model}:{attachment.stored_name}"
    by_ref = parameter("ref", ref)
    outer = f"message/external-body; access-type=x-model-manage; {by_ref}"
    inner = f"Content-Type: {content_type}\r\nContent-Length: {attachment.size}\r\n\r\n"
    return where, outer, inner.encode()


def _schema_part(name: str, schema: JSON) -> _Part:
    text = schema if isinstance(schema, str) else json.dumps(schema)
    return disposition("x-schema", "name", name), mime.SCHEMA_MIME, text.encode()


def _free_boundary(parts: Sequence[_Part]) -> str:
    while True:
        boundary = secrets.token_hex(12)
        if not any(boundary.encode() in body for _, _, body in parts):
            return boundary


def _multipart(parts: Sequence[_Part], boundary: str) -> bytes:
    chunks: list[bytes] = []
    for where, content_type, body in parts:
        head = (
            f"\r\n--{boundary}\r\n"
            f"Content-Disposition: {where}\r\n"
            f"Content-Type: {content_type}\r\n\r\n"
        )
        chunks += [head.encode(), body]
    chunks.append(f"\r\n--{boundary}--\r\n".encode())
    return b"".join(chunks)


def _split(body: bytes, boundary: str) -> list[_Part]:
    delimiter = b"\r\n--" + boundary.encode()
    pieces = (b"\r\n" + body).split(delimiter)
    if len(pieces) < 3 or not pieces[-1].startswith(b"--"):
        raise ProtocolError("the multipart body is not complete")
    return [_read_part(piece) for piece in pieces[1:-1]]


def _read_part(piece: bytes) -> _Part:
    head, found, body = piece.partition(b"\r\n\r\n")
    if not found:
        raise ProtocolError("a part of the multipart body has no headers")
    headers = _headers(head)
    if "content-disposition" not in headers:
        raise ProtocolError("a part of the multipart body has no Content-Disposition")
    return headers["content-disposition"], headers.get("content-type", ""), body


def _headers(head: bytes) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in head.decode("utf-8", "replace").splitlines():
        key, found, value = line.partition(":")
        if found:
            headers[key.strip().lower()] = value.strip()
    return headers


def _parse_parts(parts: Sequence[_Part]) -> LoadRequest:
    models: list[tuple[str, str, str]] = []
    attachments: list[AnyAttachment] = []
    schemas: dict[str, JSON] = {}
    for where, content_type, body in parts:
        tag, parameters = parse_header(where)
        name = parameters.get("filename" if tag == "attachment" else "name", "")
        if not name:
            raise ProtocolError(f"a part has no name: {where!r}")
        if tag == "attachment":
            attachments.append(_read_attachment(name, content_type, body))
        elif tag == "x-schema":
            schemas[name] = _read_schema(name, body)
        elif tag == "x-model":
            models.append((name, *_read_model(content_type, body)))
        else:
            raise ProtocolError(f"unknown part {tag!r}")
    if len(models) != 1:
        raise ProtocolError(f"expected one model, found {len(models)}")
    names = [attachment.name for attachment in attachments]
    if len(set(names)) != len(names):
        raise ProtocolError(f"an attachment occurs twice: {', '.join(names)}")
    name, mtype, source = models[0]
    return LoadRequest(
        name=name,
        mtype=mtype,
        source=source,
        attachments=tuple(attachments),
        schemas=schemas,
    )


def _read_model(content_type: str, body: bytes) -> tuple[str, str]:
    try:
        mtype = mime.model_type_of(content_type)
    except ValueError as exc:
        raise ProtocolError(str(exc)) from exc
    return mtype, read_source(mtype, body)


def _read_schema(name: str, body: bytes) -> JSON:
    try:
        return unquoted(json.loads(body))
    except ValueError as exc:
        raise ProtocolError(f"schema {name!r} is not JSON: {exc}") from exc


def _read_attachment(name: str, content_type: str, body: bytes) -> AnyAttachment:
    kind, parameters = parse_header(content_type)
    if kind != "message/external-body":
        return InlineAttachment(name=name, atype=_atype(name, content_type), data=body)
    access = parameters.get("access-type", "").lower()
    if access != "x-model-manage":
        raise ProtocolError(f"attachment {name!r}: unknown access type {access!r}")
    model, ref_name = _read_ref(name, parameters.get("ref", ""))
    inner = _headers(body)
    size = inner.get("content-length", "")
    if not (size.isascii() and size.isdigit()):
        raise ProtocolError(f"attachment {name!r}: Content-Length is {size!r}")
    return ExternalAttachment(
        name=name,
        atype=_atype(name, inner.get("content-type", "")),
        size=int(size),
        model=model,
        ref_name="" if ref_name == name else ref_name,
    )


def _read_ref(name: str, ref: str) -> tuple[str, str]:
    rest = ref.removeprefix(_REF_PREFIX)
    if rest == ref or ":" not in rest:
        raise ProtocolError(f"attachment {name!r}: cannot follow reference {ref!r}")
    # Either name may hold a colon; the attachment's is known from its file name.
    if rest.endswith(f":{name}"):
        return rest[: -len(name) - 1], name
    model, _, stored = rest.partition(":")
    return model, stored


def _atype(name: str, content_type: str) -> str:
    try:
        return mime.attachment_type_of(content_type)
    except ValueError as exc:
        raise ProtocolError(f"attachment {name!r}: {exc}") from exc
