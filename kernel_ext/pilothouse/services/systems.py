"""Where the local services can run; looks at this Python, touches nothing.

They keep users' code in child processes that share sockets with them and end in groups,
which Linux, macOS and the Linux of Windows (WSL) have. Clients, magics and views run
everywhere, over services that run elsewhere.
"""

from __future__ import annotations

import os

from pilothouse.errors import ServiceError

__all__ = ["need_unix"]


def need_unix() -> None:
    """Return where local services can run.

    Raises:
        ServiceError: Elsewhere.
    """
    if not hasattr(os, "killpg"):
        raise ServiceError(
            "the local services do not run on this system",
            hint="start them under Linux, macOS or WSL (pilothouse up --host), "
            "or connect to services elsewhere, for instance "
            "%fastscore connect https://HOST:8000",
        )
