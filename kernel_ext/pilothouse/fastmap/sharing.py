"""Pickles of values between a notebook and its workers, in both directions.

This module's source travels with every function as the local module
``_pilothouse_sharing``, so the same code writes here and there: plain pickle where that
does, dill where it has to. It imports the standard library and dill, nothing else, and
``dill.loads`` reads what it writes.

What dill alone does not give, and users of ``map`` expect:

- A class of ``__main__`` (or of any place that cannot be imported) travels by value and
  is still one class: it has an id, and whoever knows the id uses the class it has. So a
  result is an instance of the notebook's own class.
- Functions of one namespace share it at the far side too.
- A module travels by its name, without its contents.
"""

from __future__ import annotations

import builtins
import dataclasses
import dis
import enum
import functools
import importlib
import io
import linecache
import pickle
import sys
import threading
import types
import typing
import uuid
import weakref
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import dill

__all__ = [
    "Writer",
    "carried",
    "cell",
    "class_of",
    "dumps",
    "empty_class",
    "empty_function",
    "enum_class",
    "fill_class",
    "fill_function",
    "global_names",
    "is_by_value",
    "nested_codes",
    "sentinel",
    "type_variable",
]

PROTOCOL = 5
MAIN = ("__main__", "__mp_main__", None)

is_origin = False
"""Whether this process is the one that functions come from."""

_python_pickler: Any = pickle._Pickler
_ids: weakref.WeakKeyDictionary[Any, str] = weakref.WeakKeyDictionary()
_known: weakref.WeakValueDictionary[str, Any] = weakref.WeakValueDictionary()
_filled: weakref.WeakSet[Any] = weakref.WeakSet()
_spaces: dict[str, dict[str, Any]] = {}


# -- reading: what pickles call --------------------------------------------------------


def carried(function: Any, digest: str, lines: Mapping[str, str]) -> Any:  # noqa: ANN401
    """Return the function; the digest in its pickle tells all that goes with it.

    Args:
        function: The user's callable.
        digest: Of the sources and requirements, so that a changed one changes the
            pickle of a function that is pickled by its name.
        lines: Source lines by file name, for tracebacks.
    """
    for name, text in lines.items():
        if name not in linecache.cache:
            kept = text.splitlines(keepends=True)
            linecache.cache[name] = (len(text), None, kept, name)
    return function


def class_of(key: str, payload: bytes) -> Any:  # noqa: ANN401
    """Return the class of an id, made of its pickle where it is not known."""
    found = _known.get(key)
    return dill.loads(payload) if found is None else found


def empty_class(
    key: str,
    kind: Any,  # noqa: ANN401
    name: str,
    bases: tuple[Any, ...],
    given: dict[str, Any],
) -> Any:  # noqa: ANN401
    """Return the class of an id, or a new one that is still to be filled."""
    if (found := _known.get(key)) is not None:
        return found
    made = types.new_class(
        name, bases, {"metaclass": kind}, lambda ns: ns.update(given)
    )
    return _remember(key, made)


def enum_class(
    key: str,
    kind: Any,  # noqa: ANN401
    name: str,
    bases: tuple[Any, ...],
    given: dict[str, Any],
    members: dict[str, Any],
) -> Any:  # noqa: ANN401
    """Return the enumeration of an id, or a new one that is still to be filled."""
    if (found := _known.get(key)) is not None:
        return found
    space = kind.__prepare__(name, bases)
    for each, value in {**given, **members}.items():
        space[each] = value
    return _remember(key, kind.__new__(kind, name, bases, space))


def fill_class(cls: Any, state: tuple[dict[str, Any], dict[str, Any]]) -> None:  # noqa: ANN401
    """Give a new class its attributes, and its members theirs."""
    if cls in _filled:
        return
    _filled.add(cls)
    attributes, members = state
    for name, value in attributes.items():
        setattr(cls, name, value)
    for name, values in members.items():
        vars(cls[name]).update(values)


