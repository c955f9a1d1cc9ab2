"""``%%model``, ``%%schema``, ``%%stream``, ``%%sensor``: a cell becomes an object.

Each makes the object that the cell holds, checks it here, saves it when there is a
suite to save it to, binds it to its name and returns it. The body is taken as it is:
nothing in it is expanded, and a model's code is not run by defining it.
"""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING, Any

from IPython.core.magic import magics_class

from pilothouse.errors import LineError

from . import _suite
from ._arguments import Argument, Command, Option
from ._base import HouseMagics, house_magic
from ._model_errors import show_on_cells
from ._names import Name
from ._readers import DATA, PATH, choice, live, live_or_text
from ._schemata import schemata_of, variable_of
from ._show import showing

if TYPE_CHECKING:
    from pilothouse.fastscore import Model, Schema, Sensor, Stream

__all__ = ["AssetMagics"]

ENGINE = live("engine", "ENGINE", "pilothouse.fastscore.suite:Engine")
TYPES = (
    "python3",
    "python",
    "pfa-json",
    "pfa-yaml",
    "pfa-pretty",
    "h2o-java",
    "R",
    "r",
    "java",
    "c",
    "octave",
    "jupyter",
    "sas",
)
TYPE = Argument("mtype", choice(*TYPES, metavar="TYPE"), "its type", "python3")
ATTACH = Option(("--attach",), PATH, "files to go with it: .zip, .tgz", many=True)
INSPECT = Option(("--inspect",), None, "show it in an inspector", False)
SAVE = Option(
    ("--save",), None, "whether to save it to Model Manage", None, negative=True
)


def _named(kind: str) -> Argument:
    reader = live_or_text("NAME", kind)
    return Argument("name", reader, "name of the object, in the suite and here", None)


