"""The REPL control: what clients may ask, and what they are answered.

Source: REPL control; real server, aimm 1.2, `server.control.repl`; our extensions.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hmac
import json
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from pilothouse.aimm.extensions import (
    ACTIONS,
    ERRORS,
    OURS,
    SLIM,
    VALUES,
)
from pilothouse.aimm.juggler import MAX_TEXT, Raw, Request
from pilothouse.errors import NotFoundError, PilothouseError, ProtocolError, RemoteError

from .children import PluginFailedError
from .engine import Action, Call, Engine
from .entries import Instance, told_of
from .view import View

__all__ = ["Control", "LoginRefusedError", "Session", "User", "refusal_of"]

log = logging.getLogger(__name__)

_MAX_ID_CHARS: Final = 18
_ROOM_BYTES: Final = 4096

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class User:
    """Who may log in.

    Attributes:
        username: As it is sent.
        password: As it is sent: real clients send the hex of its SHA-256.
    """

    username: str
    password: str = field(repr=False)


@dataclass(slots=True, eq=False)
class Session:
    """One connection's part of the conversation.

    Attributes:
        notify: Sends the client a word that it has not asked for.
        user: Who is logged in, or empty.
        extensions: What both ends have agreed on.
        view: The state as this client knows it; None while nobody is logged in.
    """

    notify: Callable[[str, Any], None]
    user: str = ""
    extensions: frozenset[str] = frozenset()
    view: View | None = None

    @property
    def is_slim(self) -> bool:
        """Whether it can do without the instances' bytes."""
        return SLIM in self.extensions


class LoginRefusedError(RemoteError):
    """A login failed; the connection ends after the answer."""


class Control:
    """Answers requests on an engine.

    Args:
        engine: What it controls.
        users: Who may log in.
        loads_plugins: Whether clients may load plugins: only where whoever knows a
            password may run code anyway, as on this machine.
    """

    def __init__(
        self, engine: Engine, users: Sequence[User], *, loads_plugins: bool
    ) -> None:
        self.engine = engine
        self._users = tuple(users)
        self._loads_plugins = loads_plugins
        self._actions: dict[str, Callable[[Session, Request], Awaitable[Any]]] = {
            "create_instance": self._create_instance,
            "add_instance": self._add_instance,
            "update_instance": self._update_instance,
            "delete_instance": self._delete_instance,
            "get_instance": self._get_instance,
            "fit": self._act,
            "predict": self._act,
            "cancel": self._cancel,
            "get_result": self._get_result,
            "load_plugin": self._load_plugin,
            "plugins": self._plugins,
        }

    async def answer(self, session: Session, request: Request) -> Any:  # noqa: ANN401
        """Return the answer to a request: JSON, or `Raw` JSON.

        Raises:
            PilothouseError: If it is refused; `refusal_of` tells what to answer.
        """
        if request.name == "login":
            return self._login(session, request.data)
        if request.name == "logout":
            session.user, session.view = "", None
            return None
        action = self._actions.get(request.name)
        if action is None:
            raise RemoteError(
                f"there is no action {request.name!r}; known are login, logout, "
                f"{', '.join(self._actions)}"
            )
        if not session.user:
            raise RemoteError("unauthorized action")
        return await action(session, request)

    def _login(self, session: Session, data: Any) -> Any:  # noqa: ANN401  any JSON
        username = _text(data, "username")
        password = _text(data, "password")
        is_known = False
        for user in self._users:  # all of them, so that the time tells nothing
            is_known |= _same(user.username, username) & _same(user.password, password)
        if not is_known:
            raise LoginRefusedError("login failed")
        wanted = data.get("ext")
        names = wanted if isinstance(wanted, list) else []
        session.user = username
        session.extensions = OURS & {name for name in names if isinstance(name, str)}
        session.view = View(self.engine, slim=session.is_slim)
        if not session.extensions:
            return {"success": True}
        return {
            "success": True,
            "ext": sorted(session.extensions),
            "run": self.engine.run,
        }

    async def _create_instance(self, session: Session, request: Request) -> Any:  # noqa: ANN401
        call = _call(session, request)
        model_type = _text(request.data, "model_type")
        return await self._result(
            session, request, self.engine.create_instance(call, model_type)
        )

    async def _act(self, session: Session, request: Request) -> Any:  # noqa: ANN401
        call = _call(session, request)
        action = self.engine.act(call, _number(request.data, "instance_id"))
        return await self._result(session, request, action)

    async def _result(self, session: Session, request: Request, action: Action) -> Any:  # noqa: ANN401
        if ACTIONS in session.extensions:
            session.notify("action", {"request": request.id, "action_id": action.id})
        return self._told(session, await asyncio.shield(action.done))

    async def _get_result(self, session: Session, request: Request) -> Any:  # noqa: ANN401
        number = _number(request.data, "action_id")
        action = self.engine.actions.get(number)
        if action is None:
            raise NotFoundError(
                f"there is no action {number} in this run of the server"
            )
        return self._told(session, await asyncio.shield(action.done))

    def _told(self, session: Session, result: Instance | bytes) -> Any:  # noqa: ANN401
        if isinstance(result, bytes):
            return Raw(result)
        return result.to_wire(slim=session.is_slim)

    async def _add_instance(self, session: Session, request: Request) -> Any:  # noqa: ANN401
        instance = await self.engine.add_instance(
            _text(request.data, "model_type"), _bytes(request.data)
        )
        return self._told(session, instance)

    async def _update_instance(self, session: Session, request: Request) -> Any:  # noqa: ANN401
        instance = await self.engine.update_instance(
            _number(request.data, "instance_id"),
            _text(request.data, "model_type"),
            _bytes(request.data),
        )
        return self._told(session, instance)

    async def _delete_instance(self, session: Session, request: Request) -> None:
        await self.engine.delete_instance(_number(request.data, "instance_id"))

    async def _get_instance(self, session: Session, request: Request) -> Any:  # noqa: ANN401
        number = _number(request.data, "instance_id")
        instance = self.engine.instances.get(number)
        if instance is None:
            raise NotFoundError(f"there is no instance {number}")
        if len(instance.text) > MAX_TEXT - _ROOM_BYTES:
            raise RemoteError(
                f"instance {number} is of {len(instance.data):,} bytes, too many for "
                "one answer"
            )
        return {"instance_b64": instance.text}

    async def _cancel(self, session: Session, request: Request) -> Any:  # noqa: ANN401
        number = _number(request.data, "action_id")
        return {"cancelled": await self.engine.cancel(number)}

    async def _load_plugin(self, session: Session, request: Request) -> Any:  # noqa: ANN401
        if not self._loads_plugins:
            raise RemoteError("this server takes no plugins from its clients")
        name = _text(request.data, "name")
        if not name.isidentifier():
            raise RemoteError(f"{name!r} is no name of a module")
        return await self.engine.load_plugin(name, _text(request.data, "source"))

    async def _plugins(self, session: Session, request: Request) -> Any:  # noqa: ANN401
        return await self.engine.known_plugins()


