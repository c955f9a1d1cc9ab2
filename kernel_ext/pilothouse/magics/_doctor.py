"""``%pilot doctor``: what can be wrong here, each with one fix.

The report holds no host, user, path or secret of yours, so it can be pasted anywhere:
a host that is not this machine shows as ``<host>``, a home folder as ``~``.
"""

from __future__ import annotations

import getpass
import importlib.util
import os
import platform
import re
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
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
from ._doctor_files import look_at_files
from ._doctor_peers import look_at_aimm, look_at_fastmap, look_at_mplane
from ._doctor_ways import clock_of, way_checks
from ._report import LOOPBACK, Check, Report, State, redact

if TYPE_CHECKING:
    from pilothouse.fastscore.suite import Connect
    from pilothouse_widgets.front_end import FrontEnd

    from ._session import Session

__all__ = ["examine"]

_BAD_IPYKERNEL = {"7.0.0", "7.0.1"}
_PATIENCE = 2.0
_PAGE_PATIENCE = 4.0
_MANAGERS = {"7": "3", "8": "5"}  # of ipywidgets -> of @jupyter-widgets' manager
_WIDGET_FIX = (
    "where the Jupyter server runs: pip install -U jupyterlab_widgets anywidget; "
    "jupyter labextension enable @jupyter-widgets/jupyterlab-manager; "
    "then reload the page"
)
_NO_NAMES = LOOPBACK | {"root", "vm", "host", "user"}
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
    near = (_versions, _front_end, _proxies, _profiles, _credentials, look_at_files)
    far = (_local, _fastscore, look_at_aimm, look_at_fastmap, look_at_mplane)
    checks = [check for look in near for check in _guarded(look, session)]
    # each waits for answers: at the same time, so the slowest one decides
    with ThreadPoolExecutor(len(far), "pilothouse doctor") as pool:
        for found in pool.map(lambda look: list(_guarded(look, session)), far):
            checks += found
    private = _private_names(session)
    return Report([_redacted(check, private) for check in _once(checks)])


def _guarded(
    look: Callable[[Session], Iterator[Check]], session: Session
) -> Iterator[Check]:
    try:
        yield from look(session)
    except Exception as exc:  # the report has to come out whatever breaks
        name = look.__name__.removeprefix("look_at").strip("_").replace("_", " ")
        fix = "please report it, with this line"
        text = f"{type(exc).__name__}: {exc}"
        if isinstance(exc, SettingsError):
            text, fix = exc.message, exc.hint
        yield Check(name, State.FAULT, text, fix)


def _once(checks: list[Check]) -> Iterator[Check]:
    """Leave out what several looks have said in the same words."""
    seen: set[tuple[str, str]] = set()
    for check in checks:
        key = check.name, "" if check.state is State.OK else check.found
        if key not in seen:
            yield check
        seen.add(key)


def _private_names(session: Session) -> Mapping[str, str]:
    """Return names that are nobody else's business, and what to write for them."""
    found = {getpass.getuser(): "<user>", socket.gethostname(): "<machine>"}
    with suppress(SettingsError):
        for profile in session.settings.profiles().values():
            for endpoint in profile.endpoints.values():
                with suppress(ValueError):
                    found[urlsplit(endpoint.url or "").hostname or ""] = "<host>"
                found[endpoint.username or ""] = "<user>"
    found.pop("", None)
    return {name: to for name, to in found.items() if name not in _NO_NAMES}


def _redacted(check: Check, private: Mapping[str, str]) -> Check:
    def covered(text: str) -> str:
        text = redact(text)
        for name, to in private.items():
            text = re.sub(rf"(?<![\w.-]){re.escape(name)}(?![\w-])", to, text)
        return text

    return replace(check, found=covered(check.found), fix=covered(check.fix))


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
    missing = [n for n in ("ipywidgets", "anywidget") if not _is_there(n)]
    seen = None if missing else _page()
    yield Check("front end", State.OK, _front_end_name(session, seen))
    if missing:
        yield Check(
            "widgets",
            State.FAULT,
            f"{' and '.join(missing)} not installed in the kernel",
            f"pip install {' '.join(missing)}",
        )
        return
    yield _widgets(session, seen)
    threads = bool(getattr(kernel, "_supports_kernel_subshells", False))
    yield Check(
        "subshells",
        State.OK if threads else State.NOTE,
        "supported" if threads else "not supported: buttons wait for the running cell",
    )


