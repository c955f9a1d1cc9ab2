import json

import numpy as np
import pandas as pd
import pytest

from pilothouse.aimm.json_text import to_text
from pilothouse.aimm.values import (
    CannotTravelError,
    DataAccess,
    Lossless,
    Plain,
    decode_call,
    encode_call,
)
from pilothouse.errors import ProtocolError

codecs = pytest.mark.parametrize(
    "codec", [Plain(), Lossless()], ids=["plain", "lossless"]
)


@codecs
def test_the_arguments_of_a_call_come_back(codec):
    args, kwargs = encode_call(codec, [1, np.arange(3)], {"X": DataAccess("d")})

    (one, array), named = decode_call(codec, *json.loads(to_text([args, kwargs])))

    assert (one, list(array), named) == (1, [0, 1, 2], {"X": DataAccess("d")})


@codecs
def test_a_refusal_names_the_argument(codec):
    frame = pd.DataFrame({"a": [1], "b": [2], "c": [3], "d": [{4}]})

    with pytest.raises(
        CannotTravelError, match=r'^kwargs\["X"\]\.columns\[3\]\[0\] cannot'
    ):
        encode_call(codec, [], {"X": frame})


@codecs
@pytest.mark.parametrize(
    ("args", "kwargs"), [("abc", {}), ({}, {}), (None, {}), ([], None), ([], [])]
)
def test_arguments_that_are_none_are_refused(codec, args, kwargs):
    with pytest.raises(ProtocolError):
        decode_call(codec, args, kwargs)


def test_a_data_access_without_a_name_cannot_be_made():
    with pytest.raises(ValueError, match="empty"):
        DataAccess("")
