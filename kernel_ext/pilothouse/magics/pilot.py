"""``%pilot``: the local services, profiles, and what is wrong."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING

from IPython.core.magic import magics_class

from pilothouse.errors import LineError

from ._arguments import Argument, Command, Option
from ._base import HouseMagics, house_magic, subcommand
from ._readers import INTEGER, NUMBER, PATH, live_or_text
from ._show import Page, Table

if TYPE_CHECKING:
    from pilothouse.audit import Audit
    from pilothouse.services import Local

    from ._report import Report

__all__ = ["PilotMagics"]

PROFILE = live_or_text("PROFILE", "profile")
SERVICE = live_or_text("NAME", "service")
PORT = live_or_text("SERVICE=N", "port")
DASK = live_or_text("ADDRESS", "dask")
JOB = live_or_text("JOB", "job")
PLAN = live_or_text("PLAN", "plan")


@magics_class
class PilotMagics(HouseMagics):
    """What concerns the whole house."""

    @house_magic(
        Command(
            "pilot",
            "Start and stop local services, choose a profile, find faults, run plans.",
            is_cell=True,
            is_line_too=True,
        )
    )
    def pilot(self, args: Namespace, cell: str | None) -> Page:
        """Show what runs and which profile is in use."""
        if cell and cell.strip():
            raise LineError("what is the cell?", hint="%%pilot flow")
        from pilothouse import services

        used = self.session.settings.in_use()
        lines = [f"profile in use: {used.value}"]
        running = services.status()
        lines += [repr(local) for local in running] or ["no local services run"]
        return self.status("pilot", *lines)

    @subcommand(
        "up",
        Option(("--service",), SERVICE, "only these services", many=True),
        Option(("--data-dir",), PATH, "where they keep their data"),
        Option(("--port",), PORT, "a port of your choice", many=True),
        Option(("--workers",), INTEGER, "batches of Fastmap at a time"),
        Option(
            ("--dask",), DASK, "who does them: a scheduler, or 'local' for a new one"
        ),
        example="up",
    )
    def _up(self, args: Namespace) -> Local:
        """Start the local services, or find those that run."""
        from ._local import start

        ports = dict(_port(word) for word in args.port)
        return start(
            self.session,
            args.service,
            data_dir=args.data_dir,
            ports=ports,
            workers=args.workers,
            dask=args.dask,
        )

    @subcommand(
        "down",
        Option(("--data-dir",), PATH, "only those that keep their data there"),
        example="down",
    )
    def _down(self, args: Namespace) -> Table:
        """Stop the local services in order; nothing acknowledged is lost."""
        from pilothouse import services

        from ._local import stop

        before = services.status()
        ended = stop(self.session, data_dir=args.data_dir)
        urls = {
            endpoint.url
            for local in before
            if local.pid in ended
            for endpoint in local.services.values()
        }
        self._forget(urls)
        rows = [{"ended": f"process {pid}"} for pid in ended]
        return Table(("ended",), rows, empty="no local services ran")

    @subcommand("status", example="status")
    def _status(self, args: Namespace) -> Table:
        """Show the local services that run."""
        from pilothouse import services

        rows = [
            {
                "service": name,
                "address": endpoint.url,
                "process": local.pid,
                "data": local.data_dir,
            }
            for local in services.status()
            for name, endpoint in local.services.items()
        ]
        columns = ("service", "address", "process", "data")
        return Table(
            columns, rows, empty="no local services run; %pilot up starts them"
        )

    @subcommand("use", Argument("profile", PROFILE, "its name"), example="use lab")
    def _use(self, args: Namespace) -> Table:
        """Choose the profile that later commands use."""
        found = self.session.settings.profile(args.profile)
        self.session.options.profile = found.name
        return self._profiles(args)

    @subcommand("profiles", example="profiles")
    def _profiles(self, args: Namespace) -> Table:
        """Show the profiles, and where each value came from."""
        settings = self.session.settings
        used = settings.in_use().value
        rows: list[dict[str, object]] = []
        for profile in settings.profiles().values():
            head = {
                "profile": profile.name,
                "in use": "yes" if profile.name == used else "",
            }
            found = [
                {
                    **head,
                    "setting": f"{service}.{key}",
                    "value": setting.value,
                    "from": setting.origin,
                }
                for service, key, setting in profile.rows()
            ]
            rows += found or [{**head, "from": profile.origin}]
        return Table(("profile", "in use", "setting", "value", "from"), rows)

    @subcommand(
        "jobs",
        Option(("--forget",), JOB, "cross these out, and ask nobody", many=True),
        example="jobs",
    )
    def _jobs(self, args: Namespace) -> Table:
        """Show the remote work that is still out there, of any kernel."""
        from pilothouse.jobs import JobBook

        from ._jobs import listing

        book = JobBook()
        for each in args.forget:
            damaged = {one.path.stem for one in book.damaged()}
            book.forget(each if each in damaged else book.get(each).key)
        return listing(self.session, book)

    @subcommand(
        "attach",
        Argument("job", JOB, "how its id begins; %pilot jobs shows them"),
        Option(("--detach",), None, "return the running job at once", False),
        example="attach 1f -o results",
    )
    def _attach(self, args: Namespace) -> object:
        """Take up a job of an earlier kernel: progress, then its result."""
        from pilothouse.jobs import JobBook

        from ._jobs import attach

        follow = not args.detach
        return attach(self.session, JobBook(), args.job, args.out, follow=follow)

    @subcommand(
        "stop",
        Argument("job", JOB, "how its id begins; %pilot jobs shows them"),
        example="stop 1f",
    )
    def _stop(self, args: Namespace) -> Page:
        """Stop a job that is still out there."""
        from pilothouse.jobs import JobBook

        from ._jobs import stop

        return Page(stop(self.session, JobBook(), args.job))

    @subcommand(
        "flow",
        Argument("plan", PLAN, "what to call the plan", "flow"),
        Option(("--dry-run",), None, "show the plan, and run nothing", False),
        Option(("--resume",), None, "go on from what failed, with what is done", False),
        Option(("--quiet",), None, "show no progress", False),
        Option(("--detach",), None, "return the running Flow at once", False),
        example="flow delays -o plan",
        takes_cell=True,
    )
    def _flow(self, args: Namespace) -> object:
        """Run the steps of the cell as one plan; in a line, the plan of that name."""
        from ._flow import run

        return run(self.session, args)

    @subcommand("doctor", example="doctor")
    def _doctor(self, args: Namespace) -> Report:
        """Check what can be wrong, with one fix for each fault; safe to paste."""
        from ._doctor import examine

        return examine(self.session)

    @subcommand(
        "dashboard",
        Option(("--service",), SERVICE, "only these services", many=True),
        Option(("--every",), NUMBER, "seconds between two questions to each", 1.0),
        Option(("--up",), None, "start the local services where none run", False),
        example="dashboard --up",
    )
    def _dashboard(self, args: Namespace) -> object:
        """Show everything on one page, live: each tile opens the full view."""
        from ._dashboard import dashboard

        return dashboard(self.session, args.service, every=args.every, up=args.up)

    @subcommand(
        "logs", Argument("lines", INTEGER, "how many lines", 40), example="logs 20"
    )
    def _logs(self, args: Namespace) -> Page:
        """Show the end of the local services' log."""
        from pilothouse import services

        running = services.status()
        if not running:
            raise LineError("no local services run", hint="%pilot up starts them")
        parts = [
            f"process {local.pid}, {local.log or 'in a terminal, without a log file'}\n"
            f"{local.log_tail(args.lines)}".rstrip()
            for local in running
        ]
        return Page("\n\n".join(parts))

    @subcommand(
        "audit",
        Argument("files", PATH, "notebooks or folders; this notebook", (), many=True),
        example="audit",
    )
    def _audit(self, args: Namespace) -> Audit:
        """Look for secrets in saved notebooks; shows how one begins, at most."""
        from pilothouse.audit import Audit, audit

        from ._notebook_file import this_notebook

        return Audit(audit(args.files or [this_notebook(self.session.shell)]))

    def _forget(self, urls: set[str]) -> None:
        """Close connections to services that are gone."""
        from . import _component, _fastmap, _suite

        connected = self.session.kept(_suite.SERVICE)
        if connected is not None and connected.proxy_prefix in urls:
            self.session.names.forget(_suite.SERVICE)
            self.session.release(_suite.SERVICE)
        component: _component.Connected | None = self.session.kept(_component.SERVICE)
        if component is not None:
            component.leave(urls)
        maps: _fastmap.Connected | None = self.session.kept(_fastmap.SERVICE)
        if maps is not None and maps.url in urls:
            self.session.names.forget(_fastmap.SERVICE)
            self.session.release(_fastmap.SERVICE)


def _port(word: str) -> tuple[str, int]:
    service, equals, number = word.partition("=")
    if not service or not equals or not number.isdigit():
        raise LineError(f"{word!r} is no SERVICE=N", hint="--port fastscore=8000")
    return service, int(number)
