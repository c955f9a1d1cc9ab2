"""The FastScore suite as a service of the host."""

from __future__ import annotations

from pilothouse.services.auth import Credentials
from pilothouse.services.serving import HttpListener, ServiceConfig

from .proxy import Proxy
from .suite import DEFAULT_ENGINES, Suite, SuiteOptions

__all__ = ["FastScoreService", "start_fastscore"]


class FastScoreService:
    """A suite behind its proxy, listening.

    Attributes:
        suite: For tests: its state may be looked at and changed.
    """

    def __init__(self, suite: Suite, listener: HttpListener, token: str | None) -> None:
        self.suite = suite
        self._listener = listener
        self._token = token

    @property
    def endpoint(self) -> dict[str, str]:
        """The proxy's address and the token of this start."""
        token = {} if self._token is None else {"token": self._token}
        return {"url": self._listener.url, **token}

    async def stop(self) -> None:
        """Refuse new calls, stop the instances, let the last answers go out, close."""
        self._listener.refuse_new()
        await self.suite.stop()
        await self._listener.close()
        await self.suite.close()


async def start_fastscore(config: ServiceConfig) -> FastScoreService:
    """Start a suite.

    Options: ``engines`` (names), and the attributes of `SuiteOptions`.

    Raises:
        ServiceError: If the database cannot be used.
        OSError: If the address cannot be had.
    """
    given = dict(config.options)
    engines = given.pop("engines", DEFAULT_ENGINES)
    options = SuiteOptions(**given)
    suite = Suite(config.data_dir, engines, options)
    listener = HttpListener(config)
    proxy = Proxy(suite.instances.values(), Credentials(config.token))
    try:
        await suite.start()
        suite.host = config.host
        await listener.open(proxy.handle)
        suite.port = listener.port
    except BaseException:
        await listener.close()
        await suite.stop()
        await suite.close()
        raise
    return FastScoreService(suite, listener, config.token)
