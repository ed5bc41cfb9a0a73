"""The engine: keeps a batch of mails in the air and writes down in bulk what comes of them.

The calling thread talks to the database; the SMTP conversations run in the process's asyncio loop and hand each result
back as it is known. So nothing on the network ever waits for a transaction, and no transaction is open while anything
is on the network. Results are written at 50 or after 20 ms, whichever is first: what a killed process had sent but not
yet recorded is at most that (these mails go out twice, with the same Message-ID).

Asked to stop, it lets the conversations that have begun come to their end, and gives back at once what has not begun:
those mails are due again, without a counted try, for the workers that remain.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
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
from mailadmin.delivery.in_flight import (
    Completion,
    CompletionQueue,
    InFlight,
    attempt_record,
    content_timeout,
    crash_result,
    envelope,
)
from mailadmin.drivers import event_loop, registry
from mailadmin.drivers.base import Envelope, Result
from mailadmin.drivers.smtp import pool
from mailadmin.errors import Phase, Stopped
from mailadmin.incidents import detection
from maillog.models import Status
from maillog.outcomes import Settlement
from maillog.queue import claiming, settling
from maillog.queue.claiming import ClaimedMessage
from secrets_app.vault import Connection

T = TypeVar("T")

logger = logging.getLogger(__name__)

DATABASE_LIMIT_IN_REQUEST = 10.0  # seconds
BATCH = 500  # mails claimed at a time
FLUSH_COUNT = 50  # results written at the latest when there are so many ...
FLUSH_SECONDS = 0.02  # ... or after this time
LEASE = timedelta(seconds=90)  # renewed while the process lives, so it only says how soon a dead one is noticed
RENEW_SECONDS = 30.0
HORIZON = timedelta(seconds=10)  # how far ahead mails of a limited connection are kept in the air
STOP_CHECK_SECONDS = 0.5  # how soon a request to stop is noticed while nothing comes back
STOP_SECONDS = 12.0  # for what has begun when asked to stop; then its connections are cut
MAX_WORKER_DEATHS = 5  # workers that may die over a mail, from the third on alone with it, before it is parked


class Drain:
    """One run over due mails. `should_stop` is asked before more is claimed, and all the time while mails are out."""

    router: Router  # of the newest batch

    def __init__(
        self,
        *,
        worker: str,
        should_stop: Callable[[], bool] = lambda: False,
        call_others: Callable[[], None] | None = None,
    ) -> None:
        self.worker = worker
        self.should_stop = should_stop
        self.call_others = call_others
        self.landings = CompletionQueue()
        self.in_the_air: set[InFlight] = set()
        self.waiting: list[Settlement] = []  # decided without a flight, written with the next results
        self.put_back: dict[str, datetime] = {}  # by connection: when the last mail beyond its limits asks again
        self.again: list[InFlight] = []  # to take off once more, through another connection
        self.attempts = 0
        self.troubles = detection.FailureCollector()
        self.is_in_a_request = False
        self.called_back = threading.Event()  # from here on nothing more begins
        self.renewed = monotonic()

    def run(self) -> int:
        """Deliver everything that is due and return how many attempts were made."""
        while True:
            if self.should_stop():
                self.call_back()
            elif self.has_room():
                self.claim_more()
            if not self.in_the_air:
                break
            self.land()
        self.troubles.report()
        return self.attempts

    def run_these(self, ids: Sequence[int]) -> int:
        """Deliver the waiting ones of the mails `ids` and return how many attempts were made."""
        self.is_in_a_request = True
        self.take_off(claiming.claim_by_id(ids, lease=LEASE, worker=self.worker))
        while self.in_the_air:
            self.land()
        self.troubles.report()
        return self.attempts

    def call_back(self) -> None:
        """Let what has begun end within STOP_SECONDS; everything else lands at once as Stopped."""
        if not self.called_back.is_set():
            self.called_back.set()
            for driver in registry.drivers():
                driver.call_back()
            asyncio.run_coroutine_threadsafe(pool.close_all(STOP_SECONDS), event_loop.process_loop())

    def has_room(self) -> bool:
        """Return whether so little is in the air, in mails and in octets, that more may be claimed."""
        if len(self.in_the_air) > BATCH // 2:
            return False
        return sum(len(flight.mail.mime) for flight in self.in_the_air) <= claiming.MAX_BYTES // 2

    # ------------------------------------------------------------ starting

    def claim_more(self) -> None:
        """Claim and launch, unless the database does not answer while mails are in the air: they come first."""
        try:
            self.take_off(self.claim())
        except DATABASE_DOWN:
            if not self.in_the_air:
                raise
            logger.warning("The database does not answer; nothing more is claimed for now.", exc_info=True)
            close_old_connections()

    def claim(self) -> list[ClaimedMessage]:
        """Return the next mails: a batch, or, when nothing else is left, one that a worker may have died of."""
        claimed = claiming.claim_due(limit=BATCH, lease=LEASE, worker=self.worker)
        if len(claimed) == BATCH and self.call_others:
            self.call_others()
        if not claimed and not self.in_the_air:
            claimed = claiming.claim_suspect(lease=LEASE, worker=self.worker)
        return claimed

    def take_off(self, mails: Sequence[ClaimedMessage]) -> None:
        """Send `mails` on their way, each through its connection."""
        flights = []
        for mail in mails:
            if mail.worker_deaths >= MAX_WORKER_DEATHS:
                reason = gettext("Parked: %d workers died while they had this mail in hand.") % mail.worker_deaths
                self.waiting.append(Settlement(id=mail.id, claim=mail.claim, status=Status.FAILED, reason=reason))
            else:
                flights.append(InFlight(mail))
        if mails:
            self.router = Router(mails)
        self.dispatch(flights)
        self.write(self.waiting)
        self.waiting = []

    def dispatch(self, flights: Sequence[InFlight]) -> None:
        """Hand the flights over to the driver, grouped by connection; those without a way wait."""
        groups: dict[tuple[str, float], tuple[Route, list[InFlight]]] = {}
        for flight in flights:
            seconds = content_timeout(flight.mail)
            way = self.router.way(flight.mail, patience=seconds, tried=flight.tried)
            if isinstance(way, str):
                self.waiting.append(self.held(flight, way))
                continue
            flight.connection = way.connection
            key = (way.connection.id if way.connection else "", seconds)
            groups.setdefault(key, (way, []))[1].append(flight)
        for way, group in groups.values():
            limits = rate_limits.limits_of(way.connection.fields) if way.connection else []
            if limits and way.connection:
                self.launch_within(limits, way.connection, way, group)
            else:
                self.launch(way, group)

    def launch_within(
        self, limits: list[Limit], connection: Connection, way: Route, flights: Sequence[InFlight]
    ) -> None:
        """Launch as many flights as the connection's limits allow, each at its time; the others are put back.

        Those that are put back get times at the limits' pace behind what was put back before, so that a long backlog is
        not claimed over and over.
        """
        now = timezone.now()
        times = rate_limits.reserve(connection.id, limits, len(flights), now=now, horizon=HORIZON)
        for flight, leaves in zip(flights, times, strict=False):
            self.launch(way, [flight], delay=(leaves - now).total_seconds())
        after = max(self.put_back.get(connection.id, now), now + HORIZON)
        for flight in flights[len(times) :]:
            after += rate_limits.slowest_interval(limits)
            reason = gettext("The limits of the connection “%s” are reached.") % connection.name
            self.waiting.append(
                Settlement(
                    id=flight.mail.id,
                    claim=flight.mail.claim,
                    status=Status.QUEUED,
                    reason=reason,
                    next_attempt_at=after,
                    failovers=flight.failovers,
                )
            )
        self.put_back[connection.id] = after

    def launch(self, way: Route, flights: Sequence[InFlight], *, delay: float = 0.0) -> None:
        """Start one driver call in the loop; every flight will come back through `landings` exactly once."""
        by_envelope = {flight.mail.id: flight for flight in flights}
        open_ids = set(by_envelope)
        self.in_the_air.update(flights)

        def landed(envelope: Envelope, result: Result) -> None:
            open_ids.discard(envelope.id)
            self.landings.put(Completion(by_envelope[envelope.id], result))

        def ended(future: Future[list[Result]]) -> None:
            error = future.exception() if not future.cancelled() else asyncio.CancelledError()
            for number in open_ids:
                self.landings.put(Completion(by_envelope[number], error or RuntimeError("the driver gave no result")))

        driver = self.router.driver
        for flight in flights:
            flight.driver = driver.key
        envelopes = [envelope(flight.mail) for flight in flights]

        async def call() -> list[Result]:
            await self.time_to_leave(delay)
            return await driver.send(envelopes, way.server, on_result=landed)

        asyncio.run_coroutine_threadsafe(call(), event_loop.process_loop()).add_done_callback(ended)

    async def time_to_leave(self, delay: float) -> None:
        """Wait for `delay` seconds. Raises Stopped if nothing more is to begin."""
        leaves = monotonic() + delay
        while not self.called_back.is_set():
            rest = leaves - monotonic()
            if rest <= 0:
                return
            await asyncio.sleep(min(rest, STOP_CHECK_SECONDS))
        raise Stopped(gettext("Sending was stopped."), permanent=False, phase=Phase.CONNECT)

    # ------------------------------------------------------------ landing

    def land(self) -> None:
        """Wait for results, at most until FLUSH of them are there or FLUSH_SECONDS have passed, and write them."""
        settled = [settlement for landing in self.collect() if (settlement := self.settle(landing))]
        again, self.again = self.again, []
        self.dispatch(again)
        self.write([*settled, *self.waiting])
        self.waiting = []
        self.renew()

    def collect(self) -> list[Completion]:
        """Return what has landed; nothing, if nothing does for LOOK_SECONDS."""
        return self.landings.take(
            min(FLUSH_COUNT, len(self.in_the_air)), patience=STOP_CHECK_SECONDS, linger=FLUSH_SECONDS
        )

    def settle(self, landing: Completion) -> Settlement | None:
        """Return what to record of a landing, or None if the mail takes off again through another connection."""
        flight, result = landing.flight, landing.result
        self.in_the_air.discard(flight)
        if isinstance(result.error if isinstance(result, Result) else result, Stopped):
            return self.given_back(flight)
        if isinstance(result, BaseException):
            result = crash_result(flight, result)
        connection = flight.connection
        if connection and result.error and circuit_breaker.concerns_connection(result.error):
            error = result.error
            is_news = self.patiently(lambda: self.router.blame(connection, error))
            if not flight.mail.is_test:
                return self.go_on_elsewhere(flight, connection, result, is_news=is_news)
        self.attempts += 1
        return retry.settlement(
            flight.mail,
            result,
            record=attempt_record(flight, result, worker=self.worker),
            failovers=flight.failovers,
            asking=self.router.asking,
            now=timezone.now(),
        )

    def given_back(self, flight: InFlight) -> Settlement:
        """Return the settlement of a mail that was not begun: due at once, for whoever comes."""
        mail = flight.mail
        return Settlement(
            id=mail.id,
            claim=mail.claim,
            status=Status.QUEUED,
            next_attempt_at=timezone.now(),
            failovers=flight.failovers,
        )

    def go_on_elsewhere(
        self, flight: InFlight, connection: Connection, result: Result, *, is_news: bool
    ) -> Settlement | None:
        """Let the mail take a backup connection, or wait. Only the first mail to meet the trouble counts it."""
        if is_news:
            self.attempts += 1
            flight.failovers.append(attempt_record(flight, result, worker=self.worker))
        flight.tried |= {connection.id}
        way = self.patiently(
            lambda: self.router.way(flight.mail, patience=content_timeout(flight.mail), tried=flight.tried)
        )
        if isinstance(way, str):
            return self.held(flight, way)
        self.again.append(flight)
        return None

    def held(self, flight: InFlight, reason: str) -> Settlement:
        """Return the settlement of a mail that waits until something is repaired."""
        mail = flight.mail
        if mail.is_test and flight.failovers:
            return Settlement(
                id=mail.id, claim=mail.claim, status=Status.FAILED, reason=reason, failovers=flight.failovers
            )
        name = self.router.first_choice(mail)
        return Settlement(
            id=mail.id, claim=mail.claim, status=Status.HELD, reason=reason, connection=name, failovers=flight.failovers
        )

    def write(self, settlements: Sequence[Settlement]) -> None:
        """Record in one transaction."""
        if settlements:
            self.patiently(lambda: settling.settle(settlements))
            self.troubles.add(settlements)

    def patiently(self, do: Callable[[], T]) -> T:
        """Return what `do` returns; the database may be away meanwhile, but not for long in a request.

        There the error is raised: the mails in hand then count as left behind by a dead worker, and go out again.
        """
        return retry_while_database_is_down(do, limit=DATABASE_LIMIT_IN_REQUEST if self.is_in_a_request else None)

    def renew(self) -> None:
        """Prolong the lease of what is still in the air, every half minute."""
        if monotonic() - self.renewed < RENEW_SECONDS or not self.in_the_air:
            return
        claims = {flight.mail.claim for flight in self.in_the_air}
        self.patiently(lambda: claiming.renew_leases(claims, lease=LEASE))
        self.renewed = monotonic()
