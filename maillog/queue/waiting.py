"""Reads what is waiting, at a cost that does not grow with the queue.

A question about several statuses is asked for each status, from its own end of the index, and the answers are merged:
sorting or grouping over all of them would read the whole queue.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import QuerySet
from django.db.models.query import RawQuerySet
from django.utils import timezone

from maillog.models import Label, Message, Status
from maillog.queue.actions import Selection
from maillog.search.counts import COUNT_LIMIT, UNFINISHED, Count, status_counts_of
from maillog.search.paging import PAGE_SIZE, position_in
from maillog.sql.prepared import PreparedQuery, db_datetime, union_all

QUEUE_STATUSES = (*UNFINISHED, Status.UNCERTAIN)
WITH_DUE_TIME = (Status.QUEUED, Status.DEFERRED, Status.UNCERTAIN, Status.SENDING)


@dataclass(frozen=True, slots=True)
class OldestWaiting:
    """The oldest waiting messages; None where there is none.

    `due_seconds`: how long the most overdue message has been due, including one whose worker died. `oldest_seconds`:
    how long the oldest message has been waiting for any reason; one that is being sent or is scheduled for later is not
    waiting. `held_reason`: the reason of the oldest held message.
    """

    due_seconds: float | None = None
    oldest_seconds: float | None = None
    held_reason: str | None = None


@dataclass(frozen=True, slots=True)
class QueuePage:
    """Waiting messages, oldest first. `older` and `newer` are the ids to continue from, None at either end."""

    mails: list[Message] = field(default_factory=list)
    older: int | None = None
    newer: int | None = None


def oldest_waiting(now: datetime | None = None) -> OldestWaiting:
    """Return the oldest waiting messages: one query of three index lookups."""
    now = now or timezone.now()
    found = OLDEST_WAITING.all(db_datetime(now))
    due_since = [row.next_attempt_at for row in found if row.status in WITH_DUE_TIME and _is_due(row, now)]
    since = [row.next_attempt_at if row.status == Status.QUEUED else row.created_at for row in found]
    held = [row.reason for row in found if row.status == Status.HELD]
    return OldestWaiting(
        due_seconds=max(((now - at).total_seconds() for at in due_since if at), default=None),
        oldest_seconds=max((max(0.0, (now - at).total_seconds()) for at in since if at), default=None),
        held_reason=held[0] if held else None,
    )


def waiting_counts() -> dict[str, Count]:
    """Return the number of messages per status of the queue, each counted up to 10,000: one query."""
    return status_counts_of(QUEUE_STATUSES)


def held_by_connection() -> dict[str, Count]:
    """Return how many of the 10,000 oldest held messages wait for each connection, by its name: two queries."""
    oldest = _with_status(Message.objects.all(), Status.HELD).values("connection_id")[: COUNT_LIMIT + 1]
    statement, values = oldest.query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT connection_id, COUNT(*) FROM ({statement}) AS held GROUP BY connection_id", values)  # noqa: S608
        counts = dict(cursor.fetchall())
    more = sum(counts.values()) > COUNT_LIMIT
    return {
        label.text: Count(min(counts[pk], COUNT_LIMIT), more)
        for pk, label in Label.objects.in_bulk(set(counts)).items()
    }


def connection_names() -> list[str]:
    """Return the names of all connections in the log, sorted."""
    return list(Label.objects.filter(kind=Label.Kind.CONNECTION).order_by("text").values_list("text", flat=True))


def queue_page(selection: Selection, params: Mapping[str, Any]) -> QueuePage:
    """Return the 50 messages of `selection` at ``before`` or ``after`` in `params`, the oldest without them.

    Two queries, or three where ``before`` leads to the oldest page, which is then filled up. Raises ValueError if one
    of them is not an id.
    """
    before, after = position_in(params)
    parts = [selection.messages(status).only("id") for status in selection.statuses]
    if before is not None and after is None:
        earlier = _ids(
            [part.filter(id__lt=before).order_by("-id")[: PAGE_SIZE + 1] for part in parts], then="ORDER BY id DESC"
        )
        if len(earlier) > PAGE_SIZE:
            ids = earlier[:PAGE_SIZE][::-1]
            return QueuePage(_load(ids), older=ids[0], newer=ids[-1])
    start = after if after is not None else 0
    found = _ids([part.filter(id__gt=start).order_by("id")[: PAGE_SIZE + 1] for part in parts], then="ORDER BY id")
    ids = found[:PAGE_SIZE]
    return QueuePage(
        _load(ids),
        older=(ids[0] if ids else start + 1) if after else None,
        newer=ids[-1] if len(found) > PAGE_SIZE else None,
    )


def _with_status(rows: QuerySet[Message], status: Status) -> QuerySet[Message]:
    return rows.filter(status=status).exclude(status=Status.SENT).order_by("id")


def _oldest_querysets(now: Any) -> list[QuerySet[Message]]:
    """Return querysets for the most overdue, the oldest deferred and the oldest held message."""
    rows = Message.objects.only("id", "status", "created_at", "next_attempt_at", "reason")
    due = rows.filter(next_attempt_at__lte=now, status__in=WITH_DUE_TIME)
    others = [_with_status(rows, status)[:1] for status in (Status.DEFERRED, Status.HELD)]
    return [due.order_by("next_attempt_at", "id")[:1], *others]


OLDEST_WAITING: PreparedQuery[Message] = PreparedQuery(_oldest_querysets)


def _is_due(row: Message, now: datetime) -> bool:
    return row.next_attempt_at is not None and row.next_attempt_at <= now


def _ids(parts: Sequence[QuerySet[Message]], *, then: str) -> list[int]:
    return [row.pk for row in _union(parts, then=f"{then} LIMIT {PAGE_SIZE + 1}")] if parts else []


def _load(ids: Sequence[int]) -> list[Message]:
    rows = Message.objects.select_related("connection", "driver").in_bulk(ids)
    return [rows[pk] for pk in ids if pk in rows]


def _union(parts: Sequence[QuerySet[Message]], *, then: str) -> RawQuerySet[Message]:
    """Return the rows of several limited querysets with one query."""
    return Message.objects.raw(*union_all(parts, then=then))
