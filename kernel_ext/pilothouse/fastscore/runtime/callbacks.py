"""Models with callbacks: begin, action for each record, end.

Source: vendor manual, "Model callbacks"; FastScore Deploy 1.10.4, `Model`.

    module body   once, before begin
    begin()       optional, once before data
    action(data), action(data, slot), action(data, slot, seqno)
    end()         optional, at the end

    yield value          -> slot 1
    yield (slot, value)  -> that slot: an odd number, in use; a pair is never data
    return value         -> as if yielded; None = no output

A slot may have an action function of its own. What begin and end yield or return is
ignored.
"""

from __future__ import annotations

import inspect
import linecache
import re
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import GeneratorType, ModuleType
from typing import Any, Final

from pilothouse.fastscore.wire.annotations import ModelOptions
from pilothouse.fastscore.wire.values import Value

from .sources import MAX_ARITY, ModelSourceError, parse_source, source_lines
from .tracebacks import traceback_of

__all__ = [
    "CallbackModel",
    "ModelFailure",
    "ModelSourceError",
    "OutputError",
    "compile_model",
    "model_namespace",
    "traceback_of",
]

_DEFAULT_OUTPUT: Final = 1


class ModelFailure(Exception):  # noqa: N818 - carries a model's own exception
    """A model raised in the middle of a batch.

    Attributes:
        index: The record it failed on, by its place in the batch.
        outputs: What it had put out until then, by slots.
    """

    def __init__(self, index: int, outputs: dict[int, list[Value]]) -> None:
        super().__init__(f"the model failed on record {index} of the batch")
        self.index = index
        self.outputs = outputs


class OutputError(ValueError):
    """A model put something out where nothing can go."""


@dataclass(frozen=True, slots=True)
class _Action:
    function: Callable[..., Any]
    arity: int


class CallbackModel:
    """A model whose body has run.

    Attributes:
        name: Of the model.
        filename: What tracebacks call its source.
        options: What its annotations say.
        namespace: The globals of the model.
    """

    def __init__(
        self,
        *,
        name: str,
        filename: str,
        options: ModelOptions,
        namespace: dict[str, Any],
    ) -> None:
        self.name = name
        self.filename = filename
        self.options = options
        self.namespace = namespace
        self._outputs = frozenset(options.outputs)
        self._actions = {
            slot: self._action(slot, options.slots[slot].action or "action")
            for slot in options.inputs
        }

    @classmethod
    def load(
        cls,
        source: str,
        *,
        name: str,
        options: ModelOptions,
        filename: str | None = None,
    ) -> CallbackModel:
        """Compile a model and run its body.

        Args:
            source: The model.
            name: Its name.
            options: What its annotations say.
            filename: What tracebacks call it; ``<model NAME>`` when omitted.

        Raises:
            ModelSourceError: If the source is no Python, or an input slot in use has no
                action function.
            Exception: Whatever the body raises.
        """
        filename = filename or f"<model {name}>"
        code = compile_model(source, filename)
        namespace = model_namespace(name, filename)
        exec(code, namespace)
        return cls(name=name, filename=filename, options=options, namespace=namespace)

    def begin(self) -> None:
        """Call ``begin``, if the model has one."""
        self._call_optional("begin")

    def end(self) -> None:
        """Call ``end``, if the model has one."""
        self._call_optional("end")

    def call(self, slot: int, record: Value, seqno: int) -> Iterator[tuple[int, Value]]:
        """Score one record, or one record set.

        Args:
            slot: Input slot.
            record: As the model is to see it.
            seqno: Number of the (last) record on that slot, from 1.

        Yields:
            Output slot and value.

        Raises:
            OutputError: If the model puts something out where nothing can go.
            Exception: Whatever the model raises.
        """
        action = self._actions[slot]
        result = action.function(*(record, slot, seqno)[: action.arity])
        if isinstance(result, GeneratorType):
            for item in result:
                yield self._routed(item)
        elif result is not None:
            yield self._routed(result)

    def call_batch(
        self, slot: int, records: Sequence[Value], seqno: int
    ) -> dict[int, list[Value]]:
        """Score records one after the other; faster than as many `call`.

        Args:
            slot: Input slot.
            records: As the model is to see them.
            seqno: Number of the first one.

        Returns:
            For each output slot in use its values, in order.

        Raises:
            ModelFailure: If the model raises (that is then the cause), or puts
                something out where nothing can go.
        """
        action = self._actions[slot]
        arity, function = action.arity, action.function
        outputs: dict[int, list[Value]] = {each: [] for each in self._outputs}
        plain = outputs.get(_DEFAULT_OUTPUT)
        index = 0
        try:
            for index, record in enumerate(records):
                if arity == 1:
                    result = function(record)
                else:
                    result = function(*(record, slot, seqno + index)[:arity])
                if result is None:
                    continue
                items = result if isinstance(result, GeneratorType) else (result,)
                for item in items:
                    if type(item) is tuple and len(item) == 2:
                        to, value = self._routed(item)
                        outputs[to].append(value)
                    elif plain is not None:
                        plain.append(item)
                    else:
                        self._routed(item)  # raises: slot 1 is not in use
        except Exception as exc:
            raise ModelFailure(index, outputs) from exc
        return outputs

    def _routed(self, item: Value) -> tuple[int, Value]:
        if type(item) is tuple and len(item) == 2:
            slot, value = item
            if type(slot) is not int:
                raise OutputError(
                    f"a pair is (slot, value), and {slot!r} is no slot; "
                    "put a list out where data are meant"
                )
        else:
            slot, value = _DEFAULT_OUTPUT, item
        if slot not in self._outputs:
            used = ", ".join(map(str, sorted(self._outputs))) or "none"
            raise OutputError(f"output to slot {slot}; output slots in use: {used}")
        return slot, value

    def _action(self, slot: int, name: str) -> _Action:
        found: Any = self.namespace.get(name.partition(".")[0])
        for part in name.split(".")[1:]:
            found = getattr(found, part, None)
        if not callable(found):
            raise ModelSourceError(f"no function '{name}' for input slot {slot}")
        return _Action(found, _arity(found, name))

    def _call_optional(self, name: str) -> None:
        function = self.namespace.get(name)
        if not callable(function):
            return
        result = function()
        if isinstance(result, GeneratorType):
            for _ in result:
                pass


