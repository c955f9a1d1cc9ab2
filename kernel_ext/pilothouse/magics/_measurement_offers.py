"""What Tab offers in a line of ``%mplane``: labels, parameters, values, scopes.

All of it comes from what the client holds in memory; nothing is asked of a network.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from pilothouse_widgets.allowed import suggestions
from pilothouse_widgets.scope_words import offered_scopes, told

from ._component import SERVICE, Connected, connect_soon
from ._line import Word
from ._names import Name
from ._session import Session

if TYPE_CHECKING:
    from pilothouse.mplane.model import Capability

__all__ = [
    "capabilities",
    "defaults",
    "measurements",
    "names",
    "pairs",
    "scopes",
    "values",
]


def capabilities(
    session: Session, _before: Sequence[Word], _current: str
) -> Iterator[Name]:
    """Return the labels of capabilities; tokens of those without one."""
    for one in _capabilities(session):
        parameters = ", ".join(one.parameter_names()) or "no parameters"
        name = one.get_label() or one.get_token()
        yield Name(name, f"capability: {parameters}")


def measurements(
    session: Session, _before: Sequence[Word], _current: str
) -> Iterator[Name]:
    """Return the labels of measurements, the newest first."""
    known: Connected | None = session.kept(SERVICE)
    for label, one in reversed(list(known.measurements.items()) if known else []):
        yield Name(label, f"measurement: {one.state}")


def names(session: Session, _before: Sequence[Word], _current: str) -> Iterator[Name]:
    """Return the names of all parameters of all capabilities."""
    for name, help_text in _parameters(_capabilities(session)).items():
        yield Name(name, help_text)


def defaults(
    session: Session, _before: Sequence[Word], _current: str
) -> Iterator[Name]:
    """Return the parameters that have a default now."""
    known: Connected | None = session.kept(SERVICE)
    for name, value in known.commands.defaults.items() if known else ():
        yield Name(name, f"default: {value}")


def values(session: Session, before: Sequence[Word], _current: str) -> Iterator[Name]:
    """Return the values that constraints allow for the parameter named before."""
    if before:
        found = _allowed(_capabilities(session), before[-1].text)
        yield from (Name(value, "allowed") for value in found)


def pairs(session: Session, before: Sequence[Word], current: str) -> Iterator[Name]:
    """Return ``NAME=`` for the parameters of the capability, then their values."""
    chosen = _chosen(session, before)
    name, equals, _ = current.partition("=")
    if equals:
        for value in _allowed(chosen, name):
            yield Name(f"{name}={value}", "allowed")
        return
    given = {word.text.partition("=")[0] for word in before}
    for parameter, help_text in _parameters(chosen).items():
        if parameter not in given:
            yield Name(f"{parameter}=", help_text)


def scopes(session: Session, before: Sequence[Word], current: str) -> Iterator[Name]:
    """Return scopes that follow the capability's, as far as not typed yet."""
    from pilothouse.mplane.model import When

    typed = _typed_scope(before)
    offered = [one.when() for one in _chosen(session, before)]
    texts = dict.fromkeys(
        text for each in offered if each is not None for text in offered_scopes(each)
    )
    for text in texts or ("now", "now + 10s / 1s"):
        if typed and not text.startswith(f"{typed} "):
            continue
        rest = text.removeprefix(f"{typed} ") if typed else text
        if rest.startswith(current):
            yield Name(rest, f"scope: {told(When(text))}")


def _typed_scope(before: Sequence[Word]) -> str:
    """Return the words of an unquoted scope that stand before the cursor."""
    flags = [i for i, word in enumerate(before) if word.text == "--when"]
    begin = flags[-1] + 1 if flags else 0
    return " ".join(word.raw for word in before[begin:])


def _capabilities(session: Session) -> list[Capability]:
    known: Connected | None = session.kept(SERVICE)
    if known is None:
        connect_soon(session)
        return []
    return known.capabilities


def _chosen(session: Session, before: Sequence[Word]) -> list[Capability]:
    """Return the capability that the line names, or all of them."""
    known = _capabilities(session)
    if before and not before[0].is_option:
        wanted = before[0].text
        named = [c for c in known if wanted in (c.get_label(), c.get_token())]
        return named or known
    return known


def _parameters(chosen: Iterable[Capability]) -> dict[str, str]:
    found: dict[str, str] = {}
    for one in chosen:
        for name in one.parameter_names():
            if not one.parameter(name).is_single_value():
                constraint = one.parameter(name).constraint()
                kind = one.parameter(name).primitive_name()
                found.setdefault(name, f"{kind}: {constraint}")
    return found


def _allowed(chosen: Iterable[Capability], name: str) -> list[str]:
    found: dict[str, None] = {}
    for one in chosen:
        if one.has_parameter(name):
            found.update(dict.fromkeys(suggestions(one.parameter(name))))
    return list(found)
