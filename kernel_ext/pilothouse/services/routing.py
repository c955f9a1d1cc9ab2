"""From a method and the segments of a path to a handler.

A tree of segments: a literal wins over a parameter, whatever the order of the routes.
What was found is remembered by its raw path, so that a call that is made again and
again (input, output, roundtrip) costs one look-up.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from .web import Handler, Refusal, Route, decoded

__all__ = ["Found", "Router"]


class Found:
    """A handler and the parameters of its path."""

    __slots__ = ("handler", "match_info")

    def __init__(self, handler: Handler, match_info: Mapping[str, str]) -> None:
        self.handler = handler
        self.match_info = match_info


class _Node:
    __slots__ = ("literals", "parameter", "routes")

    def __init__(self) -> None:
        self.literals: dict[str, _Node] = {}
        self.parameter: _Node | None = None
        self.routes: dict[str, tuple[Handler, tuple[str, ...]]] = {}


class Router:
    """The routes of one instance.

    Args:
        routes: Paths like ``"/2/active/stream/{slot}"``.

    Raises:
        ValueError: If two routes have the same method and path.
    """

    def __init__(self, routes: Iterable[Route]) -> None:
        self._root = _Node()
        for route in routes:
            self._add(route)

    def find(self, method: str, segments: Sequence[str]) -> Found:
        """Return the handler for some percent-encoded segments.

        Raises:
            Refusal: 404 if nothing lies there, 405 if it has no such method, 400 if
                a segment cannot be decoded.
        """
        texts = [decoded(segment) for segment in segments]
        wanted = ("GET", "HEAD") if method == "HEAD" else (method,)
        found = _walk(self._root, texts, wanted) or _walk(self._root, texts, None)
        if found is None:
            raise Refusal(404, f"nothing lies at /{'/'.join(texts)}"[:300])
        routes, values = found
        choice = routes.get(method)
        if choice is None and method == "HEAD":
            choice = routes.get("GET")
        if choice is None:
            allowed = ", ".join(sorted(routes))
            text = f"{method[:20]} is not allowed here; allowed: {allowed}"
            raise Refusal(405, text, {"Allow": allowed})
        handler, names = choice
        return Found(handler, MappingProxyType(dict(zip(names, values, strict=True))))

    def _add(self, route: Route) -> None:
        node, names = self._root, []
        for segment in route.path.strip("/").split("/"):
            if segment.startswith("{"):
                names.append(segment[1:-1])
                node.parameter = node.parameter or _Node()
                node = node.parameter
            else:
                node = node.literals.setdefault(segment, _Node())
        if route.method in node.routes:
            raise ValueError(f"two routes for {route.method} {route.path}")
        node.routes[route.method] = (route.handler, tuple(names))


def _walk(
    node: _Node,
    texts: Sequence[str],
    methods: Sequence[str] | None,
    values: tuple[str, ...] = (),
    index: int = 0,
) -> tuple[dict[str, tuple[Handler, tuple[str, ...]]], tuple[str, ...]] | None:
    """Return the routes at some segments: those with one of the methods, or any."""
    if index == len(texts):
        fits = node.routes if methods is None else set(methods) & set(node.routes)
        return (node.routes, values) if fits else None
    text = texts[index]
    found = None
    if literal := node.literals.get(text):
        found = _walk(literal, texts, methods, values, index + 1)
    if found is None and node.parameter is not None and text:
        found = _walk(node.parameter, texts, methods, (*values, text), index + 1)
    return found
