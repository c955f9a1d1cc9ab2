"""PFA models, scored by titus.

titus2 1.2.0 was written for older Pythons: `inspect.getargspec` and some aliases of
numpy are put back before it is imported. That is done in a process of its own, never
in the service; it can go when titus2 does without them.

Run as a module it checks a source and prints PFA JSON: ``... -m ...jet.pfa TYPE``.
"""

from __future__ import annotations

import collections
import inspect
import json
import sys
import warnings
from collections.abc import Sequence
from typing import Any, Final

from pilothouse.fastscore.runtime.callbacks import ModelFailure
from pilothouse.fastscore.wire.values import Value

__all__ = [
    "PfaScorer",
    "main",
    "titus_module",
    "to_json",
]

_ALIASES: Final = {
    "bool": bool,
    "int": int,
    "float": float,
    "complex": complex,
    "object": object,
    "str": str,
    "unicode": str,
}
_RENAMED: Final = {
    "float_": "float64",
    "complex_": "complex128",
    "unicode_": "str_",
    "string_": "bytes_",
    "NaN": "nan",
    "NAN": "nan",
    "Inf": "inf",
    "Infinity": "inf",
    "infty": "inf",
    "product": "prod",
    "cumproduct": "cumprod",
    "alltrue": "all",
    "sometrue": "any",
    "row_stack": "vstack",
    "in1d": "isin",
    "trapz": "trapezoid",
}
_OUTPUT_SLOT: Final = 1


def titus_module(name: str) -> Value:
    """Return a module of titus, after the repairs it needs."""
    import importlib

    import numpy as np

    warnings.filterwarnings("ignore")
    patched: Any = inspect
    if not hasattr(inspect, "getargspec"):
        spec = collections.namedtuple("spec", "args varargs keywords defaults")

        def getargspec(function: Value) -> Value:
            return spec(*inspect.getfullargspec(function)[:4])

        patched.getargspec = getargspec
    numpy: Any = np
    for alias, kind in _ALIASES.items():
        if alias not in vars(np):
            setattr(numpy, alias, kind)
    for alias, new in _RENAMED.items():
        if alias not in vars(np):
            setattr(numpy, alias, getattr(np, new))
    return importlib.import_module(name)


class PfaScorer:
    """A PFA model: one input, one output.

    Args:
        source: PFA as JSON.
        link: Shows how far it got; may be left out.
    """

    def __init__(self, source: str, link: Value = None) -> None:
        self._source = source
        self._link = link
        self._engine: Any = None
        self._emitted: list[Any] = []

    def begin(self) -> None:
        """Make the engine and run its ``begin``."""
        genpy = titus_module("titus.genpy")
        (self._engine,) = genpy.PFAEngine.fromJson(json.loads(self._source))
        if hasattr(self._engine, "emit"):
            self._engine.emit = self._emitted.append
        self._engine.begin()

    def score(
        self, slot: int, values: Sequence[Any], seqno: int
    ) -> dict[int, list[Any]]:
        """Run ``action`` for each record; maps give values, emits any number."""
        outputs: list[Any] = []
        walk = values if self._link is None else self._link.walk(list(values))
        emits = self._engine.config.method == "emit"
        index = 0
        try:
            for index, value in enumerate(walk):  # noqa: B007 - where it failed
                result = self._engine.action(value)
                if emits:
                    outputs += self._emitted
                    self._emitted.clear()
                else:  # map; fold gives the running result
                    outputs.append(result)
        except Exception as exc:
            raise ModelFailure(index, {_OUTPUT_SLOT: outputs}) from exc
        return {_OUTPUT_SLOT: outputs}

    def end(self) -> None:
        """Run ``end``."""
        self._engine.end()


def to_json(source: str, mtype: str) -> str:
    """Return a PFA source of any form as PFA JSON, checked by titus.

    Raises:
        Exception: Whatever titus raises about a wrong source.
    """
    if mtype == "pfa-pretty":
        document = titus_module("titus.prettypfa").jsonNode(source)
    elif mtype == "pfa-yaml":
        import yaml

        document = yaml.safe_load(source)
    else:
        document = json.loads(source)
    titus_module("titus.genpy").PFAEngine.fromJson(document)
    return json.dumps(document)


def main() -> None:
    """Check the source on standard input and print it as PFA JSON."""
    try:
        text = to_json(sys.stdin.read(), sys.argv[1])
    except Exception as exc:
        sys.exit(f"{type(exc).__name__}: {exc}")
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
