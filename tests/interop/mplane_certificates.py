"""A certificate authority and the certificates of mPlane parties, fresh for a test.

Contract §6.6: each party has a subject ``DC=org, DC=mplane, O=..., OU=..., CN=...`` and
its file holds a text dump with that subject above the PEM block, since release 0.9.0
reads its own identity there.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Authority", "Party"]

_ORGANISATION = (("DC", "org"), ("DC", "mplane"), ("O", "SSB"))


@dataclass(frozen=True)
class Party:
    """Somebody with a certificate.

    Attributes:
        identity: As peers see it.
        section: The TLS section of its configuration.
    """

    identity: str
    section: dict[str, object]


class Authority:
    """Signs certificates; lives in one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.chain = folder / "ca.pem"
        self._key = folder / "ca.key"
        _openssl(
            *("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", "/DC=org/DC=mplane/O=SSB/CN=Test authority"),
            *("-keyout", self._key, "-out", self.chain),
        )

    def party(self, unit: str, name: str) -> Party:
        """Make a key and a certificate for loopback."""
        subject = (*_ORGANISATION, ("OU", unit), ("CN", name))
        slashed = "".join(f"/{key}={value}" for key, value in subject)
        key, request = self._folder / f"{name}.key", self._folder / f"{name}.csr"
        _openssl(
            *("req", "-new", "-newkey", "rsa:2048", "-nodes", "-subj", slashed),
            *("-keyout", key, "-out", request),
        )
        extensions = self._folder / "extensions"
        extensions.write_text(
            "subjectAltName=DNS:localhost,IP:127.0.0.1\n"
            "extendedKeyUsage=serverAuth,clientAuth\n"
        )
        made = self._folder / f"{name}.pem"
        _openssl(
            *("x509", "-req", "-in", request, "-CA", self.chain, "-CAkey", self._key),
            *("-CAcreateserial", "-days", "2", "-sha256", "-extfile", extensions),
            *("-out", made),
        )
        written = ", ".join(f"{key}={value}" for key, value in subject)
        certificate = self._folder / f"{name}.crt"
        dump = f"Certificate:\n    Data:\n        Subject: {written}\n"
        certificate.write_text(dump + made.read_text())
        return Party(
            ".".join(value for _, value in subject),
            {"ca-chain": self.chain, "cert": certificate, "key": key},
        )


def _openssl(*words: object) -> None:
    subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True)
