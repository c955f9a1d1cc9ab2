"""The host in a thread: start, stop, failures, TLS."""

import socket
import ssl
import subprocess

import pytest
import websocket

from conftest import LocalSuite
from free_ports import free_port
from pilothouse.errors import ServiceError
from pilothouse.services.host import ServiceHost, tls_context

BARE = {"fastscore": {"engines": ()}}


def test_a_host_can_be_started_again_on_the_same_data(tmp_path):
    for status in (201, 204):
        with ServiceHost(data_dir=tmp_path, options=BARE) as host:
            assert LocalSuite(host).model("m").status == status


def test_without_a_data_folder_it_uses_one_of_its_own_and_removes_it():
    with ServiceHost(options=BARE) as host:
        folder = LocalSuite(host).suite.data_dir
        assert folder.exists()
    assert not folder.parent.exists()


def test_each_start_has_another_token(tmp_path):
    tokens = set()
    for _ in range(2):
        with ServiceHost(data_dir=tmp_path, options=BARE) as host:
            tokens.add(host.fastscore.token)
    assert len(tokens) == 2


def test_the_token_does_not_show(tmp_path):
    with ServiceHost(data_dir=tmp_path, options=BARE) as host:
        assert host.fastscore.token not in repr(host.fastscore)
        assert type(host.fastscore.token) is str


def test_one_data_folder_has_one_host(tmp_path):
    with (
        ServiceHost(data_dir=tmp_path, options=BARE),
        pytest.raises(ServiceError, match="in use"),
    ):
        ServiceHost(data_dir=tmp_path, options=BARE).start()
    with ServiceHost(data_dir=tmp_path, options=BARE):
        pass


def test_a_port_that_is_taken_is_an_error_that_says_so(tmp_path):
    port = free_port()
    with socket.create_server(("127.0.0.1", port)):
        host = ServiceHost(data_dir=tmp_path, ports={"fastscore": port}, options=BARE)
        with pytest.raises(ServiceError, match=str(port)):
            host.start()
    with host:
        assert host.fastscore.url.endswith(f":{port}")


@pytest.mark.parametrize(
    "url",
    [
        "nonsense://user:hidden-word@host/x",
        "postgresql+psycopg99://user:hidden-word@127.0.0.1:9/x",
        "not a url hidden-word",
        "sqlite:////nope/hidden/x.db",
    ],
)
def test_a_database_that_cannot_be_used_is_an_error_without_its_password(tmp_path, url):
    options = {"fastscore": {"engines": (), "database_url": url}}
    with pytest.raises(ServiceError, match="database") as caught:
        ServiceHost(data_dir=tmp_path, options=options).start()
    assert "hidden-word" not in str(caught.value)


def test_a_data_folder_that_cannot_be_made_is_an_error_that_names_it(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ServiceError, match="cannot keep data in"):
        ServiceHost(data_dir=tmp_path / "file", options=BARE).start()


def test_an_unknown_service_is_refused(tmp_path):
    with pytest.raises(ServiceError, match="no service 'nope'"):
        ServiceHost(["nope"], data_dir=tmp_path).start()


def test_two_engines_of_one_name_are_refused(tmp_path):
    options = {"fastscore": {"engines": ("engine-1", "engine-1")}}
    with pytest.raises(ValueError, match="two instances are named 'engine-1'"):
        ServiceHost(data_dir=tmp_path, options=options).start()


def test_stopping_twice_is_fine(tmp_path):
    host = ServiceHost(data_dir=tmp_path, options=BARE).start()
    host.stop()
    host.stop()


def test_a_listening_socket_is_gone_after_the_stop(tmp_path):
    port = free_port()
    with ServiceHost(data_dir=tmp_path, ports={"fastscore": port}, options=BARE):
        socket.create_connection(("127.0.0.1", port), timeout=60).close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=5)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A self-signed certificate for 127.0.0.1 and its key."""
    folder = tmp_path_factory.mktemp("tls")
    cert, key = folder / "cert.pem", folder / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes"]
    command += ["-days", "2", "-subj", "/CN=127.0.0.1"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1"]
    command += ["-keyout", str(key), "-out", str(cert)]
    subprocess.run(command, check=True, capture_output=True)
    return cert, key


def test_with_a_certificate_it_speaks_tls(tmp_path, certificate):
    tls = tls_context(*certificate)
    with ServiceHost(data_dir=tmp_path, tls=tls, options=BARE) as host:
        suite = LocalSuite(host)
        assert suite.url.startswith("https://127.0.0.1:")
        assert suite.call("GET", "connect/1/health").status == 200
        connection = websocket.create_connection(
            suite.url.replace("https", "wss") + "/api/1/service/connect/2/pneumo",
            timeout=20,
            header={"Authorization": suite.token},
            sslopt={"cert_reqs": ssl.CERT_REQUIRED, "ca_certs": str(certificate[0])},
        )
        connection.close()
        form = f"username=pilothouse&password={suite.token}".encode()
        cookie = suite.call("POST", "/1/login", form, token=None).headers["Set-Cookie"]
        assert "Secure" in cookie


def test_an_attachment_goes_through_tls_unchanged(tmp_path, certificate):
    tls = tls_context(*certificate)
    with ServiceHost(data_dir=tmp_path, tls=tls, options=BARE) as host:
        suite = LocalSuite(host)
        suite.model("m")
        path = "model-manage-1/1/model/m/attachment/a.zip"
        data = bytes(range(256)) * 10_000
        assert suite.call("PUT", path, data).status == 201
        assert suite.call("GET", path).body == data


def test_a_certificate_that_is_none_is_refused(tmp_path):
    wrong = tmp_path / "cert.pem"
    wrong.write_text("nonsense")
    for path in (wrong, tmp_path / "missing.pem"):
        with pytest.raises(ServiceError, match="TLS"):
            tls_context(path, None)
