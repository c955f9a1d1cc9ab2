"""Elements: names for types of data; and what holds their values in a statement.

Source: reference document, Element, Parameter, Metavalue, ResultColumn; contract §2.3.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from .constraints import Constraint, ListConstraint, as_constraint, constraint_all
from .primitives import Primitive, Value
from .units import unit_of

__all__ = [
    "CORE_URI",
    "Element",
    "Metavalue",
    "Parameter",
    "ParameterValue",
    "ResultColumn",
]

CORE_URI: Final = "http://ict-mplane.eu/registry/core"
"""The core registry; no longer served there, but shipped in this package."""

_VERSIONS: Final = {"ip4": 4, "ip6": 6}
"""Which addresses an element takes whose name ends so; the type is one for both."""

ParameterValue = Value | list[Value]


class _Definition:
    """What all holders of one element share."""

    __slots__ = ("desc", "name", "namespace", "prim", "unit")

    def __init__(
        self, name: str, prim: Primitive, desc: str | None, namespace: str, unit: str
    ) -> None:
        self.name = name
        self.prim = prim
        self.desc = desc
        self.namespace = namespace
        self.unit = unit


class Element:
    """A name for a type of data with a meaning, like a column of a database.

    Args:
        name: Base name, modifiers, units and aggregation, joined by dots.
        prim: The primitive type of its values.
        desc: What it means, for people.
        namespace: URI of the registry that defines it.
        unit: Unit of its values; read from the name when not given.
    """

    __slots__ = ("_core",)

    def __init__(
        self,
        name: str,
        prim: Primitive,
        desc: str | None = None,
        namespace: str = CORE_URI,
        unit: str | None = None,
    ) -> None:
        if unit is None:
            unit = unit_of(name)
        self._core = _Definition(name, prim, desc, namespace, unit)

    def __str__(self) -> str:
        return self._core.name

    def __repr__(self) -> str:
        return f"<Element {self.qualified_name()} {self._core.prim!r} >"

    def name(self) -> str:
        """Return the name of this element."""
        return self._core.name

    def desc(self) -> str | None:
        """Return the description of this element."""
        return self._core.desc

    def qualified_name(self) -> str:
        """Return the name with its namespace, ``URI#name``."""
        return f"{self._core.namespace}#{self._core.name}"

    def primitive_name(self) -> str:
        """Return the name of the primitive type."""
        return self._core.prim.name

    def primitive(self) -> Primitive:
        """Return the primitive type."""
        return self._core.prim

    def unit(self) -> str:
        """Return the unit of the values, empty when there is none."""
        return self._core.unit

    def parse(self, sval: str) -> Value:
        """Return the value that a text stands for.

        Raises:
            ValueError: If the text is no value of this element's type.
        """
        return self._core.prim.parse(sval)

    def unparse(self, val: Value) -> str:
        """Return the text of a value."""
        return self._core.prim.unparse(val)

    def convert(self, val: object) -> Value:
        """Return `val` (text or native) as a value of this element.

        Raises:
            ValueError: If it cannot be one; the message names the element.
        """
        try:
            return self._core.prim.convert(val)
        except ValueError as exc:
            raise ValueError(f"{self._core.name}: {exc}") from None

    def compatible_with(self, rval: Element) -> bool:
        """Whether values of this element can become values of `rval`: equal names."""
        return self._core.name == rval.name()

    def transformation_to(self, rval: Element) -> Callable[[Value], Value]:
        """Return the function that makes this element's values into `rval`'s.

        Raises:
            ValueError: If the two are not compatible.
        """
        if not self.compatible_with(rval):
            raise ValueError(f"{self} does not become {rval}")
        return lambda value: value


