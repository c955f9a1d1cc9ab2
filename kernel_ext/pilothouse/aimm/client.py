"""The AIMM client: model instances on a server, blocking or as handles.

Source: REPL control, "RPC interface"; real server, aimm 1.2.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Mapping
from typing import Any, Self

from pilothouse import errors, secrets
from pilothouse.aimm import juggler, plugins
from pilothouse.aimm.values import (
    CannotTravelError,
    DataAccess,
    Lossless,
    Plain,
    encode_call,
)
from pilothouse.secrets import Secret

from .action import Action
from .errors import PROTOCOL, ActionError
from .extensions import ACTIONS, CANCEL, DELETE, LOAD, SLIM, VALUES
from .instance import ModelInstance
from .session import Pending, Session, SessionState
from .state import ActionEntry, Entries, ModelEntry, State

__all__ = ["Client", "connect"]


def connect(
    url: str,
    username: str = "",
    password: str | Secret | None = None,
    *,
    hash_password: bool = True,
    verify: bool | str | None = None,
    timeout: float = 10.0,
    patience: float = 60.0,
    wire: juggler.Wire | None = None,
    ask: secrets.Ask | None = None,
) -> Client:
    """Return a client that is logged in.

    Args:
        url: ``ws://host:port`` or ``wss://host:port``; the path may be left out.
        username: Who logs in.
        password: What with. Without one it is looked for in the environment
            (``PILOTHOUSE_AIMM_PASSWORD``) and the keyring, and then asked for where
            there is a terminal.
        hash_password: Send the hex of its SHA-256, as the real client does; False
            sends it as it is.
        verify: Whether to check certificates: True, False, a CA file, or None: off
            for this machine, on for every other.
        timeout: Longest wait for a connection or a short answer, in seconds. Actions
            take as long as they take; handles have timeouts of their own.
        patience: How long an action under way waits for a lost connection to come
            back before it fails with `StillRunningError`, in seconds.
        wire: Which juggler the server speaks; None: found out.
        ask: How to ask for a password; None: in the terminal.

    Raises:
        NotAuthorizedError: If there is no password, or the server refuses the login.
        TransportError: If no connection could be made.
        ValueError: If the URL is none.
    """
    if password is None:
        found = secrets.find("aimm", url=url, username=username, ask=ask)
        if found is None:
            raise errors.NotAuthorizedError(
                f"there is no password for {username!r}",
                protocol=PROTOCOL,
                hint="password=, or PILOTHOUSE_AIMM_PASSWORD in the environment",
            )
        password = found.secret
    secret = password if isinstance(password, Secret) else Secret(password)
    session = Session(
        url,
        username=username,
        password=secret,
        hash_password=hash_password,
        verify=verify,
        timeout=timeout,
        patience=patience,
        wire=wire,
    )
    session.open()
    return Client(session)


class Client:
    """A server's model instances, as one user; `connect` makes one.

    All methods may be called from any thread, many at a time.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    def __repr__(self) -> str:
        return f"<aimm.Client {self.username}@{self.url} {self.connection}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    @property
    def url(self) -> str:
        """The server's address."""
        return self._session.url

    @property
    def username(self) -> str:
        """Who is logged in."""
        return self._session.username

    @property
    def connection(self) -> SessionState:
        """What the connection is doing."""
        return self._session.state

    @property
    def extensions(self) -> frozenset[str]:
        """What this server can do beyond the document, as `extensions` lists it."""
        return self._session.extensions

    @property
    def run(self) -> str:
        """The run of the server in which action numbers count; empty if it is real."""
        return self._session.run

    @property
    def state(self) -> State:
        """The server's models and actions as they were told last."""
        return self._session.server_state

    @property
    def models(self) -> Entries[ModelInstance]:
        """The model instances, by id; shows itself as a table."""
        state = self.state
        instances = {
            number: ModelInstance(self, entry) for number, entry in state.models.items()
        }
        return Entries(instances, lambda one: _model_row(one, state))

    @property
    def actions(self) -> Entries[ActionEntry]:
        """The actions that the server tells of, by id; shows itself as a table."""
        return Entries(self.state.actions, _action_row)

    def on_change(self, callback: Callable[[State], object]) -> Callable[[], None]:
        """Have a function called with each new state; return what ends that.

        It is called too when the server tells an action's number, and when the
        connection is lost, back, or closed; mostly on the thread that reads, so it must
        not wait for an answer.
        """
        return self._session.on_change(callback)

    def login(
        self, username: str | None = None, password: str | Secret | None = None
    ) -> None:
        """Log in again, as somebody else if need be.

        Raises:
            NotAuthorizedError: If the server refuses.
        """
        secret = Secret(password) if isinstance(password, str) else password
        self._session.login(username, secret)

    def logout(self) -> None:
        """Log out; the connection stays, and `login` works again."""
        self._session.logout()

    def close(self) -> None:
        """End the connection; may be called twice."""
        self._session.close()

    def create_instance(
        self, model_type: str, *args: object, **kwargs: object
    ) -> ModelInstance:
        """Make an instance of a type on the server; return it.

        Raises:
            ActionError: If the type is unknown or its plugin failed.
            CannotTravelError: If an argument has no form on the wire.
        """
        made: ModelInstance = self.submit_create_instance(
            model_type, *args, **kwargs
        ).result()
        return made

    def fit(self, instance_id: int, *args: object, **kwargs: object) -> ModelInstance:
        """Fit an instance; return it.

        Raises:
            ActionError: If there is none of that id, or the fit failed.
            CannotTravelError: If an argument has no form on the wire.
            StillRunningError: If the connection broke and nothing tells the end.
        """
        fitted: ModelInstance = self.submit_fit(instance_id, *args, **kwargs).result()
        return fitted

    def predict(self, instance_id: int, *args: object, **kwargs: object) -> Any:  # noqa: ANN401
        """Return what an instance predicts.

        Raises:
            ActionError: If there is none of that id, or the prediction failed.
            CannotTravelError: If an argument has no form on the wire.
            StillRunningError: If the connection broke and nothing tells the end.
        """
        return self.submit_predict(instance_id, *args, **kwargs).result()

    def submit_create_instance(
        self, model_type: str, *args: object, **kwargs: object
    ) -> Action:
        """Begin to make an instance; return a handle of that."""
        return self._submit(
            "create_instance", {"model_type": model_type}, args, kwargs, self._model
        )

    def submit_fit(self, instance_id: int, *args: object, **kwargs: object) -> Action:
        """Begin to fit an instance; return a handle of that."""
        return self._submit("fit", _about(instance_id), args, kwargs, self._model)

    def submit_predict(
        self, instance_id: int, *args: object, **kwargs: object
    ) -> Action:
        """Begin a prediction; return a handle of that."""
        return self._submit(
            "predict", _about(instance_id), args, kwargs, self._codec.decode
        )

    def attach(self, action_id: int, call: str = "action") -> Action:
        """Return a handle of an action that another client, or an earlier one, began.

        Raises:
            RemoteError: If the server keeps no results for others; real ones do not.
        """
        self._need(ACTIONS, "keep results of actions")
        pending = self._session.request("get_result", {"action_id": action_id})
        pending.action_id, pending.run = action_id, self.run
        entry = self.state.actions.get(action_id)
        call = entry.call if entry is not None else call
        decode = self._codec.decode if call == "predict" else self._decode_either
        return self._action(
            call, None if entry is None else entry.model, pending, decode
        )

    def add_instance(self, model_type: str, instance: object) -> ModelInstance:
        """Put an instance that exists here onto the server; return it.

        Args:
            model_type: Its type.
            instance: Its bytes, or the object itself when the type's plugin is loaded
                in this process too (`plugins.initialize`).

        Raises:
            NotFoundError: If it is an object and no plugin here serializes the type.
            ActionError: If the server cannot read it.
        """
        return self._put(
            "add_instance", {"model_type": model_type}, model_type, instance
        )

    def update_instance(
        self, model_type: str, instance_id: int, instance: object
    ) -> ModelInstance:
        """Put another instance in the place of one on the server; return it.

        Raises:
            NotFoundError: If it is an object and no plugin here serializes the type.
            ActionError: If there is none of that id and type, or it cannot be read.
        """
        data = {"model_type": model_type, "instance_id": instance_id}
        return self._put("update_instance", data, model_type, instance)

    def delete_instance(self, instance_id: int) -> None:
        """Remove an instance from the server.

        Raises:
            RemoteError: If there is none of that id, or the server cannot.
        """
        self._need(DELETE, "delete instances")
        self._session.call("delete_instance", _about(instance_id))

    def instance_bytes(self, instance_id: int) -> bytes:
        """Return the bytes of an instance.

        Raises:
            NotFoundError: If there is none of that id, or the server tells no bytes.
        """
        if SLIM in self.extensions:
            said = self._session.call("get_instance", _about(instance_id), 600.0)
            return base64.b64decode(said["instance_b64"])
        entry = self.state.models.get(instance_id)
        if entry is None or entry.instance is None:
            raise errors.NotFoundError(
                f"the server tells no bytes of instance {instance_id}",
                protocol=PROTOCOL,
                hint="real servers send them with the first change after the login",
            )
        return entry.instance

    def load_plugin(self, name: str, source: str) -> Mapping[str, list[str]]:
        """Load plugin source into the server, replacing what had that name.

        Args:
            name: Name of the module: model types of its classes are ``name.Class``.
            source: Python.

        Returns:
            The names of all that the server now has: ``data_access`` and
            ``model_types``.

        Raises:
            ActionError: If the source fails, or the server takes none.
        """
        self._need(LOAD, "take plugins from a client")
        said = self._session.call("load_plugin", {"name": name, "source": source}, 60.0)
        return {key: list(names) for key, names in said.items()}

    def plugins(self) -> Mapping[str, list[str]]:
        """Return the names of the server's plugins; empty if it does not tell."""
        if LOAD not in self.extensions:
            return {"data_access": [], "model_types": []}
        said = self._session.call("plugins", None)
        return {key: list(names) for key, names in said.items()}

    def ping(self) -> float:
        """Return how long an echo takes, in seconds."""
        start = time.perf_counter()
        self._session.call("", "ping")
        return time.perf_counter() - start

    @property
    def _codec(self) -> Lossless | Plain:
        return Lossless() if VALUES in self.extensions else Plain()

    def _submit(
        self,
        name: str,
        data: dict[str, Any],
        args: tuple[object, ...],
        kwargs: Mapping[str, object],
        decode: Callable[[Any], Any],
    ) -> Action:
        codec = self._codec
        if isinstance(codec, Plain):
            _refuse_named_data_access(kwargs)
        data["args"], data["kwargs"] = encode_call(codec, args, kwargs)
        pending = self._session.request(name, data)
        return self._action(name, data.get("instance_id"), pending, decode)

    def _action(
        self,
        name: str,
        model: int | None,
        pending: Pending,
        decode: Callable[[Any], Any],
    ) -> Action:
        def entry() -> ActionEntry | None:
            number = pending.action_id
            return None if number is None else self.state.actions.get(number)

        return Action(
            name,
            model=model,
            answer=pending.answer,
            decode=lambda said: decode(_checked(name, said)),
            number=lambda: pending.action_id,
            entry=entry,
            watch=lambda look: self.on_change(lambda _state: look()),
            cancel=lambda timeout: self._cancel(name, pending, timeout),
            can_cancel=lambda: CANCEL in self.extensions,
        )

    def _cancel(self, name: str, pending: Pending, timeout: float) -> str:
        if CANCEL not in self.extensions:
            return (
                f"this server cannot cancel: {name} goes on there; "
                "%aimm actions shows how far it is"
            )
        if pending.answer.done():
            return f"{name} was over before the cancel came"
        if pending.action_id is None:
            return (
                "the cancel was not confirmed: the server has not told yet which of "
                f"its actions {name} is; %aimm actions shows how far it is"
            )
        said = self._session.call("cancel", {"action_id": pending.action_id}, timeout)
        if isinstance(said, Mapping) and said.get("cancelled") is True:
            return f"{name} is cancelled, the server confirmed it"
        return f"{name} was over before the cancel came"

    def _put(
        self, name: str, data: dict[str, Any], model_type: str, instance: object
    ) -> ModelInstance:
        content = (
            bytes(instance)
            if isinstance(instance, bytes | bytearray | memoryview)
            else plugins.exec_serialize(model_type, instance)
        )
        text = base64.b64encode(content).decode("ascii")
        try:
            said = self._session.call(name, {**data, "instance_b64": text}, 600.0)
        except ActionError as exc:
            # A server that goes by the document alone asks for another key.
            if "'instance'" not in exc.message:
                raise
            said = self._session.call(name, {**data, "instance": text}, 600.0)
        return self._model(_checked(name, said))

    def _model(self, said: Any) -> ModelInstance:  # noqa: ANN401  any JSON
        entry = ModelEntry.from_wire(said)
        if entry is None:
            raise errors.ProtocolError(
                "the server answered with no model", protocol=PROTOCOL
            )
        return ModelInstance(self, entry)

    def _decode_either(self, said: Any) -> Any:  # noqa: ANN401  any JSON
        return (
            self._codec.decode(said)
            if ModelEntry.from_wire(said) is None
            else (self._model(said))
        )

    def _need(self, extension: str, what: str) -> None:
        if extension not in self.extensions:
            raise errors.RemoteError(
                f"the server at {self.url} does not {what}",
                protocol=PROTOCOL,
                hint="servers of pilothouse do",
            )


