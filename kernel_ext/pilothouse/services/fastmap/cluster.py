"""Batches on a Dask cluster: the same results and the same errors (contract §6.4).

    one batch            one task, bytes in and bytes out
    a function           a worker plugin, which also workers that come later get
    done, idle, cancel   futures are cancelled, child processes killed at once
    a lost Dask worker   its tasks run elsewhere
    a lost scheduler     the client connects anew, what was under way is sent again

The scheduler never unpickles what users sent. `distributed` is imported here only.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import secrets
import time
from pathlib import Path
from typing import Any, Final, TypeAlias

from pilothouse.errors import ServiceError
from pilothouse.fastmap.wire.headers import PythonVersion
from pilothouse.fastmap.worker.outcomes import Cause, Failed

from .backend import Ran
from .functions import Functions
from .options import FastmapOptions
from .runs import Run
from .tasks import ByValue, in_time, is_cancelled, python_of, ran, run_name, task_name

__all__ = ["Cluster"]

log = logging.getLogger(__name__)

_CONNECT_SECONDS: Final = 10.0
_LOOK_SECONDS: Final = 1.0
_PATIENCE_SECONDS: Final = 300.0
_TRIES: Final = 10
_SCATTER_BYTES: Final = 1024 * 1024

Client: TypeAlias = Any
"""A `distributed.Client`, which is imported where it is used, and half typed."""


class _Lost(Exception):  # noqa: N818  (it is tried again)
    """A task was lost with its scheduler, or with the worker that held its batch."""


class Cluster:
    """Runs batches on Dask.

    Args:
        functions: The stored functions.
        options: ``dask`` is the scheduler's address, or ``"local"``.

    Raises:
        ServiceError: If `distributed` is not installed.
    """

    def __init__(self, functions: Functions, options: FastmapOptions) -> None:
        try:
            import cloudpickle
            import distributed  # noqa: F401  (is it there?)

            from pilothouse import errors
            from pilothouse.fastmap.worker import child, outcomes, process

            from . import far
        except ImportError as exc:
            raise ServiceError(
                f"--dask needs the package distributed ({exc.name} is missing)",
                hint="pip install 'pilothouse[dask]'",
            ) from exc
        for module in (far, process, child, outcomes, errors):
            cloudpickle.register_pickle_by_value(module)
        self._plugin = far.FunctionPlugin
        self._run_batch, self._end_run = ByValue(far.run_batch), ByValue(far.end_run)
        self._child = Path(str(child.__file__)).read_text(encoding="utf-8")
        self._functions = functions
        self._options = options
        self._id = secrets.token_hex(4)
        self._own: Any = None
        self._client: Client = None
        self._connecting = asyncio.Lock()
        self._plugins: dict[str, set[Run]] = {}
        self._registering: dict[str, asyncio.Lock] = {}
        self._registered: set[str] = set()
        self._sent: set[Run] = set()
        self._registered_with: Client = None
        self._futures: dict[Run, set[Any]] = {}
        self._threads: dict[str, int] = {}
        self._versions: dict[str, PythonVersion] = {}
        self._looker: asyncio.Task[None] | None = None
        self._numbers = itertools.count(1)
        self._is_stopped = False

    @property
    def slots(self) -> int:
        """How many batches it takes at a time: one for each thread, and a few more."""
        fit = [n for address, n in self._threads.items() if self._fits(address)]
        return max(1, sum(fit) + len(fit))

    @property
    def pythons(self) -> list[str]:
        """Versions of the Dask workers that can be used."""
        own = PythonVersion.own()
        return [f"{own.major}.{own.minor}"]

    async def start(self) -> None:
        """Connect to the scheduler, or start a cluster of our own.

        Raises:
            ServiceError: If there is none.
        """
        logging.getLogger("distributed").setLevel(logging.WARNING)
        address = self._options.dask
        if address == "local":
            address = await self._start_own()
        self._address = address
        try:
            await self._connect()
            await self._look()
        except (OSError, TimeoutError, ValueError) as exc:
            raise ServiceError(
                f"no Dask scheduler answers at {self._options.dask!r}: {exc}",
                hint="its address looks like tcp://HOST:8786; or --dask local",
            ) from exc
        self._looker = asyncio.get_running_loop().create_task(self._keep_looking())

    async def stop(self) -> None:
        """Take back what was brought to the cluster; end our own one."""
        self._is_stopped = True
        if self._looker is not None:
            self._looker.cancel()
            await asyncio.gather(self._looker, return_exceptions=True)
        if self._client is not None:
            for name in {*self._plugins, *self._registered}:
                await self._unregister(name)
            await in_time(self._client.close())
        if self._own is not None:
            await in_time(self._own.close(), 10.0)

    async def refusal(self, version: PythonVersion) -> str:
        """Return why code of that Python cannot run here; empty if it can."""
        own = PythonVersion.own()
        there = {self._versions.get(address, own) for address in self._threads} or {own}
        if version == own and own in there:
            return ""
        names = ", ".join(sorted(str(each) for each in there))
        return (
            f"the client runs {version}; the Dask workers run {names}, and this "
            f"service, whose Python they have to share, runs {own}"
        )

    def expect(self, version: PythonVersion) -> None:
        """Workers are there already."""

    def has_worker(self, run: Run) -> bool:
        """Tell that any will do: there is room for a process of each run."""
        return True

    async def run(self, run: Run, batch: bytes) -> Ran:
        """Run one batch as a task; a task that is lost is sent again.

        Raises:
            InitializationFailed: If no worker can take the function.
            FunctionGone: If the function is not stored any more.
        """
        name = self._plugin_of(run)
        self._plugins.setdefault(name, set()).add(run)
        patience = time.monotonic() + _PATIENCE_SECONDS
        is_missing = False
        for _ in range(_TRIES):
            if run.is_ended:
                break
            try:
                client = await self._connected(run, patience)
                await self._register(client, name, run, anew=is_missing)
                self._sent.add(run)
                told = await self._task(client, name, run, batch)
            except _Lost as exc:
                if time.monotonic() > patience:
                    break
                if not run.is_ended:
                    log.warning("a batch is sent again: %s", exc)
                await self._look_safely()
                continue
            finally:
                self._sent.discard(run)
            is_missing = "is_missing" in told  # a worker that had just come
            if not is_missing:
                return ran(run, told)
        text = f"WorkerDied('the Dask cluster at {self._address} lost the batch')"
        return Ran("", Failed(cause=Cause.DIED, exception=text, traceback=f"{text}\n"))

    async def end(self, run: Run) -> None:
        """Cancel the tasks of a run, kill its processes, forget its function.

        It comes again when the last batch has ended: the function may have been given
        to the workers after the first time.
        """
        futures = self._futures.pop(run, set())
        name = self._plugin_of(run)
        users = self._plugins.get(name, set())
        users.discard(run)
        if self._client is None:
            return
        if futures:
            await in_time(self._client.cancel(list(futures), force=True))
        if users:
            await in_time(
                self._client.run(self._end_run, name, run_name(run), on_error="ignore")
            )
        else:
            await self._unregister(name)

    # -- one batch

    async def _task(
        self, client: Client, name: str, run: Run, batch: bytes
    ) -> dict[str, Any]:
        """Run one task and return what it told.

        Raises:
            _Lost: If it has to be sent again.
        """
        from distributed import KilledWorker
        from distributed.client import FutureCancelledError
        from distributed.comm.core import CommClosedError

        future = None
        try:
            sent: Any = batch
            if len(batch) > _SCATTER_BYTES:
                sent = await client.scatter(batch, hash=False, workers=self._fitting())
            if run.is_ended:  # while its function or its batch was on the way
                return {"is_missing": True}
            number = f"{self._id}{next(self._numbers):08x}"  # the dashboard groups by
            key = f"{task_name(run)}-{number}"  # what is before it
            future = client.submit(
                self._run_batch,
                name,
                run_name(run),
                sent,
                key=key,
                pure=False,
                workers=self._fitting(),
                retries=1,
            )
            self._futures.setdefault(run, set()).add(future)
            told: dict[str, Any] = await future.result()
        except KilledWorker as exc:
            text = f"WorkerDied('a Dask worker died: {exc.last_worker.address}')"
            return {"cause": "died", "exception": text, "traceback": f"{text}\n"}
        except (FutureCancelledError, asyncio.CancelledError) as exc:
            if is_cancelled():
                raise
            raise _Lost(str(exc) or "it was cancelled") from exc
        except (CommClosedError, OSError, TimeoutError, RuntimeError, KeyError) as exc:
            raise _Lost(str(exc)) from exc
        except Exception as exc:  # of the task itself, such as: no process can start
            text = f"WorkerDied({f'the Dask worker could not run it: {exc}'!r})"
            return {"cause": "died", "exception": text, "traceback": f"{text}\n"}
        finally:
            futures = self._futures.get(run, set())
            futures.discard(future)
        return told

    def _fitting(self) -> list[str] | None:
        """Return the workers of our own Python; ``None`` when all are."""
        if all(self._fits(address) for address in self._threads):
            return None
        return [address for address in self._threads if self._fits(address)]

    def _fits(self, address: str) -> bool:
        return self._versions.get(address, PythonVersion.own()) == PythonVersion.own()

    # -- functions

    def _plugin_of(self, run: Run) -> str:
        return f"fastmap-{self._id}-{run.account.name[:8]}-{run.func_hash}"

    async def _register(
        self, client: Client, name: str, run: Run, *, anew: bool = False
    ) -> None:
        """Give the function to all workers, once."""
        lock = self._registering.setdefault(name, asyncio.Lock())
        async with lock:
            if self._registered_with is not client:  # a new client knows none
                self._registered_with, self._registered = client, set()
            if name in self._registered and not anew:
                return
            run.note_step("importing")
            load = self._functions.load
            function = await asyncio.to_thread(load, run.account, run.func_hash)
            limits, options = self._options.worker_limits, self._options
            plugin = self._plugin(
                name,
                {
                    "func": function.func,
                    "local_sources": function.local_sources,
                    "installed_mods": function.installed_mods,
                    "requirements": function.requirements,
                },
                self._child,
                {
                    "batch": limits.batch,
                    "results": limits.results,
                    "memory": limits.memory,
                },
                {
                    "batch": options.batch_seconds,
                    "import": options.import_seconds,
                    "idle": options.idle_seconds + 60.0,
                },
            )
            try:
                await client.register_plugin(plugin, name=name)
            except (OSError, TimeoutError, RuntimeError) as exc:
                raise _Lost(str(exc)) from exc
            self._registered.add(name)

    async def _unregister(self, name: str) -> None:
        """Take a function back; what is not answered is asked again later."""
        self._plugins.pop(name, None)
        client = self._client
        if client is None or client.status != "running":
            return
        lock = self._registering.setdefault(name, asyncio.Lock())
        if lock.locked():  # by who does this, or has it looked at again
            return
        async with lock:
            if name in self._registered and await in_time(
                client.unregister_worker_plugin(name)
            ):
                self._registered.discard(name)
        if name not in self._plugins:
            self._registering.pop(name, None)

    # -- the scheduler

    async def _start_own(self) -> str:
        import distributed

        make: Any = distributed.LocalCluster
        self._own = await make(
            n_workers=self._options.worker_count,
            threads_per_worker=1,
            processes=True,
            asynchronous=True,
            dashboard_address="127.0.0.1:0",
            silence_logs=logging.ERROR,
        )
        return str(self._own.scheduler_address)

    async def _connect(self) -> Client:
        import distributed

        make: Any = distributed.Client
        self._client = await make(
            self._address,
            asynchronous=True,
            set_as_default=False,
            timeout=_CONNECT_SECONDS,
            name="pilothouse-fastmap",
        )
        return self._client

    async def _connected(self, run: Run, patience: float) -> Client:
        """Return the client; after a loss a new one, as soon as there is a scheduler.

        Raises:
            _Lost: If there was none for too long.
        """
        async with self._connecting:
            pause = 0.1
            while self._client is None or self._client.status != "running":
                run.note_step("waiting for the Dask scheduler")
                if time.monotonic() > patience or run.is_ended or self._is_stopped:
                    raise _Lost("no scheduler")
                old, self._client = self._client, None
                if old is not None:
                    await in_time(old.close())
                try:
                    await self._connect()
                except (OSError, TimeoutError):
                    await asyncio.sleep(pause)
                    pause = min(2 * pause, 2.0)
            return self._client

    async def _keep_looking(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            await self._look_safely()

    async def _look_safely(self) -> None:
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                await self._look()
        except (OSError, TimeoutError, RuntimeError, ValueError) as exc:
            log.debug("the scheduler does not tell its workers: %s", exc)

    async def _look(self) -> None:
        """Note which workers there are, and their Python."""
        client = self._client
        if client is None or client.status != "running":
            return
        threads = dict(await client.nthreads())
        if set(threads) - set(self._versions):
            versions = await client.get_versions()
            for address, told in versions["workers"].items():
                self._versions[address] = python_of(told)
        self._threads = threads
        has_worker = any(self._fits(address) for address in threads)
        for run in self._sent:
            run.note_step("running" if has_worker else "waiting for a Dask worker")
        for name in list(self._registered):
            if not self._plugins.get(name):
                await self._unregister(name)
