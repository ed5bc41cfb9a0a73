"""What to record of a message whose handling raised an exception that nobody expected.

Such an exception is settled for that message alone: logged with its id, counted as an attempt, tried again by the usual
schedule, and at last failed. Nothing here depends on what may have raised.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from django.utils import timezone
from django.utils.translation import gettext

from mailadmin.delivery import retry
from mailadmin.drivers.base import RecipientResult, Result, crash_error
from maillog.models import Attempt, Recipient, Status
from maillog.outcomes import AttemptRecord, RecipientOutcome, Settlement

if TYPE_CHECKING:
    from datetime import datetime

    from mailadmin.delivery.in_flight import InFlight

logger = logging.getLogger(__name__)


def crash_result(delivery: InFlight, error: BaseException) -> Result:
    """Return the result of a message whose driver raised: our own fault, so it is logged and the message retried."""
    logger.error("The driver failed on message %d.", delivery.mail.id, exc_info=error)
    failure = crash_error(error)
    each = RecipientResult(outcome=Recipient.Outcome.DEFERRED, reply=failure.message)
    return Result(
        outcome=Attempt.Outcome.DEFERRED,
        recipients={recipient.address: each for recipient in delivery.mail.recipients},
        reply=failure.message,
        started_at=timezone.now(),
        duration_ms=0,
        error=failure,
    )


def fault_settlement(delivery: InFlight, error: BaseException, *, result: object = None, worker: str) -> Settlement:
    """Return what to record of a message when our own handling of it raised `error`, before or after its `result`.

    What the driver reported stays true: a message that was sent is not sent again, and one that may have been sent
    waits for a person.
    """
    mail, now = delivery.mail, timezone.now()
    logger.error("Message %d could not be handled.", mail.id, exc_info=error)
    outcome = str(getattr(result, "outcome", Attempt.Outcome.DEFERRED))
    status, due = _next_state(delivery, outcome, now)
    is_sent = outcome == Attempt.Outcome.SENT
    kind = type(error).__name__
    reason = gettext("An internal error (%s) got in the way; the log file says more.") % kind
    return Settlement(
        id=mail.id,
        claim=mail.claim,
        status=status,
        reason=mail.refusal if is_sent else reason,
        next_attempt_at=due,
        driver=delivery.driver,
        connection=delivery.connection.name if delivery.connection else "",
        recipients=[RecipientOutcome(id=one.id, outcome=Recipient.Outcome.ACCEPTED) for one in mail.recipients]
        if is_sent
        else [],
        attempt=AttemptRecord(
            started_at=now,
            duration_ms=0,
            outcome=outcome if is_sent else _ATTEMPT_OUTCOMES.get(status, outcome),
            reply=reason,
            driver=delivery.driver,
            connection=delivery.connection.name if delivery.connection else "",
            worker=worker,
        ),
    )


_ATTEMPT_OUTCOMES = {
    Status.DEFERRED: Attempt.Outcome.DEFERRED,
    Status.UNCERTAIN: Attempt.Outcome.UNCERTAIN,
    Status.PARTLY_SENT: Attempt.Outcome.FAILED,
    Status.FAILED: Attempt.Outcome.FAILED,
}


def _next_state(delivery: InFlight, outcome: str, now: datetime) -> tuple[Status, datetime | None]:
    if outcome in retry.FINAL_STATUS:
        return retry.final_status(delivery.mail, outcome), None
    if outcome in {Attempt.Outcome.UNCERTAIN, Attempt.Outcome.PARTIAL}:
        return Status.UNCERTAIN, None
    number = delivery.mail.attempt_count
    if delivery.mail.is_test or number > len(retry.SCHEDULE):
        return delivery.mail.failed_status, None
    return Status.DEFERRED, now + retry.SCHEDULE[max(number, 1) - 1]
