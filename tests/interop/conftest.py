"""What the interop tests share: a certificate, running suites, the real peers."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from interop.environments import FASTSCORE
from interop.suite_process import SuiteProcess

_REQUEST = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
_SUBJECT = ["-subj", "/CN=localhost"]
_NAMES = ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Who comes first to an environment may have to make it."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.timeout(900))


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A self-signed certificate for loopback, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    files = ["-out", str(certificate), "-keyout", str(key)]
    command = ["openssl", *_REQUEST, *_SUBJECT, *_NAMES, *files]
    subprocess.run(command, check=True, capture_output=True)
    return certificate, key


@pytest.fixture(scope="session")
def real_sdk() -> Path:
    """The interpreter of an environment with the real SDK and CLI in it."""
    return FASTSCORE.ready()


@pytest.fixture(scope="module")
def suite_of(
    tmp_path_factory: pytest.TempPathFactory, certificate: tuple[Path, Path]
) -> Iterator[Callable[[str, str], SuiteProcess]]:
    """Get the suite for a purpose and a scheme; each pair has one of its own."""
    running: dict[tuple[str, str], SuiteProcess] = {}
    with ExitStack() as stack:

        def get(purpose: str, scheme: str) -> SuiteProcess:
            if (purpose, scheme) not in running:
                tls = ("--tls-cert", certificate[0], "--tls-key", certificate[1])
                options = map(str, tls if scheme == "https" else ())
                folder = tmp_path_factory.mktemp(f"{purpose}-{scheme}")
                suite = stack.enter_context(SuiteProcess(folder, *options))
                running[purpose, scheme] = suite
            return running[purpose, scheme]

        yield get
