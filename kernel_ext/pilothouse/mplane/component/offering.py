"""What a component shows of its services: their capabilities, with its own link."""

from __future__ import annotations

from pilothouse.mplane import model
from pilothouse.mplane.scheduler import Scheduler, Service

__all__ = ["Offering", "Offers", "scheduler_of"]

Offers = Scheduler | Service | list[Service] | tuple[Service, ...]
"""What a component can be made of."""


class Offering:
    """The capabilities of a scheduler as clients see them.

    A service may be offered by several components, one after the other too; the link
    goes into what is shown, not into the service's own capability.

    Args:
        scheduler: Whose services they are.
        link: Where specifications go, for capabilities that name no place themselves.
    """

    def __init__(self, scheduler: Scheduler, link: str | None = None) -> None:
        self.scheduler = scheduler
        self.link = link
        self._shown: dict[int, tuple[object, str | None, model.Capability]] = {}

    def shown(
        self, statement: model.Capability | model.Withdrawal
    ) -> model.Capability | model.Withdrawal:
        """Return a capability with its link and token; a withdrawal as it is."""
        if not isinstance(statement, model.Capability):
            return statement
        known = self._shown.get(id(statement))
        if known is not None and known[0] is statement and known[1] == self.link:
            return known[2]
        copy = model.Capability(dictval=statement.to_dict())
        copy.set_token(statement.get_token())
        if not copy.get_link() and self.link is not None:
            copy.set_link(self.link)
        self._shown[id(statement)] = (statement, self.link, copy)
        return copy


def scheduler_of(offers: Offers, scheduler: Scheduler) -> Scheduler:
    """Return the scheduler given, or one that offers the services given.

    Args:
        offers: A scheduler, a service or several.
        scheduler: Takes the services.
    """
    if isinstance(offers, Scheduler):
        return offers
    for service in [offers] if isinstance(offers, Service) else offers:
        scheduler.add_service(service)
    return scheduler
