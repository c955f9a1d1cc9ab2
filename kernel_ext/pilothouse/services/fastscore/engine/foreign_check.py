"""Sources that are not Python, checked by their own parsers before they are loaded.

    c           gcc -fsyntax-only, with the harness
    java        javac
    R, octave   parsed by their interpreter
    pfa-*       read and checked by titus; PrettyPFA and YAML become PFA JSON

Each check is a process of its own in an empty folder, with a time limit.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import tempfile
from pathlib import Path

from pilothouse.errors import ProtocolError
from pilothouse.fastscore.wire.load import LoadRequest

from .jet.languages import check_command

__all__ = ["check_foreign"]

CHECK_SECONDS = 60.0
_MAX_TEXT = 2000


async def check_foreign(request: LoadRequest) -> tuple[str, str]:
    """Check a source that is not Python.

    Returns:
        Source and type for jets where they differ from the request's, else empty.

    Raises:
        ProtocolError: If the source is wrong; the text is the parser's.
    """
    mtype = request.mtype
    if mtype in ("python", "python3"):
        return "", ""
    with tempfile.TemporaryDirectory(prefix="pilothouse-check-") as name:
        folder = Path(name)
        if mtype.startswith("pfa-"):
            module = "pilothouse.services.fastscore.engine.jet.pfa"
            command = [sys.executable, "-P", "-m", module, mtype]
            source = await _run(command, folder, request.source, request.name)
            return source, "pfa-json"
        command = await asyncio.to_thread(check_command, mtype, request.source, folder)
        await _run(command, folder, "", request.name)
    return "", ""


async def _run(command: list[str], folder: Path, given: str, model: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            out, err = await process.communicate(given.encode())
    except TimeoutError as exc:
        raise ProtocolError(
            f"checking model {model!r} took longer than {CHECK_SECONDS:g} s"
        ) from exc
    finally:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
    if process.returncode:
        text = (err or out).decode("utf-8", "replace").strip()
        raise ProtocolError(f"model {model!r} cannot be used: {text[-_MAX_TEXT:]}")
    return out.decode("utf-8", "replace")
