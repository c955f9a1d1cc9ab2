"""The module `sharing`, under the one name that it has at both ends.

Pickles name its functions as ``_pilothouse_sharing.…``. A worker gets it with each
function; here it is loaded from its file, once, under that same name.
"""

from __future__ import annotations

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Final

__all__ = ["NAME", "SOURCE", "sharing"]

NAME: Final = "_pilothouse_sharing"
"""Its name in pickles."""

SOURCE: Final = Path(__file__).with_name("sharing.py")
"""Where its source is."""


def _load() -> ModuleType:
    if NAME in sys.modules:  # a worker that maps in its turn
        return sys.modules[NAME]
    spec = spec_from_file_location(NAME, SOURCE)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[NAME] = module
    spec.loader.exec_module(module)
    module.is_origin = True  # type: ignore[attr-defined]
    return module


if TYPE_CHECKING:
    from . import sharing
else:
    sharing = _load()
