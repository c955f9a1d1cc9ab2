"""The part of ``%engine`` that looks: sensors, policy, snapshots, live views."""

from __future__ import annotations

from argparse import Namespace

from pilothouse.errors import LineError

from ._arguments import Argument, Option
from ._base import subcommand
from ._engine_base import MODEL, SENSOR, EngineBase
from ._readers import INTEGER, PATH, Reader, choice, live_or_text
from ._show import Page

__all__ = ["EngineViews"]

INSTALLED = Reader(INTEGER.read, "ID", ("installed sensor",))
POLICY = choice("python3", "python", "R", "java", "c", metavar="TYPE")


class EngineViews(EngineBase):
    """What an engine tells about itself, and what it keeps."""

    @subcommand(
        "sensors",
        Option(("--points",), None, "what can be tapped, instead", False),
        Option(("--install",), SENSOR, "install this sensor, or one on this tap"),
        Option(("--uninstall",), INSTALLED, "remove the sensor of this id"),
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
        "policy",
        Argument("mtype", POLICY, "type of models that it is for", "python3"),
        Option(
            ("--set",),
            live_or_text("TEXT", "object:str"),
            "the new policy: a text, or a name that holds one",
        ),
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
            live_or_text("SNAPSHOT", "snapshot"),
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
