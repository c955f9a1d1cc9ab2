"""The services of a suite: Connect, Model Manage, Engine.

    from pilothouse.fastscore.suite import Connect, ModelManage, Engine

Source: developer interface, "Service instances".
"""

from __future__ import annotations

from .connect import Connect
from .engine import Engine
from .model_manage import ModelManage

__all__ = ["Connect", "Engine", "ModelManage"]
