"""Which names a piece of Python needs and binds, as Python's own compiler sees it.

    name        needed at once       needed when the piece is used
    f(x)        f, x
    def g():    decorators, defaults   what the body reads
        h(y)                           h, y

A definition runs without what its body reads; whoever uses it needs that, too.
"""

from __future__ import annotations

import ast
import builtins
import symtable
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

__all__ = ["Names", "is_builtin", "of_expression", "of_statement", "with_later"]

_INLINE = {"lambda", "listcomp", "setcomp", "dictcomp", "genexpr"}


@dataclass(frozen=True, slots=True)
class Names:
    """The names of one piece.

    Attributes:
        binds: Names that it gives a value for others.
        helps: Names that it only goes through with: of a loop, of a ``with``.
        needs: Names of others that have to be there when it runs.
        later: Names that have to be there when what it defines is used.
    """

    binds: frozenset[str] = frozenset()
    helps: frozenset[str] = frozenset()
    needs: frozenset[str] = frozenset()
    later: frozenset[str] = frozenset()


def of_statement(source: str) -> Names:
    """Return the names of one top-level statement.

    Raises:
        SyntaxError: If it is no Python.
    """
    tree = ast.parse(source)
    helps = _helps(tree)
    scoped = ast.fix_missing_locations(_Scoped().visit(tree))
    table = symtable.symtable(ast.unparse(scoped), "<step>", "exec")
    binds, needs, later = set[str](), set[str](), set[str]()
    for symbol in table.get_symbols():
        if symbol.is_assigned() or symbol.is_imported() or symbol.is_namespace():
            binds.add(symbol.get_name())
        if symbol.is_referenced():
            needs.add(symbol.get_name())
    for child in table.get_children():
        _add(child, binds, needs, later)
    helps &= binds
    return Names(
        frozenset(binds - helps),
        helps,
        frozenset(needs - binds),
        frozenset(later - binds),
    )


def of_expression(source: str) -> frozenset[str]:
    """Return the names that an expression needs.

    Raises:
        SyntaxError: If it is no expression.
    """
    compile(source.strip(), "<step>", "eval")
    found = of_statement(source.strip())
    return found.needs | found.later


class _Scoped(ast.NodeTransformer):
    """Makes all comprehensions generators, which keep their names to themselves.

    From Python 3.12 on the compiler puts those of the others into what is around them.
    """

    def visit_ListComp(self, node: ast.ListComp) -> ast.GeneratorExp:
        self.generic_visit(node)
        return ast.GeneratorExp(node.elt, node.generators)

    def visit_SetComp(self, node: ast.SetComp) -> ast.GeneratorExp:
        self.generic_visit(node)
        return ast.GeneratorExp(node.elt, node.generators)

    def visit_DictComp(self, node: ast.DictComp) -> ast.GeneratorExp:
        self.generic_visit(node)
        pair = ast.Tuple([node.key, node.value], ast.Load())
        return ast.GeneratorExp(pair, node.generators)


def _helps(tree: ast.Module) -> frozenset[str]:
    """Return the names of loops and of ``with`` that nothing else gives a value."""
    helps, given = set[str](), set[str]()
    for node in ast.walk(tree):
        if isinstance(node, ast.For | ast.AsyncFor):
            helps |= _stored(node.target)
        elif isinstance(node, ast.withitem) and node.optional_vars is not None:
            helps |= _stored(node.optional_vars)
        elif isinstance(node, ast.Assign):
            given = given.union(*(_stored(target) for target in node.targets))
    return frozenset(helps - given)


def _stored(target: ast.expr) -> set[str]:
    return {node.id for node in ast.walk(target) if isinstance(node, ast.Name)}


def _add(
    table: symtable.SymbolTable, binds: set[str], needs: set[str], later: set[str]
) -> None:
    is_now = table.get_type() == "class" or table.get_name() in _INLINE
    reads = needs if is_now else later
    for symbol in table.get_symbols():
        if symbol.is_global() and symbol.is_referenced():
            reads.add(symbol.get_name())
        if symbol.is_global() and symbol.is_assigned() and is_now:
            binds.add(symbol.get_name())
    for child in table.get_children():
        _add(child, binds, reads if is_now else later, later)


def with_later(
    needs: Iterable[str], later: Mapping[str, Iterable[str]]
) -> frozenset[str]:
    """Return names with all that is needed when they are used.

    Args:
        needs: The names.
        later: What a defined name needs when it is used.
    """
    found, ahead = set[str](), list(needs)
    while ahead:
        name = ahead.pop()
        if name not in found:
            found.add(name)
            ahead.extend(later.get(name, ()))
    return frozenset(found)


def is_builtin(name: str) -> bool:
    """Whether Python itself has the name."""
    return hasattr(builtins, name) or (name[:2] == name[-2:] == "__")