def cell() -> types.CellType:
    """Return an empty cell of a closure."""
    return types.CellType()


def empty_function(
    code: types.CodeType, space: str, closure: tuple[types.CellType, ...] | None
) -> types.FunctionType:
    """Return a function that is still to be filled.

    Args:
        code: Its code.
        space: Names the globals that it shares with others.
        closure: Its cells.
    """
    return types.FunctionType(code, _space(space), code.co_name, None, closure)


def fill_function(function: types.FunctionType, state: dict[str, Any]) -> None:
    """Give a new function its globals, its closure and its attributes."""
    space = function.__globals__
    if not (is_origin and _is_module(space)):
        for name, value in state.pop("globals").items():
            space.setdefault(name, value)
    state.pop("globals", None)
    for name in state.pop("modules"):
        importlib.import_module(name)
    for each, content in zip(
        function.__closure__ or (), state.pop("cells"), strict=True
    ):
        if content:
            each.cell_contents = content[0]
    vars(function).update(state.pop("dict"))
    for name, value in state.items():
        setattr(function, name, value)


def sentinel(module: str, name: str) -> Any:  # noqa: ANN401
    """Return an object of which there is one, such as ``dataclasses.MISSING``."""
    return getattr(sys.modules[module], name)


def type_variable(key: str, name: str, *constraints: Any, **options: Any) -> Any:  # noqa: ANN401
    """Return the type variable of an id, or a new one."""
    if (found := _known.get(key)) is not None:
        return found
    return _remember(key, typing.TypeVar(name, *constraints, **options))


def _remember(key: str, made: Any) -> Any:  # noqa: ANN401
    _ids[made] = key
    _known[key] = made
    return made


def _space(key: str) -> dict[str, Any]:
    if key in sys.modules:
        return vars(sys.modules[key])
    if key not in _spaces:
        _spaces[key] = {"__name__": key, "__builtins__": builtins}
    return _spaces[key]


def _is_module(space: dict[str, Any]) -> bool:
    name = space.get("__name__")
    module = sys.modules.get(name) if isinstance(name, str) else None
    return module is not None and vars(module) is space


# -- writing ---------------------------------------------------------------------------


def is_by_value(thing: Any) -> bool:  # noqa: ANN401
    """Tell whether a function or class cannot be found by its name at the far side."""
    module = getattr(thing, "__module__", None)
    if module in MAIN:
        return True
    found: Any = sys.modules.get(module)
    for name in thing.__qualname__.split("."):
        found = getattr(found, name, None)
    return found is not thing


