"""A disk that is full: clear refusals, nothing half-written, and a way out.

The limit is one on the size of a file, which every machine allows; a small file system
is used in the fault tests where that is possible.
"""

import json
import os
import subprocess
import sys
import threading

import pytest

from conftest import raw_call

LIMIT = 3 * 1024 * 1024
WRAP = (
    "import os, resource, sys; "
    f"resource.setrlimit(resource.RLIMIT_FSIZE, ({LIMIT}, {LIMIT})); "
    "os.execv(sys.executable, [sys.executable, '-m', 'pilothouse', *sys.argv[1:]])"
)
MM = "/api/1/service/model-manage-1/1"


@pytest.fixture
def call(tmp_path):
    """Calls a suite that can write no file beyond 3 MB; it must not log a fault."""
    words = ["up", "--json", "--data-dir", str(tmp_path / "data")]
    process = subprocess.Popen(
        [sys.executable, "-c", WRAP, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    late = threading.Timer(100, process.kill)
    late.start()
    try:
        endpoint = json.loads(process.stdout.readline())["fastscore"]

        def send(method, path, body=None, mime="application/json"):
            headers = {"Authorization": endpoint["token"], "Content-Type": mime}
            return raw_call(endpoint["url"], method, MM + path, body, headers)

        send("PUT", "/model/m", b"x", "application/vnd.fastscore.model-python3")
        yield send
        process.terminate()
        _, err = process.communicate(timeout=30)
        assert "Traceback" not in err
    finally:
        late.cancel()
        process.kill()
        process.communicate()


def test_an_attachment_that_does_not_fit_leaves_the_old_one(call, tmp_path):
    path = "/model/m/attachment/a.zip"
    assert call("PUT", path, b"old", "application/zip").status == 201
    answer = call("PUT", path, bytes(LIMIT + 1), "application/zip")
    assert answer.status == 507
    assert answer.text == "storage is full: nothing was saved"
    assert call("GET", path).body == b"old"
    folder = tmp_path / "data" / "fastscore" / "attachments"
    assert len(list(folder.iterdir())) == 1


def test_a_full_database_refuses_keeps_and_can_be_cleared(call):
    saved, refused = [], None
    for number in range(60):
        body = json.dumps(os.urandom(60_000).hex()).encode()
        answer = call("PUT", f"/schema/s{number}", body)
        if answer.status != 201:
            refused = answer
            break
        saved.append(f"s{number}")
    assert refused is not None
    assert refused.status == 507
    assert "storage is full" in refused.text
    assert call("GET", "/schema").json == sorted(saved)
    for name in saved:
        assert len(call("GET", f"/schema/{name}").json) == 120_000
    for name in saved:
        assert call("DELETE", f"/schema/{name}").status == 204
    assert call("PUT", "/schema/later", b'"int"').status == 201
