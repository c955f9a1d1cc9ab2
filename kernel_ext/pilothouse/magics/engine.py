"""``%engine``: one engine: load, attach, score, scale, watch.

Its subcommands stand in three modules: here what brings an engine to run,
`_engine_records` what moves records, `_engine_views` what looks.
"""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING

from IPython.core.magic import magics_class

from pilothouse.errors import LineError

from . import _suite
from ._arguments import Argument, Command, Option
from ._base import house_magic, subcommand
from ._engine_base import ENGINE, MODEL, STREAM, slot_argument
from ._engine_records import EngineRecords
from ._engine_views import EngineViews
from ._readers import INTEGER

if TYPE_CHECKING:
    from pilothouse.fastscore.suite import Engine

__all__ = ["EngineMagics"]

DRY_RUN = Option(
    ("--dry-run",), None, "only check it, and show what it would be", False
)


@magics_class
class EngineMagics(EngineRecords, EngineViews):
    """Magics over one engine of the session's suite."""

    @house_magic(
        Command(
            "engine",
            "Steer one engine: load a model, attach streams, score, scale, watch.",
            target=Argument(
                "engine", ENGINE, "which; the preferred one without it", None
            ),
        )
    )
    def engine(self, args: Namespace) -> object:
        """Show the engine, or with a name return it."""
        if args.engine is not None:
            return self._engine(args)
        if self.session.kept(_suite.SERVICE) is None:
            return self.status("engine", "no suite yet: %fastscore connect")
        return self.status("engine", *_facts(self._engine(args)))

    @subcommand("use", Argument("name", ENGINE, "which engine"), example="use engine-2")
    def _use(self, args: Namespace) -> Engine:
        """Prefer an engine: later lines mean it."""
        found = _suite.engine(self.session, args.name)
        _suite.suite(self.session).target = found
        return found

    @subcommand("state", example="state")
    def _state(self, args: Namespace) -> str:
        """Show the engine's state."""
        return str(self._engine(args).state)

    @subcommand(
        "load",
        Argument("model", MODEL, "a model of yours, or the name of a saved one"),
        Option(("--inline",), None, "send attachments along, not by reference", False),
        example="load scorer",
    )
    def _load(self, args: Namespace) -> object:
        """Load a model."""
        engine, model = self._engine(args), self._model(args.model)
        embedded = self._embedded(args.model, model)
        engine.load_model(model, force_inline=args.inline, embedded_schemas=embedded)
        self.session.names.refresh()
        return engine.active_model

    @subcommand(
        "verify",
        Argument("model", MODEL, "a model of yours, or the name of a saved one"),
        example="verify scorer",
    )
    def _verify(self, args: Namespace) -> object:
        """Let the engine check a model without loading it."""
        engine, model = self._engine(args), self._model(args.model)
        embedded = self._embedded(args.model, model)
        return engine.load_model(model, embedded_schemas=embedded, dry_run=True)

    @subcommand("unload", example="unload")
    def _unload(self, args: Namespace) -> str:
        """Unload the model; the streams stay."""
        engine = self._engine(args)
        engine.unload_model()
        return self._state(args)

    @subcommand(
        "attach",
        Argument("stream", STREAM, "a stream of yours, a saved name, or a literal"),
        slot_argument("which slot; the first free one without it"),
        DRY_RUN,
        example="attach rest-chunked: 0",
    )
    def _attach(self, args: Namespace) -> object:
        """Attach a stream to a slot."""
        engine = self._engine(args)
        slot = _free_slot(engine) if args.slot is None else args.slot
        found = self._stream(args.stream).attach(engine, slot, args.dry_run)
        return found if args.dry_run else engine.active_streams

    @subcommand("detach", slot_argument("which slot", 0), example="detach 0")
    def _detach(self, args: Namespace) -> object:
        """Detach the stream of a slot."""
        engine = self._engine(args)
        engine.detach_stream(args.slot)
        return engine.active_streams

    @subcommand("pause", example="pause")
    def _pause(self, args: Namespace) -> str:
        """Pause the engine."""
        self._engine(args).pause()
        return self._state(args)

    @subcommand("unpause", example="unpause")
    def _unpause(self, args: Namespace) -> str:
        """Let a paused engine go on."""
        self._engine(args).unpause()
        return self._state(args)

    @subcommand("reset", example="reset")
    def _reset(self, args: Namespace) -> str:
        """Unload the model, detach all streams, begin anew."""
        self._engine(args).reset()
        self.session.names.refresh()
        return self._state(args)

    @subcommand(
        "scale",
        Argument("n", INTEGER, "how many copies of the model"),
        example="scale 2",
    )
    def _scale(self, args: Namespace) -> object:
        """Run the model in N jets."""
        engine = self._engine(args)
        engine.scale(args.n)
        return engine.active_model


def _facts(engine: Engine) -> list[str]:
    active = engine.active_model
    lines = [f"{engine.name}: {engine.state}"]
    if active is not None:
        lines.append(
            f"model: {active.name} ({active.mtype}), {len(active.jets)} jet(s)"
        )
    for slot, stream in engine.active_streams.items():
        lines.append(f"slot {slot}: {stream.name}")
    return lines


def _free_slot(engine: Engine) -> int:
    active = engine.active_model
    slots = [s.slot for s in active.slots] if active is not None else [0, 1]
    taken = engine.active_streams
    for slot in slots:
        if slot not in taken:
            return int(slot)
    raise LineError(
        "every slot has a stream", hint="name the SLOT, or %engine detach SLOT first"
    )