def nested_codes(code: types.CodeType) -> Iterator[types.CodeType]:
    """Yield a code object and those inside it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from nested_codes(constant)


@functools.lru_cache(maxsize=1024)
def global_names(code: types.CodeType) -> frozenset[str]:
    """Return the names of globals that code uses, also inside nested functions."""
    return frozenset(
        instruction.argval
        for each in nested_codes(code)
        for instruction in dis.get_instructions(each)
        if instruction.opname.endswith(("_GLOBAL", "_NAME"))
    )


class _NeedsDillError(Exception):
    """Plain pickle does not do."""


class Writer:
    """Writes pickles; what it knows of classes holds for one run.

    Args:
        seen: Called with every function, class, module and code that is met; may come
            more than once.
    """

    def __init__(self, seen: Callable[[Any], object] | None = None) -> None:
        self.seen = seen or (lambda thing: None)
        self._payloads: dict[Any, bytes] = {}

    def dumps(self, value: Any) -> bytes:  # noqa: ANN401
        """Return the pickle of a value.

        Raises:
            Exception: Of any kind, if it cannot be pickled.
        """
        file = io.BytesIO()
        try:
            _Fast(file, self).dump(value)
        except (_NeedsDillError, pickle.PicklingError, TypeError, AttributeError):
            return self.thorough(value)
        return file.getvalue()

    def thorough(self, value: Any) -> bytes:  # noqa: ANN401
        """Return the pickle of a value that may need dill.

        Raises:
            Exception: Of any kind, if it cannot be pickled.
        """
        file = io.BytesIO()
        _Thorough(file, self).dump(value)
        return file.getvalue()

    def payload(self, cls: Any) -> bytes:  # noqa: ANN401
        """Return the pickle of a class that travels by value."""
        if cls not in self._payloads:
            self._payloads[cls] = self.thorough(cls)
        return self._payloads[cls]


class _Fast(pickle.Pickler):
    """The pickler in C, which knows classes that travel by value."""

    def __init__(self, file: io.BytesIO, writer: Writer) -> None:
        super().__init__(file, PROTOCOL)
        self._writer = writer

    def reducer_override(self, thing: Any) -> Any:  # noqa: ANN401
        if isinstance(thing, type):
            if thing in _BUILT_IN and thing not in _SINGLE_TYPES:
                raise _NeedsDillError
            if is_by_value(thing):
                return class_of, (_id_of(thing), self._writer.payload(thing))
            self._writer.seen(thing)
        elif type(thing) is types.FunctionType:
            if is_by_value(thing):
                raise _NeedsDillError
            self._writer.seen(thing)
        elif type(thing) in _SPECIAL:
            raise _NeedsDillError
        return NotImplemented


class _Dispatch(dict[Any, Any]):
    """dill's table with ours on top; a metaclass is a class of classes."""

    def get(self, kind: Any, default: Any = None) -> Any:  # noqa: ANN401
        return self[kind] if kind in self or issubclass(kind, type) else default

    def __missing__(self, kind: Any) -> Any:  # noqa: ANN401
        return _save_class


class _Thorough(dill.Pickler):  # type: ignore[misc] # dill has no types
    """dill's pickler, with classes, functions and modules done here."""

    dispatch = _Dispatch(dill.Pickler.dispatch)

    def __init__(self, file: io.BytesIO, writer: Writer) -> None:
        super().__init__(file, PROTOCOL, byref=False, recurse=True)
        self.writer = writer
        self.spaces: dict[int, tuple[str, dict[str, Any]]] = {}

    def save(self, thing: Any, save_persistent_id: bool = True) -> None:  # noqa: ANN401
        # Not dill's own: it enters types into a table of the whole process.
        if type(thing) is pickle.PickleBuffer:
            # Python's own pickler fails at the second empty one: b"" is one object.
            with thing.raw() as raw:
                thing = raw.tobytes() if raw.readonly else bytearray(raw)
        _python_pickler.save(self, thing, save_persistent_id)


def _save_module(pickler: Any, module: types.ModuleType) -> None:  # noqa: ANN401
    pickler.writer.seen(module)
    name = module.__name__
    pickler.save_reduce(importlib.import_module, (name,), obj=module)


def _save_cell(pickler: Any, given: types.CellType) -> None:  # noqa: ANN401
    pickler.save_reduce(cell, (), obj=given)  # its function fills it


def _save_dict(pickler: Any, given: dict[Any, Any]) -> None:  # noqa: ANN401
    if "__name__" in given and _is_module(given):
        module = sys.modules[given["__name__"]]
        pickler.save_reduce(vars, (module,), obj=given)
    else:
        # Not dill's own: it would import what a "__name__" in it names.
        _python_pickler.save_dict(pickler, given)


def _save_mapping(pickler: Any, given: types.MappingProxyType[Any, Any]) -> None:  # noqa: ANN401
    pickler.save_reduce(types.MappingProxyType, (dict(given),), obj=given)


def _save_lock(pickler: Any, given: Any) -> None:  # noqa: ANN401
    # A new one: who holds it here does not hold it there.
    is_reentrant = type(given) is type(threading.RLock())
    made = threading.RLock if is_reentrant else threading.Lock
    pickler.save_reduce(made, (), obj=given)