def refusal_of(session: Session, exc: PilothouseError) -> Any:  # noqa: ANN401  any JSON
    """Return what a refused request is answered: a text; more for clients of ours."""
    if isinstance(exc, PluginFailedError):
        told: Mapping[str, str] = exc.failure
    else:
        told = {
            "type": type(exc).__name__,
            "message": exc.message,
            "traceback": "",
            "hint": exc.hint,
        }
    if ERRORS in session.extensions:
        return dict(told)
    return told["message"] or told["type"]


def _call(session: Session, request: Request) -> Call:
    args, kwargs = _member(request.data, "args"), _member(request.data, "kwargs")
    if not isinstance(args, list):
        raise ProtocolError(f"args is a list, not {_kind(args)}")
    if not isinstance(kwargs, dict):
        raise ProtocolError(f"kwargs is an object, not {_kind(kwargs)}")
    return Call(
        name=request.name,
        told=told_of(args, kwargs),
        text=request.text,
        codec=VALUES if VALUES in session.extensions else "plain",
    )


def _member(data: Any, key: str) -> Any:  # noqa: ANN401  any JSON
    if not isinstance(data, dict):
        raise ProtocolError(f"the arguments are an object, not {_kind(data)}")
    if key not in data:
        raise ProtocolError(f"'{key}'")  # what real servers say, and clients look for
    return data[key]


def _text(data: Any, key: str) -> str:  # noqa: ANN401  any JSON
    value = _member(data, key)
    if not isinstance(value, str):
        raise ProtocolError(f"{key} is a text, not {_kind(value)}")
    return value


def _number(data: Any, key: str) -> int:  # noqa: ANN401  any JSON
    """Return an id; real clients may send it as a text or a whole float."""
    value = _member(data, key)
    if isinstance(value, str) and value.isdecimal() and len(value) < _MAX_ID_CHARS:
        return int(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if type(value) is not int:
        raise ProtocolError(f"{key} is an integer, not {_kind(value)}")
    return value


def _bytes(data: Any) -> bytes:  # noqa: ANN401  any JSON
    """Return an instance's bytes; the document and real peers name them differently."""
    key = (
        "instance" if isinstance(data, dict) and "instance" in data else "instance_b64"
    )
    try:
        return base64.b64decode(_text(data, key), validate=True)
    except (ValueError, binascii.Error) as exc:
        raise ProtocolError(f"{key} is no base64: {exc}") from None


def _kind(value: Any) -> str:  # noqa: ANN401  any JSON
    return "null" if value is None else json.dumps(value)[:40]


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(
        one.encode("utf-8", "surrogatepass"), other.encode("utf-8", "surrogatepass")
    )
