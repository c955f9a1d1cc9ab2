"""The ``pilothouse`` command.

    up       start the local services, in the foreground or detached
    status   show the running ones
    down     end them
    serve    run one service in the foreground, from a YAML file
    lab      JupyterLab on a notebook, services up
    dashboard   all of it on one page, services up
    audit    look for secrets in saved notebooks

For people it prints a table, with ``--json`` exactly one line of JSON. An error is one
line on the error output, exit code 1; wrong words give exit code 2. ``audit`` has exit
codes of its own: 0 nothing found, 1 something found, 2 a file that cannot be read.
"""

from __future__ import annotations

import argparse
import gc
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from pilothouse.errors import PilothouseError, ServiceError

if TYPE_CHECKING:
    from pilothouse.services.host import HostConfig

    _Commands: TypeAlias = argparse._SubParsersAction[argparse.ArgumentParser]

__all__ = ["main"]

_SERVICES = ("fastscore", "aimm", "fastmap", "mplane")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return the exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    further: list[str] = []
    if words[:1] == ["lab"] and "--" in words:
        at = words.index("--")
        words, further = words[:at], words[at + 1 :]
    args = _parser().parse_args(words)
    args.further = further
    try:
        code: int = args.run(args)
    except PilothouseError as exc:
        print(f"pilothouse: {exc}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="pilothouse",
        description="Steer remote engines, models, runs and probes from a notebook.",
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_up(commands)
    _add_status(commands)
    _add_down(commands)
    _add_serve(commands)
    _add_lab(commands)
    _add_dashboard(commands)
    _add_audit(commands)
    return parser


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from pilothouse import __version__

        print(f"pilothouse {__version__}")
        parser.exit()


def _add_up(commands: _Commands) -> None:
    up = commands.add_parser(
        "up",
        help="start the local services",
        description="Start the local services; Ctrl-C or SIGTERM ends them in order.",
    )
    up.add_argument(
        "--service",
        action="append",
        choices=_SERVICES,
        help="start this one (may be repeated; all by default)",
    )
    _add_data_dir(up, "where the services keep their data")
    up.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen on (this machine only by default)",
    )
    up.add_argument(
        "--port",
        action="append",
        type=_port,
        default=[],
        metavar="SERVICE=N",
        help="port of a service (a free one by default)",
    )
    up.add_argument("--tls-cert", type=Path, metavar="F", help="speak TLS")
    up.add_argument("--tls-key", type=Path, metavar="F", help="key of the certificate")
    up.add_argument(
        "--allow-exec",
        action="store_true",
        help="let streams run programs (exec transport)",
    )
    up.add_argument(
        "--workers",
        type=_workers,
        metavar="N",
        help="batches that fastmap runs at a time (one for each core by default)",
    )
    up.add_argument(
        "--dask",
        metavar="ADDRESS",
        help="let a Dask cluster run fastmap's batches: the address of its scheduler, "
        "or local for one of N workers on this machine",
    )
    up.add_argument("--json", action="store_true", help="print one line of JSON")
    up.add_argument(
        "--detach", action="store_true", help="leave them running in the background"
    )
    up.add_argument("--log-name", default="", help=argparse.SUPPRESS)
    up.set_defaults(run=_up)


def _add_status(commands: _Commands) -> None:
    status = commands.add_parser("status", help="show the running local services")
    status.add_argument("--json", action="store_true", help="print one line of JSON")
    status.set_defaults(run=_status)


def _add_down(commands: _Commands) -> None:
    down = commands.add_parser("down", help="end the running local services")
    _add_data_dir(down, "only the process that keeps its data there")
    down.add_argument("--json", action="store_true", help="print one line of JSON")
    down.set_defaults(run=_down)


def _add_serve(commands: _Commands) -> None:
    serve = commands.add_parser(
        "serve",
        help="run one service in the foreground, from a YAML file",
        description="Keys of the file: data_dir, host, port, tls_cert, tls_key; for "
        "fastscore also engines (names), database (an SQLAlchemy URL), allow_exec, "
        "python, max_attachment_bytes, jet_memory_bytes, record_timeout (seconds); for "
        "fastmap also workers, dask (an address, or local), pythons (paths), "
        "secret_file, memory_bytes, body_bytes, result_bytes, kept_bytes, "
        "batch_seconds, idle_seconds, kept_seconds, hold_seconds, install, "
        "price_per_core_hour, price_per_gib, credits, vocabulary; for mplane also "
        "probes (names).",
    )
    serve.add_argument("service", choices=_SERVICES)
    serve.add_argument("--conf", type=Path, required=True, metavar="FILE")
    serve.add_argument("--json", action="store_true", help="print one line of JSON")
    serve.set_defaults(run=_serve)