def _save_code(pickler: Any, code: types.CodeType) -> None:  # noqa: ANN401
    pickler.writer.seen(code)
    dill.Pickler.dispatch[types.CodeType](pickler, code)


def _save_function(pickler: Any, function: types.FunctionType) -> None:  # noqa: ANN401
    if not is_by_value(function):
        pickler.writer.seen(function)
        pickler.save_global(function, function.__qualname__)
        return
    code = function.__code__
    space = function.__globals__
    state = {
        "globals": {
            name: space[name] for name in sorted(global_names(code)) if name in space
        },
        "modules": tuple(_submodules(code, space)),
        "cells": tuple(_content(each) for each in function.__closure__ or ()),
        "dict": dict(vars(function)),
        "__name__": function.__name__,
        "__qualname__": function.__qualname__,
        "__module__": function.__module__,
        "__defaults__": function.__defaults__,
        "__kwdefaults__": function.__kwdefaults__,
        "__doc__": function.__doc__,
        "__annotations__": _annotations(function),
    }
    pickler.save_reduce(
        empty_function,
        (code, _space_key(pickler, function), function.__closure__),
        state,
        state_setter=fill_function,
        obj=function,
    )


def _submodules(code: types.CodeType, space: dict[str, Any]) -> Iterator[str]:
    """Yield loaded submodules that code reaches by attributes of their package."""
    words = {name for each in nested_codes(code) for name in each.co_names}
    for name in sorted(global_names(code)):
        package = space.get(name)
        if isinstance(package, types.ModuleType) and hasattr(package, "__path__"):
            prefix = f"{package.__name__}."
            for each in sorted(sys.modules):
                if each.startswith(prefix):
                    parts = each[len(prefix) :].split(".")
                    if words.issuperset(parts):
                        yield each


def _annotations(function: types.FunctionType) -> dict[str, Any]:
    try:
        return dict(function.__annotations__)
    except NameError:  # names that are defined later, from Python 3.14 on
        return {}


def _content(given: types.CellType) -> tuple[Any, ...]:
    try:
        return (given.cell_contents,)
    except ValueError:  # an empty one
        return ()


def _space_key(pickler: Any, function: types.FunctionType) -> str:  # noqa: ANN401
    space = function.__globals__
    if _is_module(space):
        name: str = space["__name__"]
        return "__main__" if name in MAIN else f"by value {name}"
    if id(space) not in pickler.spaces:
        pickler.spaces[id(space)] = (f"<{uuid.uuid4().hex}>", space)
    key: str = pickler.spaces[id(space)][0]
    return key


def _save_class(pickler: Any, cls: Any) -> None:  # noqa: ANN401
    if cls in _SINGLE_TYPES:
        pickler.save_reduce(type, (_SINGLE_TYPES[cls],), obj=cls)
    elif cls in _BUILT_IN:
        dill.Pickler.dispatch[type](pickler, cls)
    elif not is_by_value(cls):
        pickler.writer.seen(cls)
        pickler.save_global(cls, cls.__qualname__)
    elif isinstance(cls, enum.EnumMeta):
        _save_enum(pickler, cls)
    else:
        attributes = _attributes(cls)
        names = ("__module__", "__qualname__", "__slots__", "__orig_bases__")
        given = {name: attributes.pop(name) for name in names if name in attributes}
        given.setdefault("__qualname__", cls.__qualname__)
        pickler.save_reduce(
            empty_class,
            (_id_of(cls), type(cls), cls.__name__, cls.__bases__, given),
            (attributes, {}),
            state_setter=fill_class,
            obj=cls,
        )


def _attributes(cls: Any) -> dict[str, Any]:  # noqa: ANN401
    dropped = {"__dict__", "__weakref__", "_abc_impl"}
    slots = (types.MemberDescriptorType, types.GetSetDescriptorType)
    return {
        name: value
        for name, value in vars(cls).items()
        if name not in dropped and not isinstance(value, slots)
    }


