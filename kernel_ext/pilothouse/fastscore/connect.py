"""The Connect instance: the way into a suite.

Source: developer interface, "Service instances".
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote, urlencode

from pilothouse.transport.retries import Retries

from .collections import InfoDict, InfoList
from .credentials import Credentials
from .errors import (
    FastScoreError,
    FastScoreNotFoundError,
    FastScoreRefusedError,
    FastScoreUsageError,
)
from .gateway import Gateway, SecretText, json_of, make_newest
from .instance import Instance
from .pneumo import Pneumo
from .savefile import Saved, read_savefile, write_savefile
from .wire import mime
from .wire.messages import InstanceInfo

if TYPE_CHECKING:
    from .engine import Engine
    from .model_manage import ModelManage

__all__ = ["Connect", "Fleet"]


class Fleet(InfoList):
    """The instances of a suite."""

    columns = ("name", "api", "health", "release", "built_on", "host", "port")


class Connect(Credentials):
    """A suite, by its Connect service. Making one sends nothing.

    Args:
        proxy_prefix: For instance ``"https://localhost:8000"``.
        auth_secret: Secret of an LDAP session; the same as ``ldap_secret``.
        ldap_secret: Secret of an LDAP session, ``s:<id>.<signature>``.
        basic_auth_secret: An ``Authorization`` header, as it is sent.
        oauth_secret: A token, as it is sent in ``Authorization``.
        session_cookie: A ``Cookie`` header, as it is sent.
        verify: Check of certificates: True, False, a CA file or folder; None: off for
            this machine, on for every other.
        timeout: Longest wait for one answer, in seconds.
        retries: For calls that may be repeated.

    Raises:
        FastScoreUsageError: If the prefix is no URL.
    """

    api = "connect"

    def __init__(
        self,
        proxy_prefix: str,
        auth_secret: SecretText | None = None,
        *,
        ldap_secret: SecretText | None = None,
        basic_auth_secret: SecretText | None = None,
        oauth_secret: SecretText | None = None,
        session_cookie: SecretText | None = None,
        verify: bool | str | None = None,
        timeout: float = 30.0,
        retries: Retries | None = None,
    ) -> None:
        gateway = Gateway(proxy_prefix, verify=verify, timeout=timeout, retries=retries)
        super().__init__("connect", gateway)
        self._preferred: dict[str, str] = {}
        self._instances: dict[str, Instance] = {}
        self._target: Instance | None = None
        self._target_name: str | None = None
        self._lock = threading.RLock()
        if (secret := ldap_secret if auth_secret is None else auth_secret) is not None:
            self.set_ldap_secret(secret)
        if session_cookie is not None:
            self.set_session_cookie(session_cookie)
        if basic_auth_secret is not None:
            self.set_basic_auth_secret(basic_auth_secret)
        if oauth_secret is not None:
            self.set_oauth_secret(oauth_secret)
        make_newest(gateway)

    def __repr__(self) -> str:
        return f"<Connect {self.proxy_prefix}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    @property
    def proxy_prefix(self) -> str:
        """The address of the suite."""
        return self.gateway.prefix

    def close(self) -> None:
        """Close the idle connections; the next call opens one again."""
        self.gateway.peer.close()

    # -- configuration ----------------------------------------------------------------

    def configure(self, config: Mapping[str, Any]) -> bool:
        """Set the configuration of the suite.

        Returns:
            True if one was replaced, False if there was none.

        Raises:
            FastScoreError: If it is no mapping, or is refused.
        """
        import yaml

        if not isinstance(config, Mapping):
            raise FastScoreUsageError(
                f"a configuration is a dict, not {type(config).__name__}"
            )
        try:
            text = yaml.safe_dump(dict(config), default_flow_style=False)
        except yaml.YAMLError as exc:
            raise FastScoreUsageError(f"the configuration is not plain: {exc}") from exc
        answer = self.gateway.call(
            "Unable to configure FastScore",
            "PUT",
            self.route("1/config"),
            headers={"Content-Type": mime.YAML_MIME},
            body=text.encode(),
        )
        return answer.status == 204

    def get_config(self, section: str | None = None) -> Any:  # noqa: ANN401 - any YAML
        """Return the configuration, or a section; None if that is not set.

        Raises:
            FastScoreError: If it cannot be had, or the section is no text.
        """
        if section is not None and not isinstance(section, str):
            raise FastScoreUsageError(f"a section is named by a text, not {section!r}")
        what = "Unable to retrieve the configuration"
        query = "" if section is None else "?" + urlencode({"q": section})
        answer = self.gateway.call(
            what,
            "GET",
            self.route(f"1/config{query}"),
            headers={"Accept": "application/json"},
            accept=frozenset({404}),
        )
        if answer.status == 404:
            return None
        if "yaml" in answer.headers.get("Content-Type", ""):
            import yaml

            return yaml.safe_load(answer.text)
        return json_of(what, answer)

    def config(self, section: str | None = None) -> Any:  # noqa: ANN401 - any YAML
        """Return the configuration; the document's other name of `get_config`."""
        return self.get_config(section)

    # -- fleet ------------------------------------------------------------------------

    def fleet(self) -> Fleet:
        """Return what is known of every instance, in the order of the suite.

        Raises:
            FastScoreError: If it cannot be had.
        """
        return Fleet(InfoDict(info.to_wire()) for info in self._fleet(""))

    def get(self, name: str, skip_unhealthy: bool = True, **options: bool) -> Any:  # noqa: ANN401
        """Return the instance of a name, always the same object.

        Args:
            name: For instance ``"engine-1"``.
            skip_unhealthy: Refuse an instance that is not healthy.
            options: ``skipUnhealthy``, the real SDK's spelling.

        Returns:
            This Connect, a `ModelManage` or an `Engine`.

        Raises:
            FastScoreNotFoundError: If the fleet has none of that name.
            FastScoreRefusedError: If it is not healthy.
        """
        if name == "connect":
            return self
        with self._lock:
            if name in self._instances:
                return self._instances[name]
        found = self._fleet("?" + urlencode({"name": name}, quote_via=quote))
        info = next((one for one in found if one.name == name), None)
        if info is None:
            raise FastScoreNotFoundError(
                f"Instance {name!r} not found", hint="connect.fleet() lists them"
            )
        if options.get("skipUnhealthy", skip_unhealthy) and not info.is_healthy:
            raise FastScoreRefusedError(f"Instance {name!r} is unhealthy")
        return self._instance(info)

    def lookup(self, sname: str, skip_unhealthy: bool = True, **options: bool) -> Any:  # noqa: ANN401
        """Return the preferred, or else the first healthy, instance of a service.

        Args:
            sname: ``"engine"``, ``"model-manage"`` or ``"connect"``.
            skip_unhealthy: Refuse an instance that is not healthy.
            options: ``skipUnhealthy``, the real SDK's spelling.

        Raises:
            FastScoreNotFoundError: If the service has no instance.
            FastScoreRefusedError: If none is healthy.
        """
        preferred = self._preferred.get(sname)
        if preferred is not None:
            return self.get(preferred, skip_unhealthy, **options)
        if sname == "connect":
            return self
        found = self._fleet("?" + urlencode({"api": sname}, quote_via=quote))
        found = [info for info in found if info.api == sname]
        if not found:
            raise FastScoreNotFoundError(f"No instances of {sname!r} are configured")
        choice = [info for info in found if info.is_healthy]
        if not choice and options.get("skipUnhealthy", skip_unhealthy):
            number = "is" if len(found) == 1 else f"and {len(found) - 1} more are"
            raise FastScoreRefusedError(
                f"Instance {found[0].name!r} {number} unhealthy"
            )
        return self._instance((choice or found)[0])

    def prefer(self, sname: str, name: str) -> None:
        """Let `lookup` of a service return the named instance."""
        self._preferred[sname] = name

    @property
    def preferred(self) -> dict[str, str]:
        """Service -> name of its preferred instance."""
        return dict(self._preferred)

    @property
    def target(self) -> Any:  # noqa: ANN401 - an instance of any service, or None
        """The target instance; when set, it becomes preferred for its service."""
        if self._target is None and self._target_name is not None:
            self._target = self.get(self._target_name)
        return self._target

    @target.setter
    def target(self, instance: Instance | None) -> None:
        self._target = instance
        self._target_name = None if instance is None else instance.name
        if instance is not None:
            self.prefer(instance.api, instance.name)

    @property
    def engine(self) -> Engine:
        """The engine that `lookup` gives."""
        found: Engine = self.lookup("engine")
        return found

    @property
    def model_manage(self) -> ModelManage:
        """The Model Manage that `lookup` gives."""
        found: ModelManage = self.lookup("model-manage")
        return found

    @property
    def pneumo(self) -> Pneumo:
        """Access to Pneumo: ``pneumo.socket()``, ``pneumo.history()``."""
        return Pneumo(self.gateway)

    def _fleet(self, query: str) -> list[InstanceInfo]:
        what = "Unable to retrieve fleet info"
        found = self.gateway.get_json(what, self.route(f"1/connect{query}"))
        with self.gateway.reading(what):
            return [InstanceInfo.from_wire(item) for item in found]

    def _instance(self, info: InstanceInfo) -> Instance:
        from .engine import Engine
        from .model_manage import ModelManage

        kinds: dict[str, type[Engine | ModelManage]] = {
            Engine.api: Engine,
            ModelManage.api: ModelManage,
        }
        if info.api not in kinds:
            raise FastScoreError(f"Unknown service {info.api!r} of {info.name!r}")
        with self._lock:
            if info.name not in self._instances:
                self._instances[info.name] = kinds[info.api](info.name, self)
            return self._instances[info.name]

    # -- savefile ---------------------------------------------------------------------

    def dump(self, savefile: str | os.PathLike[str]) -> None:
        """Save address, preferences and credentials, readable for you alone.

        Raises:
            FastScoreError: If the file cannot be written.
        """
        write_savefile(
            savefile,
            Saved(
                proxy_prefix=self.proxy_prefix,
                preferred=self._preferred,
                target_name=self._target_name,
                secrets={key: one.reveal() for key, one in self._secrets.items()},
            ),
        )

    @staticmethod
    def load(
        savefile: str | os.PathLike[str],
        *,
        verify: bool | str | None = None,
        timeout: float = 30.0,
    ) -> Connect:
        """Make a Connect from a savefile; nothing is sent.

        Raises:
            FastScoreError: If the file cannot be read, or is no savefile.
        """
        saved = read_savefile(savefile)
        connect = Connect(
            saved.proxy_prefix,
            ldap_secret=saved.secrets.get("ldap-auth-secret"),
            basic_auth_secret=saved.secrets.get("basic-auth-secret"),
            oauth_secret=saved.secrets.get("oauth2-secret"),
            session_cookie=saved.secrets.get("session-cookie"),
            verify=verify,
            timeout=timeout,
        )
        connect._preferred = dict(saved.preferred)
        connect._target_name = saved.target_name
        return connect
