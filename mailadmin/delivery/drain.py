"""The worker's engine: sends a batch concurrently and records the results in bulk.

The calling thread talks to the database; the SMTP transactions run in the process's event loop, which hands each result
back as soon as it is known (`mailadmin.delivery.submission`). So the network never waits for a database transaction,
and no transaction is open while anything is on the network. Results are written when 50 are there or after 20 ms,
whichever comes first: at most that much has been sent but not recorded when a process is killed (these messages go out
twice, with the same Message-ID).

When asked to stop, it lets running transactions finish and releases all other messages at once: they are due again,
without a counted attempt, for the remaining workers.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from time import monotonic
from typing import TypeVar

from django.db import close_old_connections
from django.utils import timezone
from django.utils.translation import gettext

from mailadmin.connections import circuit_breaker, rate_limits
from mailadmin.connections.rate_limits import Limit
from mailadmin.connections.routing import Route, Router
from mailadmin.delivery import retry
from mailadmin.delivery.database_retry import DATABASE_DOWN, retry_while_database_is_down
from mailadmin.delivery.in_flight import Completion, InFlight, attempt_record, content_timeout, crash_result
from mailadmin.delivery.submission import STOP_CHECK_SECONDS, Submitter
from mailadmin.drivers.base import Result
from mailadmin.errors import Stopped
from mailadmin.incidents import detection
from maillog.models import Status
from maillog.outcomes import Settlement
from maillog.queue import claiming, settling
from maillog.queue.claiming import ClaimedMessage
from secrets_app.vault import Connection

T = TypeVar("T")

logger = logging.getLogger(__name__)

DATABASE_LIMIT_IN_REQUEST = 10.0  # seconds
BATCH = 500  # messages claimed at a time
FLUSH_COUNT = 50  # results are written when there are this many ...
FLUSH_SECONDS = 0.02  # ... or after this time
LEASE = timedelta(seconds=90)  # renewed while the process lives, so it only limits how soon a dead worker is noticed
RENEW_SECONDS = 30.0
HORIZON = timedelta(seconds=10)  # how far ahead messages of a rate-limited connection are kept in flight
MAX_WORKER_DEATHS = 5  # workers that may die on a message, from the third on with it alone, before it is parked


class Drain:
    """One run over due messages. `should_stop` is asked before more is claimed, and while messages are in flight."""

    router: Router  # of the newest batch

    def __init__(
        self,
        *,
        worker: str,
        should_stop: Callable[[], bool] = lambda: False,
        wake_others: Callable[[], None] | None = None,
    ) -> None:
        self.worker = worker
        self.should_stop = should_stop
        self.wake_others = wake_others
        self.submitter = Submitter()
        self.in_flight: set[InFlight] = set()
        self.undispatched: list[Settlement] = []  # decided without the driver, written with the next results
        self.postponed: dict[str, datetime] = {}  # by connection: the latest time given to a message over its limits
        self.rerouted: list[InFlight] = []  # to be submitted again through another connection
        self.attempts = 0
        self.failures = detection.FailureCollector()
        self.is_in_request = False
        self.renewed = monotonic()

    def run(self) -> int:
        """Deliver everything that is due and return how many attempts were made."""
        while True:
            if self.should_stop():
                self.submitter.stop_starting()
            elif self.has_room():
                self.claim_more()
            if not self.in_flight:
                break
            self.collect()
        self.failures.report()
        return self.attempts

    def run_these(self, ids: Sequence[int]) -> int:
        """Deliver those of the messages `ids` that are waiting, and return how many attempts were made."""
        self.is_in_request = True
        self.dispatch(claiming.claim_by_id(ids, lease=LEASE, worker=self.worker))
        while self.in_flight:
            self.collect()
        self.failures.report()
        return self.attempts

    def has_room(self) -> bool:
        """Return whether few enough messages and octets are in flight to claim more."""
        if len(self.in_flight) > BATCH // 2:
            return False
        return sum(len(delivery.mail.mime) for delivery in self.in_flight) <= claiming.MAX_BYTES // 2

    # ------------------------------------------------------------ starting

    def claim_more(self) -> None:
        """Claim and dispatch, unless the database is down while messages are in flight: they come first."""
        try:
            self.dispatch(self.claim())
        except DATABASE_DOWN:
            if not self.in_flight:
                raise
            logger.warning("The database is down; nothing more is claimed for now.", exc_info=True)
            close_old_connections()

    def claim(self) -> list[ClaimedMessage]:
        """Return the next messages: a batch, or, when nothing else is left, one that workers may have died on."""
        claimed = claiming.claim_due(limit=BATCH, lease=LEASE, worker=self.worker)
        if len(claimed) == BATCH and self.wake_others:
            self.wake_others()
        if not claimed and not self.in_flight:
            claimed = claiming.claim_suspect(lease=LEASE, worker=self.worker)
        return claimed

    def dispatch(self, mails: Sequence[ClaimedMessage]) -> None:
        """Submit `mails`, each through its connection."""
        deliveries = []
        for mail in mails:
            if mail.worker_deaths >= MAX_WORKER_DEATHS:
                reason = gettext("Parked: %d workers died while delivering this message.") % mail.worker_deaths
                self.undispatched.append(Settlement(id=mail.id, claim=mail.claim, status=Status.FAILED, reason=reason))
            else:
                deliveries.append(InFlight(mail))
        if mails:
            self.router = Router(mails)
        self.submit_by_route(deliveries)
        self.write(self.undispatched)
        self.undispatched = []

    def submit_by_route(self, deliveries: Sequence[InFlight]) -> None:
        """Submit the deliveries, grouped by connection; hold those without a route."""
        groups: dict[tuple[str, float], tuple[Route, list[InFlight]]] = {}
        for delivery in deliveries:
            timeout = content_timeout(delivery.mail)
            route = self.router.route_for(delivery.mail, content_timeout=timeout, tried=delivery.tried)
            if isinstance(route, str):
                self.undispatched.append(self.hold(delivery, route))
                continue
            delivery.connection = route.connection
            key = (route.connection.id if route.connection else "", timeout)
            groups.setdefault(key, (route, []))[1].append(delivery)
        for route, group in groups.values():
            limits = rate_limits.limits_of(route.connection.fields) if route.connection else []
            if limits and route.connection:
                self.submit_within_limits(limits, route.connection, route, group)
            else:
                self.submit(route, group)

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
            reason = gettext("The limits of the connection “%s” are reached.") % connection.name
            self.undispatched.append(
                Settlement(
                    id=delivery.mail.id,
                    claim=delivery.mail.claim,
                    status=Status.QUEUED,
                    reason=reason,
                    next_attempt_at=after,
                    failovers=delivery.failovers,
                )
            )
        self.postponed[connection.id] = after

    def submit(self, route: Route, deliveries: Sequence[InFlight], *, delay: float = 0.0) -> None:
        self.in_flight.update(deliveries)
        self.submitter.submit(route, deliveries, delay=delay)

    # ------------------------------------------------------------ finishing

    def collect(self) -> None:
        """Wait for results, until FLUSH_COUNT are there or FLUSH_SECONDS have passed, and write them."""
        completions = self.submitter.completions.take(
            min(FLUSH_COUNT, len(self.in_flight)), timeout=STOP_CHECK_SECONDS, linger=FLUSH_SECONDS
        )
        settled = [settlement for completion in completions if (settlement := self.settle(completion))]
        rerouted, self.rerouted = self.rerouted, []
        self.submit_by_route(rerouted)
        self.write([*settled, *self.undispatched])
        self.undispatched = []
        self.renew_leases()

    def settle(self, completion: Completion) -> Settlement | None:
        """Return what to record of a completion, or None if the message goes out through another connection."""
        delivery, result = completion.delivery, completion.result
        self.in_flight.discard(delivery)
        if isinstance(result.error if isinstance(result, Result) else result, Stopped):
            return self.release(delivery)
        if isinstance(result, BaseException):
            result = crash_result(delivery, result)
        connection = delivery.connection
        if connection and result.error and circuit_breaker.concerns_connection(result.error):
            error = result.error
            is_new = self.retry_database(lambda: self.router.record_failure(connection, error))
            if not delivery.mail.is_test:
                return self.fail_over(delivery, connection, result, is_new=is_new)
        self.attempts += 1
        return retry.settlement(
            delivery.mail,
            result,
            record=attempt_record(delivery, result, worker=self.worker),
            failovers=delivery.failovers,
            ask_before_resend=self.router.ask_before_resend,
            now=timezone.now(),
        )

    def release(self, delivery: InFlight) -> Settlement:
        """Return the settlement of a message that was not started: due at once, for any worker."""
        mail = delivery.mail
        return Settlement(
            id=mail.id,
            claim=mail.claim,
            status=Status.QUEUED,
            next_attempt_at=timezone.now(),
            failovers=delivery.failovers,
        )

    def fail_over(
        self, delivery: InFlight, connection: Connection, result: Result, *, is_new: bool
    ) -> Settlement | None:
        """Route the message through a backup connection, or hold it.

        Only the first message to hit a failure records it.
        """
        if is_new:
            self.attempts += 1
            delivery.failovers.append(attempt_record(delivery, result, worker=self.worker))
        delivery.tried |= {connection.id}
        timeout = content_timeout(delivery.mail)
        route = self.retry_database(
            lambda: self.router.route_for(delivery.mail, content_timeout=timeout, tried=delivery.tried)
        )
        if isinstance(route, str):
            return self.hold(delivery, route)
        self.rerouted.append(delivery)
        return None

    def hold(self, delivery: InFlight, reason: str) -> Settlement:
        """Return the settlement of a message that waits for a connection; a test message fails instead."""
        mail = delivery.mail
        if mail.is_test and delivery.failovers:
            return Settlement(
                id=mail.id, claim=mail.claim, status=Status.FAILED, reason=reason, failovers=delivery.failovers
            )
        return Settlement(
            id=mail.id,
            claim=mail.claim,
            status=Status.HELD,
            reason=reason,
            connection=self.router.first_choice(mail),
            failovers=delivery.failovers,
        )

    def write(self, settlements: Sequence[Settlement]) -> None:
        """Record `settlements` in one transaction."""
        if settlements:
            self.retry_database(lambda: settling.settle(settlements))
            self.failures.add(settlements)

    def retry_database(self, do: Callable[[], T]) -> T:
        """Return what `do` returns, retried while the database is down; in a request only for a short time.

        There the error is raised: the messages in flight then count as left by a dead worker, and are sent again.
        """
        return retry_while_database_is_down(do, limit=DATABASE_LIMIT_IN_REQUEST if self.is_in_request else None)

    def renew_leases(self) -> None:
        """Renew the leases of what is in flight, every half minute."""
        if monotonic() - self.renewed < RENEW_SECONDS or not self.in_flight:
            return
        claims = {delivery.mail.claim for delivery in self.in_flight}
        self.retry_database(lambda: claiming.renew_leases(claims, lease=LEASE))
        self.renewed = monotonic()