class Parameter(Element):
    """An element with a constraint, and perhaps a value.

    Args:
        parent_element: The element.
        constraint: A `Constraint`, its text, or the only value allowed.
        val: The value, or None.
    """

    __slots__ = ("_constraint", "_val")

    def __init__(
        self,
        parent_element: Element,
        constraint: object = constraint_all,
        val: object = None,
    ) -> None:
        self._core = parent_element._core
        self._constraint = as_constraint(self._core.prim, constraint)
        self._val: ParameterValue = None
        self.set_value(val)

    def __repr__(self) -> str:
        core = self._core
        text = f"{core.name} {core.prim!r} {self._constraint} value {self._val!r}"
        return f"<Parameter {text}>"

    def constraint(self) -> Constraint:
        """Return the constraint."""
        return self._constraint

    def set_constraint(self, constraint: object) -> None:
        """Take another constraint; the value stays as it is."""
        self._constraint = as_constraint(self._core.prim, constraint)

    def has_value(self) -> bool:
        """Whether this parameter has a value."""
        return self._val is not None

    def get_value(self) -> ParameterValue:
        """Return the value, a list if it has several, None if it has none."""
        return self._val

    def is_single_value(self) -> bool:
        """Whether the constraint allows exactly one value."""
        return self._constraint.single_value()

    def get_single_value(self) -> Value:
        """Return the only value that the constraint allows, None if there are more."""
        return self._constraint.get_single_value()

    def set_single_value(self) -> None:
        """Take the only value allowed, if there is one and no value yet."""
        if self._val is None and self._constraint.single_value():
            self._val = self._constraint.get_single_value()

    def can_set_value(self, val: object) -> bool:
        """Whether the parameter can take the value, or list of values.

        Text is parsed; text that is no value of the type cannot be taken.
        """
        try:
            native = self._native(val)
        except ValueError:
            return False
        return native is None or self._constraint.met_by(native)

    def why_not(self, val: object) -> str:
        """Return why nobody should ask for a value; empty when it is fine.

        Stricter than `can_set_value`: no value is refused, and where the name says
        which kind of address is meant, so is the other kind.
        """
        several = isinstance(val, list | tuple)
        given = val if isinstance(val, list | tuple) else [val]
        try:
            found = [self._core.prim.convert(one) for one in given]
        except ValueError as exc:
            return str(exc)
        if not found or None in found:
            return "there is no value"
        texts = ", ".join(map(self._core.prim.unparse, found))
        if not self._constraint.met_by(found if several else found[0]):
            return f"{texts} is not within {self._constraint}"
        version = _VERSIONS.get(self._core.name.rpartition(".")[2])
        for one in found if version is not None else ():
            if getattr(one, "version", version) != version:
                return f"{one} is no IPv{version} address"
        return ""

    def set_value(self, val: object) -> None:
        """Take a value or a list of values; None and ``"*"`` take it away.

        Raises:
            ValueError: If the constraint, or the type, does not allow it.
        """
        native = self._native(val)
        if native is not None and not self._constraint.met_by(native):
            name, texts = self._core.name, self._texts(native)
            raise ValueError(f"{name}={texts} does not meet {self._constraint}")
        self._val = native

    def _native(self, val: object) -> ParameterValue:
        if isinstance(val, list | tuple):
            return [self.convert(each) for each in val]
        return self.convert(val)

    def _texts(self, val: ParameterValue) -> str | list[str]:
        unparse = self._core.prim.unparse
        return list(map(unparse, val)) if isinstance(val, list) else unparse(val)

    def value_text(self) -> str:
        """Return the value as it stands in a token; ``"*"`` for none."""
        return str(self._texts(self._val))

    def wire(self) -> str | list[str]:
        """Return the value if there is one, else the constraint, as in JSON."""
        if self._val is None:
            return str(self._constraint)
        return self._texts(self._val)

    def copy(self, *, constrained: bool = True) -> Parameter:
        """Return another with the same value, and the constraint if wanted."""
        twin = Parameter.__new__(Parameter)
        twin._core = self._core
        val = self._val
        if isinstance(val, list):
            twin._val = list(val)
            twin._constraint = ListConstraint(None, constraint_all)
        else:
            twin._val = val
            twin._constraint = constraint_all
        if constrained:
            twin._constraint = self._constraint
        return twin

    @classmethod
    def with_constraint(cls, element: Element, constraint: Constraint) -> Parameter:
        """Return one without a value."""
        made = cls.__new__(cls)
        made._core = element._core
        made._constraint = constraint
        made._val = None
        return made

    @classmethod
    def with_value(cls, element: Element, value: Value) -> Parameter:
        """Return one without constraint, from a native value."""
        made = cls.__new__(cls)
        made._core = element._core
        made._constraint = constraint_all
        made._val = value
        return made


class Metavalue(Element):
    """An element with a value that nothing constrains."""

    __slots__ = ("_val",)

    def __init__(self, parent_element: Element, val: object) -> None:
        self._core = parent_element._core
        self._val: Value = self.convert(val)

    def __repr__(self) -> str:
        core = self._core
        return f"<Metavalue {core.name} {core.prim!r} value {self._val!r} >"

    def get_value(self) -> Value:
        """Return the value."""
        return self._val

    def set_value(self, val: object) -> None:
        """Take a value; text is parsed.

        Raises:
            ValueError: If it is no value of this element's type.
        """
        self._val = self.convert(val)

    def wire(self) -> str:
        """Return the value as in JSON."""
        return self._core.prim.unparse(self._val)

    def copy(self) -> Metavalue:
        """Return another with the same value."""
        twin = Metavalue.__new__(Metavalue)
        twin._core = self._core
        twin._val = self._val
        return twin


class ResultColumn(Element):
    """An element with a column of values; empty until results are there."""

    __slots__ = ("_vals",)

    def __init__(self, parent_element: Element) -> None:
        self._core = parent_element._core
        self._vals: list[Value] = []

    def __repr__(self) -> str:
        core = self._core
        return f"<ResultColumn {core.name} {core.prim!r} with {len(self._vals)} values>"

    def __len__(self) -> int:
        return len(self._vals)

    def __bool__(self) -> bool:
        return True

    def __getitem__(self, key: Any) -> Any:  # noqa: ANN401 - index or slice
        return self._vals[key]

    def __setitem__(self, key: int, val: object) -> None:
        if key < 0:
            raise ValueError(f"{self._core.name}: there is no row {key}")
        native = self.convert(val)
        if (missing := key + 1 - len(self._vals)) > 0:
            self._vals.extend([None] * missing)
        self._vals[key] = native

    def __delitem__(self, key: Any) -> None:  # noqa: ANN401 - index or slice
        del self._vals[key]

    def __iter__(self) -> Iterator[Value]:
        return iter(self._vals)

    def clear(self) -> None:
        """Forget all values."""
        self._vals.clear()
