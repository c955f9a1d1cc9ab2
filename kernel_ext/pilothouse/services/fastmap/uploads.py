"""Parts of functions that come in, in any order, until all are there or time is up.

Parts lie on disk, in a folder for each upload:

    DATA/uploads/<account>/<hash>/<part>
"""

from __future__ import annotations

import asyncio
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path

from pilothouse.errors import ProtocolError
from pilothouse.fastmap.wire.bodies import InitRequest

from .accounts import Account
from .functions import Functions
from .options import FastmapOptions

__all__ = ["Uploads"]

_MOST_UPLOADS = 256


@dataclass(slots=True)
class _Upload:
    folder: Path
    parts: int
    began: float
    sizes: dict[int, int] = field(default_factory=dict)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def size(self) -> int:
        return sum(self.sizes.values())

    @property
    def is_whole(self) -> bool:
        return len(self.sizes) == self.parts


class Uploads:
    """All unfinished uploads.

    Args:
        folder: Nobody else writes there; emptied at the start.
        functions: Where whole ones go.
        options: Bounds.
    """

    def __init__(
        self, folder: Path, functions: Functions, options: FastmapOptions
    ) -> None:
        self._folder = folder
        self._functions = functions
        self._options = options
        self._uploads: dict[tuple[str, str], _Upload] = {}
        shutil.rmtree(folder, ignore_errors=True)

    async def take(self, account: Account, request: InitRequest) -> None:
        """Take one part; with the last one the function is checked and stored.

        Raises:
            ProtocolError: If the parts do not fit together, make no function, or
                take too much room; what there is of it is dropped then.
            OSError: If there is no room on the disk.
        """
        assert request.func is not None
        if self._functions.has(account, request.func_hash):
            return  # its content is unchanged, whatever is sent
        if request.payload_len == 1:
            self._drop((account.name, request.func_hash))
            await asyncio.to_thread(
                self._functions.add, account, request.func_hash, request.func
            )
            return
        upload = self._upload(account, request)
        async with upload.lock:
            if self._uploads.get((account.name, request.func_hash)) is not upload:
                raise _wrong(
                    "another part of this function was refused; send all again"
                )
            await self._take_part(account, request, upload)

    def forget_old(self, now: float | None = None) -> None:
        """Drop uploads that were not finished in time."""
        now = time.monotonic() if now is None else now
        for key, upload in list(self._uploads.items()):
            if now - upload.began > self._options.upload_seconds:
                self._drop(key)

    def _upload(self, account: Account, request: InitRequest) -> _Upload:
        self.forget_old()
        key = (account.name, request.func_hash)
        upload = self._uploads.get(key)
        if upload is not None and upload.parts != request.payload_len:
            self._drop(key)
            raise _wrong(
                f"parts of {request.func_hash} were announced as {upload.parts}, "
                f"now as {request.payload_len}; all were dropped"
            )
        if upload is None:
            if len(self._uploads) >= _MOST_UPLOADS:
                raise _wrong("too many unfinished uploads; try again later")
            folder = self._folder / account.name / request.func_hash
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            upload = _Upload(folder, request.payload_len, time.monotonic())
            self._uploads[key] = upload
        return upload

    async def _take_part(
        self, account: Account, request: InitRequest, upload: _Upload
    ) -> None:
        key = (account.name, request.func_hash)
        assert request.func is not None
        pending = sum(
            each.size for (name, _), each in self._uploads.items() if name == key[0]
        )
        if pending + len(request.func) > self._options.upload_bytes:
            self._drop(key)
            raise _wrong(
                f"unfinished uploads may take {self._options.upload_bytes:,} bytes"
            )
        path = upload.folder / str(request.payload_part)
        upload.sizes[request.payload_part] = len(request.func)
        try:
            await asyncio.to_thread(path.write_bytes, request.func)
            if upload.is_whole:
                await asyncio.to_thread(self._finish, account, request, upload)
        except BaseException:
            self._drop(key)
            raise
        if upload.is_whole:
            self._drop(key)

    def _finish(self, account: Account, request: InitRequest, upload: _Upload) -> None:
        if upload.size > self._options.function_bytes:
            limit = self._options.function_bytes
            raise _wrong(f"a function of {upload.size:,} bytes; {limit:,} are allowed")
        pieces = [(upload.folder / str(i)).read_bytes() for i in range(upload.parts)]
        self._functions.add(account, request.func_hash, b"".join(pieces))

    def _drop(self, key: tuple[str, str]) -> None:
        upload = self._uploads.pop(key, None)
        if upload is not None:
            shutil.rmtree(upload.folder, ignore_errors=True)


def _wrong(what: str) -> ProtocolError:
    return ProtocolError(what, protocol="Fastmap")
