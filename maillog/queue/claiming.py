"""Claims: which worker may send a message, for the length of a lease and with the attempt already booked.

A claim is written before anybody dials. If the worker dies, the message becomes due again: at once where that is seen
(`maillog.queue.process_claims`), elsewhere when its lease runs out. If the worker was only slow, its late result is
rejected (`maillog.queue.settling`): the message has another claim by then.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import datetime, timedelta
from math import inf

from django.db import connection, transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from maillog.models import Message, Status
from maillog.queue import process_claims
from maillog.queue.claimed_messages import ClaimedMessage, read_claimed
from maillog.sql.batches import id_list

DUE = (Status.QUEUED, Status.DEFERRED, Status.UNCERTAIN)
ON_DEMAND = (Status.QUEUED, Status.DEFERRED, Status.HELD, Status.UNCERTAIN)
MAX_BYTES = 32 * 1024 * 1024  # of content per claim, so that large attachments do not fill the memory
SUSPECT_AFTER = 2  # worker deaths after which a message is sent alone

logger = logging.getLogger(__name__)


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


def cancelled_among(ids: Iterable[int]) -> set[int]:
    """Return which of these messages somebody has cancelled: one query by id."""
    found = Message.objects.filter(id__in=id_list(list(ids)), status=Status.CANCELLED)
    return set(found.values_list("id", flat=True))


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
    token = process_claims.new_claim()
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
    return read_claimed(ids, token)


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