def _save_enum(pickler: Any, cls: Any) -> None:  # noqa: ANN401
    members = {name: member._value_ for name, member in cls.__members__.items()}
    given = {"__module__": cls.__module__, "__qualname__": cls.__qualname__}
    own = (
        types.FunctionType,
        property,
        classmethod,
        staticmethod,
        str,
    )
    attributes = {
        name: value
        for name, value in _attributes(cls).items()
        if name not in members
        and name not in {*given, "__new__"}
        and not (name.startswith("_") and name.endswith("_") and name[1] != "_")
        and isinstance(value, own)
    }
    made = {"_value_", "_name_", "_sort_order_", "__objclass__"}
    states = {
        name: {key: each for key, each in vars(member).items() if key not in made}
        for name, member in cls.__members__.items()
    }
    pickler.save_reduce(
        enum_class,
        (_id_of(cls), type(cls), cls.__name__, cls.__bases__, given, members),
        (attributes, {name: state for name, state in states.items() if state}),
        state_setter=fill_class,
        obj=cls,
    )


def _save_sentinel(pickler: Any, thing: Any) -> None:  # noqa: ANN401
    module = sys.modules[type(thing).__module__]
    for name, value in vars(module).items():
        if value is thing:
            pickler.save_reduce(sentinel, (module.__name__, name), obj=thing)
            return
    raise pickle.PicklingError(f"{thing!r} is nowhere in {module.__name__}")


def _save_type_variable(pickler: Any, variable: typing.TypeVar) -> None:  # noqa: ANN401
    name = variable.__name__
    module = sys.modules.get(variable.__module__)
    if variable.__module__ not in MAIN and getattr(module, name, None) is variable:
        pickler.writer.seen(module)
        pickler.save_global(variable, name)
        return
    options: dict[str, Any] = {
        "bound": variable.__bound__,
        "covariant": variable.__covariant__,
        "contravariant": variable.__contravariant__,
    }
    arguments = (_id_of(variable), name, *variable.__constraints__)
    made = functools.partial(type_variable, *arguments, **options)
    pickler.save_reduce(made, (), obj=variable)


def _id_of(thing: Any) -> str:  # noqa: ANN401
    if (key := _ids.get(thing)) is None:
        key = uuid.uuid4().hex
        _remember(key, thing)
        _filled.add(thing)
    return key


_SENTINELS = tuple(
    type(getattr(dataclasses, name))
    for name in ("MISSING", "_FIELD", "_HAS_DEFAULT_FACTORY")
    if hasattr(dataclasses, name)
)
_SINGLE_TYPES: dict[Any, Any] = {
    type(None): None,
    type(NotImplemented): NotImplemented,
    type(...): ...,
}
_BUILT_IN = frozenset(
    value
    for value in vars(types).values()
    if isinstance(value, type) and getattr(builtins, value.__name__, None) is not value
    if value.__module__ == "builtins"
)
"""Types of the interpreter that no module has under their name; dill knows them."""
_OURS: dict[Any, Any] = {
    types.FunctionType: _save_function,
    types.ModuleType: _save_module,
    types.CellType: _save_cell,
    type(threading.Lock()): _save_lock,
    type(threading.RLock()): _save_lock,
    types.MappingProxyType: _save_mapping,
    types.CodeType: _save_code,
    typing.TypeVar: _save_type_variable,
    dict: _save_dict,
    type: _save_class,
    **dict.fromkeys(_SENTINELS, _save_sentinel),
}
_SPECIAL = frozenset({*_OURS} - {dict, type, types.FunctionType})
_Thorough.dispatch.update(_OURS)

_writer = Writer()


def dumps(value: Any) -> bytes:  # noqa: ANN401
    """Return the pickle of a value; for a worker, where classes do not change.

    Raises:
        Exception: Of any kind, if it cannot be pickled.
    """
    return _writer.dumps(value)
