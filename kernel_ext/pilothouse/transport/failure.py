"""What went wrong on the way to a peer, in words."""

from __future__ import annotations

from collections.abc import Iterator

from pilothouse import errors

__all__ = ["ConnectTimedOutError", "TlsError", "causes", "reason", "told"]


class TlsError(errors.ConnectError):
    """The TLS handshake failed, most often at the check of the certificate."""


class ConnectTimedOutError(errors.ConnectError, errors.AnswerTimeoutError):
    """No connection could be made within the timeout."""


def told(
    leaf: type[errors.TransportError],
    why: str,
    *,
    peer: str,
    protocol: str,
    timeout: float | None,
) -> errors.TransportError:
    """Return an error with its message and hint.

    Args:
        leaf: Its class.
        why: What the innermost exception says.
        peer: Host and port.
        protocol: The system it concerns.
        timeout: The wait that ran out, in seconds, where one did.
    """
    wait = "in time" if timeout is None else f"within {timeout:g} s"
    hint: str | None = None
    if leaf is TlsError:
        text = f"TLS with {peer} failed: {why}"
        hint = "verify= takes the path of a CA file, or False to trust any certificate"
    elif issubclass(leaf, ConnectTimedOutError):
        text = f"no connection to {peer} {wait}"
    elif issubclass(leaf, errors.AnswerTimeoutError):
        text = f"no answer from {peer} {wait}"
    elif issubclass(leaf, errors.ConnectError):
        text = f"no connection to {peer}: {why}"
    elif issubclass(leaf, errors.ConnectionLostError):
        text = f"the connection to {peer} broke: {why}"
    else:
        text = f"the call to {peer} failed: {why}"
    return leaf(text, protocol=protocol, hint=hint)


def causes(exc: BaseException) -> Iterator[BaseException]:
    """Yield an exception and those wrapped in it, the outermost first."""
    todo, seen = [exc], set[int]()
    while todo:
        one = todo.pop(0)
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        inner = [getattr(one, "reason", None), *one.args, one.__cause__]
        todo += [e for e in inner if isinstance(e, BaseException)]


def reason(chain: list[BaseException]) -> str:
    """Return what the innermost of some exceptions says, in a few words."""
    for exc in reversed(chain):
        if isinstance(exc, OSError) and exc.strerror:
            return exc.strerror[:1].lower() + exc.strerror[1:]
    last = chain[-1]
    words = [str(a) for a in last.args if isinstance(a, str)]
    return (words[0] if words else type(last).__name__).rstrip(". ")
