"""``%aimm``: model instances on a server, from a notebook."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from IPython.core.magic import magics_class

from pilothouse.errors import LineError

from . import _aimm
from ._arguments import Argument, Command, Option
from ._base import HouseMagics, house_magic, subcommand
from ._readers import (
    IDENTIFIER,
    NUMBER,
    RAW,
    Reader,
    choice,
    live,
    live_or_text,
    text,
)
from ._show import Page, Table
from ._values import VALUE, divided

if TYPE_CHECKING:
    from pilothouse.aimm import Action, Client, ModelInstance

__all__ = ["AimmMagics"]

_INSTANCE = "pilothouse.aimm:ModelInstance"
PLACE = live("place", "WHERE")
INSTANCE = live("instance", "ID", _INSTANCE)
MODEL_TYPE = live_or_text("TYPE", "model type")
PLUGIN = Reader(IDENTIFIER.read, "NAME", ("plugin",))
ACTION = live_or_text("ACTION", "action")
DETACH = Option(("--detach",), None, "return the running action's handle", False)


@magics_class
class AimmMagics(HouseMagics):
    """Instances of one AIMM server, over a client kept in the session."""

    @house_magic(
        Command(
            "aimm",
            "Make, fit and use model instances that live on an AIMM server.",
            (
                Argument("what", choice("plugin"), "the cell is a plugin", None),
                Argument("name", PLUGIN, "name of the plugin's module", None),
            ),
            examples=(
                "m = %aimm create plugins.SVC gamma=0.001",
                "%aimm fit 1 @iris_inputs @iris_outputs",
                "yhat = %aimm predict 1 X",
                "%%aimm plugin mine",
            ),
            is_cell=True,
            is_line_too=True,
        )
    )
    def aimm(self, args: Namespace, cell: str | None) -> object:
        """Load the cell as a plugin of the local server; bare, show the status."""
        if args.what is None:
            if cell and cell.strip():
                raise LineError("what is the cell?", hint="%%aimm plugin NAME")
            return self._status()
        if args.name is None or not (cell and cell.strip()):
            raise LineError("a plugin has a name and a cell", hint="%%aimm plugin NAME")
        client = _aimm.connected(self.session)
        if not _aimm.is_local(client):
            raise LineError(
                f"{client.url} is no local server, and takes no plugins from here",
                hint="%aimm connect local",
            )
        before = client.plugins()
        after = client.load_plugin(args.name, cell)
        self.session.names.refresh()
        rows = [
            {"kind": kind.replace("_", " ").removesuffix("s"), "name": name}
            for kind in ("model_types", "data_access")
            for name in after[kind]
            if name not in before[kind] or name.startswith(f"{args.name}.")
        ]
        return Table(("kind", "name"), rows, empty="loaded; it registers nothing new")

    @subcommand(
        "connect",
        Argument("where", PLACE, "address, profile, or 'local'", None),
        Option(("--user",), text("USER"), "who logs in"),
        Option(("--plain",), None, "send the password itself, not its SHA-256", False),
        Option(("--timeout",), NUMBER, "longest wait for a short answer, in seconds"),
        example="connect",
    )
    def _connect(self, args: Namespace) -> Page:
        """Connect and log in; without a place to the profile's, or a local server."""
        choice = _aimm.Choice(
            where=args.where, user=args.user, plain=args.plain, timeout=args.timeout
        )
        return Page("\n".join(_facts(_aimm.connect(self.session, choice))))

    @subcommand(
        "create",
        Argument("model_type", MODEL_TYPE, "as the server's plugin is registered"),
        Argument("values", VALUE, "arguments of the plugin", (), many=True),
        DETACH,
        example="create plugins.SVC gamma=0.001",
    )
    def _create(self, args: Namespace) -> object:
        """Make an instance of a type on the server."""
        given, named = divided(args.values)
        client = _aimm.connected(self.session)
        action = client.submit_create_instance(args.model_type, *given, **named)
        return self._follow(client, action, args)

    @subcommand(
        "add",
        Argument("model_type", MODEL_TYPE, "as the server's plugin is registered"),
        Argument("content", RAW, "bytes, an object, or a file of the instance"),
        example="add plugins.Line data",
    )
    def _add(self, args: Namespace) -> ModelInstance:
        """Put an instance that exists here onto the server."""
        client = _aimm.connected(self.session)
        made = client.add_instance(args.model_type, _content(args.content))
        self.session.names.refresh()
        return made

    @subcommand(
        "update",
        Argument("instance", INSTANCE, "the instance to replace"),
        Argument("content", RAW, "bytes, an object, or a file of the instance"),
        example="update 3 data",
    )
    def _update(self, args: Namespace) -> ModelInstance:
        """Put another instance of its type in the place of one on the server."""
        client = _aimm.connected(self.session)
        instance = _instance(client, args.instance)
        return instance.update(_content(args.content))

    @subcommand(
        "fit",
        Argument("instance", INSTANCE, "which one: its id, or a name bound to it"),
        Argument("values", VALUE, "names, expressions, @data", (), many=True),
        DETACH,
        example="fit 3 X y",
    )
    def _fit(self, args: Namespace) -> object:
        """Fit an instance; data access is written as @name."""
        return self._act(args, "fit")

    @subcommand(
        "predict",
        Argument("instance", INSTANCE, "which one: its id, or a name bound to it"),
        Argument("values", VALUE, "names, expressions, @data", (), many=True),
        DETACH,
        example="predict 3 X -o yhat",
    )
    def _predict(self, args: Namespace) -> object:
        """Return what an instance predicts."""
        return self._act(args, "predict")

    @subcommand("models", example="models")
    def _models(self, args: Namespace) -> object:
        """Show the instances on the server."""
        self.session.names.refresh()
        return _aimm.connected(self.session).models

    @subcommand("actions", example="actions")
    def _actions(self, args: Namespace) -> object:
        """Show what the server does and did."""
        return _aimm.connected(self.session).actions

    @subcommand("data", example="data")
    def _data(self, args: Namespace) -> Table:
        """Show the data access and the model types that the server has."""
        plugins = _aimm.connected(self.session).plugins()
        rows = [{"kind": "data", "name": f"@{name}"} for name in plugins["data_access"]]
        rows += [{"kind": "model type", "name": n} for n in plugins["model_types"]]
        return Table(("kind", "name"), rows, empty="this server does not tell")

    @subcommand(
        "cancel",
        Argument("action", ACTION, "its number, as %aimm actions shows it"),
        example="cancel 7",
    )
    def _cancel(self, args: Namespace) -> str:
        """End an action that runs; the server's word says whether it did."""
        client = _aimm.connected(self.session)
        return client.attach(_number(args.action)).cancel()

    @subcommand(
        "delete",
        Argument("instance", INSTANCE, "the instance to remove"),
        example="delete 3",
    )
    def _delete(self, args: Namespace) -> Page:
        """Remove an instance from a server that can."""
        client = _aimm.connected(self.session)
        instance = _instance(client, args.instance)
        instance.delete()
        self.session.names.refresh()
        return Page(f"instance {instance.id} is gone")

    @subcommand("watch", example="watch")
    def _watch(self, args: Namespace) -> object:
        """Show a live table of the instances, with what runs on them."""
        from pilothouse_widgets import InstanceTable

        client = _aimm.connected(self.session)
        return InstanceTable(client, renew=lambda: _aimm.renewed(self.session, client))

    @subcommand("logout", example="logout")
    def _logout(self, args: Namespace) -> Page:
        """Log out and end the connection."""
        client = _aimm.connected(self.session)
        client.logout()
        self.session.names.forget(_aimm.SERVICE)
        client.close()
        return Page(f"logged out of {client.url}")

    def _act(self, args: Namespace, call: str) -> object:
        given, named = divided(args.values)
        client = _aimm.connected(self.session)
        instance = _instance(client, args.instance)
        if call == "fit":
            action = instance.submit_fit(*given, **named)
        else:
            action = instance.submit_predict(*given, **named)
        return self._follow(client, action, args)

    def _follow(self, client: Client, action: Action, args: Namespace) -> object:
        if args.detach:
            _aimm.write_down(client, action, now=True)
            return action
        result = _aimm.follow_action(
            self.session,
            action,
            args.out,
            begin=lambda: _aimm.write_down(client, action),
        )
        self.session.names.refresh()
        return result

    def _status(self) -> Page:
        return self.status("aimm", *_facts(_aimm.connected(self.session)))


def _facts(client: Client) -> list[str]:
    running = sum(not entry.is_over for entry in client.actions.values())
    return [
        f"{client.url} as {client.username}, {client.connection}",
        f"instances: {len(client.models)}, actions under way: {running}",
    ]


def _instance(client: Client, given: object) -> ModelInstance:
    from pilothouse.aimm import ModelInstance

    if isinstance(given, ModelInstance):
        return _aimm.found_again(client, given)
    if not str(given).isdecimal():
        raise LineError(
            f"{str(given)!r} is neither the id of an instance nor a name bound to one",
            hint="%aimm models shows them",
        )
    number = _number(str(given))
    found = client.models.get(number)
    if found is None:
        known = ", ".join(map(str, client.models)) or "none"
        raise LineError(f"there is no instance {number}", hint=f"there are: {known}")
    return found


def _number(given: str) -> int:
    if not given.isdecimal():
        raise LineError(f"{given!r} is no number", hint="%aimm models, %aimm actions")
    return int(given)


def _content(given: object) -> object:
    if isinstance(given, str):
        path = Path(given).expanduser()
        if not path.is_file():
            raise LineError(f"{given!r} is neither a name here nor a file")
        return path.read_bytes()
    return given
