"""Scheduler: takes messages, finds the service, keeps the jobs, gives the reply.

Source: reference documentation, ``mplane.scheduler.Scheduler``; contract §5. No I/O.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Iterator

from pilothouse.mplane import configuration, model
from pilothouse.mplane.authorization import Authorization
from pilothouse.mplane.media import NOBODY

from .job import Job
from .jobs import JobTable
from .multijob import MultiJob
from .runtime import Runtime, shared_runtime
from .service import Service
from .work import JobCallback, Reply, Work, scope_of

__all__ = ["Scheduler"]

log = logging.getLogger(__name__)

_KEEP_SECONDS = 3600.0
_MAX_JOBS = 10_000


class Scheduler:
    """The common runtime of a component; may be used by several threads.

    Args:
        config: Anything that `pilothouse.mplane.configuration.read` takes; None: all
            is allowed, and no bound but that of memory on repeated results.
        runtime: Threads and timers; those shared by the process by default.
        keep_seconds: How long a reply that nobody redeems is kept.
        max_jobs: Most jobs at a time, waiting, running or not yet redeemed.

    Attributes:
        services: In the order in which they are asked.
        authorization: Who may run what.
        is_ending: With it, specifications are refused; everything else is answered.
    """

    def __init__(
        self,
        config: configuration.Readable = None,
        *,
        runtime: Runtime | None = None,
        keep_seconds: float = _KEEP_SECONDS,
        max_jobs: int = _MAX_JOBS,
    ) -> None:
        settings = configuration.read(config)
        self.services: list[Service] = []
        self.authorization = Authorization(_rules(settings))
        self.is_ending = False
        self.max_results = settings.max_results
        self._runtime = shared_runtime() if runtime is None else runtime
        self._lock = threading.Lock()
        self._capabilities: dict[str, model.Capability | model.Withdrawal] = {}
        self._withdrawn: list[tuple[model.Capability, model.Withdrawal]] = []
        self._jobs = JobTable(max_jobs, keep_seconds)

    def __repr__(self) -> str:
        return f"<Scheduler of {len(self.services)} services, {len(self._jobs)} jobs>"

    # -- services ---------------------------------------------------------------------

    def add_service(self, service: Service) -> None:
        """Offer a service."""
        capability = service.capability()
        token = capability.get_token()
        with self._lock:
            known = self._capabilities.get(token)
            if isinstance(known, model.Capability) and known is not capability:
                # The label is no part of it (contract §4.1).
                log.warning(
                    "%r and %r ask for the same and give the same: the first one that "
                    "is offered is run for both",
                    known,
                    capability,
                )
            self.services = [*self.services, service]
            self._capabilities[token] = capability
            self._withdrawn = [
                pair for pair in self._withdrawn if pair[0].get_token() != token
            ]
        log.info("added %r", service)

    def remove_service(self, service: Service) -> None:
        """Offer a service no more; its token then stands for a withdrawal.

        Jobs of the service that run go on.

        Raises:
            ValueError: If it was not offered.
        """
        capability = service.capability()
        withdrawal = model.Withdrawal(capability=capability)
        with self._lock:
            if service not in self.services:
                raise ValueError(f"{service!r} is not offered here")
            self.services = [one for one in self.services if one is not service]
            self._capabilities[capability.get_token()] = withdrawal
            self._withdrawn = [*self._withdrawn, (capability, withdrawal)]
        log.info("removed %r", service)

    def capability_keys(self) -> Iterator[str]:
        """Return the tokens of the capabilities, also of withdrawn ones."""
        with self._lock:
            return iter(list(self._capabilities))

    def capability_for_key(self, key: str) -> model.Capability | model.Withdrawal:
        """Return the capability of a token, or its withdrawal.

        Raises:
            KeyError: If there was never one.
        """
        return self._capabilities[key]

    def capabilities_for(
        self, user: str | None, *, withdrawn: bool = False
    ) -> list[model.Capability | model.Withdrawal]:
        """Return what an identity may see, in the order in which it was added.

        Args:
            user: The identity.
            withdrawn: Also the withdrawals.
        """
        with self._lock:
            known: Iterable[model.Capability | model.Withdrawal] = list(
                self._capabilities.values()
            )
        return [
            one
            for one in known
            if (withdrawn or isinstance(one, model.Capability))
            and self.authorization.check(one, user)
        ]

    # -- messages ---------------------------------------------------------------------

    def process_message(
        self,
        user: str | None,
        msg: object,
        session: object = None,
        callback: JobCallback | None = None,
        *,
        again: bool = False,
    ) -> Reply | model.Withdrawal:
        """Take one message and return the reply; never blocks.

        Args:
            user: The identity of the sender.
            msg: The message.
            session: Kept with the job that a specification makes.
            callback: Called with the job's receipt each time that a result is there.
            again: The sender may have missed an earlier answer to the same redemption.
        """
        self._jobs.prune_now_and_then()
        if isinstance(msg, model.Specification):
            return self.submit_job(user, msg, session, callback)
        if isinstance(msg, model.Redemption | model.Interrupt):
            token = msg.get_token()
            job = self._jobs.get(user, token, redeemed=again)
            if job is None:
                return model.Exception(token=token, errmsg="Unknown job")
            if isinstance(msg, model.Interrupt):
                return _interrupted(job)
            is_over = job.finished()
            reply = job.get_reply()
            if is_over and not isinstance(reply, model.Exception):
                self._jobs.redeemed(job)
            return reply
        return model.Exception(token=_token_of(msg), errmsg="Unexpected message type")

    def submit_job(
        self,
        user: str | None,
        specification: model.Specification,
        session: object = None,
        callback: JobCallback | None = None,
    ) -> model.Receipt | model.Exception | model.Withdrawal:
        """Find a service for a specification and let it run at its time.

        The same specification, sent twice by one identity, runs once.

        Returns:
            The receipt of the job; an exception when nobody may or can do it; the
            withdrawal of a capability that is no longer there.
        """
        token = specification.get_token()
        known = self._jobs.get(user or "", token)
        if known is not None:
            return known.receipt
        if self.is_ending:
            return model.Exception(token=token, errmsg="The component is stopping")
        try:
            service = self._service_for(user, specification)
            if isinstance(service, model.Exception | model.Withdrawal):
                return service
            job = self._job(user, service, specification, session, callback)
            entered = self._jobs.enter(user, job)
        except (ValueError, TypeError) as exc:
            return model.Exception(token=token, errmsg=str(exc))
        if entered is job:
            job.schedule()
        log.info("Returning %r", entered.receipt)
        return entered.receipt

    def job_for_message(self, msg: object, user: str | None = None) -> Work:
        """Return the job whose token a message has.

        Args:
            msg: A redemption, interrupt or receipt.
            user: The identity that the job must belong to; None: anyone.

        Raises:
            KeyError: If there is none.
        """
        token = _token_of(msg)
        job = self._jobs.get(user, token)
        if job is None:
            raise KeyError(f"no job with token {token}")
        return job

    def prune_jobs(self) -> None:
        """Drop the jobs that were redeemed, or whose replies nobody fetched in time."""
        self._jobs.prune()

    @property
    def jobs(self) -> dict[str, Work]:
        """The jobs not redeemed yet, by token."""
        return {job.receipt.get_token(): job for job in self._jobs.all()}

    def answered(self, job: Work) -> None:
        """Note that a client has the reply of a job without having redeemed it."""
        self._jobs.answered(job)

    def redeemed(self, job: Work) -> None:
        """Forget a job that is over: the client has the reply."""
        self._jobs.redeemed(job)

    def not_redeemed(self, user: str | None, msg: object) -> None:
        """Take it back that a job was redeemed: the reply did not reach the client."""
        self._jobs.not_redeemed(user, _token_of(msg))

    def interrupt_all(self) -> None:
        """Interrupt every job, for instance because the component stops."""
        for job in self._jobs.all():
            if not job.finished():
                job.interrupt()

    # -- inside -----------------------------------------------------------------------

    def _job(
        self,
        user: str | None,
        service: Service,
        specification: model.Specification,
        session: object,
        callback: JobCallback | None,
    ) -> Work:
        if scope_of(specification).is_repeated():
            return MultiJob(
                service,
                specification,
                session,
                self.max_results,
                callback,
                runtime=self._runtime,
                owner=user,
            )
        return Job(
            service,
            specification,
            session,
            callback,
            runtime=self._runtime,
            owner=user,
        )

    def _service_for(
        self, user: str | None, specification: model.Specification
    ) -> Service | model.Exception | model.Withdrawal:
        token = specification.get_token()
        specification.validate()
        is_known = False
        for service in self.services:
            if specification.fulfills(service.capability()):
                if self.authorization.check(service.capability(), user):
                    return service
                is_known = True
        if is_known:
            return model.Exception(
                token=token,
                errmsg="User has no permission to request this capability",
            )
        for capability, withdrawal in self._withdrawn:
            if specification.fulfills(capability) and self.authorization.check(
                capability, user
            ):
                return withdrawal
        return model.Exception(
            token=token,
            errmsg="No service registered for specification",
        )


def _rules(settings: configuration.Configuration) -> configuration.Access | None:
    """Return the rules; none without TLS, for then everybody is nobody.

    Source: contract §5. Rules for nobody in particular hold in any case.
    """
    access = settings.access
    if access is None or settings.tls is not None or NOBODY in access.roles:
        return access
    log.warning(
        "%s: without [TLS] nobody is known, and all is allowed", settings.source
    )
    return None


def _interrupted(job: Work) -> Reply:
    """Interrupt a job, and answer.

    A result means that it was over before; an envelope, that nothing more will come.
    """
    was_over = job.finished()
    job.interrupt()
    is_over = job.finished()
    reply = job.get_reply()
    if isinstance(reply, model.Result) and not was_over:
        return job.receipt
    if isinstance(reply, model.Envelope) and not is_over:
        return job.receipt
    return reply


def _token_of(msg: object) -> str | None:
    if isinstance(msg, model.Statement | model.Envelope | model.Exception):
        return msg.get_token()
    return None
