"""What an engine tells Pneumo, in the words of contract §5.3.

Call these after the new state can be seen through GET: consumers re-read it.
"""

from __future__ import annotations

from pilothouse.fastscore.wire.messages import EngineState
from pilothouse.fastscore.wire.pneumo import (
    EngineConfigMsg,
    EngineStateMsg,
    LogMsg,
    ModelConsoleMsg,
    ModelErrorMsg,
    ModelInputInfo,
)
from pilothouse.services.fastscore.bus import Bus, utc_now

from .records import Batch

__all__ = ["Reporter", "input_info"]

INFO, NOTICE, WARNING, ERROR = 64, 32, 16, 8

MAX_RECORDS = 100
MAX_TEXT = 64 * 1024
"""How much of an input batch a report shows."""


class Reporter:
    """Publishes for one engine.

    Args:
        src: Name of the engine.
        bus: Where to.
    """

    def __init__(self, src: str, bus: Bus) -> None:
        self._src = src
        self._bus = bus

    def state(self, state: EngineState) -> None:
        """A state was entered."""
        self._bus.publish(
            EngineStateMsg(src=self._src, timestamp=utc_now(), state=state.wire)
        )

    def config(self, item: str, op: str, ref: int | str | None = None) -> None:
        """A model, stream or jet has come or gone."""
        self._bus.publish(
            EngineConfigMsg(
                src=self._src, timestamp=utc_now(), item=item, op=op, ref=ref
            )
        )

    def console(self, text: str) -> None:
        """The model has printed something."""
        self._bus.publish(
            ModelConsoleMsg(src=self._src, timestamp=utc_now(), text=text)
        )

    def model_error(self, given: ModelInputInfo | None, console: str) -> None:
        """The model has failed."""
        self._bus.publish(
            ModelErrorMsg(
                src=self._src, timestamp=utc_now(), input=given, console=console
            )
        )

    def log(self, level: int, text: str) -> None:
        """Something worth a line in the log."""
        self._bus.publish(
            LogMsg(src=self._src, timestamp=utc_now(), level=level, text=text)
        )


def input_info(
    batch: Batch, encoding: str | None, index: int | None = None
) -> ModelInputInfo:
    """Return the input of a model error.

    Args:
        batch: What the jet had.
        encoding: Of the stream.
        index: Which record the model failed on; ``None`` if that is not known, then
            the whole batch is shown, as far as `MAX_RECORDS` and `MAX_TEXT` allow.
    """
    first, count = (index, 1) if index is not None else (0, MAX_RECORDS)
    texts: list[str] = []
    room = MAX_TEXT
    for text in batch.texts(first, count):
        texts.append(text[:room])
        room -= len(text)
        if room <= 0:
            break
    return ModelInputInfo(
        slot=batch.slot,
        seqno=batch.seqno + first,
        data=tuple(texts),
        batch_len=batch.count,
        encoding=encoding,
    )
