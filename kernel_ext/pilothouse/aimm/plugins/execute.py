"""Calling plugins: in the server's child processes, or here, to try one out.

Source: real package, aimm 1.2, `plugins.execute`: names and signatures.
"""

from __future__ import annotations

from typing import Any

from .decorators import StateCallback
from .registry import REGISTRY, Kind, Plugin

__all__ = [
    "exec_data_access",
    "exec_deserialize",
    "exec_fit",
    "exec_instantiate",
    "exec_predict",
    "exec_serialize",
]


def _silent(_state: object) -> None:
    """Take a state and say nothing."""


def exec_data_access(
    name: str,
    state_cb: StateCallback = _silent,
    /,
    *args: object,
    **kwargs: object,
) -> Any:  # noqa: ANN401  whatever the plugin gives
    """Return the data that a data access plugin gives.

    Raises:
        NotFoundError: If there is none of that name.
    """
    plugin = REGISTRY.get(Kind.DATA_ACCESS, name)
    return plugin.function(*args, **_with_callback(plugin, state_cb, kwargs))


def exec_instantiate(
    model_type: str,
    state_cb: StateCallback = _silent,
    /,
    *args: object,
    **kwargs: object,
) -> Any:  # noqa: ANN401
    """Return a new instance of a model type.

    Raises:
        NotFoundError: If the type has no such plugin.
    """
    plugin = REGISTRY.get(Kind.INSTANTIATE, model_type)
    return plugin.function(*args, **_with_callback(plugin, state_cb, kwargs))


def exec_fit(
    model_type: str,
    instance: Any,  # noqa: ANN401
    state_cb: StateCallback = _silent,
    /,
    *args: object,
    **kwargs: object,
) -> Any:  # noqa: ANN401
    """Return the fitted instance.

    Raises:
        NotFoundError: If the type has no such plugin.
    """
    plugin = REGISTRY.get(Kind.FIT, model_type)
    return _on_instance(plugin, instance, state_cb, args, kwargs)


def exec_predict(
    model_type: str,
    instance: Any,  # noqa: ANN401
    state_cb: StateCallback = _silent,
    /,
    *args: object,
    **kwargs: object,
) -> tuple[Any, Any]:
    """Return the instance, which a prediction may change, and the prediction.

    Raises:
        NotFoundError: If the type has no such plugin.
    """
    plugin = REGISTRY.get(Kind.PREDICT, model_type)
    return instance, _on_instance(plugin, instance, state_cb, args, kwargs)


def exec_serialize(model_type: str, instance: Any) -> bytes:  # noqa: ANN401
    """Return an instance as bytes.

    Raises:
        NotFoundError: If the type has no such plugin.
        TypeError: If the plugin gives no bytes.
    """
    data = REGISTRY.get(Kind.SERIALIZE, model_type).function(instance)
    if not isinstance(data, bytes | bytearray | memoryview):
        raise TypeError(
            f"the serialize plugin of {model_type} gave no bytes, but a "
            f"{type(data).__name__}"
        )
    return bytes(data)


def exec_deserialize(model_type: str, instance_bytes: bytes) -> Any:  # noqa: ANN401
    """Return the instance that bytes stand for.

    Raises:
        NotFoundError: If the type has no such plugin.
    """
    return REGISTRY.get(Kind.DESERIALIZE, model_type).function(instance_bytes)


def _on_instance(
    plugin: Plugin,
    instance: Any,  # noqa: ANN401
    state_cb: StateCallback,
    args: tuple[object, ...],
    kwargs: dict[str, object],
) -> Any:  # noqa: ANN401
    kwargs = _with_callback(plugin, state_cb, kwargs)
    name = plugin.instance_arg_name
    if name is None:
        return plugin.function(instance, *args, **kwargs)
    if name in kwargs:
        raise TypeError(f"the keyword {name!r} is the instance's, and was given")
    return plugin.function(*args, **{**kwargs, name: instance})


def _with_callback(
    plugin: Plugin, state_cb: StateCallback, kwargs: dict[str, object]
) -> dict[str, object]:
    name = plugin.state_cb_arg_name
    if name is None:
        return kwargs
    if name in kwargs:
        raise TypeError(f"state cb already set: the keyword {name!r} was given")
    return {**kwargs, name: state_cb}
