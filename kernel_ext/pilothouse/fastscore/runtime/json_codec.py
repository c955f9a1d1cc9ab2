"""JSON records.

A record is read on its own: joining lines into one array and parsing that would be a
third faster on tiny records, but lines such as ``1,2`` or ``[1`` then have to be ruled
out at about the same price. Writing goes through one array: calling ``orjson.dumps``
for each record costs fifteen times more. Between the records stand raw newlines, which
JSON text cannot contain, so that cutting there is exact.

JSON has no NaN and no infinity: a record that holds one cannot be written.
"""

from __future__ import annotations

import datetime
import decimal
import math
import uuid
from collections.abc import Sequence
from typing import Final

import orjson

from pilothouse.fastscore.wire.streams import EncodingKind
from pilothouse.fastscore.wire.values import Value

from .codec import CodecError, Reject, pieces, text_of

_loads = orjson.loads
_dumps = orjson.dumps
_OPTIONS = orjson.OPT_SERIALIZE_NUMPY
_ALL_OPTIONS = _OPTIONS | orjson.OPT_NON_STR_KEYS
_BREAK = orjson.Fragment(b"\n")


class JsonCodec:
    """Reads and writes JSON records."""

    kind = EncodingKind.JSON

    def decode(self, record: bytes) -> Value:
        """Return the JSON value that some bytes are.

        Raises:
            CodecError: If they are none.
        """
        try:
            return _loads(record)
        except ValueError as exc:
            raise CodecError(f"not JSON: {exc}") from exc

    def decode_batch(
        self, data: bytes | Sequence[bytes], separator: bytes = b"\n"
    ) -> tuple[list[Value], list[Reject]]:
        """Return the records that are JSON, in order, and the others."""
        records = pieces(data, separator)
        try:
            return list(map(_loads, records)), []
        except ValueError:
            return _sifted(records)

    def encode(self, value: Value) -> bytes:
        """Return a value as JSON.

        Raises:
            CodecError: If JSON cannot hold it.
        """
        try:
            text = _dumps(value, _default, _OPTIONS)
        except TypeError:
            text = _with_any_keys(value)
        if b"null" in text:
            _refuse_nan(value)
        return text

    def encode_batch(self, values: Sequence[Value]) -> tuple[list[bytes], list[Reject]]:
        """Return the values that JSON can hold, as bytes, and the others."""
        block, count, bad = self.encode_block(values)
        return block.split(b"\n")[:count], bad

    def encode_block(
        self, values: Sequence[Value], separator: bytes = b"\n"
    ) -> tuple[bytes, int, list[Reject]]:
        """Return values in one piece, each followed by a separator."""
        if not values:
            return b"", 0, []
        texts = [_BREAK] * (2 * len(values))
        texts[::2] = values
        try:
            array = _dumps(texts, _default, _OPTIONS)
        except TypeError:
            return self._one_by_one(values, separator)
        if b"null" in array and _may_hold_nan(values):
            return self._one_by_one(values, separator)
        # [v,\n,v,\n]: a newline behind each value, and nothing else.
        block = array[1:-3].replace(b",\n,", separator) + separator
        return block, len(values), []

    def _one_by_one(
        self, values: Sequence[Value], separator: bytes
    ) -> tuple[bytes, int, list[Reject]]:
        good: list[bytes] = []
        bad: list[Reject] = []
        for index, value in enumerate(values):
            try:
                good.append(self.encode(value))
            except CodecError as exc:
                bad.append(Reject(index=index, reason=exc.message, raw=text_of(value)))
        return b"".join(text + separator for text in good), len(good), bad


def _sifted(records: Sequence[bytes]) -> tuple[list[Value], list[Reject]]:
    good: list[Value] = []
    bad: list[Reject] = []
    for index, record in enumerate(records):
        try:
            good.append(_loads(record))
        except ValueError as exc:
            reason = f"not JSON: {exc}"
            bad.append(Reject(index=index, reason=reason, raw=bytes(record)))
    return good, bad


def _with_any_keys(value: Value) -> bytes:
    """Write objects whose keys are numbers too, as Python's json does."""
    try:
        return _dumps(value, _default, _ALL_OPTIONS)
    except (TypeError, RecursionError) as exc:
        raise CodecError(f"JSON cannot hold it: {exc}") from exc


def _may_hold_nan(values: Sequence[Value]) -> bool:
    """Tell whether NaN or infinity is among some values, or values of odd types."""
    waiting: list[Value] = [values]
    while waiting:
        holder = waiting.pop()
        for item in holder.values() if type(holder) is dict else holder:
            kind = type(item)
            if kind is float:
                if item - item != 0.0:  # NaN, for infinity as well
                    return True
            elif kind is dict or kind is list:
                waiting.append(item)
            elif kind not in _PLAIN:
                return True
    return False


_PLAIN: Final = frozenset((str, int, bool, type(None)))


def _refuse_nan(value: Value) -> None:
    """Refuse NaN and infinity, which orjson would write as null.

    Raises:
        CodecError: If the value holds one.
    """
    if value is None or isinstance(value, str | int):
        return
    if isinstance(value, float):
        if not math.isfinite(value):
            raise CodecError(f"JSON has no {value!r}")
    elif isinstance(value, dict):
        for inner in value.values():
            _refuse_nan(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            _refuse_nan(inner)
    elif hasattr(value, "tolist"):
        _refuse_nan(value.tolist())


def _default(value: Value) -> Value:
    """Return what stands for a value that JSON does not know."""
    if isinstance(value, bytes | bytearray):
        return value.decode("latin-1")
    if type(value).__name__ in ("NAType", "NaTType"):
        return None
    if isinstance(value, decimal.Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, datetime.date | datetime.time):  # pandas' own kinds of them
        return value.isoformat()
    if isinstance(value, uuid.UUID | datetime.timedelta):
        return str(value)
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} is no JSON value")
