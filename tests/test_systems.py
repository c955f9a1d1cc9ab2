"""Habits of all systems: what only Unix has is asked for only where it is needed."""

from __future__ import annotations

import ast
import re
import subprocess
import sys

import pytest

from test_house import modules, tree

AT_HOME_ON_UNIX = (
    "pilothouse.fastmap.worker.child",
    "pilothouse.fastmap.worker.process",
    "pilothouse.mplane.probes",
    "pilothouse.services.aimm.child",
    "pilothouse.services.aimm.children",
    "pilothouse.services.fastscore.engine",
    "pilothouse.services.host",
    "pilothouse.services.launching",
    "pilothouse.services.pages",
)
"""Processes of the local services, and who starts them: `need_unix` stands before."""

ONLY_UNIX = {
    "os": {"fork", "getuid", "geteuid", "killpg", "setsid", "mkfifo", "uname", "wait4"}
    | {"O_CLOEXEC", "O_NOFOLLOW", "O_DIRECTORY", "getpgid", "register_at_fork"},
    "signal": {"SIGKILL", "SIGHUP", "SIGQUIT", "SIGALRM", "SIGUSR1", "SIGCHLD"},
    "select": {"poll", "epoll", "kqueue"},
    "socket": {"AF_UNIX"},
}
UNIX_MODULES = {"fcntl", "grp", "posix", "pty", "pwd", "resource", "termios", "tty"}
PLACES = re.compile(r"^/(tmp|dev|etc|usr|var|home)(/|$)")

PARTS = [name for name in sorted(modules()) if not name.startswith(AT_HOME_ON_UNIX)]


def guarded(name: str) -> set[int]:
    """Return the lines of a module that stand behind a look at the system."""
    lines: set[int] = set()
    for node in ast.walk(tree(name)):
        if isinstance(node, ast.Try):
            asked = " ".join(map(ast.unparse, node.handlers))
        elif isinstance(node, ast.If | ast.IfExp):
            asked = ast.unparse(node.test)
        elif isinstance(node, ast.FunctionDef | ast.BoolOp):
            asked = ast.unparse(node)
        else:
            continue
        if re.search(r"hasattr|sys\.platform|ImportError", asked):
            lines |= set(range(node.lineno, node.end_lineno + 1))
    return lines


def only_unix(node: ast.AST) -> str:
    """Return what a node asks for that only Unix has; empty for others."""
    if isinstance(node, ast.Import):
        return " ".join({each.name for each in node.names} & UNIX_MODULES)
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        found = node.attr in ONLY_UNIX.get(node.value.id, set())
        return f"{node.value.id}.{node.attr}" if found else ""
    return ""


def test_what_only_unix_has_is_looked_for_first():
    offences = []
    for name in PARTS:
        safe = guarded(name)
        offences += [
            f"{name} line {node.lineno}: {word}"
            for node in ast.walk(tree(name))
            if (word := only_unix(node)) and node.lineno not in safe
        ]
    assert offences == []


def of_one_system(node: ast.AST) -> bool:
    """Whether a node forks, or is a place that only Unix has."""
    if isinstance(node, ast.Attribute):
        return node.attr in {"fork", "forkpty"}
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        is_search_path = ":" in node.value
        return bool(PLACES.match(node.value)) and not is_search_path
    return False


def test_nobody_forks_and_no_place_of_unix_is_written_down():
    assert [
        f"{name} line {node.lineno}"
        for name in modules()
        for node in ast.walk(tree(name))
        if of_one_system(node)
    ] == []


def without_encoding(node: ast.AST) -> bool:
    """Whether a node reads or writes text as this machine happens to have it."""
    if not isinstance(node, ast.Call) or "encoding" in {w.arg for w in node.keywords}:
        return False
    called = getattr(node.func, "attr", getattr(node.func, "id", ""))
    if called == "open" and isinstance(node.func, ast.Name):
        modes = [a.value for a in node.args[1:2] if isinstance(a, ast.Constant)]
        return "b" not in "".join(modes)
    return called == "write_text" or (called == "read_text" and not node.args)


def test_text_files_name_their_encoding():
    assert [
        f"{name} line {node.lineno}"
        for name in modules()
        for node in ast.walk(tree(name))
        if without_encoding(node)
    ] == []


@pytest.mark.parametrize(
    ("source", "sees"),
    [
        ("os.getuid()", only_unix),
        ("import fcntl", only_unix),
        ("os.fork()", of_one_system),
        ("Path('/tmp/x')", of_one_system),
        ("path.write_text('x')", without_encoding),
        ("open('x')", without_encoding),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_offence_is_seen(source, sees):
    assert any(sees(node) for node in ast.walk(ast.parse(source)))


ELSEWHERE = """
import importlib, json, os, pkgutil, select, signal, socket, sys

import IPython, aiohttp, anywidget, asyncio, psutil, sqlalchemy, subprocess, tornado
import IPython.terminal.interactiveshell, jupyter_core.paths, multiprocessing.util
import pandas, platformdirs, requests
import tornado.platform.asyncio, websocket, xml.dom.minidom, zmq

for name in {modules!r}:
    sys.modules[name] = None
for owner, names in {names!r}.items():
    for name in names:
        vars(sys.modules[owner]).pop(name, None)

for name in {parts!r}:
    importlib.import_module(name)

import pilothouse

assert pilothouse.status() == []
try:
    pilothouse.up()
except pilothouse.errors.ServiceError as exc:
    print(exc)
"""


def test_all_but_the_services_is_at_home_where_nothing_of_unix_is():
    """As on Windows: no such module, function or signal; a remedy for what needs it."""
    parts = [name for name in PARTS if not name.endswith("__main__")]
    script = ELSEWHERE.format(
        modules=sorted(UNIX_MODULES - {"posix"}),
        names={owner: sorted(names) for owner, names in ONLY_UNIX.items()},
        parts=[name for name in parts if not name.startswith("pilothouse.services.")],
    )

    ran = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=110
    )

    assert ran.returncode == 0, ran.stderr
    assert "the local services do not run on this system" in ran.stdout
    assert "WSL" in ran.stdout
