"""The real AIMM server and client, each in a process of its own."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import socket
import subprocess
import threading
from contextlib import contextmanager
from pathlib import Path

import yaml

from free_ports import free_port
from waiting import until

HERE = Path(__file__).parent
LAB = HERE.parent / "services" / "aimm" / "lab.py"
PASSWORD = "pass"
DRIVER = HERE / "peers" / "aimm_client.py"


def configuration(folder, *, names=("lab",), flush=0.05):
    """Write a configuration file of the real server; return it and the address."""
    port = free_port()
    plugins = folder / "plugins"
    if not plugins.exists():
        shutil.copytree(HERE / "peers" / "aimm_plugins", plugins)
        text = LAB.read_text("utf-8")
        (folder / "lab.py").write_text(text + _TEXT, "utf-8")
    values = {
        "name": "interop",
        "log": {"version": 1, "disable_existing_loggers": False},
        "engine": {
            "sigterm_timeout": 1,
            "max_children": 4,
            "check_children_period": 0.02,
        },
        "backend": {
            "module": "aimm.server.backend.sqlite",
            "path": str(folder / "aimm.db"),
        },
        "control": [
            {
                "module": "aimm.server.control.repl",
                "server": {
                    "host": "127.0.0.1",
                    "port": port,
                    "autoflush_delay": flush,
                },
                "users": [
                    {
                        "username": "user",
                        "password": hashlib.sha256(PASSWORD.encode()).hexdigest(),
                    }
                ],
            }
        ],
        "plugins": {"names": list(names)},
    }
    path = folder / "aimm.yaml"
    path.write_text(yaml.safe_dump(values))
    return path, f"ws://127.0.0.1:{port}"


_TEXT = """

@plugins.predict(["text"])
def predict_text(instance):
    return instance


plugins.serialize(["text"])(str.encode)
plugins.deserialize(["text"])(bytes.decode)
"""


@contextmanager
def running(command, url, folder):
    """A server's process while the block runs; it has begun to listen."""
    with (folder / "server.log").open("a") as log:
        process = subprocess.Popen(
            list(map(str, command)),
            cwd=folder,
            stdout=log,
            stderr=log,
            env={**os.environ, "PYTHONPATH": str(folder)},
        )
        try:
            port = int(url.rsplit(":", 1)[1])

            def listens():
                assert process.poll() is None, (folder / "server.log").read_text()
                try:
                    socket.create_connection(("127.0.0.1", port), 1).close()
                except OSError:
                    return False
                return True

            until(listens, 90, "the server")
            yield process
        finally:
            process.terminate()
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def real_client(python, step, url, password=PASSWORD, **options):
    """Start the real client's driver."""
    return subprocess.Popen(
        [str(python), str(DRIVER), step, url, password],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def told(process, timeout=60):
    """Return what a driver printed last."""
    with process:
        killer = threading.Timer(timeout, process.kill)
        killer.start()
        out, err = process.stdout.read(), process.stderr.read()
        assert process.wait() == 0, err
        killer.cancel()
    return json.loads(out.strip().splitlines()[-1])
