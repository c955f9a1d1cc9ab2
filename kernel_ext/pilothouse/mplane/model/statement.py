"""Statements: what capabilities, specifications, results and their notes share.

Source: reference document, class Statement; contract §1.2 to §1.6.

A statement is a schema (parameters and result columns), metadata, a verb, a temporal
scope and a token. Reading is done once, in full: an object in hand has only values of
the right types.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any, ClassVar, Self

from .constraints import constraint_all
from .elements import (
    Element,
    Metavalue,
    Parameter,
    ParameterValue,
    ResultColumn,
)
from .errors import MessageError
from .primitives import Value
from .reading import Columns, make_columns, make_parameters, read_statement
from .registry import Registry, base_registry, registry_for_uri
from .tokens import digest, schema_text, statement_text
from .when import When, when_infinite

__all__ = ["Statement"]

_SHORT = 8
_making = threading.Lock()  # two threads see the same parameters


class Statement:
    """An assertion about a measurement or another action; parent of the three kinds.

    Args:
        dictval: A parsed JSON object to read; the other arguments are not looked at.
        verb: What is done: ``measure``, ``query``, ``collect``, ``store``, ...
        label: A name for people.
        token: Names the statement; computed from its content when not given.
        when: Temporal scope, as `When` or as text; all time when not given.
        reguri: Registry of the elements; the base registry when not given.

    Raises:
        ValueError: If `dictval` or the scope is malformed.
    """

    __slots__ = (
        "__weakref__",
        "_column_texts",
        "_columns_made",
        "_export",
        "_label",
        "_link",
        "_metadata",
        "_param_texts",
        "_params_made",
        "_registry",
        "_token",
        "_verb",
        "_when",
    )

    _kind: ClassVar[str] = ""
    _reads_constraints: ClassVar[bool] = False
    _token_is_enough: ClassVar[bool] = False

    _column_texts: Columns
    _columns_made: dict[str, ResultColumn] | None
    _export: str | None
    _label: str | None
    _link: str | None
    _metadata: dict[str, Metavalue]
    _param_texts: dict[str, str]
    _params_made: dict[str, Parameter] | None
    _registry: Registry
    _token: str | None
    _verb: str
    _when: When | None

    def __init__(
        self,
        dictval: dict[str, Any] | None = None,
        verb: str = "measure",
        label: str | None = None,
        token: str | None = None,
        when: When | str | None = None,
        reguri: str | None = None,
    ) -> None:
        if dictval is not None:
            self._read(dictval)
            return
        self._verb = verb
        self._label = label
        self._token = token
        self._when = when_infinite if when is None else _as_when(when)
        self._registry = registry_for_uri(reguri) if reguri else base_registry()
        self._link = self._export = None
        self._params_made = {}
        self._metadata = {}
        self._columns_made = {}

    @classmethod
    def _from_dict(cls, dictval: dict[str, Any]) -> Self:
        made = cls.__new__(cls)
        read_statement(made, dictval)
        return made

    def _read(self, d: dict[str, Any]) -> None:
        kind = self.kind_str()
        if kind not in d:
            raise MessageError(f"{', '.join(map(str, d))[:80]} is no {kind}")
        read_statement(self, d)

    @property
    def _params(self) -> dict[str, Parameter]:
        """The parameters; of a message that was read, made when first asked for."""
        if (made := self._params_made) is None:
            with _making:
                made = self._params_made
                if made is None:
                    made = self._params_made = make_parameters(self)
        return made

    @property
    def _columns(self) -> dict[str, ResultColumn]:
        """The result columns; of a message that was read, made when first asked for."""
        if (made := self._columns_made) is None:
            with _making:
                made = self._columns_made
                if made is None:
                    made = self._columns_made = make_columns(self)
        return made

    def _copy_from(self, source: Statement, *, constrained: bool = True) -> None:
        self._verb = source._verb
        self._label = source._label
        self._registry = source._registry
        self._when = source._when
        self._token = None
        self._link = self._export = None
        self._params_made = {
            name: each.copy(constrained=constrained)
            for name, each in source._params.items()
        }
        self._metadata = {name: each.copy() for name, each in source._metadata.items()}
        self._columns_made = {
            name: ResultColumn(each) for name, each in source._columns.items()
        }

    # what it is

    def kind_str(self) -> str:
        """Return the kind: ``capability``, ``specification``, ``result``, ...

        Raises:
            NotImplementedError: If this is a bare `Statement`, which has none.
        """
        if not self._kind:
            raise NotImplementedError(f"a bare {type(self).__name__} is no message")
        return self._kind

    def verb(self) -> str:
        """Return the verb."""
        return self._verb

    def registry(self) -> Registry:
        """Return the registry of the elements."""
        return self._registry

    def get_label(self) -> str | None:
        """Return the label."""
        return self._label

    def set_label(self, label: str | None) -> None:
        """Set the label."""
        self._label = label

    def get_link(self) -> str | None:
        """Return the URL for the next message; empty: where this came from."""
        return self._link

    def set_link(self, link: str | None) -> None:
        """Set the link URL."""
        self._link = link

    def get_export(self) -> str | None:
        """Return the URL to which results are exported indirectly."""
        return self._export

    def set_export(self, export: str | None) -> None:
        """Set the export URL."""
        self._export = export

    def when(self) -> When | None:
        """Return the temporal scope; None in a message that holds its token only."""
        return self._when

    def set_when(self, when: When | str, force: bool = False) -> None:
        """Set the temporal scope.

        Args:
            when: A `When`, or its text.
            force: Take it even if it does not follow the present scope.

        Raises:
            ValueError: If it is malformed, or does not follow the present scope.
        """
        scope = _as_when(when)
        if not force and self._when is not None and not scope.follows(self._when):
            raise ValueError(f"scope {scope} does not follow {self._when}")
        self._when = scope

    # parameters

    def add_parameter(
        self,
        elem_name: str,
        constraint: object = constraint_all,
        val: object = None,
    ) -> None:
        """Add a parameter.

        Args:
            elem_name: Name of its element.
            constraint: Text, a `Constraint`, or the only value allowed.
            val: Its value, or None.

        Raises:
            KeyError: If no registry has the element.
            ValueError: If constraint or value are not of its type.
        """
        found = self._registry.find(elem_name)
        self._params[elem_name] = Parameter(found, constraint, val)

    def has_parameter(self, elem_name: str) -> bool:
        """Whether there is a parameter of that name."""
        return elem_name in self._params

    def parameter_names(self) -> Iterator[str]:
        """Iterate over the names of the parameters, in the order of their adding."""
        yield from self._params

    def parameter(self, elem_name: str) -> Parameter:
        """Return a parameter.

        Raises:
            KeyError: If there is none of that name.
        """
        return self._params[elem_name]

    def get_parameter_value(self, elem_name: str) -> ParameterValue:
        """Return the value of a parameter, None if it has none.

        Raises:
            KeyError: If there is no parameter of that name.
        """
        return self._params[elem_name].get_value()

    def get_single_parameter_value(self, elem_name: str) -> Value:
        """Return the only value that a parameter can take, None if there are more.

        Raises:
            KeyError: If there is no parameter of that name.
        """
        return self._params[elem_name].get_single_value()

    def can_set_parameter_value(self, elem_name: str, value: object) -> bool:
        """Whether a parameter can take a value.

        Raises:
            KeyError: If there is no parameter of that name.
        """
        return self._params[elem_name].can_set_value(value)

    def set_parameter_value(self, elem_name: str, value: object) -> None:
        """Set the value of a parameter; text is parsed.

        Raises:
            KeyError: If there is no parameter of that name.
            ValueError: If its constraint or type does not allow the value.
        """
        self._params[elem_name].set_value(value)

    def parameter_values(self) -> dict[str, ParameterValue]:
        """Return the values of the parameters that have one."""
        return {
            name: each.get_value()
            for name, each in self._params.items()
            if each.has_value()
        }

    def count_parameters(self) -> int:
        """Return the number of parameters."""
        return len(self._params)

    def count_parameter_values(self) -> int:
        """Return the number of parameters with a value."""
        return sum(each.has_value() for each in self._params.values())

    # metadata

    def add_metadata(self, elem_name: str, val: object) -> None:
        """Add a metadata element; text is parsed.

        Raises:
            KeyError: If no registry has the element.
            ValueError: If the value is not of its type.
        """
        self._metadata[elem_name] = Metavalue(self._registry.find(elem_name), val)

    def has_metadata(self, elem_name: str) -> bool:
        """Whether there is metadata of that name."""
        return elem_name in self._metadata

    def metadata_names(self) -> Iterator[str]:
        """Iterate over the names of the metadata."""
        yield from self._metadata

    def get_metadata_value(self, elem_name: str) -> Value:
        """Return the value of a metadata element.

        Raises:
            KeyError: If there is none of that name.
        """
        return self._metadata[elem_name].get_value()

    def metadata_values(self) -> dict[str, Value]:
        """Return the values of all metadata."""
        return {name: each.get_value() for name, each in self._metadata.items()}

    def count_metadata(self) -> int:
        """Return the number of metadata elements."""
        return len(self._metadata)

    # result columns

    def add_result_column(self, elem_name: str) -> None:
        """Add a result column.

        Raises:
            KeyError: If no registry has the element.
        """
        self._columns[elem_name] = ResultColumn(self._registry.find(elem_name))

    def has_result_column(self, elem_name: str) -> bool:
        """Whether there is a result column of that name."""
        return elem_name in self._columns

    def result_column_names(self) -> Iterator[str]:
        """Iterate over the names of the result columns, in order of adding."""
        yield from self._columns

    def result_column(self, elem_name: str) -> ResultColumn:
        """Return a result column.

        Raises:
            KeyError: If there is none of that name.
        """
        return self._columns[elem_name]

    def count_result_columns(self) -> int:
        """Return the number of result columns."""
        return len(self._columns)

    def count_result_rows(self) -> int:
        """Return the number of result rows: the length of the longest column."""
        return max(map(len, self._columns.values()), default=0)

    def elements(self) -> Iterator[Element]:
        """Iterate over parameters, metadata and result columns."""
        yield from self._params.values()
        yield from self._metadata.values()
        yield from self._columns.values()

    # token and schema

    def get_token(self, lim: int | None = None) -> str:
        """Return the token; it is computed once, and then stays as it is.

        Args:
            lim: Return the first `lim` characters only.
        """
        if self._token is None:
            self._token = digest(self._token_text())
        return self._token[:lim]

    def set_token(self, token: str | None = None) -> None:
        """Set the token; None: compute it from the content, now."""
        self._token = digest(self._token_text()) if token is None else token

    def has_token(self) -> bool:
        """Whether the token is fixed already."""
        return self._token is not None

    def _head(self) -> str:
        return self._registry.uri() + self._verb

    def _token_text(self) -> str:
        return statement_text(
            self._head(),
            str(self._when),
            self._params,
            self._metadata,
            self._columns,
            self._export,
        )

    def schema_hash(self, lim: int | None = None) -> str:
        """Return the hash of registry, parameter names and column names.

        Args:
            lim: Return the first `lim` digits only.
        """
        text = schema_text(self._registry.uri(), self._params, self._columns)
        return digest(text)[:lim]

    def has_schema_of(self, other: Statement) -> bool:
        """Whether the other has the same registry, parameters and columns."""
        return (
            self._registry.uri() == other._registry.uri()
            and self._params.keys() == other._params.keys()
            and self._columns.keys() == other._columns.keys()
        )

    # forms

    def validate(self) -> None:
        """Check that the statement is valid for its kind; a bare one is not."""
        self.kind_str()

    def to_dict(self, token_only: bool = False) -> dict[str, Any]:
        """Return the statement as a dictionary, to become JSON.

        Args:
            token_only: Leave out what the token stands for, where the kind allows it.

        Raises:
            ValueError: If the statement is not valid for its kind.
        """
        self.validate()
        return self.as_dict(token_only)

    def as_dict(self, token_only: bool = False) -> dict[str, Any]:
        """Return what `to_dict` does, also of a statement that is not valid."""
        d: dict[str, Any] = {
            self.kind_str(): self._verb,
            "version": 1,
            "registry": self._registry._uri,
        }
        if self._label is not None:
            d["label"] = self._label
        if self._export is not None:
            d["export"] = self._export
        if self._token is not None:
            d["token"] = self._token
            if token_only and self._token_is_enough:
                return d
        if self._link is not None:
            d["link"] = self._link
        if self._when is not None:
            d["when"] = self._when._text
        if (params := self._params_made) is None:
            if self._param_texts:
                d["parameters"] = self._param_texts.copy()
        elif params:
            d["parameters"] = {name: each.wire() for name, each in params.items()}
        if self._metadata:
            d["metadata"] = {name: m.wire() for name, m in self._metadata.items()}
        if self._columns_made is None:
            names, _, _, rows = self._column_texts
        else:
            names, rows = tuple(self._columns_made or ()), self._rows()
        if names:
            d["results"] = list(names)
            if rows:
                d["resultvalues"] = list(map(list, rows))
        return d

    def _rows(self) -> list[list[str]]:
        count = self.count_result_rows()
        texts = []
        for column in self._columns.values():
            column_texts = column._core.prim.unparse_all(column)
            texts.append([*column_texts, *["*"] * (count - len(column_texts))])
        return list(map(list, zip(*texts, strict=True))) if count else []

    def _counts(self) -> str:
        counts = (self.count_parameters(), self.count_metadata(), len(self._columns))
        return "p/m/r {}/{}/{}".format(*counts)

    def __repr__(self) -> str:
        label = f" ({self._label})" if self._label is not None else ""
        return (
            f"<{self.kind_str()}: {self._verb}{label} when {self._when} "
            f"token {self.get_token(_SHORT)} schema {self.schema_hash(_SHORT)} "
            f"{self._counts()}>"
        )

    def _repr_html_(self) -> str:
        from .html import statement_html  # only in a notebook

        return statement_html(self)


def _as_when(when: When | str) -> When:
    return when if isinstance(when, When) else When.parse(when)
