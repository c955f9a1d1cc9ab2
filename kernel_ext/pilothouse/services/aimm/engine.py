"""The engine: instances, the actions on them, and who may have which when.

Source: REPL control, "Actions"; real server, aimm 1.2, `server.engine`, without its
faults: one instance's actions follow each other from reading to storing, those of
several instances run side by side, none waits for a clock, and one that ends its
process fails alone.

    progress  queued -> accessing_data -> executing -> storing -> complete
              any -> failed / cancelled
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import secrets
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeVar

from pilothouse.errors import NotFoundError, PilothouseError, RemoteError

from .children import Child, Children, PluginFailedError
from .entries import Instance
from .store import Store

__all__ = ["Action", "Call", "CancelledError", "Engine"]

log = logging.getLogger(__name__)

_KEPT_ACTIONS: Final = 200
_KEPT_RESULT_BYTES: Final = 256 << 20

T = TypeVar("T")

Listener = Callable[[str, int], None]
"""Called with ``"models"`` or ``"actions"`` and the number of what has changed."""


class CancelledError(RemoteError):
    """An action was cancelled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What a client asks for.

    Attributes:
        name: ``create_instance``, ``fit`` or ``predict``.
        told: What the state says of its arguments.
        text: The text of the whole request, which the child process decodes.
        codec: ``"plain"`` or ``"nd1"``.
    """

    name: str
    told: Mapping[str, Any]
    text: bytes | bytearray = field(repr=False)
    codec: str = "plain"


@dataclass(slots=True, eq=False)
class Action:
    """An action from its request to its end.

    Attributes:
        id: Its number in this run.
        call: What was asked for.
        entry: What the state says of it; another object after each change.
        done: Its result: an `Instance`, or JSON text of a prediction.
    """

    id: int
    call: Call
    entry: dict[str, Any]
    done: asyncio.Future[Instance | bytes]
    task: asyncio.Task[None] | None = None
    child: Child | None = None
    is_cancelled: bool = False

    def forget_text(self) -> None:
        """Keep no longer what was sent: it may be large, and the child has it."""
        self.call = replace(self.call, text=b"")

    @property
    def size(self) -> int:
        """Bytes of its result that are kept."""
        if not self.done.done() or self.done.cancelled() or self.done.exception():
            return 0
        result = self.done.result()
        return len(result) if isinstance(result, bytes) else 0


class Engine:
    """The instances and actions of one server.

    Args:
        store: Where instances are kept.
        children: Where plugins run.
        sigterm_timeout: Seconds that a cancelled plugin has to end by itself.
        keep_plugin: Keeps the name and source of a loaded plugin for the next start.

    Attributes:
        run: Names this run of the server; action numbers count only in it.
        instances: By id.
        actions: By id, the oldest first.
    """

    def __init__(
        self,
        store: Store,
        children: Children,
        *,
        sigterm_timeout: float = 2.0,
        keep_plugin: Callable[[str, str], None] | None = None,
    ) -> None:
        self._keep_plugin = keep_plugin
        self._store = store
        self._children = children
        self._sigterm_timeout = sigterm_timeout
        self._numbers = itertools.count(1)
        self._locks: dict[int, asyncio.Lock] = {}
        self._listeners: list[Listener] = []
        self._changing: set[asyncio.Future[Any]] = set()
        self.run = secrets.token_hex(8)
        self.instances: dict[int, Instance] = {}
        self.actions: OrderedDict[int, Action] = OrderedDict()

    async def start(self) -> None:
        """Take the instances that the store has.

        Raises:
            ServiceError: If it cannot be read.
        """
        for row in await asyncio.to_thread(self._store.load):
            self.instances[row.id] = Instance(row.id, row.model_type, row.data)

    async def stop(self) -> None:
        """Cancel what runs, and end the child processes."""
        running = [action for action in self.actions.values() if not action.done.done()]
        await asyncio.gather(*(self.cancel(action.id) for action in running))
        await asyncio.gather(*self._changing, return_exceptions=True)
        await self._children.close()
        await asyncio.to_thread(self._store.close)

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Have a function called with each change; return what ends that."""
        self._listeners.append(listener)

        def remove() -> None:
            with suppress(ValueError):
                self._listeners.remove(listener)

        return remove

    @property
    def names(self) -> Mapping[str, list[str]]:
        """The plugins' names: ``data_access`` and ``model_types``."""
        return self._children.names

    async def known_plugins(self) -> Mapping[str, list[str]]:
        """Return the plugins' names once they are loaded.

        Raises:
            PluginFailedError: If they cannot be loaded.
        """
        if not any(self.names.values()):
            await self._children.warm()
        return self.names

    async def load_plugin(self, name: str, source: str) -> Mapping[str, list[str]]:
        """Load a module from its source; return the names of all plugins.

        Raises:
            PluginFailedError: If it cannot be loaded; all is then as before.
            RemoteError: If it works, but cannot be kept for the next start.
        """
        names = await self._children.load(name, source)
        if self._keep_plugin is not None:
            try:
                await asyncio.to_thread(self._keep_plugin, name, source)
            except OSError as exc:
                raise RemoteError(
                    f"the plugin works until the server stops, and is not kept: {exc}"
                ) from exc
        return names

    def create_instance(self, call: Call, model_type: str) -> Action:
        """Begin to make an instance."""
        action = self._begin(call, {"model_type": model_type})
        self._go(action, self._create(action, model_type))
        return action

    def act(self, call: Call, number: int) -> Action:
        """Begin to fit an instance, or to predict with it.

        Raises:
            NotFoundError: If there is none of that id.
        """
        self._known(number)
        action = self._begin(call, {"model": number})
        self._go(action, self._act(action, number))
        return action

    async def add_instance(self, model_type: str, data: bytes) -> Instance:
        """Keep an instance that a client has brought.

        Raises:
            PluginFailedError: If its type's plugin cannot read it.
        """

        async def add() -> Instance:
            await self._check(model_type, data)
            number = await asyncio.to_thread(self._store.create, model_type, data)
            return self._put(Instance(number, model_type, data))

        return await self._to_end(add())

    async def update_instance(
        self, number: int, model_type: str, data: bytes
    ) -> Instance:
        """Keep other bytes for an instance.

        Raises:
            NotFoundError: If there is none of that id.
            RemoteError: If it is of another type.
            PluginFailedError: If its type's plugin cannot read the bytes.
        """

        async def update() -> Instance:
            async with self._lock(number) as instance:
                if instance.model_type != model_type:
                    raise RemoteError(
                        f"instance {number} is a {instance.model_type}, no {model_type}"
                    )
                await self._check(model_type, data)
                await asyncio.to_thread(self._store.update, number, data)
                return self._put(Instance(number, model_type, data))

        return await self._to_end(update())

    async def delete_instance(self, number: int) -> None:
        """Forget an instance, once what runs on it is over.

        Raises:
            NotFoundError: If there is none of that id.
        """

        async def delete() -> None:
            async with self._lock(number):
                await asyncio.to_thread(self._store.delete, number)
                del self.instances[number]
                self._tell("models", number)

        await self._to_end(delete())

    async def cancel(self, number: int) -> bool:
        """End an action; false when it was over already.

        Raises:
            NotFoundError: If there is none of that number.
        """
        action = self.actions.get(number)
        if action is None:
            raise NotFoundError(f"there is no action {number}")
        await asyncio.sleep(0)  # cancelled before its first turn, a task tells nobody
        if action.done.done() or action.task is None:
            return False
        if action.entry["progress"] == "storing":  # what is half stored is stored
            await asyncio.wait([action.done])
            return False
        action.is_cancelled = True
        if action.child is not None:
            await action.child.cancel(self._sigterm_timeout)
        else:
            action.task.cancel()
        await asyncio.wait([action.done])
        return isinstance(action.done.exception(), CancelledError)

    # How an action runs.

    def _begin(self, call: Call, about: Mapping[str, Any]) -> Action:
        number = next(self._numbers)
        action = Action(
            id=number,
            call=call,
            entry={
                "meta": {"call": call.name, **about, **call.told},
                "progress": "queued",
                "started": time.time(),
            },
            done=asyncio.get_running_loop().create_future(),
        )
        action.done.add_done_callback(_retrieve)
        self.actions[number] = action
        self._tell("actions", number)
        self._forget_old()
        return action

    def _go(self, action: Action, work: Awaitable[Instance | bytes]) -> None:
        action.task = asyncio.ensure_future(self._finish(action, work))

    async def _finish(self, action: Action, work: Awaitable[Instance | bytes]) -> None:
        try:
            result = await work
        except (PilothouseError, asyncio.CancelledError) as exc:
            error: BaseException = exc
        except Exception as exc:
            log.exception("action %d failed on our side", action.id)
            error = RemoteError(f"the server failed: {type(exc).__name__}")
        else:
            action.forget_text()
            self._change(action, {"progress": "complete", "ended": time.time()})
            action.done.set_result(result)
            self._forget_old()
            return
        action.forget_text()
        if action.is_cancelled:
            error = CancelledError(f"{action.call.name} was cancelled", protocol="AIMM")
        elif isinstance(error, asyncio.CancelledError):
            error = RemoteError("the server is stopping")
        word = "cancelled" if action.is_cancelled else "failed"
        text = error.message if isinstance(error, PilothouseError) else str(error)
        self._change(action, {"progress": word, "error": text, "ended": time.time()})
        action.done.set_exception(error)
        self._forget_old()

    async def _create(self, action: Action, model_type: str) -> Instance:
        header = {"model_type": model_type, "key": "", "digest": "", "cached": False}
        async with self._child(action) as child:
            _, data, _ = await self._run(action, child, header, ())
        self._change(action, {"progress": "storing"})
        number = await asyncio.to_thread(self._store.create, model_type, data)
        return self._put(Instance(number, model_type, data))

    async def _act(self, action: Action, number: int) -> Instance | bytes:
        async with self._lock(number) as instance:
            async with self._child(action, number, instance.digest) as child:
                text, data = await self._run_on(action, child, instance)
            if data is not None:
                self._change(action, {"progress": "storing"})
                await asyncio.to_thread(self._store.update, number, data)
                instance = self._put(Instance(number, instance.model_type, data))
        return text if action.call.name == "predict" else instance

    async def _run_on(
        self, action: Action, child: Child, instance: Instance
    ) -> tuple[bytes, Any]:
        """Return what an action gave, and the instance's bytes if they changed."""
        is_there = child.has(instance.id, instance.digest)
        header = {
            "model_type": instance.model_type,
            "key": str(instance.id),
            "digest": instance.digest,
            "cached": is_there,
        }
        blobs = () if is_there else (instance.data,)
        try:
            text, data, digest = await self._run(action, child, header, blobs)
        except PluginFailedError:
            child.drops(instance.id)  # who knows what the plugin has done to it
            raise
        child.keeps(instance.id, digest)
        return text, data

    async def _run(
        self,
        action: Action,
        child: Child,
        header: Mapping[str, Any],
        blobs: tuple[bytes, ...],
    ) -> tuple[bytes, Any, str]:
        job = {
            "job": action.id,
            "call": action.call.name,
            "codec": action.call.codec,
            **header,
        }
        frame = await child.run(
            job,
            (action.call.text, *blobs),
            lambda word: self._take_word(action, word),
        )
        data = frame.blobs[1] if frame.header["changed"] else None
        return frame.blobs[0], data, str(frame.header["digest"])

    def _take_word(self, action: Action, word: Mapping[str, Any]) -> None:
        if "progress" in word:
            self._change(action, {"progress": word["progress"]})
        elif "report" not in word:
            return  # its last word before it ends: what was reported stays
        elif word.get("place") is None:
            self._change(action, {"action": word.get("report")})
        else:
            told = {
                **action.entry.get("data_access", {}),
                word["place"]: word["report"],
            }
            self._change(action, {"data_access": told})

    @asynccontextmanager
    async def _child(
        self, action: Action, number: int = 0, digest: str = ""
    ) -> AsyncIterator[Child]:
        child = await self._children.take(number, digest)
        try:
            action.child = child
            yield child
        except PluginFailedError:
            raise  # the process is as good as before
        except BaseException:
            await child.kill()
            raise
        finally:
            action.child = None
            if action.is_cancelled:  # whatever it did: it was told to end
                await child.kill()
            self._children.release(child)

    async def _check(self, model_type: str, data: bytes) -> None:
        child = await self._children.take()
        try:
            job = {
                "job": 0,
                "call": "check",
                "codec": "plain",
                "model_type": model_type,
            }
            await child.run(job, (data,), lambda word: None)
        except PluginFailedError:
            raise
        except BaseException:
            await child.kill()
            raise
        finally:
            self._children.release(child)

    @asynccontextmanager
    async def _lock(self, number: int) -> AsyncIterator[Instance]:
        """Hold an instance; who waits gets it in the order of asking."""
        self._known(number)
        lock = self._locks.setdefault(number, asyncio.Lock())
        async with lock:
            yield self._known(number)

    def _known(self, number: int) -> Instance:
        instance = self.instances.get(number)
        if instance is None:
            raise NotFoundError(f"there is no instance {number}", protocol="AIMM")
        return instance

    async def _to_end(self, work: Awaitable[T]) -> T:
        """Do what changes an instance to its end, also when who asked has gone.

        Else the database could have a change that the state does not.
        """
        task = asyncio.ensure_future(work)
        self._changing.add(task)
        task.add_done_callback(self._changing.discard)
        task.add_done_callback(_retrieve)
        return await asyncio.shield(task)

    def _put(self, instance: Instance) -> Instance:
        self.instances[instance.id] = instance
        self._tell("models", instance.id)
        return instance

    def _change(self, action: Action, fields: Mapping[str, Any]) -> None:
        action.entry = {**action.entry, **fields}
        self._tell("actions", action.id)

    def _tell(self, kind: str, number: int) -> None:
        for listener in list(self._listeners):
            listener(kind, number)

    def _forget_old(self) -> None:
        over = [action for action in self.actions.values() if action.done.done()]
        size = sum(action.size for action in over)
        for action in over:
            if len(over) <= _KEPT_ACTIONS and size <= _KEPT_RESULT_BYTES:
                return
            over = over[1:]
            size -= action.size
            del self.actions[action.id]
            self._tell("actions", action.id)


def _retrieve(done: asyncio.Future[Any]) -> None:
    """Mark an error as seen: the state tells it, whoever asked may be gone."""
    if not done.cancelled():
        done.exception()