def compile_model(source: str, filename: str) -> Any:  # noqa: ANN401 - a code object
    """Compile a model; tracebacks will show its lines.

    Raises:
        ModelSourceError: If the source is no Python.
    """
    tree = parse_source(source, filename)
    lines = source_lines(source)
    linecache.cache[filename] = (len(source), None, lines, filename)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return compile(tree, filename, "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError) as exc:
        line = getattr(exc, "lineno", None)
        message = getattr(exc, "msg", str(exc))
        text = lines[line - 1] if line and line <= len(lines) else ""
        raise ModelSourceError(
            f"{type(exc).__name__}: {message}", line=line, text=text
        ) from exc


def model_namespace(name: str, filename: str) -> dict[str, Any]:
    """Return globals for a model: those of a module that imports can find.

    Dataclasses look their module up, and so does the unpickling of what a model has
    put into a cell. It is not called ``__main__``: what stands under such a test in a
    model's file is not meant for an engine.
    """
    module = ModuleType(f"__model_{re.sub(r'[^A-Za-z0-9_]', '_', name)}__")
    module.__file__ = filename
    sys.modules[module.__name__] = module
    return vars(module)


def _arity(function: Callable[..., Any], name: str) -> int:
    """Return how many of record, slot and number a function wants."""
    if inspect.iscoroutinefunction(function):
        raise ModelSourceError(f"'{name}' must not be async")
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # a builtin that does not tell
        return 1
    positional = [
        parameter
        for parameter in parameters
        if parameter.kind
        in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
    ]
    takes_any = any(each.kind is each.VAR_POSITIONAL for each in parameters)
    required = sum(each.default is each.empty for each in positional)
    if required > MAX_ARITY:
        raise ModelSourceError(
            f"'{name}' needs {required} arguments; "
            "an action takes (data), (data, slot) or (data, slot, seqno)"
        )
    if not positional and not takes_any:
        raise ModelSourceError(
            f"'{name}' takes no argument; an action takes the record"
        )
    if not required:
        return MAX_ARITY if takes_any and not positional else 1
    return required