def _add_lab(commands: _Commands) -> None:
    lab = commands.add_parser(
        "lab",
        help="JupyterLab on a notebook, services up",
        description="Start the services (unless they run) and JupyterLab; both end "
        "together. Words after -- go to JupyterLab.",
    )
    lab.add_argument("notebook", nargs="?", type=Path, help="the tour by default")
    lab.add_argument(
        "--no-browser", action="store_true", help="print the address, open no browser"
    )
    _add_data_dir(lab, "where the services keep their data")
    lab.set_defaults(run=_lab)


def _add_dashboard(commands: _Commands) -> None:
    page = commands.add_parser(
        "dashboard",
        help="all of it on one page, services up",
        description="Start the services (unless they run) and the dashboard as a page "
        "of its own, by Voila; both end together. Only this machine reaches it, with "
        "the token of the address that is printed.",
    )
    page.add_argument(
        "--no-browser", action="store_true", help="print the address, open no browser"
    )
    page.add_argument(
        "--port", type=_page_port, metavar="N", help="its port (a free one by default)"
    )
    page.add_argument(
        "--theme",
        choices=("auto", "light", "dark"),
        default="auto",
        help="auto: as the browser prefers (the default)",
    )
    _add_data_dir(page, "where the services keep their data")
    page.set_defaults(run=_dashboard)


def _add_audit(commands: _Commands) -> None:
    audit = commands.add_parser(
        "audit",
        help="look for secrets in saved notebooks",
        description="Look for tokens, passwords and keys in notebooks: sources, "
        "outputs, metadata, attachments, the state of widgets; and for the secrets "
        "that this machine knows. Nothing is sent or written, and no secret is shown. "
        "Exit code 0: nothing found, 1: something found, 2: a file cannot be read.",
    )
    audit.add_argument(
        "files", nargs="+", type=Path, metavar="FILE", help="a notebook or a folder"
    )
    audit.add_argument("--json", action="store_true", help="print one line of JSON")
    audit.set_defaults(run=_audit)


def _add_data_dir(parser: argparse.ArgumentParser, text: str) -> None:
    parser.add_argument("--data-dir", type=Path, metavar="DIR", help=text)


def _port(word: str) -> tuple[str, int]:
    name, found, number = word.partition("=")
    if not found or name not in _SERVICES:
        known = ", ".join(_SERVICES)
        raise argparse.ArgumentTypeError(f"write SERVICE=N, with SERVICE of {known}")
    if not (number.isascii() and number.isdigit() and 0 <= int(number) < 65536):
        raise argparse.ArgumentTypeError(f"no port number: {number!r}")
    return name, int(number)


def _page_port(word: str) -> int:
    if not (word.isascii() and word.isdigit() and 0 < int(word) < 65536):
        raise argparse.ArgumentTypeError(f"no port number: {word!r}")
    return int(word)


def _workers(word: str) -> int:
    if not (word.isascii() and word.isdigit() and 0 < int(word) < 10_000):
        raise argparse.ArgumentTypeError(f"no number of workers: {word!r}")
    return int(word)


def _up(args: argparse.Namespace) -> int:
    _check_tls(args.tls_cert, args.tls_key)
    _warn_of(args.host, args.tls_cert, args.service or _SERVICES)
    if args.detach:
        return _up_detached(args)
    gc.disable()  # until all is up: what is loaded now stays; the host turns it on
    try:
        return _run_host(_host_config(args), args.json, args.log_name)
    finally:
        gc.enable()  # also where nothing came up


