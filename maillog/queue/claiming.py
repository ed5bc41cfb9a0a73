"""Claims: which worker may send a message, for the length of a lease and with the attempt already booked.

A claim is written before anybody dials. If the worker dies, its lease runs out and the message becomes due again; if
the worker was only slow, its late result is rejected (`maillog.queue.settling`): the message has another claim by then.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import inf
from typing import NamedTuple

from django.db import connection, transaction
from django.db.models import F, QuerySet
from django.utils import timezone
from django.utils.translation import gettext

from maillog import suppressions
from maillog.content.storage import ContentDamagedError, unpack
from maillog.index import writing
from maillog.labels import label_texts
from maillog.models import Content, Message, Recipient, Status, Suppression
from maillog.sql.batches import id_list, read_rows
from maillog.statistics import rollups
from maillog.text import fit

DUE = (Status.QUEUED, Status.DEFERRED, Status.UNCERTAIN)
ON_DEMAND = (Status.QUEUED, Status.DEFERRED, Status.HELD, Status.UNCERTAIN)
MAX_BYTES = 32 * 1024 * 1024  # of content per claim, so that large attachments do not fill the memory
SUSPECT_AFTER = 2  # worker deaths after which a message is sent alone
RECIPIENT_FIELDS = ("id", "message_id", "address", "search_address", "outcome")  # what claiming reads of a recipient
OPEN_OUTCOMES = (Recipient.Outcome.OPEN, Recipient.Outcome.DEFERRED, Recipient.Outcome.UNCERTAIN)

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenRecipient:
    """A recipient that still has to get the message."""

    id: int
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedMessage:
    """A message leased to this worker; `claim` proves it. `attempt_count` includes the attempt that now begins."""

    id: int
    claim: str
    sender: str
    recipients: tuple[OpenRecipient, ...]
    mime: bytes = field(repr=False)
    subject: str
    template: str
    message_id: str
    attempt_count: int
    worker_deaths: int
    actor_id: int | None
    connection_hint: str
    needs_smtputf8: bool
    is_test: bool
    is_sensitive: bool
    was_refused: bool  # an earlier attempt ended with a refusal for some recipient
    mode: str


class DueRow(NamedTuple):
    """What claiming reads of a message. Plain values: building model objects costs more than reading the rows."""

    id: int
    claim: str
    sender_id: int
    subject: str
    template_id: int | None
    message_id: str
    attempt_count: int
    worker_deaths: int
    actor_id: int | None
    connection_hint: str
    needs_smtputf8: bool
    is_test: bool
    is_sensitive: bool
    mode: str


def claim_due(*, limit: int, lease: timedelta, worker: str) -> list[ClaimedMessage]:
    """Claim due messages, longest overdue first: at most `limit`, and 32 MB of content in total.

    Messages that two workers died with are left to `claim_suspect`. A killed worker holds hundreds of messages, at most
    one of which can be the cause, so after one death they are all claimed as usual. Commits before it returns, and must
    not be called in a transaction. `worker` appears in the debug log.
    """
    now = timezone.now()
    due = _due(now).filter(worker_deaths__lt=SUSPECT_AFTER)
    return _claim(due, limit=limit, octets=MAX_BYTES, now=now, lease=lease, worker=worker)


def claim_suspect(*, lease: timedelta, worker: str) -> list[ClaimedMessage]:
    """Claim one due message that workers died with, so that no other message is affected if it happens again."""
    now = timezone.now()
    return _claim(_due(now).filter(worker_deaths__gte=SUSPECT_AFTER), limit=1, now=now, lease=lease, worker=worker)


def has_due() -> bool:
    """Return whether `claim_due` or `claim_suspect` would find a message: one index lookup."""
    return _due(timezone.now()).exists()


def recover_expired() -> int:
    """Make messages with an expired lease due again, and return their number.

    They keep their claim: if the worker was only slow, its result is accepted until another worker claims the message.
    """
    gone = Message.objects.filter(status=Status.SENDING, next_attempt_at__lte=timezone.now())
    return gone.update(status=Status.QUEUED, worker_deaths=F("worker_deaths") + 1, possibly_duplicate=True)


def renew_leases(claims: Iterable[str], *, lease: timedelta) -> int:
    """Extend the lease of every message with one of these claims, and return their number."""
    held = Message.objects.filter(status=Status.SENDING, next_attempt_at__isnull=False, claim__in=list(claims))
    return held.update(next_attempt_at=timezone.now() + lease)


def _due(now: datetime) -> QuerySet[Message]:
    return Message.objects.filter(next_attempt_at__lte=now, status__in=DUE).order_by("next_attempt_at", "id")


def claim_by_id(ids: Iterable[int], *, lease: timedelta, worker: str) -> list[ClaimedMessage]:
    """Claim those of `ids` that are waiting, due or not, for instant sending.

    Skips messages that another worker is sending and finished ones.
    """
    numbers = list(ids)
    claimed: list[ClaimedMessage] = []
    for start in range(0, len(numbers), 500):
        part = Message.objects.filter(id__in=numbers[start : start + 500], status__in=ON_DEMAND).order_by("id")
        claimed += _claim(part, limit=500, now=timezone.now(), lease=lease, worker=worker)
    return claimed


def _claim(
    candidates: QuerySet[Message],
    *,
    limit: int,
    octets: float = inf,
    now: datetime,
    lease: timedelta,
    worker: str,
) -> list[ClaimedMessage]:
    token = uuid.uuid4().hex
    with transaction.atomic(durable=True):
        _disable_sort()
        # PostgreSQL skips rows that another worker is claiming. On SQLite the transaction is IMMEDIATE, so that only
        # one worker claims at a time. On both, the UPDATE repeats the condition.
        sizes = candidates.select_for_update(skip_locked=True).values_list("id", "size")[:limit]
        ids = _take_up_to(octets, sizes)
        if not ids:
            return []
        candidates.filter(id__in=id_list(ids)).order_by().update(
            status=Status.SENDING, claim=token, attempt_count=F("attempt_count") + 1, next_attempt_at=now + lease
        )
    logger.debug("%s claimed %d mails as %s", worker, len(ids), token)
    return _read(ids, token)


def _take_up_to(octets: float, sizes: Iterable[tuple[int, int]]) -> list[int]:
    """Return the first ids whose sizes add up to no more than `octets`, but at least one."""
    ids: list[int] = []
    for pk, size in sizes:
        octets -= size
        if ids and octets < 0:
            break
        ids.append(pk)
    return ids


def _disable_sort() -> None:
    """Keep PostgreSQL from sorting the whole backlog for each batch.

    With the statistics of an empty table it expects one due row, so it fetches and sorts all of them instead of reading
    the index in order (measured; see decision 0007).
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_sort = off")


