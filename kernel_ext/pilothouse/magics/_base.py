"""The common base of the magics: parse, do, bind, return.

A class of magics writes one method for each magic, decorated with `house_magic`, and
one for each subcommand, decorated with `subcommand`; what they take is written there
and nowhere else. See `pilothouse.magics.pilot` for an example.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypeVar

from IPython.core.magic import Magics, line_cell_magic, line_magic, no_var_expand

from pilothouse.errors import ConnectError, LineError, PilothouseError

from ._arguments import Argument, Command, Option, Subcommand
from ._errors import make_brief
from ._help import examples, manual, page
from ._line import is_silenced, split, unsilenced
from ._model_errors import detail_of
from ._readers import Scope
from ._session import Session
from ._show import Page
from ._typed_secrets import refuse_secrets

__all__ = ["HouseMagics", "house_magic", "subcommand"]

F = TypeVar("F", bound=Callable[..., Any])


class HouseMagics(Magics):
    """Magics of the house; subclasses declare commands, this runs them.

    Attributes:
        commands: Every command of the class by name, for parsing, help and completion.
    """

    commands: ClassVar[Mapping[str, Command]] = {}

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        members = [f for c in cls.__mro__ for f in vars(c).values() if callable(f)]
        subcommands = [s for f in members if (s := getattr(f, "subcommand", None))]
        commands: dict[str, Command] = {}
        for function in members:
            command = getattr(function, "command", None)
            if command is None:
                continue
            if not command.is_cell or command.is_line_too:
                command = command.with_subcommands({s.name: s for s in subcommands})
            commands[command.name] = command
            function.__doc__ = manual(command)
        cls.commands = commands

    @property
    def session(self) -> Session:
        """The session of the shell that the magics are in."""
        assert self.shell is not None  # IPython makes magics with their shell
        return Session.of(self.shell)

    def status(self, name: str, *lines: str) -> Page:
        """Return the page of a bare ``%name``: what is, then examples."""
        command = self.commands[name]
        shown = [f"    {example}" for example in examples(command)]
        return Page(
            "\n".join([*lines, "", "Examples:", *shown, "", f"%{name}? tells more."])
        )

    def run(
        self,
        name: str,
        function: Callable[..., object],
        line: str,
        cell: str | None,
        local_ns: Mapping[str, object] | None,
    ) -> object:
        """Parse a line, do what it asks for, bind and return the result."""
        command = self.commands[name]
        session = self.session
        scope = Scope(local_ns, session.shell.user_ns)
        words = split(unsilenced(line))
        refuse_secrets(session, name, words, command.flags_of(words))
        parsed = command.parse(words, scope)
        if parsed.arguments.help:
            return Page(
                page(command, parsed.subcommand)
                if parsed.subcommand.name
                else manual(command)
            )
        method = parsed.subcommand.method
        if parsed.subcommand.takes_cell:
            parsed.arguments.cell = cell
        elif method and cell and cell.strip():
            raise LineError(f"%%{name} {parsed.subcommand.name} takes no cell")
        if method:
            result = getattr(self, method)(parsed.arguments)
        elif command.is_cell:
            result = function(self, parsed.arguments, cell)
        else:
            result = function(self, parsed.arguments)
        if parsed.arguments.out:
            session.shell.user_ns[parsed.arguments.out] = result
        return None if is_silenced(line) else result

    def explain(self, exc: PilothouseError) -> None:
        """Make an error short that is about to leave a magic, if options say so."""
        if isinstance(exc, ConnectError) and not exc.hint:
            exc.hint = "%pilot doctor looks for the cause"
        if self.session.options.brief_errors:
            make_brief(exc, detail_of(self.session, exc))


def house_magic(command: Command) -> Callable[[F], Any]:
    """Return a decorator that makes a method the magic ``command``.

    The method gets the parsed arguments of the bare magic, and for a cell magic the
    body too (``None`` when it was called as a line).
    """

    def decorate(function: F) -> Any:  # noqa: ANN401  what IPython's decorators give
        @functools.wraps(function)
        def magic(
            self: HouseMagics,
            line: str,
            cell: str | None = None,
            local_ns: Mapping[str, object] | None = None,
        ) -> object:
            try:
                return self.run(command.name, function, line, cell, local_ns)
            except PilothouseError as exc:
                self.explain(exc)
                raise

        magic.command = command  # type: ignore[attr-defined]
        # IPython's own decorator for this costs a stack walk; the flag is the API.
        magic.needs_local_scope = True  # type: ignore[attr-defined]
        mark = line_cell_magic if command.is_cell else line_magic
        marked: Any = mark(command.name)
        return no_var_expand(marked(magic))

    return decorate


def subcommand(
    name: str, *parts: Argument | Option, example: str = "", takes_cell: bool = False
) -> Callable[[F], F]:
    """Return a decorator that makes a method a subcommand of its class's magic.

    One that takes a cell finds it in ``args.cell``; ``None`` when it stands in a line.
    """

    def decorate(function: F) -> F:
        if not function.__doc__:
            raise TypeError(f"subcommand {name!r} has no docstring for its help")
        described = Subcommand(
            name,
            function.__doc__.strip().splitlines()[0].rstrip("."),
            tuple(p for p in parts if isinstance(p, Argument)),
            tuple(p for p in parts if isinstance(p, Option)),
            example,
            function.__name__,
            takes_cell,
        )
        function.subcommand = described  # type: ignore[attr-defined]
        return function

    return decorate
