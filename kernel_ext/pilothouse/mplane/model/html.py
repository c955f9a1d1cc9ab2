"""Messages in a notebook: tables, readable on light and dark pages.

Everything that a peer sent is escaped. Colours come from the page: only opacities and
borders of the text's own colour are set.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from html import escape
from typing import TYPE_CHECKING, Final

from .elements import Element, Metavalue, Parameter, ResultColumn
from .kinds import Message

if TYPE_CHECKING:
    from .envelope import Envelope
    from .exceptions import Exception as ExceptionMessage
    from .statement import Statement

__all__ = ["envelope_html", "exception_html", "statement_html"]

_MOST_ROWS: Final = 50
_MOST_MESSAGES: Final = 50
_LINE: Final = "1px solid color-mix(in srgb, currentColor 25%, transparent)"
_CELL: Final = f'style="text-align:left;border-bottom:{_LINE};padding:2px 10px 2px 0"'
_FAINT: Final = 'style="opacity:.7"'
_TABLE: Final = (
    '<table style="border-collapse:collapse;color:inherit;background:transparent;'
    'font-size:inherit;margin:4px 0">'
)


def statement_html(statement: Statement) -> str:
    """Return a statement as HTML: heading, facts, parameters, results."""
    return _box("".join(_statement_parts(statement)))


def exception_html(exception: ExceptionMessage) -> str:
    """Return an exception as HTML."""
    facts = [
        ("token", exception.get_token() or "none"),
        ("message", exception.errmsg()),
    ]
    return _box(f"<b>exception</b>{_facts(facts)}")


def envelope_html(envelope: Envelope) -> str:
    """Return an envelope as HTML: one line for each of its messages."""
    count = len(envelope)
    facts = [
        (name, str(value))
        for name, value in (
            ("label", envelope.get_label()),
            ("token", envelope.get_token()),
            ("when", envelope.when()),
        )
        if value is not None
    ]
    shown = list(envelope.messages())[:_MOST_MESSAGES]
    rows = "".join(map(_message_row, shown))
    more = f"<i>and {count - len(shown)} more</i>" if count > len(shown) else ""
    heading = f"<b>envelope</b> of {count} ({escape(envelope.content_type())})"
    return _box(f"{heading}{_facts(facts)}{_TABLE}{rows}</table>{more}")


def _message_row(message: Message) -> str:
    label = message.get_label() or message.get_token() or ""
    what = getattr(message, "errmsg", None)
    text = what() if callable(what) else str(getattr(message, "when", lambda: "")())
    return _row(message.kind_str(), label, text)


def _box(inner: str) -> str:
    return f'<div style="overflow-x:auto;font-size:.92em">{inner}</div>'


def _row(*cells: str) -> str:
    return f"<tr>{''.join(f'<td {_CELL}>{escape(cell)}</td>' for cell in cells)}</tr>"


def _head(*cells: str) -> str:
    heads = "".join(f"<th {_CELL}>{escape(cell)}</th>" for cell in cells)
    return f"<thead><tr>{heads}</tr></thead>"


def _facts(facts: Iterable[tuple[str, str]]) -> str:
    return "".join(
        f"<div><span {_FAINT}>{escape(name)}</span> {escape(value)}</div>"
        for name, value in facts
    )


def _statement_parts(statement: Statement) -> Iterator[str]:
    label = statement.get_label()
    name = f" <b>{escape(label)}</b>" if label is not None else ""
    yield f"<b>{escape(statement.kind_str())}</b> {escape(statement.verb())}{name}"
    when, link = statement.when(), statement.get_link()
    facts = [] if when is None else [("when", str(when))]
    facts += [("link", link)] if link else []
    facts += [("token", statement.get_token())] if statement.has_token() else []
    yield _facts(facts)
    elements = list(statement.elements())
    if parameters := [each for each in elements if isinstance(each, Parameter)]:
        has_units = any(each.unit() for each in parameters)
        rows = "".join(_parameter_row(each, has_units) for each in parameters)
        units = ("unit",) if has_units else ()
        head = _head("parameter", "value or constraint", *units)
        yield f"{_TABLE}{head}{rows}</table>"
    if metadata := [each for each in elements if isinstance(each, Metavalue)]:
        rows = "".join(_row(each.name(), each.wire()) for each in metadata)
        yield f"{_TABLE}{_head('metadata', 'value')}{rows}</table>"
    if columns := [each for each in elements if isinstance(each, ResultColumn)]:
        yield _results(columns, statement.count_result_rows())


def _parameter_row(parameter: Parameter, has_units: bool) -> str:
    wire = parameter.wire()
    text = wire if isinstance(wire, str) else ", ".join(wire)
    units = (parameter.unit(),) if has_units else ()
    return _row(parameter.name(), text, *units)


def _results(columns: list[ResultColumn], count: int) -> str:
    if not count:
        rows = "".join(
            _row(each.name(), each.unit(), each.desc() or "") for each in columns
        )
        return f"{_TABLE}{_head('result', 'unit', 'meaning')}{rows}</table>"
    shown = min(count, _MOST_ROWS)
    rows = "".join(
        _row(*(_cell(column, index) for column in columns)) for index in range(shown)
    )
    more = f"<i>and {count - shown} more rows</i>" if count > shown else ""
    return f"{_TABLE}{_head(*map(_heading, columns))}{rows}</table>{more}"


def _cell(column: ResultColumn, index: int) -> str:
    return column.unparse(column[index]) if index < len(column) else ""


def _heading(element: Element) -> str:
    unit = element.unit()
    return f"{element.name()} [{unit}]" if unit else element.name()