def _read(ids: list[int], token: str) -> list[ClaimedMessage]:
    """Return the claimed messages in the order of `ids`. Those that cannot be sent at all are finished here."""
    rows = {row.id: row for row in map(DueRow._make, read_rows(Message, DueRow._fields, ids)) if row.claim == token}
    labels = label_texts(pk for row in rows.values() for pk in (row.sender_id, row.template_id) if pk)
    contents = dict(read_rows(Content, ["message_id", "mime"], rows, by="message_id"))
    recipients: dict[int, list[OpenRecipient]] = {pk: [] for pk in rows}
    refused: set[int] = set()
    accepted: set[int] = set()
    recipient_rows = read_rows(Recipient, RECIPIENT_FIELDS, rows, by="message_id")
    suppressed = suppressions.find_suppressed(
        shown for *_, shown, outcome in recipient_rows if outcome in OPEN_OUTCOMES
    )
    to_skip: dict[int, dict[int, Suppression]] = {}  # by message, then by recipient
    for pk, message_id, address, shown, outcome in recipient_rows:
        if outcome in OPEN_OUTCOMES:
            if shown in suppressed:
                to_skip.setdefault(message_id, {})[pk] = suppressed[shown]
            else:
                recipients[message_id].append(OpenRecipient(id=pk, address=address))
        elif outcome == Recipient.Outcome.REFUSED:
            refused.add(message_id)
        elif outcome == Recipient.Outcome.ACCEPTED:
            accepted.add(message_id)
    claimed = []
    for pk in ids:
        row = rows.get(pk)
        if row is None:
            continue
        if pk in to_skip:
            nobody_left = not recipients[pk]
            status = Status.FAILED if pk in refused else Status.SENT if pk in accepted else Status.SKIPPED
            _skip_suppressed(row, to_skip[pk], then=status if nobody_left else None)
            if nobody_left:
                continue
        try:
            mime = unpack(contents[pk])
        except (KeyError, ContentDamagedError):
            _fail(row, gettext("The content of this message is missing or damaged, so there is nothing to send."))
            continue
        if not recipients[pk]:
            _fail(row, gettext("This message has no recipients left to try."))
            continue
        claimed.append(_claimed_message(row, labels, tuple(recipients[pk]), mime, was_refused=pk in refused))
    return claimed


def _skip_suppressed(row: DueRow, recipients: dict[int, Suppression], *, then: Status | None) -> None:
    """Record that these recipients, by the id of their row, are suppressed.

    If no other recipient is left, the message ends as `then`, and the attempt booked for it is undone.
    """
    with transaction.atomic():
        mine = Message.objects.select_for_update().filter(pk=row.id, claim=row.claim)
        if not mine.exists():
            return
        for pk, suppression in recipients.items():
            reply = fit(suppressions.describe(suppression), 500)
            said = {"code": None, "enhanced_code": "", "reply": reply}
            Recipient.objects.filter(pk=pk).update(outcome=Recipient.Outcome.SKIPPED, **said)
        if then is None:
            return
        rollups.undo_ended([row.id])
        mine.update(
            status=then,
            reason="" if then == Status.SENT else fit(suppressions.describe(next(iter(recipients.values()))), 500),
            finished_at=timezone.now(),
            next_attempt_at=None,
            claim="",
            attempt_count=F("attempt_count") - 1,
        )
        rollups.record_ended([row.id])
        if row.is_sensitive:
            Content.objects.filter(message_id=row.id).delete()
        writing.refresh([row.id])


def _fail(row: DueRow, reason: str) -> None:
    mine = Message.objects.select_for_update().filter(pk=row.id, claim=row.claim)
    with transaction.atomic():
        ids = list(mine.values_list("id", flat=True))
        rollups.undo_ended(ids)
        mine.update(status=Status.FAILED, reason=reason, finished_at=timezone.now(), next_attempt_at=None, claim="")
        rollups.record_ended(ids)
        writing.refresh([row.id])


def _claimed_message(
    row: DueRow, labels: Mapping[int, str], recipients: tuple[OpenRecipient, ...], mime: bytes, *, was_refused: bool
) -> ClaimedMessage:
    return ClaimedMessage(
        id=row.id,
        claim=row.claim,
        sender=labels[row.sender_id],
        recipients=recipients,
        mime=mime,
        subject=row.subject,
        template=labels[row.template_id] if row.template_id else "",
        message_id=row.message_id,
        attempt_count=row.attempt_count,
        worker_deaths=row.worker_deaths,
        actor_id=row.actor_id,
        connection_hint=row.connection_hint,
        needs_smtputf8=row.needs_smtputf8,
        is_test=row.is_test,
        is_sensitive=row.is_sensitive,
        was_refused=was_refused,
        mode=row.mode,
    )
