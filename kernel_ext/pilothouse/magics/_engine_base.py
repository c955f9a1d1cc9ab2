"""What the parts of ``%engine`` share: which engine, model or stream is meant."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING, Any

from pilothouse.errors import LineError

from . import _suite
from ._arguments import Argument
from ._base import HouseMagics
from ._readers import INTEGER, Reader, live

if TYPE_CHECKING:
    from pilothouse.fastscore.suite import Engine

__all__ = ["ENGINE", "MODEL", "SENSOR", "SLOT", "STREAM", "EngineBase", "slot_argument"]

ENGINE = live("engine", "ENGINE", "pilothouse.fastscore.suite:Engine")
MODEL = live("model", "MODEL", "pilothouse.fastscore:Model")
STREAM = live("stream", "STREAM", "pilothouse.fastscore:Stream")
SENSOR = live("sensor", "SENSOR", "pilothouse.fastscore:Sensor", also=("tap",))
SLOT = Reader(INTEGER.read, "SLOT", ("slot",))


def slot_argument(help_text: str, default: object = None) -> Argument:
    """Return an argument that is a slot."""
    return Argument("slot", SLOT, help_text, default)


class EngineBase(HouseMagics):
    """Finds what a line names."""

    def _engine(self, args: Namespace) -> Engine:
        return _suite.engine(self.session, args.engine)

    def _model(self, wanted: Any) -> Any:  # noqa: ANN401  a Model
        if not isinstance(wanted, str):
            return wanted
        return _suite.pick(_suite.model_manage(self.session).models, wanted)

    def _stored(self, args: Namespace, engine: Engine) -> Any:  # noqa: ANN401  a Model
        if args.model is not None:
            return self._model(args.model)
        active = engine.active_model
        if active is None:
            raise LineError("no model is loaded", hint="%engine snapshots MODEL")
        return self._model(active.name)

    def _stream(self, wanted: Any) -> Any:  # noqa: ANN401  a Stream
        from pilothouse.fastscore import Stream
        from pilothouse.fastscore.wire.literals import is_literal

        if not isinstance(wanted, str):
            return wanted
        if is_literal(wanted):
            return Stream.expand(wanted)
        return _suite.pick(_suite.model_manage(self.session).streams, wanted)

    def _sensor(self, wanted: Any) -> Any:  # noqa: ANN401  a Sensor
        from pilothouse.fastscore import Sensor

        if not isinstance(wanted, str):
            return wanted
        if "." in wanted:
            return Sensor.prep(wanted)
        return _suite.pick(_suite.model_manage(self.session).sensors, wanted)

    def _embedded(self, wanted: object, model: Any) -> dict[str, Any]:  # noqa: ANN401
        """Return the schemata to send along: the model's, as this notebook has them.

        A model that was asked for by its saved name goes as it is saved.
        """
        from ._schemata import schemata_of

        if isinstance(wanted, str):
            return {}
        source = model.source_bytes().decode()
        here = schemata_of(self.session, source, model.mtype)
        return {name: s.json() for name, s in {**model.schemas, **here}.items()}
