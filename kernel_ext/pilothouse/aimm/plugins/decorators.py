"""The decorators by which a module says what its functions are for.

Source: contract of the real package, aimm 1.2, `plugins.decorators`: names, signatures
and options.
"""

from __future__ import annotations

import abc
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from .registry import REGISTRY, Kind, Plugin

__all__ = [
    "Model",
    "StateCallback",
    "data_access",
    "deserialize",
    "fit",
    "instantiate",
    "model",
    "predict",
    "serialize",
    "unload_all",
]

Function = TypeVar("Function", bound=Callable[..., Any])
Class = TypeVar("Class", bound=type[Any])

StateCallback = Callable[[Any], None]
"""Takes what a running plugin has to say of itself, as JSON."""


class Model(abc.ABC):
    """A model whose five functions are the methods of one class.

    ``__init__`` makes an instance. Register a subclass with `model`.
    """

    @abc.abstractmethod
    def fit(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401  the plugin's
        """Return the fitted instance, usually ``self``."""

    @abc.abstractmethod
    def predict(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        """Return a prediction."""

    @abc.abstractmethod
    def serialize(self) -> bytes:
        """Return the instance as bytes."""

    @classmethod
    @abc.abstractmethod
    def deserialize(cls, instance_bytes: bytes) -> Model:
        """Return the instance that bytes stand for."""


def data_access(
    name: str, state_cb_arg_name: str | None = None
) -> Callable[[Function], Function]:
    """Register a function that gives data: ``(*args, **kwargs) -> data``.

    Args:
        name: What a `DataAccess` calls it by.
        state_cb_arg_name: Keyword under which the function takes its state callback.

    Raises:
        ValueError: If the name is taken.
    """
    return _decorator(Kind.DATA_ACCESS, [name], state_cb_arg_name)


def instantiate(
    model_type: str, state_cb_arg_name: str | None = None
) -> Callable[[Function], Function]:
    """Register a function that makes instances: ``(*args, **kwargs) -> instance``.

    Raises:
        ValueError: If the model type has one.
    """
    return _decorator(Kind.INSTANTIATE, [model_type], state_cb_arg_name)


def fit(
    model_types: Iterable[str],
    state_cb_arg_name: str | None = None,
    instance_arg_name: str | None = None,
) -> Callable[[Function], Function]:
    """Register a function that fits: ``(instance, *args, **kwargs) -> instance``.

    Args:
        model_types: The types whose instances it fits.
        state_cb_arg_name: Keyword under which the function takes its state callback.
        instance_arg_name: Keyword under which it takes the instance; without one the
            instance comes first.

    Raises:
        ValueError: If a model type has one.
    """
    return _decorator(Kind.FIT, model_types, state_cb_arg_name, instance_arg_name)


def predict(
    model_types: Iterable[str],
    state_cb_arg_name: str | None = None,
    instance_arg_name: str | None = None,
) -> Callable[[Function], Function]:
    """Register a function that predicts: ``(instance, *args, **kwargs) -> prediction``.

    The arguments are those of `fit`. An instance that the function changes is kept.

    Raises:
        ValueError: If a model type has one.
    """
    return _decorator(Kind.PREDICT, model_types, state_cb_arg_name, instance_arg_name)


def serialize(model_types: Iterable[str]) -> Callable[[Function], Function]:
    """Register a function that writes instances: ``(instance) -> bytes``.

    Raises:
        ValueError: If a model type has one.
    """
    return _decorator(Kind.SERIALIZE, model_types)


def deserialize(model_types: Iterable[str]) -> Callable[[Function], Function]:
    """Register a function that reads instances: ``(bytes) -> instance``.

    Raises:
        ValueError: If a model type has one.
    """
    return _decorator(Kind.DESERIALIZE, model_types)


def model(cls: Class) -> Class:
    """Register a class with methods of `Model`, as the type ``module.Class``.

    A method that it lacks is an error of the action that needs it, not of this.

    Raises:
        ValueError: If that type is registered already.
    """
    name = f"{cls.__module__}.{cls.__name__}"
    methods = {
        Kind.INSTANTIATE: cls,
        **{
            kind: getattr(cls, kind.name.lower())
            for kind in (Kind.FIT, Kind.PREDICT, Kind.SERIALIZE, Kind.DESERIALIZE)
            if hasattr(cls, kind.name.lower())
        },
    }
    with REGISTRY.whole():
        for kind, function in methods.items():
            REGISTRY.add(kind, name, Plugin(function=function, module=cls.__module__))
    return cls


def unload_all() -> None:
    """Forget every plugin of this process."""
    REGISTRY.drop()


def _decorator(
    kind: Kind,
    names: Iterable[str],
    state_cb_arg_name: str | None = None,
    instance_arg_name: str | None = None,
) -> Callable[[Function], Function]:
    if isinstance(names, str):
        raise TypeError(f"model types come as a list, not as the text {names!r}")
    chosen = list(names)

    def register(function: Function) -> Function:
        plugin = Plugin(
            function=function,
            module=REGISTRY.owner_of(function),
            state_cb_arg_name=state_cb_arg_name,
            instance_arg_name=instance_arg_name,
        )
        with REGISTRY.whole():
            for name in chosen:
                REGISTRY.add(kind, name, plugin)
        return function

    return register
