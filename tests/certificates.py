"""Certificates for tests, made by openssl: an authority and the parties it signs."""

from __future__ import annotations

import secrets
import subprocess
from dataclasses import dataclass
from pathlib import Path

_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
_EXTENSIONS = """
basicConstraints = CA:FALSE
keyUsage = digitalSignature, keyEncipherment
extendedKeyUsage = serverAuth, clientAuth
subjectAltName = IP:127.0.0.1, DNS:localhost
"""

_CONFIG = """
[ca]
default_ca = here
[here]
database = {folder}/index.txt
serial = {folder}/serial.txt
new_certs_dir = {folder}
default_md = sha256
policy = any
[any]
domainComponent = optional
organizationName = optional
organizationalUnitName = optional
commonName = supplied
"""


@dataclass(frozen=True)
class Party:
    """A certificate and its key.

    Attributes:
        identity: As mPlane writes it.
        cert: PEM, behind a text dump as the published peer wants it.
        key: PEM.
    """

    identity: str
    ca: Path
    cert: Path
    key: Path

    @property
    def ini(self) -> str:
        return f"[TLS]\nca-chain = {self.ca}\ncert = {self.cert}\nkey = {self.key}\n"

    @property
    def json(self) -> dict[str, dict[str, str]]:
        files = {"ca-chain": self.ca, "cert": self.cert, "key": self.key}
        return {"TLS": {name: str(path) for name, path in files.items()}}


class Authority:
    """An authority with a folder of its own."""

    def __init__(self, folder: Path, name: str = "Root") -> None:
        self.folder = folder
        self.ca = folder / "ca.crt"
        self._key = folder / "ca.key"
        _openssl(
            *("req", "-x509", *_NEW_KEY),
            *("-sha256", "-days", "30", "-subj", f"/DC=org/DC=mplane/CN={name}"),
            *("-addext", "keyUsage=critical,keyCertSign,cRLSign"),
            *("-keyout", self._key, "-out", self.ca),
        )

    def party(
        self,
        organisation: str,
        unit: str,
        name: str,
        *,
        years: tuple[int, int] = (0, 0),
    ) -> Party:
        """Return a certificate for DC=org, DC=mplane and the rest.

        Args:
            organisation: Of the party.
            unit: Of the organisation.
            name: Of the party.
            years: From the first day of which to that of which it is valid; 30 days
                from now by default.
        """
        stem = name.replace(" ", "_")
        key, request = self.folder / f"{stem}.key", self.folder / f"{stem}.csr"
        cert, extensions = self.folder / f"{stem}.crt", self.folder / f"{stem}.ext"
        extensions.write_text(_EXTENSIONS)
        subject = f"/DC=org/DC=mplane/O={organisation}/OU={unit}/CN={name}"
        _openssl(
            *("req", "-sha256", *_NEW_KEY),
            *("-subj", subject, "-keyout", key, "-out", request),
        )
        if any(years):
            self._signed(request, cert, extensions, years)
        else:
            _openssl(
                *("x509", "-req", "-sha256", "-days", "30", "-CAcreateserial"),
                *("-CA", self.ca, "-CAkey", self._key, "-extfile", extensions),
                *("-in", request, "-out", cert),
            )
        dump = _openssl(
            *("x509", "-in", cert, "-text", "-nameopt", "sep_comma_plus_space"),
        )
        cert.write_text(dump)
        identity = f"org.mplane.{organisation}.{unit}.{name}"
        return Party(identity, self.ca, cert, key)

    def _signed(
        self, request: Path, cert: Path, extensions: Path, years: tuple[int, int]
    ) -> None:
        """Sign for a time of one's choice, which only ``openssl ca`` can everywhere."""
        config, index = self.folder / "ca.cnf", self.folder / "index.txt"
        config.write_text(_CONFIG.format(folder=self.folder))
        index.write_text("")
        (self.folder / "serial.txt").write_text(f"7{secrets.token_hex(8)}0")
        first, last = (f"{year}0101000000Z" for year in years)
        _openssl(
            *("ca", "-batch", "-notext", "-config", config),
            *("-cert", self.ca, "-keyfile", self._key, "-extfile", extensions),
            *("-startdate", first, "-enddate", last, "-in", request, "-out", cert),
        )


def _openssl(*words: object) -> str:
    done = subprocess.run(
        ["openssl", *map(str, words)],
        check=True,
        capture_output=True,
        text=True,
        timeout=30,
    )
    return done.stdout