@magics_class
class AssetMagics(HouseMagics):
    """Cells that hold models, schemata, streams and sensors."""

    @house_magic(
        Command(
            "model",
            "Make the model that the cell holds; check, save and deploy it.",
            (
                _named("model"),
                Argument("mtype", choice(*TYPES, metavar="TYPE"), "type", "python3"),
            ),
            (
                Option(("--deploy",), ENGINE, "load it into this engine, too"),
                Option(("--score",), DATA, "first score these rows here, and show"),
                SAVE,
                INSPECT,
                Option(
                    ("--attach",), PATH, "files to go with it: .zip, .tgz", many=True
                ),
            ),
            examples=(
                "%%model scorer",
                "%%model scorer python3 --score rows --deploy engine-1",
                "%%model scorer --attach classifier.zip --no-save",
                "%model scorer --inspect",
            ),
            is_cell=True,
        )
    )
    def model(self, args: Namespace, cell: str | None) -> object:
        """Make a model of the cell."""
        if not (cell and cell.strip() and args.name):
            found = self._look("model", args.name, cell)
            is_model = args.inspect and args.name is not None
            return _inspector(found) if is_model else found
        from pilothouse.fastscore import Model

        from ._checks import read_model

        read_model(args.name, args.mtype, cell)
        session = self.session
        schemata = schemata_of(session, cell, args.mtype)
        model = Model(args.name, args.mtype, cell, schemas=schemata)
        show_on_cells(session)
        session.cells.note(args.name, session.execution, cell)
        session.shell.user_ns[variable_of(args.name)] = model
        for path in args.attach:
            model.attach(path)
        scores = None if args.score is None else _scores(model, args.score)
        self._save("model", model, args.save)
        if args.deploy is not None:
            model.deploy(_suite.engine(session, args.deploy))
        if args.inspect:
            return _inspector(model)
        return model if scores is None else scores

    @house_magic(
        Command(
            "schema",
            "Make the Avro schema that the cell holds, as JSON or YAML.",
            (_named("schema"),),
            (SAVE,),
            examples=("%%schema numbers",),
            is_cell=True,
        )
    )
    def schema(self, args: Namespace, cell: str | None) -> Schema | object:
        """Make a schema of the cell."""
        if not (cell and cell.strip() and args.name):
            return self._look("schema", args.name, cell)
        from pilothouse.fastscore import Schema

        from ._checks import read_schema

        made = Schema(args.name, read_schema(args.name, cell))
        return self._made("schema", made, args)

    @house_magic(
        Command(
            "stream",
            "Make the stream that the cell describes, as JSON, YAML or literal.",
            (_named("stream"),),
            (SAVE,),
            examples=("%%stream numbers-in",),
            is_cell=True,
        )
    )
    def stream(self, args: Namespace, cell: str | None) -> Stream | object:
        """Make a stream of the cell."""
        if not (cell and cell.strip() and args.name):
            return self._look("stream", args.name, cell)
        from pilothouse.fastscore import Stream

        from ._checks import read_stream

        made = Stream(args.name, read_stream(args.name, cell))
        return self._made("stream", made, args)

    @house_magic(
        Command(
            "sensor",
            "Make the sensor whose descriptor the cell holds, as JSON or YAML.",
            (_named("sensor"),),
            (SAVE,),
            examples=("%%sensor counts",),
            is_cell=True,
        )
    )
    def sensor(self, args: Namespace, cell: str | None) -> Sensor | object:
        """Make a sensor of the cell."""
        if not (cell and cell.strip() and args.name):
            return self._look("sensor", args.name, cell)
        from pilothouse.fastscore import Sensor

        from ._checks import read_sensor

        made = Sensor(args.name, read_sensor(args.name, cell))
        return self._made("sensor", made, args)

    def _made(self, kind: str, made: Any, args: Namespace) -> object:  # noqa: ANN401
        self.session.shell.user_ns[variable_of(args.name)] = made
        self._save(kind, made, args.save)
        return made

    def _save(self, kind: str, made: Any, wish: bool | None) -> bool:  # noqa: ANN401
        """Save an object if that is wanted and possible; tell whether it was."""
        wanted = self.session.options.save if wish is None else wish
        connected = self.session.kept(_suite.SERVICE) is not None
        if not wanted or (not connected and wish is None):
            return False
        made.update(_suite.model_manage(self.session))
        help_text = getattr(made, "mtype", "")
        self.session.names.add(_suite.SERVICE, kind, Name(made.name, help_text))
        return True

    def _look(self, kind: str, name: str | None, cell: str | None) -> object:
        """Return one object by name, or the status of the bare magic."""
        if cell is not None and cell.strip():
            raise LineError(f"NAME is missing: %%{kind} NAME")
        if name is not None and cell is None:
            return self._by_name(kind, name)
        if name is not None:
            raise LineError(f"{kind} {name!r}: the cell is empty")
        wanted = {"model": "Model", "schema": "Schema", "stream": "Stream"}
        here = [
            variable
            for variable, value in self.session.shell.user_ns.items()
            if type(value).__name__ == wanted.get(kind, "Sensor")
            and not variable.startswith("_")
        ]
        saved = [each.text for each in self.session.names.get(kind)]
        return self.status(
            kind,
            f"in this notebook: {', '.join(here) or 'none'}",
            f"saved: {', '.join(saved) or 'none known'}",
        )

    def _by_name(self, kind: str, name: str) -> object:
        found = self.session.shell.user_ns.get(variable_of(name))
        if type(found).__name__.lower() == kind:
            return found
        manage = _suite.model_manage(self.session)
        collection = "schemata" if kind == "schema" else f"{kind}s"
        return _suite.pick(getattr(manage, collection), name)


def _inspector(model: Any) -> object:  # noqa: ANN401  a Model, here or there
    from pilothouse_widgets import ModelInspector

    return ModelInspector(model)


def _scores(model: Model, rows: Any) -> object:  # noqa: ANN401  any rows
    from pilothouse.fastscore.results import RejectedWarning

    with showing(RejectedWarning):
        return model.score(rows)
