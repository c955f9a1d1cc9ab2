"""What can be said about the source of a model without running it.

Source: vendor manual, "Model callbacks", "Import policy".
"""

from __future__ import annotations

import ast
import io
import sys
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from pilothouse.errors import ProtocolError
from pilothouse.fastscore.wire.annotations import ModelOptions

MAX_ARITY: Final = 3
"""An action takes the record, its slot and its number."""


class ModelSourceError(ProtocolError):
    """A model cannot be loaded.

    Attributes:
        line: Line of the source, from 1; ``None`` if no line is at fault.
        text: That line.
    """

    def __init__(
        self, message: str, *, line: int | None = None, text: str = "", hint: str = ""
    ) -> None:
        where = "" if line is None else f" (line {line})"
        super().__init__(f"{message}{where}", protocol="FastScore", hint=hint)
        self.line = line
        self.text = text.strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Definition:
    """A name at the top level; `node` is ``None`` unless it is a function."""

    line: int
    node: ast.FunctionDef | ast.AsyncFunctionDef | None = None


def parse_source(source: str, filename: str = "<model>") -> ast.Module:
    """Return the syntax tree of a Python model.

    Raises:
        ModelSourceError: If the source is no Python.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # they are its author's affair
            return ast.parse(source, filename)
    except SyntaxError as exc:
        text = exc.text or _line(source, exc.lineno)
        message = f"{type(exc).__name__}: {exc.msg}"
        raise ModelSourceError(message, line=exc.lineno, text=text) from exc
    except (ValueError, RecursionError, MemoryError) as exc:
        raise ModelSourceError(f"the source cannot be parsed: {exc}") from exc


def check_source(source: str, options: ModelOptions, filename: str = "<model>") -> None:
    """Check what a load has to check, without running anything.

    Args:
        source: A Python model.
        options: What its annotations say.
        filename: For messages.

    Raises:
        ModelSourceError: If the source is no Python, or a slot in use has no action
            function that could be called.
    """
    tree = parse_source(source, filename)
    if options.explicit:
        return
    names = dict(_top_level(tree.body))
    if "*" in names:  # from module import *: it may bring anything
        return
    for slot in options.inputs:
        action = options.slots[slot].action or "action"
        found = names.get(action.partition(".")[0])
        if found is None:
            raise ModelSourceError(
                f"no function '{action}' for input slot {slot}",
                hint=f"define it, or mark the slot '# fastscore.slot.{slot}: unused'",
            )
        if found.node is not None and action in names:
            _check_action(found.node, source)


def imports_of(source: str) -> set[str]:
    """Return the libraries that a Python model imports: top-level names.

    Imports inside of functions count; relative ones, ``fastscore`` and the standard
    library do not.

    Raises:
        ModelSourceError: If the source is no Python.
    """
    found: set[str] = set()
    for node in ast.walk(parse_source(source)):
        if isinstance(node, ast.Import):
            found.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return found - sys.stdlib_module_names - {"fastscore", "__future__"}


def _check_action(node: ast.FunctionDef | ast.AsyncFunctionDef, source: str) -> None:
    text = _line(source, node.lineno)
    if isinstance(node, ast.AsyncFunctionDef):
        raise ModelSourceError(
            f"'{node.name}' must not be async", line=node.lineno, text=text
        )
    arguments = node.args
    given = len(arguments.posonlyargs) + len(arguments.args)
    required = given - len(arguments.defaults)
    if not given and arguments.vararg is None:
        raise ModelSourceError(
            f"'{node.name}' takes no argument; an action takes the record",
            line=node.lineno,
            text=text,
        )
    if required > MAX_ARITY:
        raise ModelSourceError(
            f"'{node.name}' needs {required} arguments; "
            "an action takes (data), (data, slot) or (data, slot, seqno)",
            line=node.lineno,
            text=text,
        )
    if any(default is None for default in arguments.kw_defaults):
        raise ModelSourceError(
            f"'{node.name}' needs keyword arguments; nobody passes them",
            line=node.lineno,
            text=text,
        )


def _top_level(body: Iterable[ast.stmt]) -> Iterator[tuple[str, _Definition]]:
    """Yield what is bound at the top level, also inside of if, try, with and for."""
    for node in body:
        line = node.lineno
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            # A decorator may change the signature.
            plain = None if node.decorator_list else node
            yield node.name, _Definition(line=line, node=plain)
        elif isinstance(node, ast.ClassDef):
            yield node.name, _Definition(line=line)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            for alias in node.names:
                name = alias.asname or alias.name.partition(".")[0]
                yield name, _Definition(line=line)
        else:
            for inner in ast.walk(node):
                if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Store):
                    yield inner.id, _Definition(line=line)
            for blocks in ("body", "orelse", "finalbody"):
                yield from _top_level(getattr(node, blocks, []))
            for handler in getattr(node, "handlers", []):
                yield from _top_level(handler.body)


def source_lines(source: str) -> list[str]:
    """Return the lines of a source with their ends, as Python counts them.

    A form feed or U+2028 ends no line.
    """
    return io.StringIO(source, newline=None).readlines()


def _line(source: str, number: int | None) -> str:
    lines = source_lines(source)
    return lines[number - 1] if number and number <= len(lines) else ""