def _page() -> FrontEnd | None:
    """Return what the page says of itself; None: there is none, or it is silent."""
    from pilothouse_widgets.busy import the_cell_clock
    from pilothouse_widgets.front_end import ask_page

    return ask_page(_PAGE_PATIENCE) if the_cell_clock().is_attended else None


def _widgets(session: Session, seen: FrontEnd | None) -> Check:
    """Check that a page makes widgets, from parts that fit those of the kernel."""
    if seen is None and _is_lab(session):
        found = f"the page has made none in {_PAGE_PATIENCE:g} s"
        return Check("widgets", State.FAULT, found, _WIDGET_FIX)
    if seen is None:
        return Check("widgets", State.NOTE, "no page has answered: views stand still")
    kernel = _version("ipywidgets")
    fitting = _MANAGERS.get(kernel.partition(".")[0])
    if seen.manager and fitting not in (None, seen.manager.partition(".")[0]):
        found = f"the page's manager {seen.manager} does not fit ipywidgets {kernel}"
        return Check("widgets", State.FAULT, found, _WIDGET_FIX)
    parts = {"manager": seen.manager, "anywidget": seen.anywidget}
    told = ", ".join(f"{name} {is_at}" for name, is_at in parts.items() if is_at)
    return Check("widgets", State.OK, f"the page makes them{told and f'; its {told}'}")


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
        url, verify = connected.proxy_prefix, connected.gateway.peer.verify
        way = list(
            way_checks("FastScore", url, verify, "%fastscore connect", _PATIENCE)
        )
        yield from way if _blocked(way) else _suite_checks(connected)
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
    way = list(way_checks("FastScore", url, verify, "%fastscore connect", wait))
    if _blocked(way):
        yield from way
        return
    secret: secrets.Secret | None = secrets.Secret(token) if token else None
    if secret is None:
        given = secrets.find(_suite.SERVICE, "token", url=url, ask=secrets.nobody)
        secret = given.secret if given else None
    with Connect(url, oauth_secret=secret, verify=verify, timeout=wait) as probe:
        if secret is None and endpoint.username:
            name = endpoint.username
            known = secrets.find(
                _suite.SERVICE, url=url, username=name, ask=secrets.nobody
            )
            if known is not None:
                with suppress(PilothouseError):  # told by the check that follows
                    probe.login(name, known.secret)
        yield from _suite_checks(probe)


def _blocked(way: list[Check]) -> bool:
    """Tell whether one does not come to the service."""
    return any(one.state is State.FAULT and one.name != "clock" for one in way)


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
    yield from clock_of("FastScore", answer.headers.get("Date") or "")
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


def _front_end_name(session: Session, seen: FrontEnd | None) -> str:
    """Return what the page says of itself, else what the kernel can know; no guess.

    JupyterLab and Notebook 7 are of the same parts: one server has both, and the
    messages of one are like those of the other.
    """
    if seen is not None and seen.app:
        return f"{seen.app} {seen.version}".rstrip()
    if "google.colab" in sys.modules:
        return "kernel of Colab"
    if os.environ.get("VSCODE_PID") or os.environ.get("VSCODE_CWD"):
        return "kernel of VS Code"
    if os.environ.get("JPY_SESSION_NAME"):
        which = "JupyterLab or Notebook 7" if _is_lab(session) else "another front end"
        return f"kernel of a Jupyter server, by {which}"
    return "kernel"


def _is_lab(session: Session) -> bool:
    """Tell whether the cell was sent by JupyterLab's parts."""
    parent: Callable[[], Any] = getattr(session.shell, "get_parent", dict)
    return "deletedCells" in parent().get("metadata", {})


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _is_there(name: str) -> bool:
    return importlib.util.find_spec(name) is not None
