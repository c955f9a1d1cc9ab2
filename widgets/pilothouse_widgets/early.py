"""Clicks that do not wait for the running cell.

A message of a widget is handled by the kernel's main thread, after the running cell; a
Cancel button would do nothing until there is nothing left to cancel. So messages are
looked at when they arrive, before they are queued, and a view that asked for it is told
of its own at once. Every message goes on its usual way afterwards, untouched; the view
drops it there, since it knows it by then.

    ipykernel 7 and newer   a thread of its own reads the channel: nothing else to do
    ipykernel 6             the main thread reads it: who waits in a cell calls `serve`

Source: ipykernel 7.4.0, kernelbase.py (``start``, ``shell_channel_thread_main``), and
6.31.0 (``start``, ``schedule_dispatch``). Other kernels have no such channel: then
`EarlyMessages.watch` says so, and only the interrupt ends what a cell waits for.
"""

from __future__ import annotations

import hmac
import sys
import threading
import weakref
from collections.abc import Callable
from typing import Any, Final, Protocol

__all__ = ["EarlyMessages", "Hears", "the_early_messages"]

_POLLIN: Final = 1
_FRAMES: Final = 5  # signature, header, parent, metadata, content


class Hears(Protocol):
    """Who is told of a message when it arrives, on any thread."""

    def hear_early(self, content: dict[str, Any]) -> None:
        """Take the content of a custom message; return at once."""


class EarlyMessages:
    """Looks at what arrives for the views that asked for it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._views: weakref.WeakValueDictionary[str, Hears] = (
            weakref.WeakValueDictionary()
        )
        self._kernel: Any = None
        self._undo: Callable[[], None] | None = None

    def watch(self, comm_id: str, view: Hears) -> bool:
        """Tell ``view`` of its messages when they arrive.

        Returns:
            Whether this kernel allows it.
        """
        with self._lock:
            self._views[comm_id] = view
            kernel = _kernel()
            if kernel is None:
                return False
            if kernel is not self._kernel:
                self._undo = _installed(kernel, self._look)
                self._kernel = kernel if self._undo is not None else None
            return self._undo is not None

    def serve(self) -> None:
        """Read what has arrived, where nobody else does while a cell runs."""
        kernel = self._kernel
        if kernel is None or _has_reader(kernel):
            return
        if threading.current_thread() is threading.main_thread():
            kernel.shell_stream.flush(_POLLIN)

    def forget(self) -> None:
        """Leave the channel as it was."""
        with self._lock:
            undo, self._undo, self._kernel = self._undo, None, None
            self._views.clear()
        if undo is not None:
            undo()

    def _look(self, message: list[Any]) -> None:
        if not self._views:
            return
        found = _custom(self._kernel, message)
        if found is None:
            return
        with self._lock:
            view = self._views.get(found[0])
        if view is not None:
            view.hear_early(found[1])


def _kernel() -> Any:  # noqa: ANN401  a kernel of any make
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    kernel = getattr(shell, "kernel", None)
    has_channel = hasattr(getattr(kernel, "shell_stream", None), "on_recv")
    return kernel if has_channel and hasattr(kernel, "session") else None


def _has_reader(kernel: Any) -> bool:  # noqa: ANN401
    return getattr(kernel, "shell_channel_thread", None) is not None


def _installed(
    kernel: Any,  # noqa: ANN401
    look: Callable[[list[Any]], None],
) -> Callable[[], None] | None:
    """Look at each message before its usual way; return how to undo that."""
    stream = kernel.shell_stream
    usual = getattr(stream, "_recv_callback", None)
    copies = getattr(stream, "_recv_copy", None)
    if usual is None or copies is None:
        return None

    def with_a_look(message: list[Any]) -> object:
        try:
            look(message)
        except Exception:  # a message that makes no sense here goes on all the same
            kernel.log.debug("a message could not be looked at", exc_info=True)
        return usual(message)

    def put(callback: Callable[[list[Any]], object]) -> None:
        if _has_reader(kernel):  # only its own thread may touch the stream
            loop = kernel.shell_channel_thread.io_loop
            loop.add_callback(lambda: stream.on_recv(callback, copy=copies))
        else:
            stream.on_recv(callback, copy=copies)

    put(with_a_look)
    return lambda: put(usual)


def _custom(kernel: Any, message: list[Any]) -> tuple[str, dict[str, Any]] | None:  # noqa: ANN401
    """Return the comm and the content of a signed custom message of a widget."""
    session = kernel.session
    _, frames = session.feed_identities(message, copy=isinstance(message[0], bytes))
    parts = [bytes(getattr(frame, "bytes", frame)) for frame in frames[:_FRAMES]]
    if len(parts) < _FRAMES or b"comm_msg" not in parts[1]:
        return None
    if session.unpack(parts[1]).get("msg_type") != "comm_msg":
        return None
    signed = session.auth is None or hmac.compare_digest(
        session.sign(parts[1:]), parts[0]
    )
    if not signed:
        return None
    content = session.unpack(parts[4])
    data = content.get("data")
    if not isinstance(data, dict) or data.get("method") != "custom":
        return None
    asked = data.get("content")
    return (content["comm_id"], asked) if isinstance(asked, dict) else None


_early = EarlyMessages()


def the_early_messages() -> EarlyMessages:
    """Return the one of this process."""
    return _early
