"""What is wrong with a plan, found before anything runs. Values only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .steps import Step

__all__ = ["faults", "in_order", "reduced", "ring", "told_of"]


def faults(steps: Sequence[Step]) -> list[tuple[str, str]]:
    """Return what is wrong, each with the name of its step; empty when all is well."""
    found: list[tuple[str, str]] = []
    known: dict[str, Step] = {}
    for step in steps:
        if step.name in known:
            found.append((step.name, "there is a step of that name already"))
        known.setdefault(step.name, step)
    for step in known.values():
        found += [
            (step.name, f"it needs {need!r}, and there is no such step")
            for need in step.needs
            if need not in known
        ]
    circle = ring({step.name: step.needs for step in known.values()})
    if circle:
        found.append((circle[0], told_of(circle)))
    return found


def told_of(circle: Sequence[str]) -> str:
    """Return a ring in words."""
    return f"it needs itself: {' needs '.join([*circle, circle[0]])}"


def ring(needs: Mapping[str, Sequence[str]]) -> list[str]:
    """Return steps that need each other in a ring; empty when there is none."""
    done: set[str] = set()
    for first in needs:
        path: list[str] = []
        ahead = [(first, iter(needs[first]))] if first not in done else []
        path += [first] if ahead else []
        while ahead:
            name, rest = ahead[-1]
            following = next((n for n in rest if n in needs and n not in done), None)
            if following is None:
                done.add(name)
                ahead.pop()
                path.pop()
            elif following in path:
                return path[path.index(following) :]
            else:
                path.append(following)
                ahead.append((following, iter(needs[following])))
    return []


def reduced(needs: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """Return for each step what it needs, without what that needs anyhow.

    Args:
        needs: Without a ring.
    """
    below: dict[str, frozenset[str]] = {}

    def under(name: str) -> frozenset[str]:
        if name not in below:
            direct = [n for n in needs.get(name, ()) if n in needs]
            below[name] = frozenset(direct).union(*map(under, direct))
        return below[name]

    return {
        name: tuple(n for n in direct if not any(n in under(o) for o in direct))
        for name, direct in needs.items()
    }


def in_order(steps: Sequence[Step]) -> list[Step]:
    """Return the steps so that each comes behind what it needs, else as they stand."""
    left, found, placed = list(steps), [], set[str]()
    while left:
        ready = next((s for s in left if placed.issuperset(s.needs)), left[0])
        left.remove(ready)
        found.append(ready)
        placed.add(ready.name)
    return found
