"""``%fastscore``: connect to a suite, look around, follow its messages."""

from __future__ import annotations

import time
from argparse import Namespace
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from IPython.core.magic import magics_class

from pilothouse import secrets
from pilothouse.errors import LineError, PilothouseError

from . import _suite
from ._arguments import Argument, Command, Option
from ._asking import ask_of
from ._base import HouseMagics, house_magic, subcommand
from ._readers import DATA, NUMBER, choice, live, live_or_text, text
from ._show import Page, Table

if TYPE_CHECKING:
    from pilothouse.fastscore.suite import Connect

__all__ = ["FastScoreMagics"]

PLACE = live("place", "WHERE", "pilothouse.fastscore.suite:Connect")
ENGINE = live_or_text("ENGINE", "engine")
INSTANCE = live_or_text("INSTANCE", "instance")
LEVELS = (
    "debug",
    "info",
    "notice",
    "warning",
    "error",
    "critical",
    "alert",
    "emergency",
)


def _saved(kind: str) -> Argument:
    reader = live_or_text("NAME", kind)
    return Argument("name", reader, f"one {kind}; all without it", None)


@magics_class
class FastScoreMagics(HouseMagics):
    """Magics over one `Connect`, kept in the session."""

    @house_magic(
        Command("fastscore", "Connect to a FastScore suite and look around in it.")
    )
    def fastscore(self, args: Namespace) -> Page:
        """Show what the session is connected to."""
        if self.session.kept(_suite.SERVICE) is None:
            return self.status("fastscore", "not connected")
        return self.status("fastscore", f"connected: {_suite.suite(self.session)!r}")

    @subcommand(
        "connect",
        Argument("where", PLACE, "address, profile, 'local' or a Connect", None),
        Option(("--user",), text("USER"), "log in as USER; the password is asked for"),
        Option(
            ("--ca",), live_or_text("FILE", "file"), "file of the certificates to trust"
        ),
        Option(
            ("--verify",), None, "whether to check certificates", None, negative=True
        ),
        Option(("--timeout",), NUMBER, "longest wait for one answer, in seconds"),
        Option(("--engine",), ENGINE, "the engine to prefer"),
        example="connect",
    )
    def _connect(self, args: Namespace) -> Connect:
        """Connect to a suite; without a place the profile's, or a local one."""
        from pilothouse.fastscore.suite import Connect

        if isinstance(args.where, Connect):
            _suite.keep(self.session, args.where)
            return args.where
        choice = _suite.Choice(
            args.where,
            args.user,
            args.ca or args.verify,
            args.timeout,
            args.engine,
        )
        return _suite.connect(self.session, choice)

    @subcommand(
        "login",
        Argument("user", text("USER"), "user name; the password is asked for", None),
        Option(("--token",), None, "ask for a token instead of a password", False),
        Option(("--remember",), None, "put it into the keyring", False),
        example="login ann",
    )
    def _login(self, args: Namespace) -> Connect:
        """Log in to the suite; secrets are asked for, never typed in a line."""
        connected = _suite.suite(self.session)
        url = connected.proxy_prefix
        kind = "token" if args.token else "password"
        if not args.token and not args.user:
            raise LineError("USER is missing", hint="%fastscore login ann")
        found = secrets.find(
            _suite.SERVICE,
            kind,
            url=url,
            username=args.user or "",
            ask=ask_of(self.session.shell),
        )
        if found is None:
            raise LineError(
                f"no {kind} found and nobody can be asked here",
                hint=f"set PILOTHOUSE_FASTSCORE_{kind.upper()}",
            )
        if args.token:
            connected.set_oauth_secret(found.secret)
            connected.check_health()
        else:
            connected.login(args.user, found.secret)
        if args.remember and not secrets.remember(
            url, kind, args.user or "", found.secret
        ):
            raise LineError(
                "logged in, but there is no keyring to remember it",
                hint="pip install 'pilothouse[keyring]'",
            )
        self.session.names.refresh()
        return connected

    @subcommand("fleet", example="fleet")
    def _fleet(self, args: Namespace) -> object:
        """Show all instances of the suite."""
        return _suite.suite(self.session).fleet()

    @subcommand("models", _saved("model"), example="models")
    def _models(self, args: Namespace) -> object:
        """Show the saved models, or one of them."""
        return _pick(_suite.model_manage(self.session).models, args.name)

    @subcommand("schemata", _saved("schema"), example="schemata")
    def _schemata(self, args: Namespace) -> object:
        """Show the saved schemata, or one of them."""
        return _pick(_suite.model_manage(self.session).schemata, args.name)

    @subcommand("streams", _saved("stream"), example="streams")
    def _streams(self, args: Namespace) -> object:
        """Show the saved streams, or one of them."""
        return _pick(_suite.model_manage(self.session).streams, args.name)

    @subcommand("sensors", _saved("sensor"), example="sensors")
    def _sensors(self, args: Namespace) -> object:
        """Show the saved sensors, or one of them."""
        return _pick(_suite.model_manage(self.session).sensors, args.name)

    @subcommand(
        "config",
        Argument(
            "section",
            live_or_text("SECTION", "section"),
            "one section; all without it",
            None,
        ),
        Option(("--set",), DATA, "put this configuration in its place"),
        example="config db",
    )
    def _config(self, args: Namespace) -> object:
        """Show the suite's configuration, or set it."""
        connected = _suite.suite(self.session)
        if args.set is not None:
            if not isinstance(args.set, Mapping):
                raise LineError(
                    f"a configuration is a mapping, not {type(args.set).__name__}"
                )
            connected.configure(dict(args.set))
        return connected.get_config(args.section)

    @subcommand("health", example="health")
    def _health(self, args: Namespace) -> Table:
        """Ask every instance how it is, and how long it took to say so."""
        connected = _suite.suite(self.session)
        rows = [_health_of(connected, "connect", "connect")]
        rows += [
            _health_of(connected, each["name"], each["api"])
            for each in connected.fleet()
        ]
        return Table(("instance", "service", "health", "release", "ms"), rows)

    @subcommand(
        "pneumo",
        Option(("--src",), INSTANCE, "only messages of this instance"),
        Option(
            ("--type",), live_or_text("TYPE", "message"), "only messages of this type"
        ),
        Option(("--level",), choice(*LEVELS), "nothing less important than this"),
        Option(("--text",), text(), "only messages that contain this", ""),
        Option(
            ("--history",), None, "the latest messages instead of a live view", False
        ),
        example="pneumo --type log",
    )
    def _pneumo(self, args: Namespace) -> object:
        """Follow the suite's messages, live."""
        connected = _suite.suite(self.session)
        if args.history:
            return connected.pneumo.history(src=args.src, type=args.type)
        from pilothouse_widgets import PneumoConsole

        return PneumoConsole(
            connected, args.src, args.type, level=args.level, text=args.text
        )


def _pick(collection: Any, name: str | None) -> object:  # noqa: ANN401  four kinds
    return collection if name is None else _suite.pick(collection, name)


def _health_of(connected: Connect, name: str, api: str) -> dict[str, object]:
    start = time.perf_counter()
    row: dict[str, object] = {"instance": name, "service": api}
    try:
        found = connected.get(name).check_health()
    except PilothouseError as exc:
        return {**row, "health": f"fail: {exc.message}"}
    took = (time.perf_counter() - start) * 1000
    return {**row, "health": "ok", "release": found["release"], "ms": f"{took:.1f}"}
