"""The Engine: a state machine, slots with streams, jets, and their REST interface.

    engine        the instance: what it has, start and stop
    api_v1, api_v2   its operations (contract §2.5, §2.6)
    machine       states, and which operation fits which state; no I/O
    flow          model, streams, jets and machine together
    loading, needs, policy, runnable, foreign_check, unpacking   loading a model
    streams, splitting, intake, inlet   input: from a transport or REST to batches
    pipeline, records, roundtrip        batches to jets, outputs back in order
    outlet        output: to REST clients or a transport
    transports    files, inline data, HTTP, TCP, UDP, programs
    pool, jets, console                 jets as child processes
    jet           the inside of a jet
    state         cells and pools
    sampling, verifying                 sample, rate; schemas to check data with
    meters, reporting, failing          sensors, Pneumo, errors

Outputs leave in the order of the inputs, with any number of jets. `Engine` is loaded
when it is first asked for: a jet, whose entry lies in this package, does without.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .engine import Engine

from pilothouse.fastscore.wire.values import JSON

__all__ = ["Engine"]


def __getattr__(name: str) -> JSON:
    if name == "Engine":
        from .engine import Engine

        return Engine
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
