"""Plugins: what a server's model types and data are, as functions of a module.

    data_access(name)           (*args, **kwargs) -> data
    instantiate(model_type)     (*args, **kwargs) -> instance
    fit(model_types)            (instance, *args, **kwargs) -> instance
    predict(model_types)        (instance, *args, **kwargs) -> prediction
    serialize(model_types)      (instance) -> bytes
    deserialize(model_types)    (bytes) -> instance
    model                       a class with all of these as methods

The names and signatures are those of the real package's ``aimm.plugins``, so that a
plugin module written for it runs unchanged in our server.

What may be imported here: `pilothouse.errors` and the standard library.
"""

from __future__ import annotations

from .decorators import (
    Model,
    StateCallback,
    data_access,
    deserialize,
    fit,
    instantiate,
    model,
    predict,
    serialize,
    unload_all,
)
from .execute import (
    exec_data_access,
    exec_deserialize,
    exec_fit,
    exec_instantiate,
    exec_predict,
    exec_serialize,
)
from .loading import initialize, load_file, load_module, load_source
from .registry import REGISTRY, Kind, Plugin, Registry

__all__ = [
    "REGISTRY",
    "Kind",
    "Model",
    "Plugin",
    "Registry",
    "StateCallback",
    "data_access",
    "deserialize",
    "exec_data_access",
    "exec_deserialize",
    "exec_fit",
    "exec_instantiate",
    "exec_predict",
    "exec_serialize",
    "fit",
    "initialize",
    "instantiate",
    "load_file",
    "load_module",
    "load_source",
    "model",
    "predict",
    "serialize",
    "unload_all",
]
