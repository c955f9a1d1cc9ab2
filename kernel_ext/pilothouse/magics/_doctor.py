"""``%pilot doctor``: what can be wrong here, each with one fix.

The report holds no host, user, path or secret of yours, so it can be pasted anywhere:
a host that is not this machine shows as ``<host>``, a home folder as ``~``.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import sys
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pilothouse import secrets
from pilothouse.errors import (
    NotAuthorizedError,
    PilothouseError,
    SettingsError,
    TransportError,
)

from . import _suite
from ._asking import ask_of
from ._doctor_peers import look_at_aimm, look_at_fastmap, look_at_mplane
from ._report import LOOPBACK, Check, Report, State, redact

if TYPE_CHECKING:
    from pilothouse.fastscore.suite import Connect

    from ._session import Session

__all__ = ["examine"]

_BAD_IPYKERNEL = {"7.0.0", "7.0.1"}
_SKEW_SECONDS = 30.0
_PATIENCE = 5.0
_PACKAGES = (
    "ipython",
    "ipykernel",
    "ipywidgets",
    "anywidget",
    "traitlets",
    "jupyterlab",
    "notebook",
    "voila",
)


def examine(session: Session) -> Report:
    """Look at everything and report; a check that breaks is a fault of its own."""
    checks: list[Check] = []
    for look in (_versions, _front_end, _proxies, _profiles, _credentials, _local):
        checks += _guarded(look, session)
    for look in (_fastscore, look_at_aimm, look_at_fastmap, look_at_mplane):
        checks += _guarded(look, session)
    return Report(checks)


def _guarded(
    look: Callable[[Session], Iterator[Check]], session: Session
) -> Iterator[Check]:
    try:
        for check in look(session):
            found, fix = redact(check.found), redact(check.fix)
            yield Check(check.name, check.state, found, fix)
    except Exception as exc:  # the report has to come out whatever breaks
        name = look.__name__.removeprefix("look_at").strip("_").replace("_", " ")
        yield Check(name, State.FAULT, redact(f"{type(exc).__name__}: {exc}"))


def _versions(session: Session) -> Iterator[Check]:
    from pilothouse import __version__

    where = f"{platform.system()} {platform.machine()}"
    yield Check("python", State.OK, f"{platform.python_version()} on {where}")
    found = {name: _version(name) for name in _PACKAGES}
    text = ", ".join(f"{name} {is_at}" for name, is_at in found.items() if is_at)
    yield Check("packages", State.OK, f"pilothouse {__version__}, {text}")
    kernel = found["ipykernel"]
    if kernel in _BAD_IPYKERNEL:
        yield Check(
            "ipykernel",
            State.FAULT,
            f"{kernel} breaks updates of widgets from threads",
            "pip install 'ipykernel!=7.0.0,!=7.0.1'",
        )


def _front_end(session: Session) -> Iterator[Check]:
    kernel: Any = getattr(session.shell, "kernel", None)
    if kernel is None:
        yield Check("front end", State.NOTE, "no kernel: terminal, no live widgets")
        return
    yield Check("front end", State.OK, _front_end_name())
    missing = [n for n in ("ipywidgets", "anywidget") if not _is_there(n)]
    if missing:
        yield Check(
            "widgets",
            State.FAULT,
            f"{' and '.join(missing)} not installed in the kernel",
            f"pip install {' '.join(missing)}",
        )
        return
    from comm import get_comm_manager

    manager = type(get_comm_manager()).__module__
    yield Check("widgets", State.OK, f"comms by {manager.partition('.')[0]}")
    threads = bool(getattr(kernel, "_supports_kernel_subshells", False))
    yield Check(
        "subshells",
        State.OK if threads else State.NOTE,
        "supported" if threads else "not supported: buttons wait for the running cell",
    )


def _proxies(session: Session) -> Iterator[Check]:
    names = ("http_proxy", "https_proxy", "all_proxy")
    given = {n for n in names if os.environ.get(n) or os.environ.get(n.upper())}
    excepted = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    if not given:
        yield Check("proxies", State.OK, "none set")
    elif LOOPBACK.intersection(part.strip() for part in excepted.split(",")):
        yield Check("proxies", State.OK, f"{', '.join(sorted(given))} set")
    else:
        yield Check(
            "proxies",
            State.NOTE,
            f"{', '.join(sorted(given))} set, and no_proxy leaves this machine out",
            "export no_proxy=localhost,127.0.0.1",
        )


def _profiles(session: Session) -> Iterator[Check]:
    try:
        used = session.settings.in_use()
        profiles = session.settings.profiles()
    except SettingsError as exc:
        yield Check("profiles", State.FAULT, exc.message, exc.hint)
        return
    has = profiles[str(used.value)].endpoint(_suite.SERVICE).url is not None
    where = "with an address for FastScore" if has else "local services are used"
    yield Check("profiles", State.OK, f"{len(profiles)} known; the one in use: {where}")


def _credentials(session: Session) -> Iterator[Check]:
    given = [
        name
        for name in ("PILOTHOUSE_FASTSCORE_PASSWORD", "PILOTHOUSE_FASTSCORE_TOKEN")
        if os.environ.get(name)
    ]
    backend = secrets.keyring_backend()
    can_ask = ask_of(session.shell) is not secrets.nobody
    parts = [
        f"environment: {', '.join(given) or 'none'}",
        f"keyring: {backend or 'no backend'}",
        f"asking: {'possible' if can_ask else 'nobody to ask'}",
    ]
    there_is_a_way = given or backend or can_ask
    yield Check(
        "credentials",
        State.OK if there_is_a_way else State.NOTE,
        "; ".join(parts),
        "" if there_is_a_way else "set PILOTHOUSE_FASTSCORE_PASSWORD for a real suite",
    )


def _local(session: Session) -> Iterator[Check]:
    from pilothouse import services

    running = services.status()
    if not running:
        yield Check("local services", State.NOTE, "none run; %pilot up starts them")
    for local in running:
        names = ", ".join(local.services)
        yield Check("local services", State.OK, f"process {local.pid}: {names}")


def _fastscore(session: Session) -> Iterator[Check]:
    connected = session.kept(_suite.SERVICE)
    if connected is not None:
        yield from _suite_checks(connected)
        return
    from pilothouse import services
    from pilothouse.fastscore.suite import Connect

    endpoint = session.settings.profile().endpoint(_suite.SERVICE)
    url, token = endpoint.url, None
    for local in services.status():
        if url is None and _suite.SERVICE in local.services:
            url, token = local.fastscore.url, local.fastscore.token
    if url is None:
        yield Check("FastScore", State.NOTE, "not connected; %fastscore connect")
        return
    verify, wait = endpoint.verify, _PATIENCE
    with Connect(url, oauth_secret=token, verify=verify, timeout=wait) as probe:
        yield from _suite_checks(probe)


def _suite_checks(connected: Connect) -> Iterator[Check]:
    url = connected.proxy_prefix
    gateway = connected.gateway
    try:
        answer = gateway.call(
            "Unable to check the health", "GET", connected.route("1/health")
        )
    except NotAuthorizedError as exc:
        fix = "%fastscore connect ADDRESS --user NAME"
        yield Check("FastScore", State.FAULT, f"{url}: {exc.message}", fix)
        return
    except TransportError as exc:
        found = f"{url} ({_without_host(str(exc), url)})"
        yield Check("FastScore", State.FAULT, found, _transport_fix(exc, url))
        return
    except PilothouseError as exc:
        fix = "check the address: it has to be that of the suite's proxy"
        yield Check("FastScore", State.FAULT, f"{url}: {exc.message}", fix)
        return
    release = connected.check_health()["release"]
    yield Check("FastScore", State.OK, f"{url} answers, release {release}")
    yield from _tls(url, gateway.peer.verify)
    yield from _clock(answer.headers)
    yield from _instances(connected)


def _without_host(text: str, url: str) -> str:
    """Return the words of an error, which may name the host outside of a URL."""
    host = urlsplit(url).hostname
    text = " ".join(text.removeprefix("Error: ").split())
    return text.replace(host, "<host>") if host and host not in LOOPBACK else text


def _transport_fix(exc: TransportError, url: str) -> str:
    text = str(exc)
    if "TLS" in text or "certificate" in text:
        return "%fastscore connect ADDRESS --ca FILE trusts the suite's own authority"
    if urlsplit(url).hostname in LOOPBACK:
        return "%pilot up, then %fastscore connect"
    return "check the address, the network and the proxies"


def _tls(url: str, verify: object) -> Iterator[Check]:
    parts = urlsplit(url)
    if parts.scheme == "https":
        checked = "checked" if verify else "NOT checked"
        is_far = parts.hostname not in LOOPBACK
        state = State.NOTE if is_far and not verify else State.OK
        yield Check("TLS", state, f"certificates are {checked}")
    elif parts.hostname not in LOOPBACK:
        yield Check(
            "TLS",
            State.NOTE,
            "none: secrets travel in the clear",
            "use the suite's https address",
        )


def _clock(headers: Mapping[str, str]) -> Iterator[Check]:
    date = headers.get("Date")
    if not date:
        return
    try:
        theirs = parsedate_to_datetime(date)
    except ValueError:
        return
    skew = abs((datetime.now(UTC) - theirs).total_seconds())
    if skew <= _SKEW_SECONDS:
        yield Check("clock", State.OK, f"within {_SKEW_SECONDS:g} s of the suite's")
    else:
        yield Check(
            "clock",
            State.FAULT,
            f"{skew:.0f} s away from the suite's",
            "set the clock of this machine or of the suite",
        )


def _instances(connected: Connect) -> Iterator[Check]:
    fleet = connected.fleet()
    ill = [each["name"] for each in fleet if each["health"] != "ok"]
    kinds = {each["api"] for each in fleet}
    if ill:
        yield Check(
            "fleet",
            State.FAULT,
            f"unhealthy: {', '.join(ill)}",
            "look at their logs: %fastscore pneumo --history --type log",
        )
    elif missing := {"engine", "model-manage"} - kinds:
        yield Check(
            "fleet",
            State.FAULT,
            f"no {' and no '.join(sorted(missing))}",
            "configure the suite: %fastscore config --set MAPPING",
        )
    else:
        yield Check("fleet", State.OK, f"{len(fleet)} instances, all healthy")


def _front_end_name() -> str:
    if "google.colab" in sys.modules:
        return "kernel of Colab"
    if os.environ.get("VSCODE_PID") or os.environ.get("VSCODE_CWD"):
        return "kernel of VS Code"
    if os.environ.get("JPY_SESSION_NAME"):
        return "kernel of a Jupyter server"
    return "kernel"


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _is_there(name: str) -> bool:
    return importlib.util.find_spec(name) is not None
