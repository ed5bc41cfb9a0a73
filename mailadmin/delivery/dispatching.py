"""Routes claimed messages and hands them to drivers; decides for those that no driver gets."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from time import monotonic
from typing import TYPE_CHECKING, TypeVar

from django.utils import timezone

from mailadmin.connections import rate_limits
from mailadmin.connections.routing import Route, Router
from mailadmin.delivery import faults, result_writing, unattempted
from mailadmin.delivery.database_retry import retry_while_database_is_down
from mailadmin.delivery.in_flight import InFlight, content_timeout
from mailadmin.delivery.submission import Submitter

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailadmin.connections.rate_limits import Limit
    from maillog.outcomes import Settlement
    from maillog.queue.claimed_messages import ClaimedMessage
    from secrets_app.vault import Connection

T = TypeVar("T")

logger = logging.getLogger(__name__)

HORIZON = timedelta(seconds=10)  # how far ahead messages of a rate-limited connection are kept in flight
MAX_WORKER_DEATHS = 5  # workers that may die on a message, from the third on with it alone, before it is parked
DATABASE_LIMIT_IN_REQUEST = 10.0  # seconds


class Dispatcher:
    """The messages of one drain on their way to drivers. `decided`: what to record next, together.

    An exception that a message raises here is that message's result: the others go on.
    """

    router: Router  # of the newest batch

    def __init__(self, *, worker: str) -> None:
        self.worker = worker
        self.submitter = Submitter()
        self.in_flight: set[InFlight] = set()
        self.decided: list[Settlement] = []
        self.postponed: dict[str, datetime] = {}  # by connection: the latest time given to a message over its limits
        self.attempts = 0
        self.routed = 0.0  # when `router` was made, on the clock `time.monotonic`
        self.is_in_request = False

    def dispatch(self, mails: Sequence[ClaimedMessage]) -> None:
        """Submit `mails`, each through its connection."""
        deliveries = []
        for mail in mails:
            if mail.worker_deaths >= MAX_WORKER_DEATHS:
                self.decided.append(unattempted.parked(mail))
            elif mail.fault:
                self.decided.append(self.fault(InFlight(mail), mail.fault))
            else:
                deliveries.append(InFlight(mail))
        if deliveries:
            self.route(deliveries)

    def route(self, deliveries: Sequence[InFlight]) -> None:
        """Submit the deliveries; where that raises for one of them, as many others as possible."""
        try:
            self.router = self.retry_database(lambda: Router([delivery.mail for delivery in deliveries]))
            self.routed = monotonic()
        except Exception as error:
            if len(deliveries) == 1:
                self.decided.append(self.fault(deliveries[0], error))
                return
            logger.warning("%d messages could not be routed together.", len(deliveries), exc_info=True)
            middle = len(deliveries) // 2
            self.route(deliveries[:middle])
            self.route(deliveries[middle:])
        else:
            self.submit_by_route(deliveries)

    def submit_by_route(self, deliveries: Sequence[InFlight]) -> None:
        """Submit the deliveries, grouped by connection; hold those without a route."""
        groups: dict[tuple[str, float], tuple[Route, list[InFlight]]] = {}
        for delivery in deliveries:
            try:
                timeout = content_timeout(delivery.mail)
                route = self.router.route_for(delivery.mail, content_timeout=timeout, tried=delivery.tried)
                if isinstance(route, str):
                    self.decided.append(self.hold(delivery, route))
                    continue
            except Exception as error:  # noqa: BLE001  (of any library that reads the message; `fault` logs it)
                self.decided.append(self.fault(delivery, error))
                continue
            delivery.connection = route.connection
            delivery.current_driver, delivery.candidates = self.router.driver.key, self.router.candidates(delivery.mail)
            key = (route.connection.id if route.connection else "", timeout)
            groups.setdefault(key, (route, []))[1].append(delivery)
        for route, group in groups.values():
            try:
                limits = rate_limits.limits_of(route.connection.fields) if route.connection else []
                if limits and route.connection:
                    self.submit_within_limits(limits, route.connection, route, group)
                else:
                    self.submit(route, group)
            except Exception as error:  # noqa: BLE001  (of the connection's fields, say; `fault` logs it)
                rest = [one for one in group if one not in self.in_flight]
                if len(group) == 1:
                    self.decided += [self.fault(one, error) for one in rest]
                else:
                    for one in rest:
                        self.submit_by_route([one])

    def submit_within_limits(
        self, limits: list[Limit], connection: Connection, route: Route, deliveries: Sequence[InFlight]
    ) -> None:
        """Submit as many deliveries as the connection's limits allow, each at its time, and postpone the others.

        Postponed messages get times at the limits' pace, behind those postponed before, so that a long backlog is not
        claimed over and over.
        """
        now = timezone.now()
        times = rate_limits.reserve(connection.id, limits, len(deliveries), now=now, horizon=HORIZON)
        for delivery, start in zip(deliveries, times, strict=False):
            self.submit(route, [delivery], delay=(start - now).total_seconds())
        after = max(self.postponed.get(connection.id, now), now + HORIZON)
        for delivery in deliveries[len(times) :]:
            after += rate_limits.slowest_interval(limits)
            self.decided.append(unattempted.postponed(delivery, after, connection=connection.name))
        self.postponed[connection.id] = after

    def submit(self, route: Route, deliveries: Sequence[InFlight], *, delay: float = 0.0) -> None:
        self.in_flight.update(deliveries)
        try:
            self.submitter.submit(route, deliveries, delay=delay)
        except Exception:
            self.in_flight.difference_update(deliveries)
            raise

    def hold(self, delivery: InFlight, reason: str) -> Settlement:
        """Return the settlement of a message that waits for a connection."""
        return unattempted.held(delivery, reason, connection=self.router.first_choice(delivery.mail))

    def fault(self, delivery: InFlight, error: BaseException, *, result: object = None) -> Settlement:
        """Return what to record of a message whose handling raised: it concerns this message alone."""
        self.attempts += 1
        return faults.fault_settlement(delivery, error, result=result, worker=self.worker)

    @property
    def database_limit(self) -> float | None:
        """How many seconds the database is waited for: in a request only a short time.

        There its error is raised: the messages in flight then count as left by a dead worker, and are sent again.
        """
        return DATABASE_LIMIT_IN_REQUEST if self.is_in_request else None

    def retry_database(self, do: Callable[[], T]) -> T:
        """Return what `do` returns, retried while the database is down."""
        return retry_while_database_is_down(do, limit=self.database_limit, tries_while_up=result_writing.TRIES)
