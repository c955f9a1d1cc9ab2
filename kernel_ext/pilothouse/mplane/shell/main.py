"""The ``mpcli`` command.

    mpcli [--config FILE]                              the shell, for terminal or pipe
    mpcli --url URL listcap                            one command, then the end
    mpcli --url URL --json -c "..." -c "..."           some commands, then the end

Exit codes: 0; 1 when one of the given commands failed (the rest is not run), or when it
could not begin; 2 for wrong words. A shell that read its lines to the end gives 0, as
the reference shell does.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pilothouse.errors import PilothouseError

from .reading import ask, is_terminal, line_editing
from .words import PROMPT

if TYPE_CHECKING:
    from pilothouse.mplane.client import HttpInitiatorClient, HttpListenerClient
    from pilothouse.mplane.configuration import Configuration

    from .commands import Commands
    from .loop import Shell

__all__ = ["main"]

_FAILED = 1
_PATIENCE_SECONDS = 5.0
_INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return the exit code."""
    args = _parser().parse_args(argv)
    try:
        commands = _commands(args.config, args.url)
    except PilothouseError as exc:
        _complain(str(exc))
        return _FAILED
    except KeyboardInterrupt:
        return _INTERRUPTED
    try:
        given = [*args.command, *([_line(args.words)] if args.words else [])]
        return _run_given(commands, given, args.json) if given else _run(commands)
    except KeyboardInterrupt:
        return _INTERRUPTED
    finally:
        commands.close()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mpcli",
        description="Shell of an mPlane client. Without commands it reads them from "
        "the standard input; help lists them.",
    )
    parser.add_argument(
        "--config",
        metavar="FILE",
        help="configuration, INI or JSON; none: core "
        "registry, no TLS, components are asked by this client",
    )
    parser.add_argument(
        "--url", help="a component: default URL, and its capabilities are retrieved"
    )
    parser.add_argument(
        "-c",
        "--command",
        action="append",
        default=[],
        metavar="LINE",
        help="run this line instead (may be repeated)",
    )
    parser.add_argument(
        "--json", action="store_true", help="with commands: one line of JSON for each"
    )
    parser.add_argument(
        "words",
        nargs=argparse.REMAINDER,
        metavar="COMMAND",
        help="run this command instead, after those of -c",
    )
    return parser


def _line(words: Sequence[str]) -> str:
    import shlex

    is_option = words[:1] == ["runcap"]  # the one command that reads quotes
    return shlex.join(words) if is_option else " ".join(words)


def _commands(config: str | None, url: str | None) -> Commands:
    from pilothouse.mplane import configuration, model

    from .commands import Commands

    settings = configuration.read(config)
    for path in settings.registries.preload:
        model.preload_registry(str(path))
    model.initialize_registry(settings.registries.default)
    commands = Commands(_client(settings))
    try:
        _retrieve_configured(commands, settings)
        if url:
            commands.seturl(url)
            commands.getcap(url)
    except BaseException:
        commands.close()
        raise
    return commands


def _retrieve_configured(commands: Commands, settings: Configuration) -> None:
    """Fetch the capabilities that the file names; the shell begins without them too."""
    url = getattr(settings.client, "capability_url", None)
    if url:
        try:
            commands.client.retrieve_capabilities(url)  # type: ignore[union-attr]
        except PilothouseError as exc:
            _complain(str(exc))


def _client(settings: Configuration) -> HttpInitiatorClient | HttpListenerClient:
    from pilothouse.mplane import client, configuration
    from pilothouse.mplane.tls import TlsState

    tls = TlsState(settings)
    if isinstance(settings.client, configuration.ClientListen):
        listener = client.HttpListenerClient(settings, tls_state=tls)
        listener.listen_in_background()
        return listener
    default = settings.client.default_url if settings.client else None
    return client.HttpInitiatorClient(tls, default_url=default)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _complain(text: str) -> None:
    sys.stderr.write(f"mpcli: {text}\n")


def _run_given(commands: Commands, lines: Sequence[str], as_json: bool) -> int:
    from .loop import Shell

    shell = Shell(
        commands, _say, as_json=as_json, complain=_complain, patience=_PATIENCE_SECONDS
    )
    for line in lines:
        if not shell.run(line):
            break
        if shell.failures:
            return _FAILED
    return 0


def _run(commands: Commands) -> int:
    from .completion import candidates
    from .loop import Shell

    patience = 0.0 if is_terminal() else _PATIENCE_SECONDS
    shell = Shell(commands, _say, ask, patience=patience)
    shell.greet()
    with line_editing(lambda line, word: candidates(commands, line, word)):
        while _step(shell):
            pass
    return 0


def _step(shell: Shell) -> bool:
    """Read and run one line; ``False`` after the last one."""
    try:
        return shell.run(ask(PROMPT))
    except EOFError:
        return shell.run("EOF")
    except KeyboardInterrupt:
        if not is_terminal():
            raise
        _say("")  # as other shells: the line is dropped
        return True
