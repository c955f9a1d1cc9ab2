"""The three kinds of statements.

Source: reference document, Capability, Specification, Result; contract §1.3, §1.5.

A capability says what a component can do, a specification asks for it, a result
returns what was measured.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from .kinds import reads
from .primitives import Value
from .statement import Statement
from .tokens import digest, specification_text
from .when import When

if TYPE_CHECKING:
    import pandas as pd

    from .elements import ParameterValue

__all__ = [
    "Capability",
    "Result",
    "Specification",
    "demand_parameters",
    "demand_values",
    "refuse_values",
]


class Capability(Statement):
    """What an mPlane component can do.

    Args:
        dictval: A parsed JSON object to read.
        verb: What is done.
        label: A name for people.
        token: Names the capability; computed from its content when not given.
        when: Temporal scope in which it can be done; all time when not given.
        registry_uri: Registry of the elements; the base registry when not given.
    """

    __slots__ = ()
    _kind = "capability"
    _reads_constraints = True

    def __init__(
        self,
        dictval: dict[str, Any] | None = None,
        verb: str = "measure",
        label: str | None = None,
        token: str | None = None,
        when: When | str | None = None,
        registry_uri: str | None = None,
    ) -> None:
        super().__init__(dictval, verb, label, token, when, registry_uri)

    def set_when(self, when: When | str, force: bool = True) -> None:
        """Set the temporal scope; by default without looking at the present one."""
        super().set_when(when, force)

    def validate(self) -> None:
        """Check that no parameter has a value and there are no result rows.

        Raises:
            ValueError: If it is otherwise.
        """
        refuse_values(self)


class Specification(Statement):
    """A request to do something that a component advertised.

    Args:
        dictval: A parsed JSON object to read.
        capability: What is asked for: verb, label, metadata, parameters and columns
            come from it; parameters that can take one value only, take it.
        verb: What is done, without a capability.
        label: A name for people; the capability's when not given.
        token: Names the specification; computed from its content when not given.
        when: Temporal scope; the capability's when not given.
        schedule: Not looked at, as in the reference implementation.
    """

    __slots__ = ()
    _kind = "specification"

    def __init__(
        self,
        dictval: dict[str, Any] | None = None,
        capability: Capability | None = None,
        verb: str = "measure",
        label: str | None = None,
        token: str | None = None,
        when: When | str | None = None,
        schedule: object = None,
    ) -> None:
        super().__init__(dictval, verb, label, token, when)
        if dictval is not None or capability is None:
            return
        scope = self._when
        self._copy_from(capability)
        self._token = token
        if label is not None:
            self._label = label
        if when is not None:
            self._when = scope
        for parameter in self._params.values():
            parameter.set_single_value()

    def validate(self) -> None:
        """Check that every parameter has a value and there are no result rows.

        Raises:
            ValueError: If it is otherwise.
        """
        demand_values(self)

    def _token_text(self) -> str:
        scope = str(self._when)
        return specification_text(self._head(), scope, self._params, self._columns)

    def _counts(self) -> str:
        values = self.count_parameter_values()
        counts = (len(self._params), values, len(self._metadata), len(self._columns))
        return "p(v)/m/r {}({})/{}/{}".format(*counts)

    def fulfills(self, capability: Capability) -> bool:
        """Whether this asks for what the capability offers.

        Verb and schema are equal, the temporal scope follows the capability's, and
        every parameter has a value that meets the capability's constraint.
        """
        if self._verb != capability.verb() or not self.has_schema_of(capability):
            return False
        own, offered = self._when, capability.when()
        if own is None or offered is None or not own.follows(offered):
            return False
        return all(
            each.has_value()
            and capability.parameter(name).constraint().met_by(each.get_value())
            for name, each in self._params.items()
        )

    def is_schedulable(self) -> bool:
        """Whether this asks for something to be done at a time; a query does not."""
        return self._verb != "query"

    def retoken(self, force: bool = False) -> None:
        """Make a new token if the temporal scope is relative: now counts for it.

        Args:
            force: Make one from the content alone, whatever the scope is.
        """
        if force:
            self.set_token()
        elif self._when is not None and not self._when.is_definite():
            self._token = digest(self._token_text() + repr(self._when.datetimes()))

    def subspec_iterator(self) -> Iterator[Specification]:
        """Iterate over the specifications that a repeated one stands for.

        Each is a copy of its own with an absolute temporal scope and a token of its
        own. A specification that is not repeated gives itself, once.
        """
        if self._when is None or not self._when.is_repeated():
            yield self
            return
        for scope in self._when.iterator():
            each = Specification.__new__(Specification)
            each._copy_from(self)
            each._when = scope
            each.retoken(force=True)
            yield each


class Result(Statement):
    """What a component measured, at which time, for which specification.

    Args:
        dictval: A parsed JSON object to read.
        specification: What was asked for: verb, label, metadata, parameters, columns
            and token come from it, the temporal scope does not.
        verb: What was done, without a specification.
        label: A name for people; the specification's when not given.
        token: The specification's when not given.
        when: When it was measured; all time when not given.
    """

    __slots__ = ()
    _kind = "result"

    def __init__(
        self,
        dictval: dict[str, Any] | None = None,
        specification: Specification | None = None,
        verb: str = "measure",
        label: str | None = None,
        token: str | None = None,
        when: When | str | None = None,
    ) -> None:
        super().__init__(dictval, verb, label, token, when)
        if dictval is not None or specification is None:
            return
        scope = self._when
        self._copy_from(specification, constrained=False)
        self._token = specification.get_token() if token is None else token
        self._when = scope
        if label is not None:
            self._label = label

    def validate(self) -> None:
        """Check that every parameter has a value and that the scope is definite.

        Raises:
            ValueError: If it is otherwise.
        """
        demand_parameters(self)
        if self._when is None or not self._when.is_definite():
            raise ValueError(
                f"the temporal scope of a result is definite: {self._when}"
            )

    def _counts(self) -> str:
        columns, rows = len(self._columns), self.count_result_rows()
        counts = (len(self._params), len(self._metadata), columns, rows)
        return "p/m/r(r) {}/{}/{}({})".format(*counts)

    def set_result_value(self, elem_name: str, val: object, row_index: int = 0) -> None:
        """Set one value; text is parsed, rows in between are left empty.

        Raises:
            KeyError: If there is no result column of that name.
            ValueError: If the value is not of its type.
        """
        self._columns[elem_name][row_index] = val

    def schema_dict_iterator(self) -> Iterator[dict[str, ParameterValue]]:
        """Iterate over the rows: parameters and columns by name, None where empty."""
        parameters = self.parameter_values()
        for index in range(self.count_result_rows()):
            row: dict[str, ParameterValue] = dict(parameters)
            for name, column in self._columns.items():
                value: Value = column[index] if index < len(column) else None
                row[name] = value
            yield row

    def copy(self) -> Result:
        """Return another with the same values, which no later change touches."""
        twin = Result.__new__(Result)
        twin._copy_from(self)
        twin._token, twin._link, twin._export = self._token, self._link, self._export
        for name, column in self._columns.items():
            twin._columns[name]._vals = list(column._vals)
        return twin

    def to_frame(self) -> pd.DataFrame:
        """Return the rows, typed; units and parameters are in ``attrs``."""
        from .frames import result_frame  # pandas is heavy

        return result_frame(self)


def refuse_values(statement: Statement) -> None:
    """Refuse parameters with values, and result rows."""
    kind = statement._kind
    if params := statement._params_made:
        for name, each in params.items():
            if each._val is not None:
                value = each.wire()
                raise ValueError(f"a {kind} has no parameter values: {name}={value}")
    _refuse_rows(statement)


def demand_values(statement: Statement) -> None:
    """Refuse parameters without values, and result rows."""
    demand_parameters(statement)
    _refuse_rows(statement)


def demand_parameters(statement: Statement) -> None:
    """Refuse parameters without values."""
    if statement._params_made is None and "*" not in statement._param_texts.values():
        return
    for name, each in statement._params.items():
        if each._val is None:
            raise ValueError(f"a {statement._kind} has all parameter values: {name}?")


def _refuse_rows(statement: Statement) -> None:
    if statement._columns_made is None:
        rows = len(statement._column_texts.rows)
    else:
        rows = statement.count_result_rows()
    if rows:
        raise ValueError(f"a {statement._kind} has no result values")


reads("capability", Capability._from_dict)
reads("specification", Specification._from_dict)
reads("result", Result._from_dict)
