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
from datetime import timedelta
from time import monotonic
from typing import TypeVar

from django.db import close_old_connections
from django.utils import timezone

from mailadmin.connections import circuit_breaker
from mailadmin.connections.routing import Router
from mailadmin.delivery import faults, heartbeats, result_writing, retry, unattempted
from mailadmin.delivery.database_retry import DATABASE_DOWN
from mailadmin.delivery.decisions import CHECK_SECONDS, DecisionCheck
from mailadmin.delivery.dispatching import Dispatcher
from mailadmin.delivery.in_flight import Completion, InFlight, attempt_record, content_timeout
from mailadmin.delivery.submission import STOP_CHECK_SECONDS
from mailadmin.drivers.base import Result
from mailadmin.errors import Stopped
from mailadmin.incidents import detection
from maillog.models import Attempt
from maillog.outcomes import Settlement
from maillog.queue import claiming
from maillog.queue.claimed_messages import ClaimedMessage
from secrets_app.vault import Connection

T = TypeVar("T")

logger = logging.getLogger(__name__)

BATCH = 500  # messages claimed at a time
FLUSH_COUNT = 50  # results are written when there are this many ...
FLUSH_SECONDS = 0.02  # ... or after this time
LEASE = timedelta(seconds=90)  # renewed while the process lives, so it only limits how soon a dead worker is noticed
RENEW_SECONDS = 30.0


class Drain(Dispatcher):
    """One run over due messages. `should_stop` is asked before more is claimed, and while messages are in flight."""

    def __init__(
        self,
        *,
        worker: str,
        should_stop: Callable[[], bool] = lambda: False,
        wake_others: Callable[[], None] | None = None,
    ) -> None:
        super().__init__(worker=worker)
        self.should_stop = should_stop
        self.wake_others = wake_others
        self.rerouted: list[InFlight] = []  # to be submitted again through another connection
        self.failures = detection.FailureCollector()
        self.renewed = self.checked = monotonic()
        self.decisions = DecisionCheck()
        self.in_hand: dict[str, int] = {}  # as last reported

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
        self.finish()
        return self.attempts

    def run_these(self, ids: Sequence[int]) -> int:
        """Deliver those of the messages `ids` that are waiting, and return how many attempts were made."""
        self.is_in_request = True
        self.deliver(claiming.claim_by_id(ids, lease=LEASE, worker=self.worker))
        while self.in_flight:
            self.collect()
        self.finish()
        return self.attempts

    def finish(self) -> None:
        """Report what has been collected."""
        self.failures.report()
        self.report_in_hand({})

    def has_room(self) -> bool:
        """Return whether few enough messages and octets are in flight to claim more."""
        if len(self.in_flight) > BATCH // 2:
            return False
        return sum(len(delivery.mail.mime) for delivery in self.in_flight) <= claiming.MAX_BYTES // 2

    # ------------------------------------------------------------ starting

    def claim_more(self) -> None:
        """Claim and dispatch, unless the database is down while messages are in flight: they come first."""
        try:
            self.deliver(self.claim())
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

    def deliver(self, mails: Sequence[ClaimedMessage]) -> None:
        """Dispatch `mails`, and record what was decided without a driver."""
        self.dispatch(mails)
        self.write_decided()

    # ------------------------------------------------------------ finishing

    def collect(self) -> None:
        """Wait for results, until FLUSH_COUNT are there or FLUSH_SECONDS have passed, and write them."""
        completions = self.submitter.completions.take(
            min(FLUSH_COUNT, len(self.in_flight)), timeout=STOP_CHECK_SECONDS, linger=FLUSH_SECONDS
        )
        for completion in completions:
            self.in_flight.discard(completion.delivery)
            try:
                settlement = self.settle(completion)
            except Exception as error:  # noqa: BLE001  (the other results must be written; `fault` logs it)
                settlement = self.fault(completion.delivery, error, result=completion.result)
            if settlement:
                self.decided.append(settlement)
        rerouted, self.rerouted = self.rerouted, []
        self.submit_by_route(rerouted)
        self.write_decided()
        self.renew_leases()
        self.heed_decisions()

    def settle(self, completion: Completion) -> Settlement | None:
        """Return what to record of a completion, or None if the message goes out through another connection."""
        delivery, result = completion.delivery, completion.result
        if isinstance(result.error if isinstance(result, Result) else result, Stopped):
            return unattempted.released(delivery)
        if isinstance(result, BaseException):
            result = faults.crash_result(delivery, result)
        connection = delivery.connection
        if connection and result.error and circuit_breaker.concerns_connection(result.error):
            error = result.error
            is_new = self.retry_database(lambda: self.router.record_failure(connection, error))
            if not delivery.mail.is_test and result.outcome != Attempt.Outcome.PARTIAL:
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

    def write_decided(self) -> None:
        """Record what has been decided, in one transaction."""
        settlements, self.decided = self.decided, []
        if settlements:
            result_writing.write(settlements, limit=self.database_limit)
            self.failures.add(settlements)

    def renew_leases(self) -> None:
        """Renew the leases of what is in flight, every half minute."""
        if monotonic() - self.renewed < RENEW_SECONDS or not self.in_flight:
            return
        claims = {delivery.mail.claim for delivery in self.in_flight}
        self.retry_database(lambda: claiming.renew_leases(claims, lease=LEASE))
        self.renewed = monotonic()

    def heed_decisions(self) -> None:
        """Give back, every half second, what has not begun and what people have decided otherwise about."""
        if monotonic() - self.checked < CHECK_SECONDS or not self.in_flight:
            return
        self.checked = monotonic()
        try:
            self.report_in_hand(self.decisions.in_hand(self.in_flight))  # of what an earlier check has overruled
            self.submitter.withdraw(self.decisions.find(self.in_flight, self.present_router()))
        except Exception:
            logger.warning("Whether anything was decided otherwise could not be found out.", exc_info=True)
            close_old_connections()

    def present_router(self) -> Router:
        """Return a router with the present settings: that of the newest batch if it is young and does for all."""
        mails = [delivery.mail for delivery in self.in_flight]
        is_young = monotonic() - self.routed < CHECK_SECONDS
        return self.router if is_young and not any(mail.connection_hint for mail in mails) else Router(mails)

    def report_in_hand(self, in_hand: dict[str, int]) -> None:
        """Tell pages how many messages cannot be given back any more, if that has changed."""
        if in_hand != self.in_hand:
            self.in_hand = in_hand
            heartbeats.record_in_hand(self.worker, in_hand)
