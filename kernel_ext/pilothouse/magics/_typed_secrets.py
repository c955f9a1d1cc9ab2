"""A secret that was typed in a magic's line: refused, and taken out of the history.

A line stays in the notebook, in IPython's history database and in the variables that
hold the inputs. Where a magic connects or logs in, a word that looks like a secret is
therefore no mistake to be corrected but one to be cleared away: the line is refused
before anything is done, and what IPython has kept of it is overwritten. The cell itself
belongs to the front end, so the error says to delete it.
"""

from __future__ import annotations

import linecache
import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from pilothouse.errors import LineError
from pilothouse.secrets import Secret

from ._line import Word

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from ._session import Session

__all__ = ["refuse_secrets"]

_LETS_IN = frozenset({"connect", "login", "getcap", "seturl"})
_NAME = re.compile(
    r"--?(?:[a-z-]*-)?(?:password|passwd|passphrase|pass|pwd|secret|token|api-?key|key"
    r"|credentials?|auth|cookie)(?:=|\Z)",
    re.IGNORECASE,
)
_USERINFO = re.compile(r"[a-z][a-z0-9+.-]*://[^/@]*@", re.IGNORECASE)
_BARE = re.compile(
    r"[0-9a-z]{64}\Z|(?=.*[a-z])(?=.*[A-Z])(?=.*[0-9])[A-Za-z0-9_-]{43}\Z"
)
"""What the local services' own secrets look like, however orderly chance made them."""

_BLOTTED = "********"


def refuse_secrets(
    session: Session, magic: str, words: Sequence[Word], known: frozenset[str]
) -> None:
    """Raise if a line for connecting or logging in holds a secret.

    Args:
        session: Its shell has the history.
        magic: The magic's name.
        words: The line's words.
        known: The flags that the magic has; one of those takes no secret.

    Raises:
        LineError: If a word is a secret; nothing of it is in the message.
    """
    if not words or words[0].text not in _LETS_IN:
        return
    found = list(_secrets(words[0].text, words[1:], known))
    if not found:
        return
    _clear(session.shell, found)
    raise LineError(
        "a secret in a line would stay in the notebook; nothing was done with it",
        hint=_hint(magic, words[0].text),
    )


def _hint(magic: str, word: str) -> str:
    if magic == "mplane":
        how = "components know their clients by certificates (--config FILE)"
    elif magic == "fastscore" and word == "login":
        how = "%fastscore login USER asks for the password, --token for a token"
    elif magic == "fastscore":
        how = "%fastscore connect ADDRESS --user NAME asks for the password"
    else:
        kind = "SECRET" if magic == "fastmap" else "PASSWORD"
        how = f"set PILOTHOUSE_{magic.upper()}_{kind}, or run this where it can ask"
    return f"{how}. Delete this line, and change what it showed"


def _secrets(
    word: str, words: Sequence[Word], known: frozenset[str]
) -> Iterator[Secret]:
    """Yield what is none of a line's business."""
    names = 0
    is_value = False
    for each in words:
        flag, equals, value = each.text.partition("=")
        if is_value and not each.is_option:
            yield Secret(each.text)
        elif (
            each.is_option and _NAME.match(each.text) and (equals or flag not in known)
        ):
            if equals and value:
                yield Secret(value)
            is_value = not equals
            continue
        elif flag not in known and _is_token(each.text):
            yield Secret(each.text)
        elif each.is_option:
            names -= 1 if flag in ("--user", "-o", "--out") and not equals else 0
        elif _USERINFO.match(each.text) or _is_token(each.text):
            yield Secret(each.text)
        else:
            names += 1
            if word == "login" and names > _most_names(words):
                yield Secret(each.text)
        is_value = False


def _most_names(words: Sequence[Word]) -> int:
    """Return how many names a login may have: with ``--token`` none."""
    return 0 if any(each.text == "--token" for each in words) else 1


def _is_token(text: str) -> bool:
    from pilothouse.audit import is_secret

    return bool(_BARE.match(text)) or is_secret(text.lstrip("-"))


def _clear(shell: InteractiveShell, secrets: Sequence[Secret]) -> None:
    """Blot secrets out of whatever the shell keeps of its inputs."""
    blot = _Blot(secrets)
    manager: Any = shell.history_manager
    if manager is None:
        return
    for kept in (manager.input_hist_parsed, manager.input_hist_raw):
        kept[:] = [blot(text) for text in kept]
    for name in ("_i", "_ii", "_iii", "_i00"):
        with suppress(AttributeError):
            setattr(manager, name, blot(getattr(manager, name)))
    space = shell.user_ns
    for name in [n for n in space if re.fullmatch(r"_i+[0-9]*", n)]:
        if isinstance(space[name], str):
            space[name] = blot(space[name])
    for name, entry in list(linecache.cache.items()):
        if len(entry) == 4 and blot.covers(entry[2]):
            size, time, lines, path = entry
            linecache.cache[name] = (size, time, [blot(line) for line in lines], path)
    _clear_database(manager, blot)


class _Blot:
    """Writes over secrets in a text; shows none of them itself."""

    def __init__(self, secrets: Sequence[Secret]) -> None:
        self._secrets = tuple(secrets)

    def covers(self, lines: Sequence[str]) -> bool:
        """Return whether one of the lines holds one."""
        text = "".join(lines)
        return any(secret.reveal() in text for secret in self._secrets)

    def __call__(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret.reveal(), _BLOTTED)
        return text


def _clear_database(manager: Any, blot: _Blot) -> None:  # noqa: ANN401  IPython's
    """Write over the secrets of this session's inputs, late ones as well."""
    with suppress(AttributeError, sqlite3.Error):
        manager.writeout_cache()
        session = manager.session_number
        with manager.db:
            manager.db.execute("PRAGMA secure_delete = ON")
            rows = manager.db.execute(
                "SELECT line, source, source_raw FROM history WHERE session = ?",
                (session,),
            ).fetchall()
            for line, source, raw in rows:
                cleared = blot(source), blot(raw)
                if cleared != (source, raw):
                    manager.db.execute(
                        "UPDATE history SET source = ?, source_raw = ? "
                        "WHERE session = ? AND line = ?",
                        (*cleared, session, line),
                    )
