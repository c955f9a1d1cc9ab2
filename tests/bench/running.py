"""Other processes that the bench starts, and what they say."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PEERS = Path(__file__).parent / "peers"
_START_S = 120
_PACE = threading.Event()


def said_by(command: Sequence[str | Path], given: str = "") -> str:
    """What a process prints that ends by itself.

    Raises:
        RuntimeError: If it fails, with the end of what it said.
    """
    done = subprocess.run(
        [str(word) for word in command],
        input=given,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{Path(command[-1]).name}: {done.stderr[-600:]}")
    return done.stdout


def load(
    url: str, body: str, *, seconds: float, headers: dict[str, str], clients: int = 32
) -> dict[str, Any]:
    """Let many clients send a record each, again and again; what came of it."""
    order = {
        "url": url,
        "body": body,
        "seconds": seconds,
        "headers": headers,
        "clients": clients,
    }
    told = said_by([sys.executable, PEERS / "load.py"], json.dumps(order))
    result: dict[str, Any] = json.loads(told)
    if result["failed"]:
        raise RuntimeError(f"{result['failed']} requests to {url} failed")
    return result


@contextmanager
def talking(command: Sequence[str | Path]) -> Iterator[subprocess.Popen[str]]:
    """A process that reads lines and answers lines; it ends when its input does."""
    process = subprocess.Popen(
        [str(word) for word in command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        yield process
    finally:
        process.stdin.close()
        _end(process)
        process.stdout.close()


@contextmanager
def serving(command: Sequence[str | Path], url: str, *, folder: Path) -> Iterator[None]:
    """A process that serves, from when the URL answers something."""
    with (folder / "said.log").open("w") as log:
        process = subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env={**os.environ, "HOME": str(folder), "BENTOML_DO_NOT_TRACK": "True"},
        )
    try:
        _wait_until_it_answers(process, url, folder / "said.log")
        yield
    finally:
        process.stdin.close()
        _end(process, at_once=True)


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _wait_until_it_answers(
    process: subprocess.Popen[bytes], url: str, log: Path
) -> None:
    end = time.monotonic() + _START_S
    while True:
        try:
            urllib.request.urlopen(url, timeout=5).close()
        except urllib.error.HTTPError:
            return
        except OSError:
            if process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"did not start: {log.read_text()[-600:]}") from None
            _PACE.wait(0.2)
        else:
            return


def _end(process: subprocess.Popen[Any], *, at_once: bool = False) -> None:
    if at_once:
        process.terminate()
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