def _host_config(args: argparse.Namespace) -> HostConfig:
    from pilothouse.services.host import HostConfig, tls_context
    from pilothouse.services.spawn import default_data_dir

    services = tuple(args.service or _SERVICES)
    tls = tls_context(args.tls_cert, args.tls_key) if args.tls_cert else None
    return HostConfig(
        services=services,
        data_dir=(args.data_dir or default_data_dir()).absolute(),
        host=args.host,
        ports=dict(args.port),
        tls=tls,
        options={
            "fastscore": {"allow_exec": args.allow_exec},
            "fastmap": {"workers": args.workers or 0, "dask": args.dask or ""},
        },
    )


def _up_detached(args: argparse.Namespace) -> int:
    from pilothouse.services.spawn import up

    local = up(
        args.service,
        data_dir=args.data_dir,
        host=args.host,
        ports=dict(args.port),
        tls_cert=args.tls_cert,
        tls_key=args.tls_key,
        allow_exec=args.allow_exec,
        workers=args.workers,
        dask=args.dask,
    )
    if args.json:
        _print_json(local.announcement())
    else:
        print("started" if local.is_new else "found running")
        _print_table(local.announcement(), local.data_dir)
    return 0


def _run_host(config: HostConfig, as_json: bool, log_name: str = "") -> int:
    """Run the services in this process until a signal ends them."""
    from pilothouse.services.process import run_services

    def announce(announcement: dict[str, Any]) -> None:
        if as_json:
            _print_json(announcement)
        else:
            _print_table(announcement, config.data_dir)
            print("Ctrl-C ends them.", flush=True)

    run_services(config, announce, log_name)
    return 0


def _status(args: argparse.Namespace) -> int:
    from pilothouse.services.spawn import status

    found = status()
    if args.json:
        _print_json([local.announcement() for local in found])
    for local in () if args.json else found:
        _print_table(local.announcement(), local.data_dir)
    if not found and not args.json:
        print("no local services are running; pilothouse up starts them")
    return 0


def _down(args: argparse.Namespace) -> int:
    from pilothouse.services.spawn import down

    ended = down(data_dir=args.data_dir)
    if args.json:
        _print_json({"ended": ended})
    elif ended:
        print(f"ended: process {', '.join(str(pid) for pid in ended)}")
    else:
        print("no local services were running")
    return 0


def _serve(args: argparse.Namespace) -> int:
    from pilothouse.services.conf_file import read_conf

    config = read_conf(args.service, args.conf)
    _warn_of(config.host, config.tls, config.services)
    return _run_host(config, args.json)


def _lab(args: argparse.Namespace) -> int:
    from pilothouse.services.lab import run_lab

    return run_lab(
        args.notebook,
        words=args.further,
        data_dir=args.data_dir,
        open_browser=not args.no_browser,
        say=lambda line: print(line, flush=True),
    )


def _dashboard(args: argparse.Namespace) -> int:
    from pilothouse.services.dashboard_page import run_dashboard

    return run_dashboard(
        port=args.port,
        theme=args.theme,
        data_dir=args.data_dir,
        open_browser=not args.no_browser,
        say=lambda line: print(line, flush=True),
    )


def _audit(args: argparse.Namespace) -> int:
    from pilothouse.audit import Audit, audit

    found = Audit(audit(args.files))
    if args.json:
        _print_json(found.to_dict())
    else:
        print(found)
    return found.exit_code


def _check_tls(cert: Path | None, key: Path | None) -> None:
    if key is not None and cert is None:
        raise ServiceError("--tls-key needs --tls-cert")


def _warn_of(host: str, tls: object, services: Sequence[str]) -> None:
    if host in ("127.0.0.1", "::1", "localhost"):
        return
    text = f"warning: listening on {host}: other machines can reach the services"
    if not tls:
        text += ", and without --tls-cert the token crosses the network in the clear"
    if "mplane" in services:
        text += "; mplane asks for none: whoever reaches it can measure from here"
    print(text, file=sys.stderr)


def _print_json(value: object) -> None:
    print(json.dumps(value, separators=(",", ":")), flush=True)


def _print_table(announcement: Mapping[str, Any], data_dir: Path) -> None:
    print(f"{'process':<10} {announcement['pid']}")
    print(f"{'data':<10} {data_dir}")
    for name, fields in announcement.items():
        if isinstance(fields, dict):
            for key, value in fields.items():
                label = name if key == "url" else f"  {key}"
                print(f"{label:<10} {value}")
    sys.stdout.flush()
