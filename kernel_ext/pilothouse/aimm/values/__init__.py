"""Arguments and results: what travels between a caller and a plugin, and how.

    Plain       the encoding of the reference document, which every peer reads
    Lossless    ours, by agreement of both ends: what comes back is what was sent
    DataAccess  an argument that the server fetches itself

Both encodings have ``encode(value)`` and ``decode(obj)``, inverse to each other as far
as their tables say; `encode_call` and `decode_call` do it for the arguments of a call.
What cannot travel is refused by its place: ``kwargs["X"].columns[3]``.

What may be imported here: `pilothouse.errors`; numpy and pandas only once a value or a
message has them.
"""

from __future__ import annotations

from .call import Codec, decode_call, encode_call
from .data_access import DataAccess
from .lossless import Lossless
from .plain import Plain
from .refusal import CannotTravelError

__all__ = [
    "CannotTravelError",
    "Codec",
    "DataAccess",
    "Lossless",
    "Plain",
    "decode_call",
    "encode_call",
]
