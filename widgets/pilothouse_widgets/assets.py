"""The stylesheet and the ES modules of the views, as one text for each widget.

A widget's module reaches the browser as text through its comm, where a relative import
has nothing to resolve against. So the modules in ``static/`` import each other like any
ES modules, and `module` links them when the Python class is made: every imported file
becomes one function scope that returns its exports, in the order of need.

    import { a, b } from "./x.js";     ->   const { a, b } = x_js;
    export function f() {}             ->   function f() {}   ... return { f };
    export default { ... };            ->   export default forgetting({ ... });

Only this form of import and ``export function | class | const | async function`` are
linked. Of the entry module the default export stays, and forgets its texts at the end
of its model, see ``closed.js``.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

__all__ = ["STATIC", "module", "stylesheet"]

STATIC = Path(__file__).parent / "static"

_IMPORT = re.compile(r'^import\s*\{([^}]*)\}\s*from\s*"\./([\w-]+\.js)";\s*$', re.M)
_EXPORT = re.compile(r"^export\s+((?:async\s+)?(?:function|class|const)\s+(\w+))", re.M)

_DEFAULT = re.compile(r"^export default (\{[^}]*\});\s*\Z", re.M)
_CLOSED = "closed.js"


@cache
def stylesheet() -> str:
    """Return the one stylesheet of all views."""
    return (STATIC / "pilothouse.css").read_text(encoding="utf-8")


@cache
def module(name: str) -> str:
    """Return one ES module with all that it imports linked into it.

    Args:
        name: A file of ``static/``, for instance ``"chart.js"``.

    Raises:
        FileNotFoundError: If there is no such file, or none of an imported name.
        ValueError: If modules import each other in a ring.
    """
    linked: dict[str, str] = {}
    body = _link(name, linked, ())
    linked[_CLOSED] = _scope(_CLOSED, _link(_CLOSED, linked, ()))
    forgetting = f"export default {_identifier(_CLOSED)}.forgetting"
    return "\n".join([*linked.values(), _DEFAULT.sub(rf"{forgetting}(\1);\n", body)])


def _link(name: str, linked: dict[str, str], asking: tuple[str, ...]) -> str:
    if name in asking:
        raise ValueError(f"modules import each other: {' -> '.join((*asking, name))}")
    source = (STATIC / name).read_text(encoding="utf-8")
    for found in _IMPORT.finditer(source):
        needed = found.group(2)
        if needed not in linked:
            linked[needed] = _scope(needed, _link(needed, linked, (*asking, name)))
    return _IMPORT.sub(_take, source)


def _take(found: re.Match[str]) -> str:
    names = " ".join(found.group(1).split()).rstrip(",")
    return f"const {{ {names.replace(' as ', ': ')} }} = {_identifier(found.group(2))};"


def _scope(name: str, body: str) -> str:
    exports = ", ".join(found.group(2) for found in _EXPORT.finditer(body))
    inner = _EXPORT.sub(r"\1", body)
    scope = f"(() => {{\n{inner}\nreturn {{ {exports} }};\n}})()"
    return f"const {_identifier(name)} = {scope};"


def _identifier(name: str) -> str:
    return re.sub(r"\W", "_", name)
