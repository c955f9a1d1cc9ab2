"""Reads the binary form of `window.py`, as the browser does."""

import numpy as np


def points_of(description, data):
    """Return {series: (first, x, y)} of one append or snapshot."""
    offset = 0
    found = {}

    def column(kind, length):
        nonlocal offset
        values = np.frombuffer(data, dtype=kind, count=length, offset=offset)
        offset += -(-values.nbytes // 8) * 8
        return values.astype(float)

    for series, first, length, x0, kind in description["blocks"]:
        x = x0 + column("<f4", length)
        for index, start in zip(series, first, strict=True):
            found[index] = (start, x, column("<f4" if kind == "f" else "<f8", length))
    assert offset == len(data)
    return found
