"""Import policies: which libraries a model may import.

    policy = YAML mapping; <library>: install / ok / warn / prohibit

What is not listed is ok. Nothing is ever installed by itself: ``install`` is reported,
and refused when the library is not there; a preinstall checks that all are there.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from pilothouse.errors import ProtocolError

__all__ = ["DEFAULT_TEXT", "Policies", "Verdict", "is_available", "parse_policy"]

RULES: Final = ("install", "ok", "warn", "prohibit")
DEFAULT_TEXT: Final = "# Libraries that are not listed may be imported.\n{}\n"


def parse_policy(text: str) -> dict[str, str]:
    """Return library -> rule.

    Raises:
        ProtocolError: If it is no YAML mapping of libraries to rules.
    """
    import yaml

    try:
        document = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as exc:
        raise ProtocolError(f"the import policy is not YAML: {exc}") from exc
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise ProtocolError("an import policy is a mapping of libraries to rules")
    rules: dict[str, str] = {}
    for library, rule in document.items():
        word = str(rule).lower()
        if word not in RULES:
            raise ProtocolError(
                f"import policy: {str(library)[:80]!r} is {str(rule)[:80]!r}; "
                f"rules are {', '.join(RULES)}"
            )
        rules[str(library)] = word
    return rules


@dataclass(slots=True)
class Verdict:
    """What a policy says about the imports of a model."""

    install: list[str] = field(default_factory=list)
    warn: list[str] = field(default_factory=list)
    attached: list[str] = field(default_factory=list)


class Policies:
    """The import policies of one engine, by model type; they survive a reset."""

    def __init__(self) -> None:
        self._texts: dict[str, str] = {}
        self._preinstalled: set[str] = set()

    def text(self, mtype: str) -> str:
        """Return a policy as it was put, or the built-in one."""
        return self._texts.get(mtype, DEFAULT_TEXT)

    def put(self, mtype: str, text: str, *, preinstall: bool = False) -> bool:
        """Set a policy; tell whether there was one before.

        Raises:
            ProtocolError: If it cannot be read, was preinstalled already, or names a
                library to install that is not there.
        """
        rules = parse_policy(text)
        if preinstall:
            if mtype in self._preinstalled:
                raise ProtocolError(f"libraries for {mtype} were preinstalled already")
            wanted = [name for name, rule in rules.items() if rule == "install"]
            if mtype.startswith("python"):
                _need(name for name in wanted if not is_available(name))
            self._preinstalled.add(mtype)
        was_there = mtype in self._texts
        self._texts[mtype] = text
        return was_there

    def judge(
        self, mtype: str, imports: Iterable[str], attached: Iterable[str]
    ) -> Verdict:
        """Return what the policy says about imported libraries.

        Raises:
            ProtocolError: If one is prohibited, or to be installed and not there.
        """
        rules = parse_policy(self.text(mtype))
        verdict = Verdict(attached=sorted(set(attached)))
        exempt = {name.partition(".")[0] for name in verdict.attached}
        missing = []
        for library in sorted(set(imports) - exempt):
            rule = _rule(rules, library)
            if rule == "prohibit":
                raise ProtocolError(f"the import policy prohibits {library!r}")
            if rule == "warn":
                verdict.warn.append(library)
            elif rule == "install":
                verdict.install.append(library)
                if not is_available(library):
                    missing.append(library)
        _need(missing)
        return verdict


def is_available(library: str) -> bool:
    """Return whether a library can be imported here, without importing it."""
    top = library.partition(".")[0]
    if top in sys.builtin_module_names or top in sys.stdlib_module_names:
        return True
    try:
        return importlib.machinery.PathFinder.find_spec(top) is not None or (
            importlib.util.find_spec(top) is not None
        )
    except (ImportError, ValueError, AttributeError):
        return False


def _rule(rules: Mapping[str, str], library: str) -> str:
    return rules.get(library) or rules.get(library.partition(".")[0]) or "ok"


def _need(missing: Iterable[str]) -> None:
    names = ", ".join(missing)
    if names:
        raise ProtocolError(
            f"not installed: {names}; this engine installs nothing by itself"
        )
