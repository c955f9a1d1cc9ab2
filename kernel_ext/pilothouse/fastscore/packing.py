"""Attachments made of what lies at hand: files, folders, bytes and Python objects.

    clf.joblib (a file)              -> a zip that holds clf.joblib
    folder/ (a folder)               -> a zip that holds what is in it
    x.zip, x.tgz, x.tar.gz           -> as it is
    {"clf.joblib": clf, "d/a": b""}  -> a zip of these members

A member's suffix says how an object is written: ``.joblib``, ``.pkl`` or ``.pickle``,
``.json``, ``.npy``, ``.csv``, ``.txt``. Equal content gives equal bytes.
"""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from pathlib import Path, PurePosixPath
from typing import Any

from .errors import FastScoreUsageError

__all__ = ["Packable", "pack", "pack_name"]

Packable = str | os.PathLike[str] | Mapping[str, Any]
_EPOCH = (1980, 1, 1, 0, 0, 0)
_ARCHIVES = (".zip", ".tgz", ".tar.gz")


def pack_name(things: Packable) -> str:
    """Return the name that an attachment of some things gets.

    Raises:
        FastScoreUsageError: If there is nothing to name it after.
    """
    if isinstance(things, Mapping):
        if not things:
            raise FastScoreUsageError("an attachment of nothing")
        first = PurePosixPath(next(iter(things)))
        return f"{first.parts[0] if len(things) == 1 else 'files'}.zip"
    path = Path(things)
    name = path.resolve().name
    return (
        name if name.lower().endswith(_ARCHIVES) and path.is_file() else f"{name}.zip"
    )


def pack(things: Packable, target: Path) -> Path:
    """Return the archive of some things: the given one, or ``target``, now written.

    Raises:
        FastScoreUsageError: If a file is missing, a member's name leads out of the
            folder it is unpacked in, or an object has no way to be written.
    """
    if not isinstance(things, Mapping):
        path = Path(things)
        if not path.exists():
            raise FastScoreUsageError(f"there is no {os.fspath(things)!r} to attach")
        if path.is_file() and path.name.lower().endswith(_ARCHIVES):
            return path
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in _members(things):
            _add(archive, _member_name(name), content)
    return target


def _members(things: Packable) -> Iterator[tuple[str, Any]]:
    if isinstance(things, Mapping):
        yield from things.items()
        return
    path = Path(things)
    if path.is_file():
        yield path.name, path
        return
    for found in sorted(path.rglob("*")):
        if found.is_file() and "__pycache__" not in found.parts:
            yield found.relative_to(path).as_posix(), found


def _member_name(name: str) -> str:
    path = PurePosixPath(str(name).replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or not path.parts:
        raise FastScoreUsageError(f"an archive cannot hold a member named {name!r}")
    return str(path)


def _add(archive: zipfile.ZipFile, name: str, content: Any) -> None:  # noqa: ANN401
    info = zipfile.ZipInfo(name, _EPOCH)
    info.compress_type = zipfile.ZIP_DEFLATED
    info.external_attr = 0o644 << 16
    with archive.open(info, "w", force_zip64=True) as member:
        if isinstance(content, Path):
            with content.open("rb") as source:
                while block := source.read(1 << 20):
                    member.write(block)
        else:
            member.write(_bytes_of(name, content))


def _bytes_of(name: str, content: Any) -> bytes:  # noqa: ANN401 - any object
    if isinstance(content, bytes | bytearray | memoryview):
        return bytes(content)
    write = _WRITERS.get(PurePosixPath(name).suffix.lower())
    if write is None:
        raise FastScoreUsageError(
            f"{name!r}: no way to write a {type(content).__name__}",
            hint=f"give bytes or a Path, or a suffix out of {', '.join(_WRITERS)}",
        )
    return write(content)


def _joblib(content: Any) -> bytes:  # noqa: ANN401
    try:
        joblib = import_module("joblib")
    except ImportError:
        raise FastScoreUsageError(
            "joblib is not installed", hint="pip install joblib, or use .pkl"
        ) from None
    out = io.BytesIO()
    joblib.dump(content, out, compress=3)
    return out.getvalue()


def _pickle(content: Any) -> bytes:  # noqa: ANN401
    import pickle

    return pickle.dumps(content)


def _json(content: Any) -> bytes:  # noqa: ANN401
    import orjson

    if isinstance(content, str):
        return content.encode()
    return orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY)


def _npy(content: Any) -> bytes:  # noqa: ANN401
    import numpy as np

    out = io.BytesIO()
    np.save(out, np.asarray(content), allow_pickle=False)
    return out.getvalue()


def _csv(content: Any) -> bytes:  # noqa: ANN401
    if isinstance(content, str):
        return content.encode()
    text: str = content.to_csv(index=False)
    return text.encode()


def _text(content: Any) -> bytes:  # noqa: ANN401
    return str(content).encode()


_WRITERS: Mapping[str, Callable[[Any], bytes]] = {
    ".joblib": _joblib,
    ".pkl": _pickle,
    ".pickle": _pickle,
    ".json": _json,
    ".npy": _npy,
    ".csv": _csv,
    ".txt": _text,
    ".py": _text,
}