def _about(instance_id: int) -> dict[str, Any]:
    if isinstance(instance_id, bool) or not isinstance(instance_id, int):
        raise TypeError(f"the id of an instance is an integer, not {instance_id!r}")
    return {"instance_id": instance_id}


def _checked(name: str, said: Any) -> Any:  # noqa: ANN401  any JSON
    """Raise for the answer that a real server gives to a name it does not know."""
    if said == {"success": False}:
        raise ActionError(f"the server does not know {name}", action=name)
    return said


def _refuse_named_data_access(kwargs: Mapping[str, object]) -> None:
    for name, value in kwargs.items():
        if isinstance(value, DataAccess):
            raise CannotTravelError(
                "a real server takes data access by position only",
                hint="the same argument without its keyword",
                path=f'kwargs["{name}"]',
            )


def _model_row(instance: ModelInstance, state: State) -> dict[str, Any]:
    last = state.last_action(instance.id)
    return {
        "model_type": instance.model_type,
        "bytes": instance.size,
        "last_action": "" if last is None else last.call,
        "progress": "" if last is None else last.progress,
    }


def _action_row(entry: ActionEntry) -> dict[str, Any]:
    return {
        "call": entry.call,
        "model": entry.model_type if entry.model is None else entry.model,
        "progress": entry.progress,
        "report": entry.report,
        "error": entry.error,
    }
