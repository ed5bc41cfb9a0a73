"""What follows from the result of an attempt: the message's next state and its next attempt. Pure functions."""

from __future__ import annotations

import random
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from mailadmin.drivers.base import Result
from maillog.models import Attempt, Recipient, Status
from maillog.outcomes import AttemptRecord, RecipientOutcome, Settlement
from maillog.queue.claimed_messages import ClaimedMessage
from maillog.text import server_reply_line

SCHEDULE = tuple(
    timedelta(minutes=minutes) for minutes in (1, 5, 15, 60, 4 * 60, 8 * 60, 24 * 60)
)  # then the message has failed; RFC 5321 section 4.5.4.1 asks for 4-5 days only of servers that relay for others
JITTER = 0.2  # of the interval, so that messages deferred together do not come back together

FINAL_STATUS = {
    Attempt.Outcome.SENT: Status.SENT,
    Attempt.Outcome.FAILED: Status.FAILED,
    Attempt.Outcome.LOGGED: Status.LOGGED,
    Attempt.Outcome.SILENCED: Status.SILENCED,
    Attempt.Outcome.SKIPPED: Status.SKIPPED,
}


def next_attempt(attempt_count: int, *, now: datetime) -> datetime | None:
    """Return when a message is due again after its attempt number `attempt_count`, or None if that was the last."""
    if attempt_count > len(SCHEDULE):
        return None
    interval = SCHEDULE[attempt_count - 1]
    return now + interval * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311  (spreads load, guards nothing)


def settlement(
    mail: ClaimedMessage,
    result: Result,
    *,
    record: AttemptRecord,
    now: datetime,
    failovers: Sequence[AttemptRecord] = (),
    ask_before_resend: Collection[str] = (),
) -> Settlement:
    """Return what to record of `result`, the attempt that `mail` was claimed for.

    A message deferred for some recipients is deferred and retried only for those. If it ends and was accepted for some
    recipients but not for all, it is partly sent. A test message is tried once, because its sender waits for the
    answer. A message that may have arrived is sent again with the same Message-ID, unless its template is
    among `ask_before_resend`: then a person decides.
    """
    outcomes = recipient_outcomes(mail, result)
    status, due = next_state(mail, result, outcomes, now=now, ask_before_resend=ask_before_resend)
    return Settlement(
        id=mail.id,
        claim=mail.claim,
        status=status,
        reason="" if status == Status.SENT else reason(mail, result, outcomes, is_retried=status == Status.DEFERRED),
        next_attempt_at=due,
        driver=record.driver,
        connection=record.connection,
        recipients=outcomes,
        attempt=record,
        failovers=failovers,
    )


def recipient_outcomes(mail: ClaimedMessage, result: Result) -> list[RecipientOutcome]:
    """Return the outcome of every recipient that `result` names."""
    found = [(recipient.id, result.recipients.get(recipient.address)) for recipient in mail.recipients]
    return [
        RecipientOutcome(
            id=number, outcome=one.outcome, code=one.code, enhanced_code=one.enhanced_code, reply=one.reply
        )
        for number, one in found
        if one is not None
    ]


def next_state(
    mail: ClaimedMessage,
    result: Result,
    outcomes: Sequence[RecipientOutcome],
    *,
    now: datetime,
    ask_before_resend: Collection[str] = (),
) -> tuple[Status, datetime | None]:
    """Return the message's next status and, if it waits, when it is due."""
    if result.outcome == Attempt.Outcome.UNCERTAIN:
        is_resent = not mail.is_test and mail.template not in ask_before_resend
        return Status.UNCERTAIN, next_attempt(mail.attempt_count, now=now) if is_resent else None
    if result.outcome not in {Attempt.Outcome.DEFERRED, Attempt.Outcome.PARTIAL}:
        return final_status(mail, result.outcome), None
    found = {outcome.outcome for outcome in outcomes}
    if result.outcome == Attempt.Outcome.DEFERRED or Recipient.Outcome.DEFERRED in found:
        due = None if mail.is_test else next_attempt(mail.attempt_count, now=now)
        if due:
            return Status.DEFERRED, due
    return Status.PARTLY_SENT if Recipient.Outcome.ACCEPTED in found else mail.failed_status, None


def final_status(mail: ClaimedMessage, outcome: str) -> Status:
    """Return the status with which `mail` ends after an attempt whose `outcome` is the same for all recipients left."""
    if outcome == Attempt.Outcome.SENT:
        return Status.PARTLY_SENT if mail.refusal else Status.SENT
    return mail.failed_status if mail.was_accepted else FINAL_STATUS[Attempt.Outcome(outcome)]


def reason(
    mail: ClaimedMessage, result: Result, outcomes: Sequence[RecipientOutcome], *, is_retried: bool = False
) -> str:
    """Return one line for the log's list: the reply about one recipient that was not accepted, or the error.

    Of several replies, the one that says what the message waits for if it is retried, else that of a refusal.
    """
    replies = {one.outcome: one for one in reversed(outcomes) if one.reply}  # the first of each outcome
    order = [Recipient.Outcome.REFUSED, Recipient.Outcome.DEFERRED]
    for outcome in reversed(order) if is_retried else order:
        if one := replies.get(outcome):
            return server_reply_line(one.code, one.enhanced_code, one.reply)
        if outcome == Recipient.Outcome.REFUSED and mail.refusal and not is_retried:
            return mail.refusal
    return server_reply_line(result.code, result.enhanced_code, result.reply)
