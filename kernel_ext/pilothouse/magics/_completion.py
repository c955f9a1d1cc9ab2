"""Tab in a magic's line: subcommands, options, choices, live names, own objects.

Everything comes from the table that parses the line, from the cache of `Names` and
from the types of the user's objects. The user's text is split into words and compared;
it is never evaluated, and nothing is asked of a network.
"""

from __future__ import annotations

import builtins
import importlib
import re
from collections.abc import Iterable, Iterator, Sequence
from contextvars import ContextVar
from typing import TYPE_CHECKING

from IPython.core.completer import SimpleCompletion

from . import MAGICS
from ._arguments import Command, Option, Subcommand
from ._files import FILE, FOLDER, file_names
from ._fixed_names import fixed_names
from ._flow_names import step_names
from ._line import Word, split
from ._names import Name
from ._readers import Reader

if TYPE_CHECKING:
    from IPython.core.completer import SimpleMatcherResult

    from ._session import Session

__all__ = ["complete", "complete_step"]

_STEPS: ContextVar[tuple[str, ...]] = ContextVar("pilothouse_steps", default=())
_STEP = "step of this plan"
_LONGEST_TYPE = 60
_QUOTES = "'\""
_BRACKETS = "{["
_LAST_NAME = re.compile(r"(?<![\w.'\"])[^\W\d]\w*\Z")
_NO_DATA = {
    "module",
    "function",
    "type",
    "builtin_function_or_method",
    "method",
    "ABCMeta",
}


def complete(
    session: Session, magic: str, text: str, *, plan: str = ""
) -> SimpleMatcherResult:
    """Return what may stand at the end of ``text``.

    Args:
        session: Whose names and objects to offer.
        magic: The magic's name.
        text: The line after it, up to the cursor.
        plan: The cell, when the line is a step of a plan: its names are offered, too.
    """
    token = _STEPS.set(tuple(step_names(plan)))
    try:
        return _complete(session, magic, text)
    finally:
        _STEPS.reset(token)


def complete_step(plan: str, line: str) -> SimpleMatcherResult:
    """Return the names of a plan's steps that may end a line of Python, among others.

    Args:
        plan: The cell.
        line: The line, up to the cursor.
    """
    found = _LAST_NAME.search(line)
    fragment = "" if found is None else found[0]
    completions = [
        SimpleCompletion(text=name, type=_STEP)
        for name in step_names(plan)
        if fragment and name.startswith(fragment) and name != fragment
    ]
    return {"completions": completions, "matched_fragment": fragment}


def _complete(session: Session, magic: str, text: str) -> SimpleMatcherResult:
    before, current = _at_cursor(text)
    fragment = current.lstrip(_QUOTES)
    value = _value_of(fragment)
    if value[:1] in _BRACKETS and value:
        fragment, offers = _in_expression(session, value)
    else:
        offers = _offers(session, _command(magic), before, fragment)
        fragment = value.lstrip(_QUOTES)
    is_quoted = value != fragment or current[:1] in tuple(_QUOTES)
    fitting = [offer for offer in offers if offer[0].startswith(fragment)]
    # A whole word stands for itself: where nothing is offered, Jedi is asked.
    longer = [offer for offer in fitting if offer[0] != fragment] or fitting[:1]
    completions = [
        SimpleCompletion(
            text=word if is_quoted else _in_quotes(word, kind),
            type=_in_one_line(session, kind),
        )
        for word, kind in longer
    ]
    return {
        "completions": completions,
        "matched_fragment": fragment,
        "suppress": True,
        "ordered": True,
    }


def _in_one_line(session: Session, kind: str) -> str:
    """Return a type so that a page's list of offers does not break it at spaces."""
    if len(kind) > _LONGEST_TYPE:
        kind = f"{kind[: _LONGEST_TYPE - 1].rstrip()}…"
    in_kernel = hasattr(session.shell, "kernel")
    return kind.replace(" ", "\N{NO-BREAK SPACE}") if in_kernel else kind


def _value_of(word: str) -> str:
    """Return what follows the ``=`` of an option; of other words the whole."""
    head, equals, value = word.partition("=")
    return value if equals and head.startswith("-") else word


def _in_quotes(word: str, kind: str) -> str:
    """Return a file's name as one word of a line."""
    if kind not in (FILE, FOLDER) or not any(map(str.isspace, word)):
        return word
    quote = "'" if '"' in word else '"'
    return f"{quote}{word}" + (quote if kind == FILE else "")


def _in_expression(
    session: Session, typed: str
) -> tuple[str, Iterable[tuple[str, str]]]:
    """Return the name that ends an expression, and names that it may become.

    Attributes are left to IPython, which knows when it is safe to look at them.
    """
    found = _LAST_NAME.search(typed)
    if found is None:
        return "", ()
    own = {**dict(_objects(session, "")), **dict(_functions(session))}
    known = [name for name in dir(builtins) if name[:1] != "_"]
    return found[0], [*own.items(), *((name, "builtin") for name in known)]


