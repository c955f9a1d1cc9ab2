"""A model run here, without any engine: begin, action for each record, end.

The same code runs it that runs it on an engine (`pilothouse.fastscore.runtime`), with
the same checks: what does not fit its schema is rejected, here and there.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import orjson

from .errors import (
    FastScoreUsageError,
    ModelError,
)
from .records import Scorable, chunks, count_of
from .results import Rejected, is_frame, tell, typed
from .runtime.callbacks import CallbackModel, ModelFailure
from .runtime.explicit import ListSlots, run_explicit
from .runtime.json_codec import JsonCodec
from .runtime.module import installed, model_module
from .runtime.recordsets import from_recordset, to_recordset
from .runtime.sources import ModelSourceError
from .runtime.state import LocalState
from .runtime.tracebacks import lines_of, traceback_of
from .slot_schemas import slot_schemas
from .wire.annotations import ModelOptions
from .workspace import unpacked

if TYPE_CHECKING:
    from .model import Model

__all__ = ["LOCAL_TYPES", "score"]

LOCAL_TYPES = ("python", "python3")
_ONE_AT_A_TIME = threading.RLock()
"""The working directory and the module ``fastscore`` are those of the whole process."""


def score(
    model: Model,
    inputs: Scorable,
    *,
    complete: bool = True,
    encoding: str | None = None,
    multi_stream: bool = False,
    input_slot: int | None = None,
    output_slot: int | None = None,
    schemas: Mapping[str, Any] | None = None,
    as_frame: bool | None = None,
) -> Any:  # noqa: ANN401 - a list or a DataFrame
    """Run a model here and return what it gives out.

    Schemas that the annotations name are looked up among ``schemas``, the model's own
    and, for a saved model, in its Model Manage.

    Args:
        model: A python or python3 model.
        inputs: Records: a DataFrame, list or iterator; for a slot with record sets all
            of them are one set. With ``multi_stream`` pairs of slot and record.
        complete: Also run ``end()``.
        encoding: ``"json"``: records are JSON texts, on both sides.
        multi_stream: Take and return pairs of slot and value.
        input_slot: Where the records go in; None: the first one in use.
        output_slot: Which outputs are returned; None: the first one in use.
        schemas: Name -> schema, beside the model's own.
        as_frame: As `pilothouse.fastscore.results.typed`.

    Raises:
        ModelError: If the model raises; ``lines`` names the lines of its source, and
            the model's own exception is its cause.
        FastScoreError: If it cannot run here, or a schema is missing.
    """
    if model.mtype not in LOCAL_TYPES:
        raise FastScoreUsageError(
            f"a {model.mtype} model cannot run here; known: {', '.join(LOCAL_TYPES)}",
            hint="deploy it to an engine",
        )
    if encoding not in {None, "json"}:
        raise FastScoreUsageError(f"unknown encoding {encoding!r}; known: 'json'")
    run = _Run(model, schemas or {})
    given = count_of(inputs)
    pairs = _pairs(inputs, run.slot(input_slot, 0), multi_stream, encoding)
    outputs = run.over(pairs, complete=complete)
    if encoding == "json":
        outputs = [(slot, orjson.dumps(value).decode()) for slot, value in outputs]
    rejected = run.rejected
    if multi_stream:
        return tell(outputs, rejected, len(rejected), given or run.count)
    wanted = run.slot(output_slot, 1)
    values = [value for slot, value in outputs if slot == wanted]
    schema = None if encoding else run.schemas.get(wanted)
    if as_frame is None and is_frame(inputs):
        as_frame = encoding is None
    result = typed(values, schema, as_frame if encoding is None else False)
    return tell(result, rejected, len(rejected), given or run.count)


def _pairs(
    inputs: Scorable, slot: int, multi_stream: bool, encoding: str | None
) -> Iterator[tuple[int, Any]]:
    for chunk in chunks(inputs):
        for item in _as_read(chunk) if is_frame(inputs) else chunk:
            at, record = item if multi_stream else (slot, item)
            yield at, orjson.loads(record) if encoding == "json" else record


def _as_read(rows: list[Any]) -> list[Any]:
    """Return rows of a DataFrame as an engine would read them: a date is a text."""
    codec = JsonCodec()
    records, bad = codec.encode_batch(rows)
    return rows if bad else codec.decode_batch(records)[0]


class _Run:
    """One run of a model."""

    def __init__(self, model: Model, schemas: Mapping[str, Any]) -> None:
        self.model = model
        self.source = model.source_bytes().decode()
        self.options: ModelOptions = model.options
        self.filename = f"<model {model.name}>"
        self.schemas = slot_schemas(model, self.options, schemas)
        self.rejected: list[Rejected] = []
        self.count = 0

    def slot(self, given: int | None, parity: int) -> int:
        """Return a slot: the one given, or the first in use of its kind."""
        slots = self.options.outputs if parity else self.options.inputs
        if given is None:
            if not slots:
                return parity
            return slots[0]
        if given not in slots:
            used = ", ".join(map(str, slots)) or "none"
            raise FastScoreUsageError(f"slot {given} is not in use; in use: {used}")
        return given

    def over(
        self, pairs: Iterator[tuple[int, Any]], *, complete: bool
    ) -> list[tuple[int, Any]]:
        """Return slots and values of all that the model puts out."""
        good = self._checked_inputs(pairs)
        with ExitStack() as stack:
            stack.enter_context(_ONE_AT_A_TIME)
            stack.enter_context(unpacked(self.model))
            stack.enter_context(installed(model_module(LocalState())))
            if self.options.explicit:
                raw = self._explicit(good)
            else:
                raw = self._callbacks(good, complete=complete)
        return self._checked_outputs(raw)

    def _checked_inputs(
        self, pairs: Iterator[tuple[int, Any]]
    ) -> list[tuple[int, int, Any]]:
        """Return index, slot and record of those that fit their schema."""
        good = []
        for index, (slot, record) in enumerate(pairs):
            self.count += 1
            if slot not in self.options.inputs:
                raise FastScoreUsageError(f"input slot {slot} is not in use")
            schema = self.schemas.get(slot)
            reason = None if schema is None else schema.reason(record)
            if reason is None:
                fit = record if schema is None else schema.decode(record)
                good.append((index, slot, fit))
            else:
                self._reject(slot, index, reason, record)
        return good

    def _checked_outputs(self, raw: Sequence[tuple[int, Any]]) -> list[tuple[int, Any]]:
        outputs = []
        for slot, item in raw:
            schema = self.schemas.get(slot)
            values = [item]
            if self.options.slots[slot].recordsets:
                values = from_recordset(item, schema)
            for value in values:
                reason = None if schema is None else schema.reason(value)
                if reason is None:
                    fit = value if schema is None else schema.decode(value)
                    outputs.append((slot, fit))
                else:
                    self._reject(slot, None, reason, value)
        return outputs

    def _reject(self, slot: int, index: int | None, reason: str, record: Any) -> None:  # noqa: ANN401
        self.rejected.append(
            Rejected(slot=slot, index=index, reason=reason, record=record)
        )

    def _callbacks(
        self, good: list[tuple[int, int, Any]], *, complete: bool
    ) -> list[tuple[int, Any]]:
        outputs: list[tuple[int, Any]] = []
        with self._telling(None):
            loaded = CallbackModel.load(
                self.source,
                name=self.model.name,
                options=self.options,
                filename=self.filename,
            )
            loaded.begin()
        numbers = dict.fromkeys(self.options.inputs, 0)
        for slot, records in self._grouped(good):
            first = numbers[slot] + 1
            numbers[slot] += len(records)
            if self.options.slots[slot].recordsets:
                whole = to_recordset(records, self.schemas.get(slot))
                with self._telling(records):
                    outputs.extend(loaded.call(slot, whole, numbers[slot]))
            else:
                with self._telling(records):
                    outputs += self._batch(loaded, slot, records, first)
        if complete:
            with self._telling(None):
                loaded.end()
        return outputs

    def _batch(
        self, loaded: CallbackModel, slot: int, records: list[Any], first: int
    ) -> list[tuple[int, Any]]:
        """Return slots and values for a run of records, in the order they came."""
        if len(self.options.outputs) < 2:
            batch = loaded.call_batch(slot, records, first)
            return [(at, value) for at, values in batch.items() for value in values]
        outputs: list[tuple[int, Any]] = []
        for index, record in enumerate(records):
            try:
                outputs += loaded.call(slot, record, first + index)
            except Exception as exc:
                raise ModelFailure(index, {}) from exc
        return outputs

    def _grouped(
        self, good: list[tuple[int, int, Any]]
    ) -> Iterator[tuple[int, list[Any]]]:
        """Yield runs of records for one slot; a slot with record sets gets them all."""
        sets = {s: o.recordsets for s, o in self.options.slots.items()}
        run: list[Any] = []
        at: int | None = None
        for _, slot, record in good:
            if sets[slot]:
                continue
            if at != slot and at is not None and run:
                yield at, run
                run = []
            at = slot
            run.append(record)
        if at is not None and run:
            yield at, run
        for slot in self.options.inputs:
            if sets[slot]:
                yield slot, [record for _, at, record in good if at == slot]

    def _explicit(self, good: list[tuple[int, int, Any]]) -> list[tuple[int, Any]]:
        by_slot: dict[int, list[Any]] = {}
        for slot in self.options.inputs:
            records = [record for _, at, record in good if at == slot]
            if self.options.slots[slot].recordsets:
                by_slot[slot] = [to_recordset(records, self.schemas.get(slot))]
            else:
                by_slot[slot] = records
        slots = ListSlots(self.options, by_slot)
        with self._telling(None):
            run_explicit(
                self.source,
                name=self.model.name,
                slots=slots,
                state=LocalState(),
                filename=self.filename,
            )
        return slots.outputs

    @contextmanager
    def _telling(self, records: Sequence[Any] | None) -> Iterator[None]:
        """Turn what the model raises into a `ModelError` on its lines."""
        try:
            yield
        except ModelSourceError as exc:
            raise ModelError(
                f"Model {self.model.name!r} cannot be loaded: {exc}",
                exc,
                lines=() if exc.line is None else (exc.line,),
            ) from exc
        except ModelFailure as exc:
            cause = exc.__cause__ or exc
            record = None if records is None else records[exc.index]
            raise self._error(cause, record) from cause
        except Exception as exc:
            raise self._error(exc, None) from exc

    def _error(self, exc: BaseException, record: Any) -> ModelError:  # noqa: ANN401
        text = f"Model {self.model.name!r} failed: {type(exc).__name__}: {exc}"
        return ModelError(
            text if record is None else f"{text} (on {_brief(record)})",
            console=traceback_of(exc, self.source, self.filename),
            record=None if record is None else _brief(record),
            lines=lines_of(exc, self.filename),
        )


def _brief(record: Any) -> str:  # noqa: ANN401 - any record
    text = repr(record)
    return text if len(text) <= 200 else f"{text[:197]}..."
