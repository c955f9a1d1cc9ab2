"""The config object: where functions are mapped, and with which options.

    config = init(cloud_url=..., secret=...)
    list(config.fastmap(function, items))          # lazy, in order
    run = config.submit(function, items)           # at once, in the background

A config opens nothing until it is used. Source: contract §4.1.
"""

from __future__ import annotations

import functools
import threading
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import fields, replace
from typing import Any, Self

from .batches import Source
from .client import Cloud
from .elements import Elements
from .errors import FastmapUsageError, RunNotFoundError
from .flow import Flow
from .inline import Inline
from .options import (
    ConfigSource,
    ExecPolicy,
    Options,
    ReturnType,
    make_options,
    word,
)
from .pace import Pace
from .packing.packer import Packer, Preview
from .printing import follow
from .run import Run
from .wire.answers import Features, RunInfo

__all__ = ["Config", "fastmap", "global_init", "init"]

_CLOUD_LANES = 2


class Config:
    """Options, and the maps that are made with them.

    Args:
        options: The options.
    """

    def __init__(self, options: Options) -> None:
        self.options = options

    def __repr__(self) -> str:
        where = "" if self.options.cloud_url is None else f" {self.options.cloud_url}"
        return f"<fastmap.Config {self.options.exec_policy}{where}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Do nothing: a config holds nothing open; runs end by themselves."""

    def with_options(self, **changes: Any) -> Config:  # noqa: ANN401
        """Return a config with some options changed.

        Raises:
            FastmapUsageError: If an option is unknown, or its value wrong.
        """
        known = {
            each.name: getattr(self.options, each.name) for each in fields(Options)
        }
        return Config(make_options(known, changes))

    def fastmap(
        self,
        func: Callable[..., Any],
        iterable: Iterable[Any],
        return_type: ReturnType | str = ReturnType.ELEMENTS,
        label: str = "",
        kwargs: Mapping[str, Any] | None = None,
        *,
        ordered: bool = True,
        return_exceptions: bool = False,
        exec_policy: ExecPolicy | str | None = None,
    ) -> Iterator[Any]:
        """Return an iterator of ``func(item)`` for each item, as they are asked for.

        Nothing happens before the first `next`. Its `close` ends all that it has begun,
        as letting it go does.

        Args:
            func: Any callable of one argument.
            iterable: The items, of any number.
            return_type: ``"ELEMENTS"``, or ``"BATCHES"`` for lists of results.
            label: Words that the service shows with it.
            kwargs: More arguments, the same for each item.
            ordered: Whether results come in the order of items.
            return_exceptions: Whether an item that fails gives its exception.
            exec_policy: Instead of the config's.

        Raises:
            FastmapException: While it is read: behind the results that came before.
        """
        kind = word(ReturnType, "return_type", return_type)
        lists = self._lists(
            _bound(func, kwargs),
            iterable,
            self._policy(exec_policy),
            label=label,
            ordered=ordered,
            return_exceptions=return_exceptions,
        )
        return lists if kind is ReturnType.BATCHES else Elements(lists)

    def submit(
        self,
        func: Callable[..., Any],
        iterable: Iterable[Any],
        label: str = "",
        kwargs: Mapping[str, Any] | None = None,
        *,
        ordered: bool = True,
        return_exceptions: bool = False,
        exec_policy: ExecPolicy | str | None = None,
    ) -> Run:
        """Begin to map in the background, and return the handle.

        The iterable is read on a thread of the run; results are kept.

        Args:
            func: As `fastmap`.
            iterable: As `fastmap`.
            label: As `fastmap`.
            kwargs: As `fastmap`.
            ordered: Whether iterating the run gives the order of items.
            return_exceptions: As `fastmap`.
            exec_policy: Instead of the config's.

        Raises:
            FastmapUsageError: If it cannot be called, or not be iterated.
        """
        policy = self._policy(exec_policy)
        packer = self._packer(_bound(func, kwargs))
        source = self._source(iterable, packer)
        run = self._run(
            packer,
            source,
            Pace(),
            policy,
            label=label,
            is_kept=True,
            ordered=ordered,
            return_exceptions=return_exceptions,
        )
        return run.start()

    def preview(
        self,
        func: Callable[..., Any],
        items: Iterable[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Preview:
        """Return what would be sent of a function; nothing is.

        Args:
            func: The function.
            items: Some items, as their classes need modules too.
            kwargs: As `fastmap`.

        Raises:
            PackingError: If it cannot be packed.
        """
        packer = self._packer(_bound(func, kwargs))
        some = list(items)
        if some:
            packer.dumps(some)
        return packer.pack().preview

    def check(self) -> Features:
        """Ask the service whether it is there and knows the token.

        Raises:
            FastmapNotAuthorizedError: If it does not.
            FastmapException: If it does not answer.
        """
        cloud = self._cloud()
        try:
            return cloud.auth()
        finally:
            cloud.close()

    def runs(self, run_id: str | None = None) -> list[RunInfo]:
        """Return the runs of this token that the service knows.

        Args:
            run_id: Only the run of that id, with its batches.

        Raises:
            FastmapException: If it keeps none, or does not answer.
        """
        cloud = self._cloud()
        try:
            cloud.auth()
            return list(cloud.runs(run_id))
        finally:
            cloud.close()

    def attach(
        self,
        run_id: str,
        *,
        total: int | None = None,
        return_exceptions: bool = False,
    ) -> Run:
        """Return a run of another time, going on: all its results are fetched.

        Args:
            run_id: Its id.
            total: How many items it had, if that is known; if fewer were sent, that
                is told.
            return_exceptions: Whether each item of a batch that failed gives an
                exception, where the run would end otherwise.

        Raises:
            RunNotFoundError: If the service does not know it.
            FastmapException: If it does not answer.
        """
        from .attached import AttachedRun

        cloud = self._cloud()
        try:
            cloud.auth()
            found = cloud.runs(run_id)
        except BaseException:
            cloud.close()
            raise
        if found:
            return AttachedRun(
                cloud, found[0], self.options, total, return_exceptions
            ).start()
        cloud.close()
        raise RunNotFoundError(
            f"the service knows no run {run_id[:100]!r}",
            hint="config.runs() lists those it knows; a service keeps results for a "
            "while, and no longer than it runs",
        )

    def stop(self, run_id: str) -> bool:
        """End a run of another time at the service; its results are dropped.

        Returns:
            Whether the service knew it.

        Raises:
            FastmapException: If it does not answer.
        """
        cloud = self._cloud()
        try:
            cloud.auth()
            known = [info for info in cloud.runs() if info.run_id == run_id]
            return sum([cloud.done(info.func_hash, run_id) for info in known]) > 0
        finally:
            cloud.close()

    # -- how maps are made

    def _lists(
        self,
        func: Callable[[Any], Any],
        iterable: Iterable[Any],
        policy: ExecPolicy,
        *,
        label: str,
        ordered: bool,
        return_exceptions: bool,
    ) -> Generator[list[Any], None, None]:
        packer = self._packer(func)
        source = self._source(iterable, packer)
        pace, workers = Pace(), []
        if policy is not ExecPolicy.CLOUD:
            local = self.options.local_workers
            has_cloud = policy is ExecPolicy.ADAPTIVE and self.options.has_cloud
            inline = Inline(
                func,
                source,
                workers=local + (_CLOUD_LANES if has_cloud else 0),
                return_exceptions=return_exceptions,
                local=local,
            )
            yield from inline.stretches()
            if not inline.moves:
                return
            pace, workers = Pace(inline.seconds_each), inline.warm
        elif not source.has_more:
            return
        run = self._run(
            packer,
            source,
            pace,
            policy,
            label=label,
            is_kept=False,
            ordered=ordered,
            return_exceptions=return_exceptions,
            workers=workers,
        )
        yield from run.batches()

    def _run(
        self,
        packer: Packer,
        source: Source,
        pace: Pace,
        policy: ExecPolicy,
        *,
        label: str,
        is_kept: bool,
        ordered: bool,
        return_exceptions: bool,
        workers: list[Any] | None = None,
    ) -> Run:
        flow = Flow(
            packer,
            source,
            pace,
            is_kept=is_kept,
            is_ordered=ordered,
            return_exceptions=return_exceptions,
            is_limited=policy is not ExecPolicy.LOCAL,
        )
        run = Run(flow, self.options, policy, label=label, ask=_ask, workers=workers)
        follow(run, self.options.verbosity)
        return run

    def _packer(self, func: Callable[[Any], Any]) -> Packer:
        options = self.options
        return Packer(
            func,
            requirements=options.requirements,
            local_modules=options.local_modules,
            exclude=options.exclude,
        )

    def _source(self, iterable: Iterable[Any], packer: Packer) -> Source:
        try:
            return Source(iterable, packer.dumps, self.options.max_batch_bytes)
        except TypeError as exc:
            raise FastmapUsageError(f"nothing to map over: {exc}") from None

    def _policy(self, wanted: ExecPolicy | str | None) -> ExecPolicy:
        policy = (
            self.options.exec_policy
            if wanted is None
            else word(ExecPolicy, "exec_policy", wanted)
        )
        if policy is ExecPolicy.CLOUD and not self.options.has_cloud:
            raise FastmapUsageError(
                "exec_policy CLOUD needs cloud_url and secret",
                hint="fastmap.init(cloud_url=..., secret=...), or %pilot up",
            )
        if policy is ExecPolicy.ADAPTIVE and not self.options.has_cloud:
            return ExecPolicy.LOCAL
        return policy

    def _cloud(self) -> Cloud:
        if not self.options.has_cloud:
            raise FastmapUsageError(
                "there is no service: cloud_url and secret are needed",
                hint="fastmap.init(cloud_url=..., secret=...), or %pilot up",
            )
        return Cloud(self.options)


_global: Config | None = None
_lock = threading.Lock()


def init(config: ConfigSource | None = None, **options: Any) -> Config:  # noqa: ANN401
    """Return a config object.

    Args:
        config: A dict, or the path of a JSON file; it completes the defaults.
        options: As `Options` names them; they win. The token is better left to the
            environment (``PILOTHOUSE_FASTMAP_SECRET``) or the keyring than written
            into a cell.

    Raises:
        FastmapUsageError: If an option is unknown, or its value wrong.
    """
    made = make_options(config, options)
    asked = {**(config if isinstance(config, Mapping) else {}), **options}
    policy = made.exec_policy
    if "exec_policy" in asked and policy is not ExecPolicy.LOCAL and not made.has_cloud:
        missing = "secret" if made.secret is None else "cloud_url"
        warnings.warn(
            f"no {missing} was given; exec_policy becomes LOCAL", stacklevel=2
        )
        made = replace(made, exec_policy=ExecPolicy.LOCAL)
    return Config(made)


def global_init(config: ConfigSource | None = None, **options: Any) -> None:  # noqa: ANN401
    """Make the config that `fastmap` uses; as `init`.

    Raises:
        FastmapUsageError: If an option is unknown, or its value wrong.
    """
    global _global
    made = init(config, **options)
    with _lock:
        _global = made


def fastmap(
    func: Callable[..., Any],
    iterable: Iterable[Any],
    return_type: ReturnType | str = ReturnType.ELEMENTS,
    label: str = "",
    kwargs: Mapping[str, Any] | None = None,
    **options: Any,  # noqa: ANN401
) -> Iterator[Any]:
    """Map with the config of `global_init`; without one, here. See `Config.fastmap`.

    Raises:
        FastmapException: As `Config.fastmap`.
    """
    config = _global
    if config is None:
        warnings.warn(
            "fastmap.global_init() was not called; exec_policy is LOCAL", stacklevel=2
        )
        config = Config(make_options({"exec_policy": ExecPolicy.LOCAL}, {}))
    return config.fastmap(func, iterable, return_type, label, kwargs, **options)


def _bound(
    func: Callable[..., Any], kwargs: Mapping[str, Any] | None
) -> Callable[[Any], Any]:
    if not callable(func):
        raise FastmapUsageError(f"{func!r} cannot be called")
    return functools.partial(func, **kwargs) if kwargs else func


def _ask(question: str) -> bool:
    try:
        return input(question).strip().lower() in ("y", "yes")
    except EOFError:
        raise FastmapUsageError(
            "nobody is here to confirm the charges; nothing was sent",
            hint="confirm_charges=False sends without asking",
        ) from None