def _command(magic: str) -> Command:
    module, _, name = MAGICS[magic].spec.partition(":")
    owner = getattr(importlib.import_module(module), name)
    command: Command = owner.commands[magic]
    return command


def _at_cursor(text: str) -> tuple[list[Word], str]:
    words = split(text, strict=False)
    if words and words[-1].end == len(text) and not text[-1:].isspace():
        return words[:-1], words[-1].raw
    if words and not words[-1].is_closed:
        return words[:-1], words[-1].raw
    return words, ""


def _offers(
    session: Session, command: Command, before: Sequence[Word], current: str
) -> Iterator[tuple[str, str]]:
    subcommand, rest = command.itself, list(before)
    if command.subcommands:
        if not before:
            yield from _subcommands(command)
            if command.target is not None:
                yield from _of_reader(session, command.target.reader)
            yield from _after(session, subcommand, rest, current)
            return
        named = command.subcommands.get(before[0].text)
        if named is None and command.arguments:
            yield from _after(session, subcommand, rest, current)
            return
        if named is None and command.target is not None:
            if len(before) == 1:
                yield from _subcommands(command)
                return
            named, rest = command.subcommands.get(before[1].text), rest[1:]
        if named is None:
            return
        subcommand, rest = named, rest[1:]
    yield from _after(session, subcommand, rest, current)


def _after(
    session: Session, subcommand: Subcommand, rest: Sequence[Word], current: str
) -> Iterator[tuple[str, str]]:
    flag, equals, _ = current.partition("=")
    if equals and (option := subcommand.option(flag)) and option.reader:
        yield from _of_reader(session, option.reader, rest, current)
        return
    places = 0
    open_option: Option | None = None
    for word in rest:
        if word.is_option:
            flag, equals, _ = word.text.partition("=")
            option = subcommand.option(flag)
            open_option = option if option and option.reader and not equals else None
        elif open_option is None:
            places += 1
        elif not open_option.many:
            open_option = None
    if open_option is not None and open_option.reader and current[:1] != "-":
        yield from _of_reader(session, open_option.reader, rest, current)
        return
    if current[:1] != "-":
        arguments = subcommand.arguments
        if arguments and (places < len(arguments) or arguments[-1].many):
            argument = arguments[min(places, len(arguments) - 1)]
            yield from _of_reader(session, argument.reader, rest, current)
    yield from _options(subcommand, rest, current)


def _subcommands(command: Command) -> Iterator[tuple[str, str]]:
    for subcommand in command.subcommands.values():
        yield subcommand.name, f"subcommand: {subcommand.help}"


def _options(
    subcommand: Subcommand, rest: Sequence[Word], current: str
) -> Iterator[tuple[str, str]]:
    given = {word.text.partition("=")[0] for word in rest if word.is_option}
    for option in subcommand.all_options:
        if given.intersection(option.spellings) and not option.many:
            continue
        for spelling in option.spellings:
            if spelling.startswith("--") or current == "-":
                yield spelling, f"option: {option.help}"


def _of_reader(
    session: Session, reader: Reader, rest: Sequence[Word] = (), current: str = ""
) -> Iterator[tuple[str, str]]:
    for word in reader.choices:
        yield word, "choice"
    if reader.offers is not None:
        for name in reader.offers(session, rest, current):
            yield name.text, name.help
    for kind in reader.names:
        group, _, wanted = kind.partition(":")
        if group == "object":
            yield from _objects(session, wanted)
        elif group == "function":
            yield from _functions(session)
        elif group == "file":
            for name in file_names(_value_of(current).lstrip(_QUOTES)):
                yield name.text, name.help
        else:
            for name in _names(session, kind):
                yield name.text, f"{kind}: {name.help}" if name.help else kind


def _names(session: Session, kind: str) -> Iterable[Name]:
    return [*fixed_names(session, kind), *session.names.get(kind)]


def _objects(session: Session, wanted: str) -> Iterator[tuple[str, str]]:
    hidden = session.shell.user_ns_hidden
    for name, value in list(session.shell.user_ns.items()):
        kind = type(value).__name__
        if name[:1] == "_" or name in hidden or kind in _NO_DATA:
            continue
        if not wanted or kind.lower() == wanted:
            yield name, f"{kind} in this notebook"
    yield from _steps(session)


def _functions(session: Session) -> Iterator[tuple[str, str]]:
    hidden = session.shell.user_ns_hidden
    for name, value in list(session.shell.user_ns.items()):
        if name[:1] != "_" and name not in hidden and callable(value):
            yield name, f"{type(value).__name__} in this notebook"
    yield from _steps(session)


def _steps(session: Session) -> Iterator[tuple[str, str]]:
    """Yield the names that the steps of the plan will bind."""
    known = session.shell.user_ns
    return ((name, _STEP) for name in _STEPS.get() if name not in known)
