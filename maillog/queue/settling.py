"""Records the results of claimed messages: status, recipients and attempts in one transaction, or nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from django.db import connections, router
from django.db.models import F, QuerySet
from django.utils import timezone

from maillog.index import writing
from maillog.labels import label_ids
from maillog.models import Attempt, Content, Label, Message, Recipient, Status, Transcript
from maillog.outcomes import ClaimedRow, HeldGroup, Settlement
from maillog.sql.batches import insert_rows, read_rows, update_rows
from maillog.sql.durability import commit_asynchronously
from maillog.statistics import rollups
from maillog.text import fit

WITH_NEXT_ATTEMPT = (Status.QUEUED, Status.DEFERRED)  # these need a time; uncertain may have one
NOT_SENT = frozenset({*WITH_NEXT_ATTEMPT, Status.HELD, Status.FAILED, Status.SKIPPED})
ALLOWED_STATUSES = frozenset(set(Status.values) - {Status.SENDING.value})
# Queued with a claim: the lease ran out, and no other worker has claimed the message yet.
# Cancelled with one: so it was when somebody cancelled it.
CLAIMED_STATUSES = (Status.SENDING, Status.QUEUED, Status.CANCELLED)
MESSAGE_FIELDS = [
    "status",
    "reason",
    "driver_id",
    "connection_id",
    "attempt_count",
    "next_attempt_at",
    "finished_at",
    "claim",
    "worker_deaths",
    "possibly_duplicate",
]
ATTEMPT_FIELDS = [
    "message_id",
    "number",
    "started_at",
    "duration_ms",
    "outcome",
    "phase",
    "code",
    "enhanced_code",
    "reply",
    "fault",
    "driver",
    "connection",
    "host",
    "tls",
    "worker",
]
RECIPIENT_FIELDS = ["outcome", "code", "enhanced_code", "reply"]


def settle(settlements: Sequence[Settlement]) -> set[int]:
    """Record the results of claimed messages in one transaction, and return the ids of those still claimed by us.

    Its commit does not wait for the disk: after a crash of the machine, messages whose results were lost are sent again
    when their lease expires, flagged as possible duplicates (decision 0009).

    A message that another worker has claimed since (our lease ran out) is not touched at all. One that was cancelled
    meanwhile stays so unless it has, or may have, been sent: what has happened wins. Final states delete the
    content of sensitive messages. Must not be called in a transaction. Raises ValueError, and writes nothing, for an
    invalid state (sending; queued or deferred without a time).
    """
    for settlement in settlements:
        _validate(settlement)
    if not settlements:
        return set()
    by_claim = {(settlement.id, settlement.claim): settlement for settlement in settlements if settlement.claim}
    with commit_asynchronously(router.db_for_write(Message)):
        pairs = [
            (row, _after_cancelling(row, by_claim[row.id, row.claim]))
            for row in _lock_rows({pk for pk, _ in by_claim})
            if row.status in CLAIMED_STATUSES and (row.id, row.claim) in by_claim
        ]
        now = timezone.now()
        _write_attempts(pairs)
        _write_transcripts(pairs)
        _write_recipients(pairs)
        _write_messages(pairs, now)
        rollups.record_settled(pairs, now=now)
        writing.refresh(
            row.id for row, settlement in pairs if row.reason or settlement.status in writing.PROBLEM_STATUSES
        )
        sensitive = [row.id for row, settlement in pairs if row.is_sensitive and settlement.is_final]
        if sensitive:
            Content.objects.filter(message_id__in=sensitive).delete()
    return {row.id for row, _ in pairs}


def _after_cancelling(row: ClaimedRow, settlement: Settlement) -> Settlement:
    """Return what to record of `settlement`; of a message that is cancelled by now, only what cannot be undone."""
    if row.status != Status.CANCELLED:
        return settlement
    if settlement.attempt and settlement.status not in NOT_SENT:
        return replace(settlement, next_attempt_at=None)
    return replace(settlement, status=Status.CANCELLED, reason=row.reason, next_attempt_at=None)


def settle_state(settlement: Settlement) -> bool:
    """Record only the state of one claimed message, by one statement that reads nothing of its row.

    For a message that `settle` raises for. Returns whether it was still claimed by us.
    """
    is_attempt = bool(settlement.attempt or settlement.failovers)
    statuses = [Status.SENDING, Status.QUEUED, *([] if settlement.status in NOT_SENT else [Status.CANCELLED])]
    claimed = Message.objects.filter(id=settlement.id, claim=settlement.claim, status__in=statuses)
    return bool(
        claimed.update(
            status=settlement.status,
            reason=fit(settlement.reason, 500),
            attempt_count=F("attempt_count") - (0 if is_attempt else 1),
            next_attempt_at=settlement.next_attempt_at,
            finished_at=timezone.now() if settlement.is_final else None,
            claim="",
            worker_deaths=0,
        )
    )


def held_groups() -> set[HeldGroup]:
    """Return the groups of held messages: one query that reads all of them."""
    found = _held_messages().order_by().values_list("connection_hint", "actor_id").distinct()
    return {HeldGroup(hint, actor if hint else None) for hint, actor in found}


def release_held(groups: Iterable[HeldGroup] | None = None, *, now: datetime | None = None) -> int:
    """Make the held messages of these groups (None: all) due at `now`, and return their number."""
    due = {"status": Status.QUEUED, "next_attempt_at": now or timezone.now(), "reason": ""}
    if groups is None:
        return _held_messages().update(**due)
    released = 0
    for group in groups:
        mine = _held_messages().filter(connection_hint=group.connection_hint)
        released += (mine.filter(actor_id=group.actor_id) if group.connection_hint else mine).update(**due)
    return released


def _held_messages() -> QuerySet[Message]:
    # SQLite uses the partial index only if the query repeats its condition, "not sent".
    return Message.objects.filter(status=Status.HELD).exclude(status=Status.SENT)


def _lock_rows(ids: Iterable[int]) -> Iterator[ClaimedRow]:
    """Lock and return the rows of `ids`."""
    rows = map(ClaimedRow._make, read_rows(Message, ClaimedRow._fields, ids, lock=True))
    if connections[router.db_for_write(Message)].vendor == "postgresql":
        return rows
    return (row._replace(created_at=_as_utc(row.created_at), finished_at=_as_utc(row.finished_at)) for row in rows)


def _as_utc(stored: datetime | None) -> Any:
    """Return a time from SQLite, which is naive, as UTC."""
    return stored and stored.replace(tzinfo=UTC)


def _validate(settlement: Settlement) -> None:
    if settlement.status not in ALLOWED_STATUSES:
        message = f"A claimed message cannot be settled as {settlement.status!r}."
        raise ValueError(message)
    if settlement.next_attempt_at and settlement.status not in (*WITH_NEXT_ATTEMPT, Status.UNCERTAIN):
        message = f"A message that is {settlement.status} has no next attempt."
        raise ValueError(message)
    if settlement.status in WITH_NEXT_ATTEMPT and settlement.next_attempt_at is None:
        message = f"A message that is {settlement.status} needs a time for its next attempt."
        raise ValueError(message)


def _write_messages(pairs: Sequence[tuple[ClaimedRow, Settlement]], now: datetime) -> None:
    drivers = label_ids(Label.Kind.DRIVER, {settlement.driver for _, settlement in pairs if settlement.driver})
    connections = label_ids(
        Label.Kind.CONNECTION, {settlement.connection for _, settlement in pairs if settlement.connection}
    )
    update_rows(
        Message,
        (
            {
                "id": row.id,
                "status": settlement.status,
                "reason": fit(settlement.reason, 500),
                "driver_id": drivers.get(fit(settlement.driver, 254), row.driver_id),
                "connection_id": connections.get(fit(settlement.connection, 254), row.connection_id),
                "attempt_count": row.attempt_count
                if settlement.attempt or settlement.failovers
                else max(row.attempt_count - 1, 0),
                "next_attempt_at": settlement.next_attempt_at,
                "finished_at": now if settlement.is_final else None,
                "claim": "",
                "worker_deaths": 0,
                "possibly_duplicate": row.possibly_duplicate or settlement.will_be_resent,
            }
            for row, settlement in pairs
        ),
        values=MESSAGE_FIELDS,
        where=["id"],
    )


def _write_recipients(pairs: Sequence[tuple[ClaimedRow, Settlement]]) -> None:
    update_rows(
        Recipient,
        (
            {
                "id": recipient.id,
                "message_id": row.id,
                "outcome": Recipient.Outcome(recipient.outcome).value,
                "code": recipient.code,
                "enhanced_code": fit(recipient.enhanced_code, 11),
                "reply": fit(recipient.reply, 500),
            }
            for row, settlement in pairs
            for recipient in settlement.recipients
        ),
        values=RECIPIENT_FIELDS,
        where=["id", "message_id"],
    )


def _write_attempts(pairs: Sequence[tuple[ClaimedRow, Settlement]]) -> None:
    insert_rows(
        Attempt,
        (
            {
                "message_id": row.id,
                "number": row.attempt_count,
                "started_at": attempt.started_at,
                "duration_ms": max(0, attempt.duration_ms),
                "outcome": Attempt.Outcome(attempt.outcome).value,
                "phase": fit(attempt.phase, 10),
                "code": attempt.code,
                "enhanced_code": fit(attempt.enhanced_code, 11),
                "reply": fit(attempt.reply, 1000),
                "fault": fit(attempt.fault, 30),
                "driver": fit(attempt.driver, 20),
                "connection": fit(attempt.connection, 100),
                "host": fit(attempt.host, 260),
                "tls": fit(attempt.tls, 60),
                "worker": fit(attempt.worker, 100),
            }
            for row, settlement in pairs
            for attempt in (*settlement.failovers, settlement.attempt)
            if attempt
        ),
        columns=ATTEMPT_FIELDS,
    )


def _write_transcripts(pairs: Sequence[tuple[ClaimedRow, Settlement]]) -> None:
    insert_rows(
        Transcript,
        (
            {"message_id": row.id, "started_at": attempt.started_at, "packed": attempt.transcript}
            for row, settlement in pairs
            for attempt in (*settlement.failovers, settlement.attempt)
            if attempt and attempt.transcript
        ),
        columns=["message_id", "started_at", "packed"],
    )
