"""Secret values: they never show, and are looked for in three places.

    1  the environment: PILOTHOUSE_<SERVICE>_<KIND>, for instance
       PILOTHOUSE_FASTSCORE_PASSWORD or PILOTHOUSE_FASTSCORE_TOKEN
    2  the keyring, when the extra is installed and it has a backend; the entry is
       named after the address of the service, so that no profile can send a
       password to another place
    3  a question, where somebody can answer it

When PILOTHOUSE_<SERVICE>_URL is set too, the environment's secret is for that address
and goes to no other.
"""

from __future__ import annotations

import hmac
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NoReturn, final

__all__ = [
    "Ask",
    "Covered",
    "Found",
    "Secret",
    "find",
    "keyring_backend",
    "nobody",
    "remember",
    "without_traces",
]

Ask = Callable[[str], str]
"""Asks for a secret with a prompt and returns what was typed, without echo."""


@final
class Secret:
    """A text that shows nowhere by itself; `reveal` gives it to who asks.

    Args:
        value: The text.
    """

    __slots__ = ("__value",)

    def __init__(self, value: str) -> None:
        if not isinstance(value, str):
            raise TypeError("a secret has to be a str")
        self.__value: Final = value

    def reveal(self) -> str:
        """Return the text itself, for the wire and nothing else."""
        return self.__value

    def __repr__(self) -> str:
        return "Secret(********)"

    def __str__(self) -> str:
        return "********"

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)

    def __bool__(self) -> bool:
        return bool(self.__value)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self.__value.encode(), other.reveal().encode())

    def __hash__(self) -> int:
        return hash((Secret, self.__value))

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Secret:
        return self

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a Secret cannot be pickled; reveal() it where it is needed")


@dataclass(frozen=True, slots=True)
class Found:
    """A secret, and where it was found.

    Attributes:
        secret: The value.
        origin: A variable's name, ``"keyring"`` or ``"asked"``.
    """

    secret: Secret
    origin: str


def find(
    service: str,
    kind: str = "password",
    *,
    url: str = "",
    username: str = "",
    ask: Ask | None = None,
    environ: Mapping[str, str] | None = None,
) -> Found | None:
    """Return a secret from the environment, the keyring or a question.

    Args:
        service: For instance ``"fastscore"``.
        kind: ``"password"``, ``"token"`` or another word of the service.
        url: The address that it is for; the keyring is asked only with one.
        username: Whose it is; may be empty.
        ask: How to ask for it. ``None`` asks in the terminal, when standard input is
            one.
        environ: This process's environment by default.

    Returns:
        The secret and its origin, or ``None`` when nobody has it.
    """
    found = _from_environment(service, kind, url, environ)
    if found is None and url:
        found = _from_keyring(url, kind, username)
    if found is None:
        found = _from_question(service, kind, url, username, ask)
    return found


def nobody(prompt: str) -> str:
    """Answer nothing: an `Ask` for where nobody can be asked."""
    return ""


def keyring_backend() -> str | None:
    """Return the name of the keyring's backend, or ``None`` without a usable one."""
    try:
        import keyring
    except ImportError:
        return None
    try:
        backend = keyring.get_keyring()
        name = str(backend.name) if backend.priority > 0 else None
    except Exception:  # a backend of a third party may fail in any way of its own
        return None
    return name


def remember(url: str, kind: str, username: str, secret: Secret) -> bool:
    """Put a secret into the keyring; ``False`` when there is no usable one."""
    if keyring_backend() is None:
        return False
    import keyring
    from keyring.errors import KeyringError

    try:
        keyring.set_password(_entry(url), username or kind, secret.reveal())
    except KeyringError:
        return False
    return True


class Covered(bytes):
    """Bytes for the wire that show their length only, also in a traceback."""

    def __repr__(self) -> str:
        return f"<{len(self)} bytes>"

    __str__ = __repr__


def without_traces(exc: BaseException) -> BaseException:
    """Return an exception of a library below without the frames that it went through.

    A traceback that shows variables (IPython's Verbose mode) would show what was sent
    or read there, credentials as well. What is left are the types and the messages, and
    all frames of the house itself.
    """
    todo, seen = [exc], set[int]()
    while todo:
        one = todo.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        one.__traceback__ = None
        reason = getattr(one, "reason", None)
        inner = [one.__cause__, one.__context__, reason, *one.args]
        todo += [each for each in inner if isinstance(each, BaseException)]
    return exc


def _from_environment(
    service: str, kind: str, url: str, environ: Mapping[str, str] | None
) -> Found | None:
    environ = os.environ if environ is None else environ
    variable = f"PILOTHOUSE_{service}_{kind}".upper()
    value = environ.get(variable)
    bound = environ.get(f"PILOTHOUSE_{service}_URL".upper())
    if not value or (bound and url and bound.rstrip("/") != url.rstrip("/")):
        return None
    return Found(Secret(value), variable)


def _from_keyring(url: str, kind: str, username: str) -> Found | None:
    if keyring_backend() is None:
        return None
    import keyring
    from keyring.errors import KeyringError

    try:
        value = keyring.get_password(_entry(url), username or kind)
    except KeyringError:
        return None
    return Found(Secret(value), "keyring") if value else None


def _from_question(
    service: str, kind: str, url: str, username: str, ask: Ask | None
) -> Found | None:
    if ask is None:
        if sys.stdin is None or not sys.stdin.isatty():
            return None
        from getpass import getpass

        ask = getpass
    whose = f"{username}'s {kind}" if username else kind
    value = ask(f"{service} {whose} for {url}: " if url else f"{service} {whose}: ")
    return Found(Secret(value), "asked") if value else None


def _entry(url: str) -> str:
    return f"pilothouse {url.rstrip('/')}"
