"""Why an engine went to ERROR: the model's own error, as Pneumo tells it."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING

from .errors import FastScoreError, FastScoreRefusedError, ModelError
from .pneumo import ModelErrorMsg, Pneumo

if TYPE_CHECKING:
    import datetime

    from .instance import Instance

__all__ = ["failure_of", "model_error"]

_FRAME = re.compile(r'File "<model [^>"]*>", line (\d+)')


def failure_of(
    engine: Instance, since: datetime.datetime | None = None
) -> FastScoreError:
    """Return the error for an engine that is in ERROR.

    Args:
        engine: The engine.
        since: Only messages from this moment on count.
    """
    with suppress(FastScoreError):
        found = Pneumo(engine.gateway).history(src=engine.name, type="model-error")
        for message in reversed(found):
            if isinstance(message, ModelErrorMsg) and (
                since is None or message.timestamp >= since
            ):
                return model_error(engine.name, message)
    return FastScoreRefusedError(
        f"{engine.name} is in state ERROR", hint="engine.reset() brings it back to INIT"
    )


def model_error(engine: str, message: ModelErrorMsg) -> ModelError:
    """Return the error that a Pneumo message tells of."""
    console = message.console.rstrip()
    last = console.splitlines()[-1].strip() if console else "no traceback"
    given = message.input
    record = given.data[-1] if given is not None and given.data else None
    text = f"The model failed on {engine}: {last}"
    if given is not None:
        number = given.seqno + len(given.data) - 1 if given.data else given.seqno
        text += f" (record {number} of slot {given.slot})"
    return ModelError(
        text,
        console=console,
        record=record,
        lines=tuple(int(line) for line in _FRAME.findall(console)),
    )
