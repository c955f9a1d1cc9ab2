"""Who we are, who they are, and what is refused."""

import ssl

import pytest

from pilothouse.errors import SettingsError
from pilothouse.mplane import certificate, configuration
from pilothouse.mplane.media import NOBODY
from pilothouse.mplane.tls import TlsState


def test_the_own_identity_is_the_subject_of_the_certificate(parties):
    state = TlsState(parties.client.json)

    assert state.extract_local_identity() == "org.mplane.SSB.Clients.Client-1"
    assert state.is_on
    assert "Client-1" in repr(state)


def test_a_text_dump_that_lies_is_not_believed(parties, tmp_path):
    text = parties.client.cert.read_text()
    forged = tmp_path / "forged.crt"
    forged.write_text(text.replace("CN = Client-1", "CN = Admin"))
    forged.write_text("Subject: DC=org, CN=Admin\n" + forged.read_text())
    party = parties.client.json["TLS"] | {"cert": str(forged)}

    state = TlsState({"TLS": party})

    assert state.extract_local_identity() == parties.client.identity


@pytest.mark.parametrize("name", ["component", "client", "supervisor", "stranger"])
def test_reading_a_pem_agrees_with_the_ssl_library(parties, name):
    party = getattr(parties, name)
    context = ssl.create_default_context(cafile=party.ca)
    assert context.get_ca_certs()
    decoded = ssl._ssl._test_decode_cert(str(party.cert))

    assert certificate.identity_of(decoded) == party.identity
    assert certificate.identity_of_pem(party.cert.read_text()) == party.identity


@pytest.mark.parametrize("text", ["", "-----BEGIN CERTIFICATE-----", "hello"])
def test_a_file_without_certificate_names_nobody(text):
    with pytest.raises(ValueError, match="no PEM"):
        certificate.identity_of_pem(text)


def test_a_damaged_certificate_is_refused(parties):
    der = ssl.PEM_cert_to_DER_cert(
        "-----BEGIN CERTIFICATE-----"
        + parties.client.cert.read_text().partition("-----BEGIN CERTIFICATE-----")[2]
    )
    text = ssl.DER_cert_to_PEM_cert(der[: len(der) // 3])

    with pytest.raises(ValueError, match="damaged"):
        certificate.identity_of_pem(text)


def test_without_tls_everybody_is_nobody():
    state = TlsState()

    assert state.extract_local_identity() == NOBODY
    assert state.extract_peer_identity("http://127.0.0.1:1/") == NOBODY
    assert state.identity_at("http://127.0.0.1:1/") == NOBODY
    assert state.get_ssl_options() is None
    assert not state.is_on


@pytest.mark.parametrize(
    ("tls", "scheme", "expected"),
    [
        (False, None, "http"),
        (False, "http", "http"),
        (False, "https", ValueError),
        (False, "ftp", ValueError),
        (True, None, "https"),
        (True, "https", "https"),
        (True, "http", "http"),
        (True, "ssh", ValueError),
    ],
)
def test_the_scheme_fits_the_configuration(parties, tls, scheme, expected):
    state = TlsState(parties.client.json if tls else None)

    if expected is ValueError:
        with pytest.raises(ValueError, match=str(scheme)):
            state.pool_for(scheme, "127.0.0.1", 1228)
    else:
        assert state.pool_for(scheme, "127.0.0.1", 1228).endpoint.scheme == expected


def test_https_without_a_certificate_of_ones_own_is_asked_for(parties):
    state = TlsState(anonymous=True, verify=str(parties.client.ca))

    assert state.pool_for("https", "127.0.0.1", 1228).verify == str(parties.client.ca)
    assert state.pool_for(None, "127.0.0.1", 1228).endpoint.scheme == "http"
    assert not state.is_on


def test_another_authority_is_trusted_for_one_host(parties):
    state = TlsState(anonymous=True)
    first = state.pool_for("https", "127.0.0.1", 1228)
    near, far = str(parties.client.ca), str(parties.stranger.ca)

    state.trust("https://127.0.0.1:1228/capability", near)
    state.trust("https://127.0.0.1:1229", far)

    found = state.pool_for("https", "127.0.0.1", 1228)
    assert first is not found
    assert found.verify == near
    assert state.pool_for("https", "127.0.0.1", 1229).verify == far
    assert state.pool_for("https", "127.0.0.1", 1230).verify is first.verify
    state.trust("https://127.0.0.1:1228", near)
    assert state.pool_for("https", "127.0.0.1", 1228) is found


def test_a_configuration_decides_whom_to_trust(parties):
    state = TlsState(parties.client.json, verify=False)
    state.trust("https://127.0.0.1:1228", False)

    peer = state.pool_for("https", "127.0.0.1", 1228)

    assert peer.verify == parties.client.json["TLS"]["ca-chain"]


def test_the_connections_to_a_host_are_shared():
    state = TlsState()

    assert state.pool_for("http", "a", 1) is state.pool_for("http", "a", 1)
    assert state.pool_for("http", "a", 1) is not state.pool_for("http", "a", 2)
    assert state.peer_for("http://a:1/x?y=1")[1] == "/x?y=1"
    assert state.peer_for("//a:1")[0] is state.pool_for("http", "a", 1)


@pytest.mark.parametrize("url", ["", "http://", "http://a:port/"])
def test_a_url_without_host_is_refused(url):
    with pytest.raises(ValueError):
        TlsState().peer_for(url)


@pytest.mark.parametrize("key", ["ca-chain", "cert", "key"])
def test_a_file_that_cannot_be_used_is_named(parties, tmp_path, key):
    bad = tmp_path / "bad.pem"
    bad.write_text("this is no PEM")
    config = {"TLS": parties.client.json["TLS"] | {key: str(bad)}}

    with pytest.raises(SettingsError, match=r"\[TLS\]") as caught:
        TlsState(config)

    assert key.split("-")[0] in str(caught.value)


def test_a_key_of_another_certificate_is_refused(parties):
    config = parties.client.json["TLS"] | {"key": str(parties.component.key)}

    with pytest.raises(SettingsError, match="cert, key"):
        TlsState({"TLS": config})


def test_a_server_wants_a_certificate(parties):
    context = TlsState(configuration.read(parties.client.json)).get_ssl_options()

    assert context.verify_mode is ssl.CERT_REQUIRED


def test_a_forged_identity_is_only_told():
    assert TlsState(None, "somebody").forged_identity() == "somebody"
    assert TlsState(None, "somebody").extract_local_identity() == NOBODY
