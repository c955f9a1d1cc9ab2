"""The manual of a magic, from the same table that parses its line."""

from __future__ import annotations

from collections.abc import Sequence

from ._arguments import Argument, Command, Option, Subcommand

__all__ = ["examples", "manual", "page"]


def manual(command: Command) -> str:
    """Return the text that ``%name?`` shows."""
    lines = [command.help, ""]
    if command.arguments or not command.subcommands:
        lines += page(command, command.itself).splitlines()[2:]
    if command.subcommands:
        lines += [""] if command.arguments else []
        lines += _subcommands(command)
    shown = examples(command)
    if shown:
        lines += ["", "Examples::", "", *(f"    {line}" for line in shown)]
    return "\n".join(lines).rstrip() + "\n"


def page(command: Command, subcommand: Subcommand) -> str:
    """Return the help of one subcommand, as ``-h`` shows it."""
    prefix = command.prefix
    if command.target is not None:
        prefix += f" {command.target.usage}"
    lines = [subcommand.help, "", f"usage: {subcommand.usage(prefix)}", ""]
    rows = [(a.reader.metavar, _argument_help(a)) for a in subcommand.arguments]
    rows += [(", ".join(o.spellings), _option_help(o)) for o in subcommand.all_options]
    lines += _columns(rows)
    if subcommand.example:
        prefix = subcommand.marked(command.prefix)
        lines += ["", f"example: {prefix} {subcommand.example}"]
    return "\n".join(lines)


def examples(command: Command) -> list[str]:
    """Return the whole lines that show how the magic is used."""
    lines = list(command.examples)
    lines += [
        f"{sub.marked(command.prefix)} {sub.example}"
        for sub in command.subcommands.values()
        if sub.example
    ]
    return lines


def _subcommands(command: Command) -> list[str]:
    target = f" {command.target.usage}" if command.target is not None else ""
    lines = [f"usage: {command.prefix}{target} [WORD ...] [-o NAME]", ""]
    lines += _columns(
        [
            (" ".join([s.name, *(a.usage for a in s.arguments)]), s.help)
            for s in command.subcommands.values()
        ]
    )
    return [*lines, "", f"{command.prefix} WORD -h tells more of one."]


def _argument_help(argument: Argument) -> str:
    if argument.reader.choices:
        return f"{argument.help}: {', '.join(argument.reader.choices)}"
    return argument.help


def _option_help(option: Option) -> str:
    if option.reader is not None and option.reader.choices:
        return f"{option.help}: {', '.join(option.reader.choices)}"
    return option.help


def _columns(rows: Sequence[tuple[str, str]]) -> list[str]:
    width = min(max((len(left) for left, _ in rows), default=0), 34)
    return [f"  {left:<{width}}  {right}" for left, right in rows]
