"""Counts of the log that never take more than a few milliseconds: everything is counted up to 10,000 only."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.contrib.humanize.templatetags.humanize import intcomma
from django.core.cache.backends.locmem import LocMemCache
from django.db import connection

from maillog.models import FINAL, Label, Message, Status
from maillog.search.conditions import first_id_since
from maillog.sql.prepared import PreparedQuery

COUNT_LIMIT = 10_000
# Sent messages have no index of their own. Nearly all messages are sent, so the newest rows are enough to count them;
# where they are not (a log of messages that were only written to a file), no more than this many rows are read.
NEWEST_COUNTED = 50_000
# Seconds for which a final status with more than 10,000 messages is not counted again. On the list of a large log,
# counting took a seventh of the time on SQLite and a third on PostgreSQL, and every open page polls it.
# Of this process: a cache in the database would cost as much as it saves.
CAPPED_KEY, CAPPED_SECONDS = "statuses", 30
capped_statuses = LocMemCache("maillog.search.counts", {})
NEWEST_ID: PreparedQuery[int] = PreparedQuery(lambda: Message.objects.order_by("-id").values_list("id", flat=True)[:1])
UNFINISHED = (Status.QUEUED, Status.SENDING, Status.DEFERRED, Status.HELD)


@dataclass(frozen=True, slots=True)
class Count:
    """A count, and whether it was capped."""

    value: int
    more: bool = False

    def __str__(self) -> str:
        """Return such as "9,871", or "10,000+" if it was capped."""
        return f"{intcomma(self.value)}{'+' if self.more else ''}"


def status_counts(newest: int | None = None) -> dict[str, Count]:
    """Return the number of messages per status, each counted up to 10,000: one query if `newest` is given.

    That a final status has more than these may be up to half a minute out of date.
    """
    newest = newest_id() if newest is None else newest
    found = _count(
        {status: 0 if status != Status.SENT else max(0, newest - NEWEST_COUNTED) for status in Status}, newest
    )
    counts: dict[str, Count] = {
        status: Count(min(count, COUNT_LIMIT), count > COUNT_LIMIT) for status, count in found.items()
    }
    sent = counts[Status.SENT]
    if sent.value and newest > NEWEST_COUNTED:
        counts[Status.SENT] = Count(sent.value, more=True)
    return counts


def status_counts_of(statuses: Iterable[Status]) -> dict[str, Count]:
    """Return the number of messages in each of `statuses`, not "sent", counted up to 10,000: one query."""
    found = _count(dict.fromkeys(statuses, 0))
    return {status: Count(min(count, COUNT_LIMIT), count > COUNT_LIMIT) for status, count in found.items()}


def count_unfinished() -> int:
    """Return how many messages are waiting or being sent, each status counted up to 10,001: one query."""
    return sum(_count(dict.fromkeys(UNFINISHED, 0)).values())


def count_from_template(template: str, since: datetime) -> Count:
    """Return how many messages were made from the template with this key since then, up to 10,000: two queries."""
    bound = first_id_since(since)
    if bound is None:
        return Count(0)
    label = Label.objects.filter(kind=Label.Kind.TEMPLATE, text=template).values("id")[:1]
    found = Message.objects.filter(template=label, id__gte=bound).order_by()[: COUNT_LIMIT + 1].count()
    return Count(min(found, COUNT_LIMIT), found > COUNT_LIMIT)


def newest_id() -> int:
    """Return the id of the newest message, 0 if there is none."""
    return NEWEST_ID.first() or 0


def _count(after: dict[Status, int], newest: int = 0) -> dict[Status, int]:
    """Return the number of messages per status with an id above the given one, at most COUNT_LIMIT + 1 each.

    One statement of short subqueries, because GROUP BY would read everything that is not sent. The condition "not sent"
    is repeated because SQLite uses the partial index only then. Sent messages are counted backwards from the `newest`
    id; otherwise PostgreSQL reads the table from its beginning.
    """
    capped: frozenset[Status] = capped_statuses.get(CAPPED_KEY, frozenset()) & after.keys()
    table = connection.ops.quote_name(Message._meta.db_table)
    parts = []
    values: list[str | int] = []
    for status, bound in after.items():
        if status in capped:
            continue
        where = f"status = %s AND NOT (status = '{Status.SENT.value}') AND id > %s"
        if status == Status.SENT:
            where = f"status = %s AND id > %s AND id <= {int(newest)} ORDER BY id DESC"
        rows = f"SELECT 1 FROM {table} WHERE {where} LIMIT {COUNT_LIMIT + 1}"  # noqa: S608  (our own names)
        parts.append(f"SELECT %s, COUNT(*) FROM ({rows}) AS capped")  # noqa: S608
        values += [status.value, status.value, bound]
    found = dict.fromkeys(capped, COUNT_LIMIT + 1)
    if parts:
        with connection.cursor() as cursor:
            cursor.execute(" UNION ALL ".join(parts), values)
            found |= {Status(status): count for status, count in cursor.fetchall()}
    grown = {status for status in after if status in FINAL and status not in capped and found[status] > COUNT_LIMIT}
    if grown and not capped:  # one expiry for all, or the first would be cached for longer
        capped_statuses.set(CAPPED_KEY, frozenset(grown), CAPPED_SECONDS)
    return {status: found[status] for status in after}
