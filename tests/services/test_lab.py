"""JupyterLab is announced once it can be opened."""

import json
import os
import socket

from pilothouse.services.lab import _address


def test_a_server_that_has_written_its_file_and_does_not_listen_yet_is_not_ready(
    tmp_path, monkeypatch
):
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path))
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        port = server.getsockname()[1]
        told = {"hostname": "127.0.0.1", "port": port, "sock": "", "token": "t"}
        told["url"] = f"http://127.0.0.1:{port}/"
        file = tmp_path / f"jpserver-{os.getpid()}.json"
        file.write_text(json.dumps(told))

        assert _address(os.getpid(), None) is None
        server.listen()
        assert _address(os.getpid(), None) == f"http://127.0.0.1:{port}/lab?token=t"
