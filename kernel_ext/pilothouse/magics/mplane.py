"""``%mplane``: capabilities of components, run from a line; the words are mpcli's."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from IPython.core.magic import magics_class

from pilothouse.errors import ConnectError, LineError, PilothouseError

from . import _component, _measurement_offers
from ._arguments import Argument, Command, Option
from ._base import HouseMagics, house_magic, subcommand
from ._errors import make_brief
from ._help import manual, page
from ._line import Word
from ._names import Name
from ._readers import PATH, Reader, Scope, live_or_text, text
from ._show import Page, Table

if TYPE_CHECKING:
    from pilothouse.mplane.model import Capability, When

__all__ = ["MplaneMagics"]

_TEXT = text()
_SHOWN = 3


def _as_typed(word: Word, _scope: Scope) -> str:
    return word.text


def _pair(word: Word, scope: Scope) -> tuple[str, str]:
    given = str(_TEXT.read(word, scope))
    name, equals, value = given.partition("=")
    if not name or not equals or not value:
        raise LineError(f"{given!r} is no NAME=VALUE")
    return name, value


def _words(*_line: object) -> Iterator[Name]:
    for each in MplaneMagics.commands["mplane"].subcommands.values():
        yield Name(each.name, each.help)


PLACE = live_or_text("URL", "place")
CAPABILITY = Reader(_TEXT.read, "LABEL", offers=_measurement_offers.capabilities)
MEASUREMENT = Reader(_TEXT.read, "LABEL", offers=_measurement_offers.measurements)
NAME = Reader(_TEXT.read, "NAME", offers=_measurement_offers.names)
DEFAULT = Reader(_TEXT.read, "NAME", offers=_measurement_offers.defaults)
VALUE = Reader(_TEXT.read, "VALUE", offers=_measurement_offers.values)
PAIR = Reader(_pair, "NAME=VALUE", offers=_measurement_offers.pairs)
WORD = Reader(_TEXT.read, "WORD", offers=_words)
SCOPE = Reader(_as_typed, "SCOPE", offers=_measurement_offers.scopes)


@magics_class
class MplaneMagics(HouseMagics):
    """The words of mpcli over one client, kept in the session."""

    @house_magic(
        Command("mplane", "Measure with mPlane components; the words are mpcli's.")
    )
    def mplane(self, args: Namespace) -> Page:
        """Show the component and what is measured."""
        session = self.session
        found: _component.Connected | None = session.kept(_component.SERVICE)
        is_known = _component.known_url(session) is not None
        if found.url if found is not None else is_known:
            found = _component.connected(session)
        if found is None:
            return self.status(
                "mplane", "no component yet: %mplane getcap, or %pilot up"
            )
        return self.status("mplane", *_facts(found))

    # -- components and capabilities ----------------------------------------------

    @subcommand(
        "seturl",
        Argument("url", text("URL"), "where"),
        example="seturl http://127.0.0.1:8890/",
    )
    def _seturl(self, args: Namespace) -> None:
        """Set the URL for what has no link of its own, and for the next getcap."""
        mine = _component.made(self.session)
        mine.commands.seturl(args.url)
        mine.chosen = args.url

    @subcommand(
        "getcap",
        Argument("url", PLACE, "address, profile, or 'local'", None),
        Option(("--config",), PATH, "configuration of mpcli: certificates, registries"),
        example="getcap",
    )
    def _getcap(self, args: Namespace) -> Table:
        """Ask a component for its capabilities; without a URL the one that is known."""
        if args.config is not None:
            mine = _component.configured(self.session, args.config)
            if args.url is None and mine.url:
                return self._listcap(args)
        _component.connect(self.session, args.url)
        return self._listcap(args)

    @subcommand("listcap", example="listcap")
    def _listcap(self, args: Namespace) -> Table:
        """List the known capabilities."""
        known = _component.connected(self.session).capabilities
        columns = ("capability", "when", "parameters", "results", "token")
        return Table(columns, [_row(one) for one in known], empty="no capabilities")

    @subcommand(
        "showcap",
        Argument("capability", CAPABILITY, "its label or token"),
        example="showcap ping-4",
    )
    def _showcap(self, args: Namespace) -> Capability:
        """Show the details of a capability."""
        return _component.pick(self.session, args.capability)

    @subcommand(
        "browse",
        Argument("capability", CAPABILITY, "which to begin with", None),
        example="browse",
    )
    def _browse(self, args: Namespace) -> object:
        """Browse the capabilities: search, fill in a form, run, watch."""
        from pilothouse_widgets import CapabilityBrowser

        session = self.session
        mine = _component.connected(session)
        chosen = args.capability and _component.pick(session, args.capability)
        browser = CapabilityBrowser(
            mine.client,
            run=self._run,
            refresh=lambda: _component.connect(session),
            title=f"Capabilities of {mine.url}",
        )
        if chosen:
            browser.choose(chosen.get_token())
        return browser

    # -- the next run ---------------------------------------------------------------

    @subcommand(
        "when",
        Argument(
            "scope", SCOPE, "a temporal scope; without it, show it", (), many=True
        ),
        example="when now + 10s / 1s",
    )
    def _when(self, args: Namespace) -> When | None:
        """Set the temporal scope for the next runs, or show it."""
        commands = _component.made(self.session).commands
        return commands.when(" ".join(args.scope) or None)

    @subcommand(
        "set",
        Argument("name", NAME, "of a parameter"),
        Argument("value", VALUE, "for the next runs", many=True),
        example="set destination.ip4 127.0.0.1",
    )
    def _set(self, args: Namespace) -> Table:
        """Set a parameter for the next runs."""
        commands = _component.made(self.session).commands
        commands.set(args.name, " ".join(args.value))
        return _defaults(commands.show(args.name))

    @subcommand(
        "unset",
        Argument("names", DEFAULT, "of parameters; all without it", (), many=True),
        example="unset destination.ip4",
    )
    def _unset(self, args: Namespace) -> Table:
        """Forget what was set; return what is left."""
        commands = _component.made(self.session).commands
        commands.unset(*args.names)
        return _defaults(commands.show())

    @subcommand(
        "show",
        Argument("names", DEFAULT, "of parameters; all without it", (), many=True),
        example="show",
    )
    def _show(self, args: Namespace) -> Table:
        """Show what is set for the next runs."""
        return _defaults(_component.made(self.session).commands.show(*args.names))

    # -- measurements -----------------------------------------------------------------

    @subcommand(
        "runcap",
        Argument("capability", CAPABILITY, "its label or token"),
        Argument("label", text("NEWLABEL"), "what to call the measurement", None),
        Option(("--set",), PAIR, "a parameter, for this run", many=True),
        Option(("--when",), SCOPE, "the temporal scope of this run", many=True),
        Option(("--quiet",), None, "show nothing while it measures", False),
        Option(("--detach",), None, "return the running Measurement at once", False),
        example='runcap ping-4 --set destination.ip4=127.0.0.1 --when "now + 10s / 1s"',
    )
    def _runcap(self, args: Namespace) -> object:
        """Run a capability and return its result; of a repeated scope all results."""
        from ._measuring import follow_measurement

        capability = _component.pick(self.session, args.capability)
        scope = " ".join(args.when) or None
        values = _values(capability, dict(args.set))
        try:
            measurement = self._run(capability, scope, values, args.label)
        except LineError as exc:
            exc.hint = _hint(capability, exc.hint)
            raise
        if args.detach:
            return measurement
        return follow_measurement(
            self.session, measurement, out=args.out, quiet=args.quiet
        )

    @subcommand("listmeas", example="listmeas")
    def _listmeas(self, args: Namespace) -> Table:
        """List the measurements of this notebook."""
        known = _component.made(self.session).measurements
        columns = ("measurement", "state", "rows", "when", "token")
        rows = [
            {
                "measurement": label,
                "state": one.outcome or one.state,
                "rows": one.rows,
                "when": str(one.scope).strip(),
                "token": one.token[:8],
            }
            for label, one in list(known.items())
        ]
        return Table(columns, rows, empty="nothing was measured yet")

    @subcommand(
        "showmeas",
        Argument("measurement", MEASUREMENT, "its label or token"),
        example="showmeas ping-4-0",
    )
    def _showmeas(self, args: Namespace) -> object:
        """Show a measurement: its result, what there is of it, or its receipt."""
        from ._measuring import result_of

        one = _component.made(self.session).measurement(args.measurement)
        if one.is_over:
            return result_of(one, one.result())
        return result_of(one, one.partial()) or one.receipt or one.specification

    @subcommand(
        "waitmeas",
        Argument("measurement", MEASUREMENT, "its label; the newest without it", None),
        Option(("--quiet",), None, "show nothing while it measures", False),
        example="waitmeas ping-4-0",
    )
    def _waitmeas(self, args: Namespace) -> object:
        """Wait for a detached measurement and return its result."""
        from ._measuring import follow_measurement

        one = _component.made(self.session).measurement(args.measurement)
        return follow_measurement(self.session, one, out=args.out, quiet=args.quiet)

    @subcommand(
        "watch",
        Argument("measurement", MEASUREMENT, "its label; the newest without it", None),
        example="watch",
    )
    def _watch(self, args: Namespace) -> object:
        """Watch a measurement live: state, rows, plots, with a button to stop it."""
        from pilothouse_widgets import MeasurementView

        one = _component.made(self.session).measurement(args.measurement)
        return MeasurementView(one)

    @subcommand(
        "stop",
        Argument("measurement", MEASUREMENT, "its label; the newest without it", None),
        example="stop",
    )
    def _stop(self, args: Namespace) -> Page:
        """Interrupt a measurement; what was measured is kept."""
        from ._measuring import cross_out

        one = _component.made(self.session).measurement(args.measurement)
        told = one.cancel()
        if one.is_over:
            cross_out(one)
        return Page(f"{one.label or one.token[:8]}: {told}")

    @subcommand(
        "stopmeas",
        Argument("measurement", MEASUREMENT, "its label or token"),
        example="stopmeas ping-4-0",
    )
    def _stopmeas(self, args: Namespace) -> Page:
        """Interrupt a measurement, as mpcli spells it."""
        return self._stop(args)

    @subcommand("tbenable", example="tbenable")
    def _tbenable(self, args: Namespace) -> None:
        """Show whole tracebacks of later errors of %mplane."""
        _component.made(self.session).commands.tbenable()

    @subcommand(
        "help",
        Argument("word", WORD, "which; all without it", None),
        example="help runcap",
    )
    def _help(self, args: Namespace) -> Page:
        """Explain a word, or list them all."""
        command = self.commands["mplane"]
        if args.word is None:
            return Page(manual(command))
        if args.word not in command.subcommands:
            known = ", ".join(command.subcommands)
            raise LineError(
                f"%mplane has no {args.word!r}", hint=f"%mplane knows: {known}"
            )
        return Page(page(command, command.subcommands[args.word]))

    # -- inside -----------------------------------------------------------------------

    def _run(
        self,
        capability: Capability,
        when: When | str | None,
        params: Any,  # noqa: ANN401  values by parameter, parsed or as text
        label: str | None,
    ) -> Any:  # noqa: ANN401  a Measurement
        from ._measuring import MeasurementInterrupt, cross_out

        mine = _component.connected(self.session)
        sent = mine.sent
        try:
            measurement = mine.commands.runcap(
                mine.name_of(capability), label, when=when, params=params
            )
        except ConnectError:
            if mine.sent is not None and mine.sent is not sent:
                cross_out(mine.sent)
            raise
        except KeyboardInterrupt:
            if mine.sent is None or mine.sent is sent:
                raise
            said = mine.sent.outcome or "%pilot jobs tells whether it runs"
            error = MeasurementInterrupt(f"interrupted while sent: {said}", mine.sent)
            make_brief(error)
            raise error from None
        return mine.took(measurement)

    def explain(self, exc: PilothouseError) -> None:
        """Make an error short, unless ``tbenable`` was said."""
        found: _component.Connected | None = self.session.kept(_component.SERVICE)
        if found is None or not found.commands.shows_tracebacks:
            super().explain(exc)


def _facts(found: _component.Connected) -> list[str]:
    labels = [one.get_label() or one.get_token()[:8] for one in found.capabilities]
    lines = [f"component: {found.url or 'not asked yet'}"]
    lines.append(f"capabilities: {', '.join(map(str, labels)) or 'none'}")
    commands = found.commands
    if commands.scope is not None:
        lines.append(f"when: {commands.scope}")
    lines += [f"{name} = {value}" for name, value in commands.show().items()]
    lines += [f"{one.label}: {one.state}, {one.rows} rows" for one in found.running()]
    return lines


def _row(capability: Capability) -> dict[str, object]:
    columns = list(capability.result_column_names())
    more = f", … {len(columns)} in all" if len(columns) > _SHOWN else ""
    return {
        "capability": capability.get_label() or "",
        "when": str(capability.when() or "").strip(),
        "parameters": ", ".join(
            _parameter(capability, n) for n in capability.parameter_names()
        ),
        "results": ", ".join(columns[:_SHOWN]) + more,
        "token": capability.get_token()[:8],
    }


def _parameter(capability: Capability, name: str) -> str:
    constraint = str(capability.parameter(name).constraint())
    return name if constraint == "*" else f"{name}: {constraint}"


def _defaults(known: dict[str, str]) -> Table:
    rows = [{"parameter": name, "value": value} for name, value in known.items()]
    return Table(("parameter", "value"), rows, empty="nothing is set")


def _values(capability: Capability, given: dict[str, str]) -> dict[str, Any]:
    """Return values as the capability takes them: lists where it allows lists."""
    from pilothouse.mplane.model import ListConstraint

    found: dict[str, Any] = {}
    for name, value in given.items():
        is_list = capability.has_parameter(name) and isinstance(
            capability.parameter(name).constraint(), ListConstraint
        )
        found[name] = [v.strip() for v in value.split(",")] if is_list else value
    return found


def _hint(capability: Capability, before: str) -> str:
    from pilothouse_widgets.scope_words import first_scope

    offered = capability.when()
    if offered is None:
        return before
    return f'--set NAME=VALUE and --when "{first_scope(offered)}", for instance'
