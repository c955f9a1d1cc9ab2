"""``%engine``: one engine: load, attach, score, scale, watch."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from IPython.core.magic import magics_class

from pilothouse.errors import LineError

from . import _suite
from ._arguments import Argument, Command, Option
from ._base import HouseMagics, house_magic, subcommand
from ._readers import DATA, INTEGER, NUMBER, PATH, RAW, Reader, choice, live, text
from ._show import Page, showing

if TYPE_CHECKING:
    from pilothouse.fastscore.suite import Engine

__all__ = ["EngineMagics"]

ENGINE = live("engine", "ENGINE", "pilothouse.fastscore.suite:Engine")
MODEL = live("model", "MODEL", "pilothouse.fastscore:Model")
STREAM = live("stream", "STREAM", "pilothouse.fastscore:Stream")
SENSOR = live("sensor", "SENSOR", "pilothouse.fastscore:Sensor", also=("tap",))
SLOT = Reader(INTEGER.read, "SLOT", ("slot",))
POLICY = choice("python3", "python", "R", "java", "c", metavar="TYPE")
DRY_RUN = Option(
    ("--dry-run",), None, "only check it, and show what it would be", False
)


def _slot(help_text: str, default: object = None) -> Argument:
    return Argument("slot", SLOT, help_text, default)


@magics_class
class EngineMagics(HouseMagics):
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
        _slot("which slot; the first free one without it"),
        DRY_RUN,
        example="attach rest-chunked: 0",
    )
    def _attach(self, args: Namespace) -> object:
        """Attach a stream to a slot."""
        engine = self._engine(args)
        slot = _free_slot(engine) if args.slot is None else args.slot
        found = self._stream(args.stream).attach(engine, slot, args.dry_run)
        return found if args.dry_run else engine.active_streams

    @subcommand("detach", _slot("which slot", 0), example="detach 0")
    def _detach(self, args: Namespace) -> object:
        """Detach the stream of a slot."""
        engine = self._engine(args)
        engine.detach_stream(args.slot)
        return engine.active_streams

    @subcommand(
        "input",
        Argument("data", RAW, "text as typed, bytes, or an object, sent as JSON"),
        _slot("which slot", 0),
        example='input {"x": 1} 0',
    )
    def _input(self, args: Namespace) -> None:
        """Send one record to a REST stream; in chunked mode its separator follows."""
        engine = self._engine(args)
        data = _wire_data(args.data)
        record = data.encode() if isinstance(data, str) else data
        stream = engine.active_streams.get(args.slot)
        end = b"" if stream is None else _separator(stream["descriptor"])
        engine.input(record if record.endswith(end) else record + end, args.slot)

    @subcommand("output", _slot("which slot", 1), example="output 1")
    def _output(self, args: Namespace) -> object:
        """Take what a REST stream has; nothing yet gives nothing."""
        return self._engine(args).output(args.slot)

    @subcommand(
        "roundtrip",
        Argument("data", RAW, "text as typed, bytes, or an object, sent as JSON"),
        Option(("--timeout",), NUMBER, "longest wait for the answer, in seconds", 0.0),
        example='roundtrip {"x": 1}',
    )
    def _roundtrip(self, args: Namespace) -> object:
        """Send one record and wait for its own output."""
        milliseconds = int(args.timeout * 1000)
        return self._engine(args).roundtrip(_wire_data(args.data), timeout=milliseconds)

    @subcommand(
        "score",
        Argument("data", DATA, "rows: a DataFrame, a list, an iterator, or JSON"),
        Option(("--slot",), SLOT, "where the rows go in", 0),
        Option(("--out-slot",), SLOT, "where the scores come out", 1),
        Option(("--detach",), None, "return the running job at once", False),
        example="score rows -o scores",
    )
    def _score(self, args: Namespace) -> object:
        """Send rows through the model and return what comes out, in order."""
        from pilothouse.fastscore.score import RejectedWarning, ScoreInterrupt

        from ._following import follow

        engine = self._engine(args)
        job = engine.submit(args.data, input_slot=args.slot, output_slot=args.out_slot)
        if args.detach:
            return job

        def count() -> tuple[float, float | None]:
            progress = job.progress
            return progress.received + progress.rejected, progress.total

        try:
            with showing(RejectedWarning):
                return follow(
                    self.session,
                    job,
                    count,
                    label=f"scoring on {engine.name}",
                    out=args.out,
                    interrupt=lambda text: ScoreInterrupt(text, job),
                )
        finally:
            job.join(2.0)

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

    @subcommand(
        "sensors",
        Option(("--points",), None, "what can be tapped, instead", False),
        Option(("--install",), SENSOR, "install this sensor, or one on this tap"),
        Option(("--uninstall",), INTEGER, "remove the sensor of this id"),
        example="sensors",
    )
    def _sensors(self, args: Namespace) -> object:
        """Show the installed sensors; install or remove one."""
        engine = self._engine(args)
        if args.points:
            return engine.tapping_points
        if args.install is not None:
            self._sensor(args.install).install(engine)
        if args.uninstall is not None:
            engine.uninstall_sensor(args.uninstall)
        return engine.active_sensors

    @subcommand(
        "sample",
        Argument("stream", STREAM, "a stream of yours, a saved name, or a literal"),
        Argument("n", INTEGER, "how many records", 10),
        example="sample inline:1,2,3 2",
    )
    def _sample(self, args: Namespace) -> list[bytes]:
        """Read some records of a stream, beside any pipeline."""
        import base64

        engine = self._engine(args)
        found = self._stream(args.stream).sample(engine, args.n)
        return [base64.b64decode(record) for record in found]

    @subcommand(
        "rate",
        Argument("stream", STREAM, "a stream of yours, a saved name, or a literal"),
        example="rate file:/data/rows.json",
    )
    def _rate(self, args: Namespace) -> object:
        """Measure how fast a stream delivers, beside any pipeline."""
        return self._stream(args.stream).rate(self._engine(args))

    @subcommand(
        "policy",
        Argument("mtype", POLICY, "type of models that it is for", "python3"),
        Option(("--set",), text(), "the new policy: a text, or a name that holds one"),
        Option(("--file",), PATH, "the file of the new policy"),
        Option(("--preinstall",), None, "install what it allows at once", False),
        example="policy python3",
    )
    def _policy(self, args: Namespace) -> Page:
        """Show or set which libraries models may import."""
        engine = self._engine(args)
        policy = args.set
        if args.file is not None:
            policy = args.file.read_text(encoding="utf-8")
        elif isinstance(named := self.session.shell.user_ns.get(policy), str):
            policy = named
        if policy is not None:
            engine.policy.set("import", args.mtype, policy, args.preinstall)
        return Page(engine.policy.get("import", args.mtype))

    @subcommand(
        "snapshots",
        Argument("model", MODEL, "of which model; the loaded one without it", None),
        example="snapshots",
    )
    def _snapshots(self, args: Namespace) -> object:
        """Show the saved states of a model, the newest first."""
        return self._stored(args, self._engine(args)).snapshots

    @subcommand(
        "restore",
        Argument(
            "snapshot",
            text("SNAPSHOT"),
            "its id, or how it begins; else the newest",
            None,
        ),
        Option(("--model",), MODEL, "of which model; the loaded one without it"),
        example="restore 1f",
    )
    def _restore(self, args: Namespace) -> object:
        """Give the model a saved state."""
        engine = self._engine(args)
        snapshots = self._stored(args, engine).snapshots
        if args.snapshot is not None:
            snapshot = snapshots[args.snapshot]
        else:
            newest = snapshots.browse(count=1)
            if not newest:
                raise LineError("the model has no snapshots")
            snapshot = newest[0]
        snapshot.restore(engine)
        return snapshot

    @subcommand("watch", example="watch")
    def _watch(self, args: Namespace) -> object:
        """Watch the engine live: state, streams, rates, memory, with buttons."""
        from pilothouse_widgets import EngineMonitor

        return EngineMonitor(self._engine(args))

    @subcommand(
        "chart",
        Argument("sensor", SENSOR, "a sensor of yours, a saved name, a tap, or an id"),
        example="chart manifold.0.records.count",
    )
    def _chart(self, args: Namespace) -> object:
        """Watch what a sensor reports as a live chart."""
        from pilothouse_widgets import SensorChart

        wanted = args.sensor
        if isinstance(wanted, str) and wanted.isdigit():
            return SensorChart(self._engine(args), int(wanted))
        return SensorChart(self._engine(args), self._sensor(wanted))

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


def _separator(descriptor: Mapping[str, Any]) -> bytes:
    """Return what ends each record of a REST stream: nothing in simple mode."""
    from pilothouse.fastscore.wire.streams import parse_descriptor

    stream = parse_descriptor(descriptor)
    if getattr(stream.transport, "mode", "") != "chunked":
        return b""
    separator: bytes = getattr(stream.envelope, "separator", b"")
    return separator


def _wire_data(data: object) -> bytes | str:
    if isinstance(data, bytes | str):
        return data
    import orjson

    return orjson.dumps(data, option=orjson.OPT_SERIALIZE_NUMPY)
