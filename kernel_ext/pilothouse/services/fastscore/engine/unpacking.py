"""Attachments: checked, and unpacked into the folder of a jet.

No member may leave the folder, be a link or a device, or make the whole larger than
`MAX_UNPACKED_BYTES`. A broken archive is refused at load, not found out by a jet.
"""

from __future__ import annotations

import io
import lzma
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, TypeAlias

from pilothouse.errors import ProtocolError

__all__ = ["Archive", "unpack"]

MAX_UNPACKED_BYTES = 16 * 1024**3
MAX_MEMBERS = 100_000
_BROKEN = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    OSError,
    RuntimeError,
    NotImplementedError,
    UnicodeDecodeError,
    ValueError,
)


_Open: TypeAlias = Callable[[], IO[bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """One attachment.

    Attributes:
        atype: ``"zip"`` or ``"tgz"``.
        source: Its bytes, or the file that holds them.
    """

    name: str
    atype: str
    source: bytes | Path

    def members(self) -> list[str]:
        """Return the names of the files in it.

        Raises:
            ProtocolError: If it is corrupt or has a member that may not be there.
        """
        return [name for name, _, _ in self._entries()]

    def unpack(self, folder: Path) -> None:
        """Put its files into a folder.

        Raises:
            ProtocolError: As `members`.
        """
        for name, _, open_member in self._entries():
            target = folder.joinpath(*PurePosixPath(name).parts)
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                with open_member() as member, target.open("wb") as file:
                    shutil.copyfileobj(member, file, 1024 * 1024)
            except _BROKEN as exc:
                raise self._corrupt(exc) from exc

    def _entries(self) -> Iterator[tuple[str, int, _Open]]:
        total = count = 0
        read = _zip_entries if self.atype == "zip" else _tar_entries
        try:
            with self._stream() as stream:
                for name, size, opener in read(stream):
                    self._check(name)
                    total, count = total + size, count + 1
                    if total > MAX_UNPACKED_BYTES or count > MAX_MEMBERS:
                        raise ProtocolError(
                            f"attachment {self.name!r} is too large unpacked"
                        )
                    yield name, size, opener
        except _BROKEN as exc:
            raise self._corrupt(exc) from exc

    def _stream(self) -> IO[bytes]:
        if isinstance(self.source, bytes):
            return io.BytesIO(self.source)
        return self.source.open("rb")

    def _check(self, name: str) -> None:
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or "\0" in name or "\\" in name:
            raise ProtocolError(
                f"attachment {self.name!r} has a member outside of its folder: {name!r}"
            )

    def _corrupt(self, exc: Exception) -> ProtocolError:
        reason = str(exc) or type(exc).__name__
        return ProtocolError(f"attachment {self.name!r} is corrupt: {reason}")


def unpack(archives: tuple[Archive, ...], folder: Path) -> None:
    """Unpack attachments one after the other; later files replace earlier ones."""
    for archive in archives:
        archive.unpack(folder)


def _zip_entries(stream: IO[bytes]) -> Iterator[tuple[str, int, _Open]]:
    with zipfile.ZipFile(stream) as archive:
        for info in archive.infolist():
            kind = (info.external_attr >> 16) & 0o170000
            if kind not in (0, 0o100000, 0o040000):
                raise ValueError(f"{info.filename!r} is no plain file")
            if not info.is_dir():
                yield info.filename, info.file_size, partial(archive.open, info)


def _tar_entries(stream: IO[bytes]) -> Iterator[tuple[str, int, _Open]]:
    with tarfile.open(fileobj=stream, mode="r:gz") as archive:
        for info in archive:
            if info.isdir():
                continue
            if not info.isfile():
                raise ValueError(f"{info.name!r} is no plain file")
            yield (
                info.name.removeprefix("./"),
                info.size,
                partial(_member, archive, info),
            )


def _member(archive: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    file = archive.extractfile(info)
    if file is None:
        raise ValueError(f"{info.name!r} is no plain file")
    return file
