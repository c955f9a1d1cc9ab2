"""What a magic takes, written once: parsing, help and completion all read it.

    line       = [ target ] [ subcommand ] { argument / option }
    option     = flag [ value ] / flag "=" value
    argument   = word                               ; see `_line` for what a word is
    "--"       ends the options

Every magic also takes ``-o NAME`` (bind the result) and ``-h`` (help).
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from pilothouse.errors import LineError
from pilothouse.nearest import did_you_mean

from ._line import Word
from ._readers import IDENTIFIER, Reader, Scope

__all__ = ["REQUIRED", "Argument", "Command", "Option", "Parsed", "Subcommand"]


class _Required:
    def __repr__(self) -> str:
        return "REQUIRED"


REQUIRED = _Required()
"""The default of an argument that has to be given."""


@dataclass(frozen=True, slots=True)
class Argument:
    """A word by its place.

    Attributes:
        name: Its attribute in the parsed arguments.
        reader: Makes the value.
        help: One line.
        default: The value when it is left out; `REQUIRED` forbids that.
        many: Whether it takes all the words that are left, as a list.
    """

    name: str
    reader: Reader
    help: str
    default: object = REQUIRED
    many: bool = False

    @property
    def usage(self) -> str:
        """How a usage line shows it."""
        word = self.reader.metavar + ("..." if self.many else "")
        return word if self.default is REQUIRED else f"[{word}]"


@dataclass(frozen=True, slots=True)
class Option:
    """A word by its flag.

    Attributes:
        flags: All spellings, the long one first; it gives the attribute's name.
        reader: Makes the value; ``None`` for a flag that is there or not.
        help: One line.
        default: The value when it is left out.
        many: Whether it takes several words, up to the next option, as a list.
        negative: For a flag: whether ``--no-...`` turns it off.
    """

    flags: tuple[str, ...]
    reader: Reader | None
    help: str
    default: object = None
    many: bool = False
    negative: bool = False

    @property
    def name(self) -> str:
        """Its attribute in the parsed arguments."""
        return self.flags[0].lstrip("-").replace("-", "_")

    @property
    def spellings(self) -> tuple[str, ...]:
        """All flags that mean it, the denial too."""
        return (*self.flags, *([self.denial] if self.negative else []))

    @property
    def denial(self) -> str:
        """The flag that turns it off."""
        return f"--no-{self.flags[0].lstrip('-')}"

    @property
    def usage(self) -> str:
        """How a usage line shows it."""
        flag = self.flags[0]
        if self.negative:
            return f"[{flag} | {self.denial}]"
        if self.reader is None:
            return f"[{flag}]"
        return f"[{flag} {self.reader.metavar}{'...' if self.many else ''}]"


OUT = Option(("--out", "-o"), IDENTIFIER, "bind the result to this name, too")
HELP = Option(("--help", "-h"), None, "show this help", False)


@dataclass(frozen=True, slots=True)
class Subcommand:
    """One word of a magic, with what it takes.

    Attributes:
        name: The word; empty for a magic without subcommands.
        help: One line.
        arguments: By place, in order.
        options: By flag, without the two that everything has.
        example: One line that works, without the magic's name.
        method: The method that does it.
        takes_cell: Whether it stands over a cell; the method finds it in ``cell``.
    """

    name: str
    help: str = ""
    arguments: tuple[Argument, ...] = ()
    options: tuple[Option, ...] = ()
    example: str = ""
    method: str = ""
    takes_cell: bool = False

    @property
    def all_options(self) -> tuple[Option, ...]:
        """Its own options and the two that everything has."""
        return (*self.options, OUT, HELP)

    def option(self, flag: str) -> Option | None:
        """Return the option that ``flag`` spells, or ``None``."""
        return next((o for o in self.all_options if flag in o.spellings), None)

    def marked(self, prefix: str) -> str:
        """Return the magic as it is typed before this word."""
        is_bare = self.takes_cell and not prefix.startswith("%%")
        return f"%{prefix}" if is_bare else prefix

    def usage(self, prefix: str) -> str:
        """Return the usage line after ``prefix``."""
        parts = [self.marked(prefix), self.name, *(a.usage for a in self.arguments)]
        parts += [o.usage for o in self.options]
        return " ".join(part for part in [*parts, "[-o NAME]"] if part)


@dataclass(frozen=True, slots=True)
class Parsed:
    """A line that was understood.

    Attributes:
        subcommand: The one that was named, or the magic itself.
        arguments: One attribute for each argument and option.
    """

    subcommand: Subcommand
    arguments: Namespace


@dataclass(frozen=True, slots=True)
class Command:
    """One magic.

    Attributes:
        name: Without ``%``.
        help: The first sentence of its manual.
        arguments: Of the magic itself, when it has no subcommands.
        options: Of the magic itself.
        target: What may stand before a subcommand: which one of several is meant.
        examples: Whole lines for the status page and the manual.
        is_cell: Whether the manual shows it with ``%%``.
        is_line_too: Whether it is shown with ``%`` all the same.
        subcommands: By word.
    """

    name: str
    help: str
    arguments: tuple[Argument, ...] = ()
    options: tuple[Option, ...] = ()
    target: Argument | None = None
    examples: tuple[str, ...] = ()
    is_cell: bool = False
    is_line_too: bool = False
    subcommands: Mapping[str, Subcommand] = field(default_factory=dict)

    @property
    def prefix(self) -> str:
        """The magic as it is typed."""
        return ("%%" if self.is_cell and not self.is_line_too else "%") + self.name

    @property
    def itself(self) -> Subcommand:
        """The magic without a subcommand."""
        return Subcommand("", self.help, self.arguments, self.options)

    def with_subcommands(self, subcommands: Mapping[str, Subcommand]) -> Command:
        """Return the same magic with these subcommands."""
        return replace(self, subcommands=dict(subcommands))

    def parse(self, words: Sequence[Word], scope: Scope) -> Parsed:
        """Return what a line asks for.

        Raises:
            LineError: If the line is wrong; the hint is the usage.
        """
        target, subcommand, rest = self.route(words)
        try:
            arguments = _Reading(subcommand, scope).run(rest)
            if self.target is not None:
                value = (
                    None if target is None else self.target.reader.read(target, scope)
                )
                setattr(arguments, self.target.name, value)
        except LineError as exc:
            exc.hint = exc.hint or f"usage: {subcommand.usage(self.prefix)}"
            raise
        return Parsed(subcommand, arguments)

    def route(
        self, words: Sequence[Word]
    ) -> tuple[Word | None, Subcommand, Sequence[Word]]:
        """Return the target, the subcommand and the words left for it."""
        if not self.subcommands or not words or words[0].is_option:
            return None, self.itself, words
        first = words[0]
        if first.raw in self.subcommands:
            return None, self.subcommands[first.raw], words[1:]
        if self.arguments and not (len(words) == 1 and self._is_close(first.text)):
            return None, self.itself, words
        if self.target is not None:
            if len(words) == 1 or words[1].is_option:
                return first, self.itself, words[1:]
            if words[1].text in self.subcommands:
                return first, self.subcommands[words[1].text], words[2:]
            first = words[1] if not self._is_close(first.text) else first
        raise LineError(
            f"{self.prefix} has no {first.text!r}"
            f"{did_you_mean(first.text, self.subcommands)}",
            hint=f"{self.prefix} knows: {', '.join(self.subcommands)}",
        )

    def flags_of(self, words: Sequence[Word]) -> frozenset[str]:
        """Return the flags that a line for this magic may have."""
        named = self.subcommands.get(words[0].text) if words else None
        options = (named or self.itself).all_options
        return frozenset(flag for option in options for flag in option.spellings)

    def _is_close(self, word: str) -> bool:
        return bool(did_you_mean(word, self.subcommands))


class _Reading:
    """Reads the words of one line into a namespace."""

    def __init__(self, subcommand: Subcommand, scope: Scope) -> None:
        self._subcommand = subcommand
        self._scope = scope
        self._values: dict[str, object] = {
            option.name: [] if option.many else option.default
            for option in subcommand.all_options
        }
        self._places: list[Word] = []

    def run(self, words: Sequence[Word]) -> Namespace:
        position = 0
        while position < len(words):
            word = words[position]
            position += 1
            if word.raw == "--":
                self._places.extend(words[position:])
                break
            if word.is_option:
                position = self._option(word, words, position)
            else:
                self._places.append(word)
        if not self._values["help"]:
            self._arguments()
        return Namespace(**self._values)

    def _option(self, word: Word, words: Sequence[Word], position: int) -> int:
        flag, equals, attached = word.text.partition("=")
        option = self._subcommand.option(flag)
        if option is None:
            known = [s for o in self._subcommand.all_options for s in o.spellings]
            raise LineError(f"no option {flag!r}{did_you_mean(flag, known)}")
        if option.reader is None:
            if equals:
                raise LineError(f"{flag} takes no value")
            self._values[option.name] = flag != option.denial
            return position
        given = [Word(attached, attached, word.start, word.end)] if equals else []
        while (
            not equals
            and position < len(words)
            and not words[position].is_option
            and (option.many or not given)
        ):
            given.append(words[position])
            position += 1
        if not given:
            raise LineError(f"{flag} needs a value: {flag} {option.reader.metavar}")
        read = [option.reader.read(each, self._scope) for each in given]
        if option.many:
            before = self._values[option.name]
            read = [*before, *read] if isinstance(before, list) else read
        self._values[option.name] = read if option.many else read[0]
        return position

    def _arguments(self) -> None:
        left = list(self._places)
        for argument in self._subcommand.arguments:
            if not left and argument.default is REQUIRED:
                raise LineError(
                    f"{argument.reader.metavar} is missing: {argument.help}"
                )
            if not left:
                self._values[argument.name] = argument.default
            elif argument.many:
                self._values[argument.name] = [
                    argument.reader.read(word, self._scope) for word in left
                ]
                left = []
            else:
                word = left.pop(0)
                self._values[argument.name] = argument.reader.read(word, self._scope)
        if left:
            raise LineError(f"{left[0].raw!r} is one word too many")
