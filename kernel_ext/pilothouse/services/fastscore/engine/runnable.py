"""Which model types run on this machine, and why the others do not."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Mapping
from typing import Final

__all__ = ["FOREIGN_TOOLS", "why_not"]

FOREIGN_TOOLS: Final[Mapping[str, tuple[str, ...]]] = {
    "R": ("Rscript",),
    "octave": ("octave-cli",),
    "java": ("javac", "java"),
    "c": ("gcc",),
}
"""Model type -> programs that have to be on the PATH."""

_NEVER: Final[Mapping[str, str]] = {
    "h2o-java": "the H2O runtime is not part of this engine",
    "jupyter": "a notebook has no action; save its scoring cell as a python3 model",
    "sas": "SAS is not part of this engine",
}


def why_not(mtype: str) -> str | None:
    """Return why models of a type cannot run here; ``None`` if they can."""
    if mtype in ("python", "python3"):
        return None
    if mtype in _NEVER:
        return f"model type not supported: {mtype} ({_NEVER[mtype]})"
    if mtype.startswith("pfa-"):
        if importlib.util.find_spec("titus") is not None:
            return None
        return f"model type not supported: {mtype} (titus2 is not installed)"
    missing = [tool for tool in FOREIGN_TOOLS[mtype] if shutil.which(tool) is None]
    if missing:
        tools = ", ".join(missing)
        return f"model type not supported: {mtype} ({tools} not found on this machine)"
    return None
