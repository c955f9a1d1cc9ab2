"""Loading a model: what comes in, checked, made ready for jets (contract §6.3).

    request -> type, annotations, source, schemas, import policy, attachments
            -> PreparedModel: what jets are started with, and what a dry run answers

All refusals are `ProtocolError` (400). Nothing of the model runs here, except that
compilers and parsers of foreign types are asked, as processes of their own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pilothouse.errors import NotFoundError, ProtocolError
from pilothouse.fastscore.runtime.sources import check_source
from pilothouse.fastscore.wire.annotations import (
    ModelOptions,
    SlotOptions,
    parse_options,
)
from pilothouse.fastscore.wire.avro import Schema, parse_schema
from pilothouse.fastscore.wire.load import (
    AnyAttachment,
    InlineAttachment,
    LoadRequest,
)
from pilothouse.fastscore.wire.messages import SlotInfo, VerifyInfo
from pilothouse.services.fastscore.store import Store

from .foreign_check import check_foreign
from .jet.languages import mentions
from .needs import needs_of
from .policy import Policies, Verdict, is_available
from .runnable import FOREIGN_TOOLS, why_not
from .unpacking import Archive

__all__ = [
    "PreparedModel",
    "prepare",
    "resolve_schema",
]

MAX_SLOTS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedModel:
    """A model that passed all checks.

    Attributes:
        slots: The slots in use, in order, schemas resolved.
        schemas: Slot -> compiled schema, where there is one.
        run_source: What jets get: the source, or PFA as JSON.
        run_type: Type of `run_source`.
    """

    name: str
    mtype: str
    source: str
    options: ModelOptions
    slots: tuple[SlotInfo, ...]
    schemas: Mapping[int, Schema] = field(default_factory=dict)
    archives: tuple[Archive, ...] = ()
    verdict: Verdict = field(default_factory=Verdict)
    run_source: str = ""
    run_type: str = ""

    @property
    def verify_info(self) -> VerifyInfo:
        """What a dry run answers."""
        return VerifyInfo(
            slots=self.slots,
            install_libs=tuple(self.verdict.install),
            warn_libs=tuple(self.verdict.warn),
            attach_libs=tuple(self.verdict.attached),
            snapshots=self.options.snapshots,
        )

    @property
    def slot_numbers(self) -> frozenset[int]:
        """The slots in use."""
        return frozenset(self.options.slots)

    def start_head(self) -> dict[str, Any]:
        """Return the model's part of the head of a ``start`` frame."""
        return {
            "name": self.name,
            "mtype": self.run_type or self.mtype,
            "source": self.run_source or self.source,
        }


async def prepare(
    request: LoadRequest, store: Store, policies: Policies
) -> PreparedModel:
    """Check a request to load a model.

    Raises:
        ProtocolError: If anything is wrong with it.
    """
    if reason := why_not(request.mtype):
        raise ProtocolError(reason)
    run_source, run_type = await check_foreign(request)
    options = _options(run_source or request.source, run_type or request.mtype)
    schemas = await _schemas(options, request.schemas, store)
    _check_names(request, options)
    archives = await _archives(request.attachments, store)
    members = [name for archive in archives for name in await _members(archive)]
    verdict = _imports(request, options, members, policies)
    return PreparedModel(
        name=request.name,
        mtype=request.mtype,
        source=request.source,
        options=options,
        slots=tuple(
            _slot_info(slot, given, schemas) for slot, given in options.slots.items()
        ),
        schemas=schemas,
        archives=archives,
        verdict=verdict,
        run_source=run_source,
        run_type=run_type,
    )


def _options(source: str, mtype: str) -> ModelOptions:
    options = parse_options(source, mtype)
    if not options.slots:
        raise ProtocolError("the model uses no slot")
    if len(options.slots) > MAX_SLOTS:
        raise ProtocolError(f"the model uses more than {MAX_SLOTS} slots")
    return options


def _check_names(request: LoadRequest, options: ModelOptions) -> None:
    """Let a model in another language pass that has its action functions."""
    if request.mtype in FOREIGN_TOOLS:
        for slot in options.inputs:
            name = options.slots[slot].action or "action"
            if not mentions(request.source, name):
                raise ProtocolError(f"no function '{name}' for input slot {slot}")


def _slot_info(
    slot: int, given: SlotOptions, schemas: Mapping[int, Schema]
) -> SlotInfo:
    schema = schemas.get(slot)
    return SlotInfo(
        slot=slot,
        schema=None if schema is None else schema.json,
        recordsets=given.recordsets,
        action=given.action,
    )


async def _schemas(
    options: ModelOptions, embedded: Mapping[str, Any], store: Store
) -> dict[int, Schema]:
    found: dict[int, Schema] = {}
    for slot, given in options.slots.items():
        if given.schema_name is not None:
            found[slot] = await resolve_schema(given.schema_name, embedded, store)
        elif given.schema is not None:
            found[slot] = await asyncio.to_thread(parse_schema, given.schema)
    return found


async def resolve_schema(
    name: str, embedded: Mapping[str, Any], store: Store
) -> Schema:
    """Return a schema by its name: embedded in the request, or in Model Manage.

    Raises:
        ProtocolError: If there is none, or it is wrong.
    """
    if name in embedded:
        json = embedded[name]
    else:
        try:
            json = await asyncio.to_thread(store.get_schema, name)
        except NotFoundError as exc:
            raise ProtocolError(f"schema '{name}' not found") from exc
    try:
        return await asyncio.to_thread(parse_schema, json)
    except ProtocolError as exc:
        raise ProtocolError(f"schema '{name}' is invalid: {exc.message}") from exc


async def _archives(
    attachments: tuple[AnyAttachment, ...], store: Store
) -> tuple[Archive, ...]:
    found = []
    for given in attachments:
        if isinstance(given, InlineAttachment):
            found.append(Archive(name=given.name, atype=given.atype, source=given.data))
            continue
        try:
            stored = await asyncio.to_thread(
                store.attachment, given.model, given.stored_name
            )
        except NotFoundError as exc:
            raise ProtocolError(
                f"attachment '{given.stored_name}' of model '{given.model}' not found "
                "in Model Manage"
            ) from exc
        found.append(Archive(name=given.name, atype=stored.atype, source=stored.path))
    return tuple(found)


async def _members(archive: Archive) -> list[str]:
    return await asyncio.to_thread(archive.members)


def _imports(
    request: LoadRequest, options: ModelOptions, members: list[str], policies: Policies
) -> Verdict:
    if request.mtype not in ("python", "python3"):
        return Verdict(attached=sorted(set(options.attached_modules)))
    check_source(request.source, options, f"<model {request.name}>")
    needs = needs_of(request.source)
    attached = options.attached_modules
    own = {"fastscore"} | {_module_of(member) for member in members}
    verdict = policies.judge(request.mtype, needs.imports, attached)
    exempt = own | {name.partition(".")[0] for name in attached}
    for name in sorted(needs.libraries - exempt):
        if not needs.changes_path and not is_available(name):
            raise ProtocolError(f"the model imports {name!r}, which is not installed")
    return verdict


def _module_of(member: str) -> str:
    """Return the top name that a file of an attachment can be imported by."""
    first = member.removeprefix("./").partition("/")[0]
    return first.partition(".")[0]
