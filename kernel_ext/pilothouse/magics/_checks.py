"""What a cell holds, checked before it goes anywhere; errors name the cell's line.

A cell's first line is the magic itself, so line n of the body is line n + 1 of the
cell, as the front end numbers it.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

from pilothouse.errors import LineError, ProtocolError

from ._cells import Cell

if TYPE_CHECKING:
    from pilothouse.fastscore.wire.annotations import ModelOptions

__all__ = ["read_document", "read_model", "read_schema", "read_sensor", "read_stream"]

_QUOTED = re.compile(r"['\"]([^'\"]+)['\"]")


def read_schema(name: str, body: str) -> Any:  # noqa: ANN401  any JSON
    """Return the Avro schema in a cell's body.

    Raises:
        LineError: If it is neither JSON nor YAML, or no Avro schema.
    """
    from pilothouse.fastscore.wire.avro import parse_schema

    return _checked("schema", name, body, parse_schema)


def read_stream(name: str, body: str) -> Any:  # noqa: ANN401  any JSON
    """Return the stream descriptor in a cell's body; a literal is expanded.

    Raises:
        LineError: If it is neither JSON nor YAML nor a literal, or no descriptor.
    """
    from pilothouse.fastscore.wire import literals, streams

    text = body.strip()
    if "\n" not in text and text.partition(":")[0] in literals.EXAMPLES:
        try:
            return literals.expand(text)
        except ValueError as exc:
            _fail("stream", name, body, 1, None, str(exc), exc)
    return _checked("stream", name, body, streams.parse_descriptor)


def read_sensor(name: str, body: str) -> Any:  # noqa: ANN401  any JSON
    """Return the sensor descriptor in a cell's body.

    Raises:
        LineError: If it is neither JSON nor YAML, or no descriptor.
    """
    from pilothouse.fastscore.wire import sensors

    return _checked("sensor", name, body, sensors.parse_sensor)


def read_model(name: str, mtype: str, body: str) -> ModelOptions:
    """Return what a model's annotations say, having checked its text.

    Nothing of the model is run: Python is parsed, its annotations and the functions
    that they name are looked at; PFA is read as JSON or YAML.

    Raises:
        LineError: If something is wrong that can be seen without running it.
    """
    from pilothouse.fastscore.wire.annotations import AnnotationError, parse_options

    if mtype in {"pfa-json", "pfa-yaml"}:
        read_document("model", name, body)
    try:
        options = parse_options(body, mtype)
    except AnnotationError as exc:
        text = str(exc).removeprefix(f"line {exc.line}: ")
        _fail("model", name, body, exc.line, None, text, exc)
    except ProtocolError as exc:
        _fail("model", name, body, _line_of(str(exc), body), None, str(exc), exc)
    if mtype in {"python", "python3"}:
        _check_python(name, body, options)
    return options


def read_document(kind: str, name: str, body: str) -> Any:  # noqa: ANN401  any JSON
    """Return the JSON value that a body holds as JSON or YAML.

    Raises:
        LineError: If it holds neither, with line and column.
    """
    if not body.strip():
        raise LineError(
            f"{kind} {name!r}: the cell is empty", hint="write it below the first line"
        )
    try:
        return json.loads(body, object_pairs_hook=_no_twins)
    except json.JSONDecodeError as exc:
        failed = exc
    except _TwinError as exc:
        line = _line_of(repr(exc.key), body, last=True)
        _fail(kind, name, body, line, None, f"key {exc.key!r} comes twice", exc)
    found = _yaml(kind, name, body, failed)
    try:
        json.dumps(found, allow_nan=False)
    except (TypeError, ValueError) as exc:
        _fail(kind, name, body, None, None, f"this YAML is no JSON value: {exc}", exc)
    return found


def _yaml(kind: str, name: str, body: str, failed: json.JSONDecodeError) -> object:
    import yaml

    try:
        found = yaml.safe_load(body)
    except yaml.YAMLError as exc:
        # A body that begins like JSON was meant as JSON.
        if body.lstrip()[:1] in "{[":
            _fail(kind, name, body, failed.lineno, failed.colno, failed.msg, failed)
        mark = getattr(exc, "problem_mark", None) or getattr(exc, "context_mark", None)
        line, column = (mark.line + 1, mark.column + 1) if mark else (None, None)
        problem = getattr(exc, "problem", None) or "not YAML"
        _fail(kind, name, body, line, column, problem, exc)
    if isinstance(found, str) and "\n" in body.strip():
        _fail(kind, name, body, failed.lineno, failed.colno, failed.msg, failed)
    return found


def _checked(kind: str, name: str, body: str, check: Callable[[Any], object]) -> Any:  # noqa: ANN401  any JSON
    found = read_document(kind, name, body)
    try:
        check(found)
    except ProtocolError as exc:
        message = exc.message
        _fail(kind, name, body, _line_of(message, body), None, message, exc)
    return found


def _check_python(name: str, body: str, options: ModelOptions) -> None:
    try:
        tree = ast.parse(body, filename=f"<model {name}>")
    except SyntaxError as exc:
        _fail("model", name, body, exc.lineno, exc.offset, exc.msg, exc)
    if options.explicit:
        return
    defined = {n.name for n in tree.body if isinstance(n, ast.FunctionDef)}
    defined |= {
        target.id
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    defined |= {
        (alias.asname or alias.name).partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    if "*" in defined or any(isinstance(n, ast.If | ast.Try) for n in tree.body):
        return
    for slot, used in options.slots.items():
        if used.action and used.action not in defined:
            line = _line_of(repr(used.action), body)
            text = f"no function {used.action!r} for the records of slot {slot}"
            _fail("model", name, body, line, None, text, None)


class _TwinError(ValueError):
    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


def _no_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise _TwinError(key)
        found[key] = value
    return found


def _line_of(message: str, body: str, *, last: bool = False) -> int | None:
    """Return the line of the body that holds a word the message quotes."""
    lines = body.splitlines()
    for word in _QUOTED.findall(message):
        found = [n for n, line in enumerate(lines, 1) if word in line]
        if found:
            return found[-1] if last else found[0]
    return None


def _fail(
    kind: str,
    name: str,
    body: str,
    line: int | None,
    column: int | None,
    text: str,
    cause: BaseException | None,
) -> NoReturn:
    cell = Cell(0, body)
    place = "" if line is None else f", line {cell.line(line)} of the cell"
    if line is not None and column:
        place += f", column {column}"
    message = f"{kind} {name!r}{place}: {text}"
    if line is not None:
        message += "\n\n" + "\n".join(cell.excerpt(line)) + "\n"
    raise LineError(message) from cause
