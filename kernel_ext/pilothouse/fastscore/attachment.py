"""Attachments: archives that travel with a model.

They are sent from disk and fetched to disk, in bounded memory. What is fetched lies in
a private folder until the process ends; a file of yours is overwritten only where you
say so.

Source: developer interface, "Attachments".
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from .collections import RemoteMapping
from .errors import FastScoreError, FastScoreProtocolError, FastScoreUsageError
from .gateway import quoted
from .wire import mime

if TYPE_CHECKING:
    from .model import Model
    from .model_manage import ModelManage

__all__ = ["Attachment", "Attachments"]

Progress = Callable[[int, int | None], None]
_ACCEPT = ", ".join(mime.ATTACHMENT_TYPES.values())


class Attachment:
    """An archive that belongs to a model.

    Args:
        name: For instance ``"att-1.zip"``.
        atype: ``"zip"`` or ``"tgz"``; guessed from the file's name, or else the
            attachment's.
        datafile: The archive on disk; without one it is fetched when first asked for.
        datasize: Its size in bytes; of the file, or else asked for.
        model: The model it belongs to.

    Attributes:
        is_stored: Whether Model Manage holds it.

    Raises:
        FastScoreUsageError: If the type is unknown or cannot be guessed.
    """

    def __init__(
        self,
        name: str,
        atype: str | None = None,
        datafile: str | os.PathLike[str] | None = None,
        datasize: int | None = None,
        model: Model | None = None,
    ) -> None:
        self.name = name
        self.model = model
        try:
            if atype is None:
                known = name if datafile is None else os.fspath(datafile)
                atype = mime.attachment_type_of_name(known)
            mime.attachment_mime(atype)
        except ValueError as exc:
            raise FastScoreUsageError(str(exc)) from None
        self.atype = atype
        self._datafile = None if datafile is None else os.fspath(datafile)
        self._datasize = datasize
        self.is_stored = datafile is None

    def __repr__(self) -> str:
        size = "" if self._datasize is None else f", {self._datasize} bytes"
        return f"<Attachment {self.name}, {self.atype}{size}>"

    @property
    def datafile(self) -> str:
        """Path of the archive; it is fetched when this is first asked for.

        Raises:
            FastScoreError: If it cannot be fetched.
        """
        if self._datafile is None:
            folder = tempfile.mkdtemp(prefix="pilothouse-")
            # The name came from a service: it must not lead out of the folder.
            path = Path(folder) / (Path(self.name).name or "attachment")
            try:
                with path.open("wb") as sink:
                    self.fetch(cast("BinaryIO", sink))
            except BaseException:
                shutil.rmtree(folder, ignore_errors=True)
                raise
            # Not with this object: `model.attachments["a.zip"].datafile` outlives it.
            atexit.register(shutil.rmtree, folder, ignore_errors=True)
            self._datafile = str(path)
        return self._datafile

    @datafile.setter
    def datafile(self, path: str | os.PathLike[str] | None) -> None:
        self._datafile = None if path is None else os.fspath(path)
        self._datasize = None
        self.is_stored = path is None

    @property
    def datasize(self) -> int:
        """Size of the archive in bytes; nothing is fetched for it.

        Raises:
            FastScoreError: If it cannot be had.
        """
        if self._datasize is None:
            if self._datafile is not None:
                self._datasize = Path(self._datafile).stat().st_size
            else:
                mm, path = self._place()
                answer = mm.gateway.call(
                    f"Unable to examine attachment {self.name!r}",
                    "HEAD",
                    path,
                    not_found=f"Attachment {self.name!r} not found",
                )
                self._datasize = int(answer.headers.get("Content-Length", 0))
        return self._datasize

    def upload(
        self, model: Model | None = None, *, progress: Progress | None = None
    ) -> None:
        """Add it to a model that is saved.

        Args:
            model: None: the one that it was made with.
            progress: Called with the bytes sent so far and the whole size.

        Raises:
            FastScoreError: If there is no model, it is not saved, or it is refused.
        """
        self.model = model or self.model
        mm, path = self._place()
        what = f"Unable to upload attachment {self.name!r}"
        try:
            with Path(self.datafile).open("rb") as file:
                size = os.fstat(file.fileno()).st_size
                body: BinaryIO = file
                if progress is not None:
                    body = cast("BinaryIO", _Told(file, size, progress))
                mm.gateway.call(
                    what,
                    "PUT",
                    path,
                    headers={
                        "Content-Type": mime.attachment_mime(self.atype),
                        "Content-Length": str(size),
                    },
                    body=body,
                )
        except OSError as exc:
            if isinstance(exc, FastScoreError):
                raise
            raise FastScoreError(what, exc) from exc
        self._datasize = size
        self.is_stored = True

    def fetch(self, sink: BinaryIO, *, progress: Progress | None = None) -> None:
        """Write the archive to an open, seekable file.

        Args:
            sink: Where to.
            progress: Called with the bytes that are there and the whole size.

        Raises:
            FastScoreError: If it cannot be fetched.
        """
        mm, path = self._place()
        answer = mm.gateway.download(
            f"Unable to download attachment {self.name!r}",
            path,
            sink,
            headers={"Accept": _ACCEPT},
            progress=progress,
        )
        with suppress(ValueError):
            self.atype = mime.attachment_type_of(answer.headers.get("Content-Type", ""))

    def save_as(
        self,
        path: str | os.PathLike[str],
        *,
        overwrite: bool = False,
        progress: Progress | None = None,
    ) -> Path:
        """Write the archive to a file of yours, whole or not at all.

        Args:
            path: The file, or a folder where it gets the attachment's name.
            overwrite: Replace a file that is there.
            progress: Called with the bytes that are there and the whole size.

        Raises:
            FastScoreError: If a file is there already, or it cannot be fetched.
        """
        target = Path(path)
        if target.is_dir():
            target /= Path(self.name).name
        if target.exists() and not overwrite:
            raise FastScoreUsageError(
                f"{os.fspath(target)!r} is there already", hint="overwrite=True"
            )
        part = tempfile.NamedTemporaryFile(  # noqa: SIM115 - kept when all went well
            dir=target.parent, prefix=f".{target.name}.", delete=False
        )
        try:
            with part:
                if self._datafile is not None:
                    with Path(self._datafile).open("rb") as source:
                        shutil.copyfileobj(source, part)
                else:
                    self.fetch(cast("BinaryIO", part), progress=progress)
            if overwrite:
                Path(part.name).replace(target)
            else:
                os.link(part.name, target)  # fails if a file has appeared meanwhile
        except FileExistsError:
            raise FastScoreUsageError(
                f"{os.fspath(target)!r} is there already", hint="overwrite=True"
            ) from None
        finally:
            with suppress(OSError):
                Path(part.name).unlink()
        return target

    def _place(self) -> tuple[ModelManage, str]:
        if self.model is None:
            raise FastScoreUsageError(f"attachment {self.name!r} belongs to no model")
        mm = self.model.saved_in()
        route = f"1/model/{quoted(self.model.name)}/attachment/{quoted(self.name)}"
        return mm, mm.route(route)


class _Told:
    """A file that tells how far it was read."""

    def __init__(self, file: BinaryIO, size: int, progress: Progress) -> None:
        self._file = file
        self._size = size
        self._progress = progress

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self._progress(self._file.tell(), self._size)
        return data

    def seek(self, position: int) -> int:
        return self._file.seek(position)

    def tell(self) -> int:
        return self._file.tell()


class Attachments(RemoteMapping[str, Attachment]):
    """The attachments of a model by name."""

    kind = "attachments"

    def __init__(self, model: Model) -> None:
        self._model = model
        self._mm = model.saved_in()

    def keys(self) -> list[str]:
        """Return the names."""
        found: list[str] = self._mm.gateway.get_json(
            f"Unable to list attachments of model {self._model.name!r}", self._path()
        )
        return found

    def __getitem__(self, key: str) -> Attachment:
        answer = self._mm.gateway.call(
            f"Unable to examine attachment {key!r}",
            "HEAD",
            self._path(key),
            not_found=f"Attachment {key!r} not found",
        )
        content_type = answer.headers.get("Content-Type", "")
        try:
            atype = mime.attachment_type_of(content_type)
        except ValueError as exc:
            raise FastScoreProtocolError(
                f"Attachment {key!r} has an unexpected MIME type {content_type!r}", exc
            ) from exc
        size = int(answer.headers.get("Content-Length", 0))
        return Attachment(key, atype, datasize=size, model=self._model)

    def __delitem__(self, key: str) -> None:
        self._mm.gateway.call(
            f"Unable to remove attachment {key!r}",
            "DELETE",
            self._path(key),
            not_found=f"Attachment {key!r} not found",
        )

    def values(self) -> Iterator[Attachment]:
        """Yield the attachments with type and size; their content stays there."""
        return (self[key] for key in self.keys())

    def _path(self, key: str | None = None) -> str:
        rest = "" if key is None else f"/{quoted(key)}"
        return self._mm.route(f"1/model/{quoted(self._model.name)}/attachment{rest}")

    def _table(self) -> tuple[list[str], list[list[object]]]:
        rows = [[a.name, a.atype, a.datasize] for a in self.values()]
        return ["name", "type", "bytes"], [list(row) for row in rows]
