"""Processes that may end while somebody looks at them."""

from __future__ import annotations

import psutil


def is_running(process: psutil.Process) -> bool:
    """Whether it runs; one that only waits to be reaped does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def is_there(pid: int) -> bool:
    """Whether there is such a process, and it runs."""
    try:
        return is_running(psutil.Process(pid))
    except psutil.NoSuchProcess:
        return False


def running_below(pid: int) -> set[int]:
    """The processes below one that run."""
    below = psutil.Process(pid).children(recursive=True)
    return {one.pid for one in below if is_running(one)}
