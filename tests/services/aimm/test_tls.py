"""AIMM over TLS, and passwords in both forms."""

import hashlib
import subprocess
import sys

import pytest
import yaml

from interop.aimm_peer import PASSWORD, configuration, running
from pilothouse import aimm
from pilothouse.errors import ConnectError, NotAuthorizedError


@pytest.fixture
def secure(tmp_path):
    """Our server from a file with a pem_file, as the real one of 1.2.dev0 took it."""
    path, url = configuration(tmp_path)
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    request = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext"
    names = "subjectAltName=DNS:localhost,IP:127.0.0.1"
    subprocess.run(
        ["openssl", *request.split(), names, "-out", cert, "-keyout", key],
        check=True,
        capture_output=True,
    )
    pem = tmp_path / "both.pem"
    pem.write_bytes(cert.read_bytes() + key.read_bytes())
    values = yaml.safe_load(path.read_text())
    control = values["control"][0]
    control["server"]["pem_file"] = pem.name
    control["users"].append({"username": "plain", "password": "as it is"})
    path.write_text(yaml.safe_dump(values))
    command = [sys.executable, "-m", "pilothouse", "serve", "aimm", "--conf", path]
    with running(command, url, tmp_path):
        yield url.replace("ws://", "wss://"), str(cert)


def test_tls_is_spoken_and_the_certificate_checked(secure):
    url, authority = secure
    with aimm.connect(url, "user", PASSWORD, verify=authority) as client:
        made = client.create_instance("lab")
        assert made.predict("echo", "x" * 300_000) == "x" * 300_000
    with pytest.raises(ConnectError, match="certificate"):
        aimm.connect(url, "user", PASSWORD, verify=True)


def test_a_password_may_be_sent_as_it_is(secure):
    url, authority = secure
    with aimm.connect(
        url, "plain", "as it is", hash_password=False, verify=authority
    ) as client:
        assert client.ping() >= 0
    with pytest.raises(NotAuthorizedError):
        aimm.connect(url, "plain", "as it is", verify=authority)
    hashed = hashlib.sha256(PASSWORD.encode()).hexdigest()
    with aimm.connect(
        url, "user", hashed, hash_password=False, verify=authority
    ) as client:
        assert client.username == "user"


def test_a_certificate_that_is_none_is_told_with_its_key(tmp_path):
    path, _ = configuration(tmp_path)
    values = yaml.safe_load(path.read_text())
    values["control"][0]["server"]["pem_file"] = "nothing.pem"
    path.write_text(yaml.safe_dump(values))

    ended = subprocess.run(
        [sys.executable, "-m", "pilothouse", "serve", "aimm", "--conf", path],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=tmp_path,
    )

    assert ended.returncode == 1
    assert "control[0].server.pem_file" in ended.stderr
    assert "nothing.pem" in ended.stderr
