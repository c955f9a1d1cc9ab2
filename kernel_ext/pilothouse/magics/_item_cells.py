"""A cell that is the function of one item: its last expression is the result.

    %%fastmap --over items
    scaled = item * factor          ; names of the notebook travel along
    scaled ** 2                     ; this is what comes back

The function is made in the user's namespace and compiled under the cell's own name, so
an error far away names the cell's line.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pilothouse.errors import LineError

from ._cells import lines_before

if TYPE_CHECKING:
    from ._session import Session

__all__ = ["ITEM", "function_of"]

ITEM = "item"
"""What the cell calls the item."""


def function_of(session: Session, cell: str) -> Callable[[Any], Any]:
    """Return the function of one item that a cell's body is.

    Raises:
        LineError: If it is no Python, is empty, or does not end in an expression.
    """
    number = session.execution
    source = session.shell.transform_cell(cell)
    before = lines_before()
    above = "\n" * before  # the magic's own line, and what stands over it
    file_name = session.shell.compile.cache(
        f"{above}{source}", number, raw_code=f"{above}{cell}"
    )
    try:
        tree = ast.parse(source, file_name)
    except SyntaxError as exc:
        raise LineError(
            f"Cell In[{number}], line {(exc.lineno or 0) + before}: {exc.msg}"
        ) from exc
    if not tree.body:
        raise LineError("the cell is empty", hint="its last line is the result")
    last = tree.body[-1]
    if isinstance(last, ast.Expr):
        tree.body[-1] = ast.copy_location(ast.Return(last.value), last)
    elif not any(isinstance(node, ast.Return) for node in ast.walk(tree)):
        line = f"line {last.lineno + before} of the cell"
        raise LineError(
            f"{line} is the last one, and no expression",
            hint="the last line is the result of the function",
        )
    ast.increment_lineno(tree, before)
    name = f"cell_{number}"
    tree.body = [_definition(name, tree.body)]
    code = compile(ast.fix_missing_locations(tree), file_name, "exec")
    made: dict[str, Any] = {}
    exec(code, session.shell.user_ns, made)
    function: Callable[[Any], Any] = made[name]
    return function


def _definition(name: str, body: list[ast.stmt]) -> ast.stmt:
    """Return ``def name(item)`` with this body."""
    module = ast.parse(f"def {name}({ITEM}): pass")
    definition = module.body[0]
    assert isinstance(definition, ast.FunctionDef)
    definition.body = body
    return definition
