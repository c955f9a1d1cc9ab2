"""Arrays of numpy, in both encodings.

Source: REPL control, "Argument preprocessing"; real client and server, aimm 1.2.

    plain     {"type": "numpy_array", "dtype": "float64", "shape": [2], "data": [1, 2]}
    lossless  {"type": "numpy_array", "dtype": "<f8", "shape": [2], "b64": "..."}
              {"type": "numpy_array", "dtype": "|O", "shape": [2], "list": [...]}
              with "scalar": true it is the one value, without an array around

``shape`` is ours in the plain form: the real peers pass over it, and lose empty shapes.
``b64`` is the array's bytes in C order; ``dtype`` as numpy's ``dtype.str``, or its list
form when structured. Objects are JSON scalars only, and nothing is ever unpickled.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
import pybase64

from pilothouse.aimm.json_text import Base64
from pilothouse.errors import ProtocolError

from .refusal import CannotTravelError, at, at_item
from .scalars import is_scalar, kind_of, plain_item

__all__ = [
    "TAG",
    "decode_bytes",
    "decode_plain",
    "encode_bytes",
    "encode_plain",
    "encode_scalars",
    "read_dtype",
]

Array = np.ndarray[Any, np.dtype[Any]]

TAG: Final = "numpy_array"
_HINTS: Final = {
    "c": "its real and imaginary parts as two arrays",
    "S": "text: .astype(str)",
    "V": "one array for each field",
    "M": '.astype("datetime64[ns]")',
    "m": '.astype("timedelta64[ns]")',
    "g": '.astype("float64")',
}


def encode_plain(array: Array) -> dict[str, Any]:
    """Return the form of the reference document.

    Raises:
        CannotTravelError: If the array is of a kind that real peers cannot read.
    """
    _check_kind(array)
    dtype = array.dtype
    kind = "g" if dtype.char in "gG" else dtype.kind
    is_ns = dtype.kind in "mM" and np.datetime_data(dtype) == ("ns", 1)
    if kind not in "biufUO" and not is_ns:
        raise CannotTravelError(
            f"real AIMM peers have no array of dtype {dtype}", hint=_HINTS.get(kind)
        )
    if kind == "O":
        data: Any = _nested(encode_scalars(array.ravel()), array.shape)
    elif is_ns:
        data = array.astype("i8").tolist()
    else:
        data = array.tolist()
    return {
        "type": TAG,
        "dtype": str(dtype),
        "shape": list(array.shape),
        "data": data,
    }


def decode_plain(obj: dict[str, Any]) -> Array:
    """Return the array of the reference document's form.

    A result of a real server has neither dtype nor shape; numpy infers them.

    Raises:
        ProtocolError: If dtype, shape and data do not fit.
    """
    if "data" not in obj:
        raise ProtocolError("a numpy_array has data")
    dtype = read_dtype(obj["dtype"]) if "dtype" in obj else None
    try:
        array = np.array(obj["data"], dtype=dtype)
    except (TypeError, ValueError, OverflowError) as exc:
        raise ProtocolError(f"a numpy_array of {dtype} cannot hold: {exc}") from None
    if "shape" not in obj:
        return array
    shape = _read_shape(obj["shape"])
    if array.shape == shape:
        return array
    if array.size != math.prod(shape):
        raise ProtocolError(f"{array.size} values do not fill the shape {shape}")
    try:
        return array.reshape(shape)
    except (ValueError, OverflowError) as exc:  # a size beyond all sizes
        raise ProtocolError(f"an array that cannot be: {exc}") from None


def encode_bytes(array: Array) -> dict[str, Any]:
    """Return our lossless form.

    Raises:
        CannotTravelError: If the array holds objects that are no JSON scalars.
    """
    _check_kind(array)
    dtype = array.dtype
    found: dict[str, Any] = {"type": TAG, "shape": list(array.shape)}
    if dtype.kind == "O":
        return {**found, "dtype": "|O", "list": encode_scalars(array.ravel())}
    if dtype.hasobject or dtype.kind not in "biufcmMSUV":
        raise CannotTravelError(f"an array of dtype {dtype}")
    if dtype.char in "gG":
        raise CannotTravelError(
            f"an array of dtype {dtype}, whose bytes differ between machines",
            hint=_HINTS["g"],
        )
    data = (
        np.ascontiguousarray(array).ravel().view(np.uint8).data if array.nbytes else b""
    )
    described = dtype.str if dtype.names is None else _fields(dtype)
    return {
        **found,
        "dtype": described,
        "b64": Base64(pybase64.b64encode(data)),
    }


def decode_bytes(obj: dict[str, Any]) -> Any:  # noqa: ANN401  an array or a scalar
    """Return the array of our lossless form; it owns its data and can be written.

    Raises:
        ProtocolError: If dtype, shape and bytes do not fit.
    """
    try:
        array = _decode_bytes(obj)
    except (ValueError, OverflowError, MemoryError) as exc:  # a size beyond all sizes
        raise ProtocolError(f"an array that cannot be: {exc}") from None
    if obj.get("scalar") is True and not array.shape:
        return array[()]
    return array


def _decode_bytes(obj: dict[str, Any]) -> Array:
    shape = _read_shape(obj.get("shape"))
    dtype = read_dtype(obj.get("dtype"))
    if dtype.kind == "O":
        items = obj.get("list")
        if not isinstance(items, list) or len(items) != math.prod(shape):
            raise ProtocolError(f"a list of values fills the shape {shape}")
        if not all(map(is_scalar, items)):
            raise ProtocolError("an array of objects holds JSON scalars only")
        array = np.empty(len(items), dtype=object)
        array[:] = items
        return array.reshape(shape)
    try:
        text = obj["b64"]
        text = text.data if isinstance(text, Base64) else text
        data = pybase64.b64decode_as_bytearray(text, validate=True)
    except (KeyError, TypeError, ValueError) as exc:
        raise ProtocolError(f"the bytes of an array are no base64: {exc}") from None
    if len(data) != dtype.itemsize * math.prod(shape):
        raise ProtocolError(
            f"{len(data)} bytes do not fill the shape {shape} of dtype {dtype}"
        )
    if not data:
        return np.empty(shape, dtype=dtype)
    return np.frombuffer(data, dtype=dtype).reshape(shape)


def encode_scalars(array: Array) -> list[Any]:
    """Return the members of an array of objects, each of which is a JSON scalar.

    Raises:
        CannotTravelError: If one is not; it names its place.
    """
    items: list[Any] = array.tolist()
    for i, item in enumerate(items):
        if is_scalar(item):
            continue
        with at(at_item(i)):
            items[i] = _scalar(item)
    return items


def read_dtype(described: object) -> np.dtype[Any]:
    """Return the dtype that a text, or a list of fields, describes.

    Raises:
        ProtocolError: If it describes none, or one that holds pointers.
    """
    try:
        if isinstance(described, str):
            dtype = np.dtype(described)
        elif isinstance(described, list):
            dtype = np.dtype([_read_field(field) for field in described])
        else:
            raise TypeError(f"{type(described).__name__} is no dtype")  # noqa: TRY301
    except (TypeError, ValueError, SyntaxError, KeyError) as exc:
        raise ProtocolError(f"the dtype {described!r} is none: {exc}") from None
    if dtype.subdtype is not None and isinstance(described, str):
        raise ProtocolError(f"the dtype {described!r} is an array of its own")
    if dtype.hasobject and dtype.kind != "O":
        raise ProtocolError(f"the dtype {described!r} holds pointers")
    return dtype


def _check_kind(array: Array) -> None:
    if type(array) not in {np.ndarray, np.memmap}:
        raise CannotTravelError(
            f"a {kind_of(array)} is more than an array",
            hint="numpy.asarray(...), or its parts",
        )


def _scalar(item: object) -> Any:  # noqa: ANN401  any JSON scalar
    if isinstance(item, np.generic) and is_scalar(found := plain_item(item)):
        return found
    raise CannotTravelError(
        f"{kind_of(item)} in an array of objects", hint="numbers, texts, True, None"
    )


def _nested(items: list[Any], shape: tuple[int, ...]) -> Any:  # noqa: ANN401
    for size in reversed(shape[1:]):
        step = size or 1
        items = [items[i : i + size] for i in range(0, len(items), step)]
    return items if shape else items[0]


def _fields(dtype: np.dtype[Any]) -> list[list[Any]]:
    rebuilt = [(name, dtype.fields[name][0]) for name in dtype.names or ()]  # type: ignore[index]
    if np.dtype(rebuilt) != dtype:
        raise CannotTravelError(
            f"an array of dtype {dtype}, which has gaps",
            hint="numpy.lib.recfunctions.repack_fields(...)",
        )
    return [[name, _field_type(part)] for name, part in rebuilt]


def _field_type(dtype: np.dtype[Any]) -> Any:  # noqa: ANN401  text, fields, or both
    if dtype.subdtype is not None:
        base, shape = dtype.subdtype
        return {"base": _field_type(base), "shape": list(shape)}
    return dtype.str if dtype.names is None else _fields(dtype)


def _read_field(field: object) -> tuple[Any, ...]:
    if not isinstance(field, list) or len(field) != 2:
        raise TypeError(f"{field!r} is no field")
    name, described = field
    if isinstance(described, dict):
        shape = _read_shape(described.get("shape"))
        return (name, read_dtype(described.get("base")), shape)
    return (name, read_dtype(described))


def _read_shape(shape: object) -> tuple[int, ...]:
    if not isinstance(shape, list) or len(shape) > 64:
        raise ProtocolError(f"the shape {shape!r} is no list of sizes")
    if any(type(size) is not int or size < 0 for size in shape):
        raise ProtocolError(f"the shape {shape!r} has a size that is none")
    return tuple(shape)
