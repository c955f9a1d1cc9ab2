"""The name of the real package, for plugin modules that were written for it.

Where aimm is not installed, ``from aimm import plugins`` finds our plugins. This is
called in a server's child processes only.
"""

from __future__ import annotations

import importlib.util
import sys
import types

from pilothouse.aimm import plugins

__all__ = ["alias_real_package"]


def alias_real_package() -> None:
    """Let ``aimm.plugins`` be ours, unless the real package is there."""
    if "aimm" in sys.modules or importlib.util.find_spec("aimm") is not None:
        return
    package = types.ModuleType("aimm", "Stands in for the real package: its plugins.")
    package.__path__ = []
    package.plugins = plugins  # type: ignore[attr-defined]
    sys.modules["aimm"] = package
    sys.modules["aimm.plugins"] = plugins
