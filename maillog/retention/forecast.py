"""Estimates how much space the log takes, how fast it grows, and how large it gets under the retention rules.

Never counts the log: 2,000 ids spread evenly over it show what share of rows still exists, how many of those have a
body, and how large bodies are. With fewer messages than that the numbers are exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection
from django.db.models import Avg, Count
from django.db.models.functions import Length

from maillog.index import writing
from maillog.models import Attempt, Content, Message, Recipient, Transcript
from maillog.retention.rules import rules as rules_in_force
from maillog.search.conditions import first_id_since
from maillog.sql.batches import id_list

SAMPLE_SIZE = 2_000
WINDOW = timedelta(days=7)
# A row with one recipient, one attempt and their index entries, and the overhead of a body on top of its compressed
# size: measured with 30,000 messages, with some allowance for more recipients and attempts. The entry in the search
# index takes another 230 bytes on SQLite, 340 on PostgreSQL.
ROW_BYTES = 1_100
BODY_OVERHEAD = 100


@dataclass(frozen=True, slots=True)
class StorageUse:
    """A number of rows and bodies, and the bytes that each take, including indexes."""

    rows: int
    bodies: int
    row_bytes: int
    body_bytes: int

    @property
    def total_bytes(self) -> int:
        return self.row_bytes + self.body_bytes


@dataclass(frozen=True, slots=True)
class Forecast:
    """The space used `now`, the daily growth `per_day` (average of seven days), and the eventual size, `limit`.

    `limit` is None if a rule keeps something indefinitely, or if nothing was sent within seven days. `exact`:
    everything was counted. `file_bytes` and `free_bytes` are of the SQLite file, None on PostgreSQL.
    """

    now: StorageUse
    per_day: StorageUse
    limit: StorageUse | None
    exact: bool
    file_bytes: int | None
    free_bytes: int | None


def forecast(now: datetime) -> Forecast:
    """Return the forecast, from about ten short queries."""
    ends = Message.objects.order_by("id").values_list("id", flat=True)
    first, newest = ends.first() or 0, ends.last() or 0
    existing = _sample(first, newest)
    since = first_id_since(now - WINDOW)
    recent = _sample(since, newest) if since else SampledRange()
    oldest = Message.objects.filter(id=first).values_list("created_at", flat=True).first() or now
    days = max(min(WINDOW, now - oldest).total_seconds() / 86_400, 1.0)
    body = recent.body_size or existing.body_size
    daily = recent.amount(1 / days, body, bodies=recent.rows)  # every message starts with a body
    return Forecast(
        now=existing.amount(1, existing.body_size),
        per_day=daily,
        limit=_steady_state(recent, days, body),
        exact=existing.exact,
        file_bytes=_sqlite_bytes("page_count"),
        free_bytes=_sqlite_bytes("freelist_count"),
    )


@dataclass(frozen=True, slots=True)
class SampledRange:
    """Totals of a range of ids, extrapolated from the sample."""

    rows: float = 0
    bodies: float = 0
    body_size: float = 0
    shares: tuple[tuple[str, float], ...] = ()  # status -> its share of the rows
    exact: bool = True

    def amount(self, factor: float, body_size: float, *, bodies: float | None = None) -> StorageUse:
        return _storage_use(self.rows * factor, (self.bodies if bodies is None else bodies) * factor, body_size)


def _storage_use(rows: float, bodies: float, body_size: float) -> StorageUse:
    return StorageUse(
        rows=round(rows),
        bodies=round(bodies),
        row_bytes=round(rows * ROW_BYTES),
        body_bytes=round(bodies * (body_size + BODY_OVERHEAD)),
    )


def _sample(first: int, newest: int) -> SampledRange:
    length = newest - first + 1
    step = max(1, length // SAMPLE_SIZE)
    ids = id_list(range(first, newest + 1, step))
    looked_at = -(-length // step)
    states = dict(Message.objects.filter(id__in=ids).order_by().values_list("status").annotate(number=Count("id")))
    rows = sum(states.values())
    if not rows:
        return SampledRange(exact=step == 1)
    found = Content.objects.filter(message_id__in=ids).aggregate(number=Count("pk"), size=Avg(Length("mime")))
    factor = length / looked_at
    return SampledRange(
        rows=rows * factor,
        bodies=(found["number"] or 0) * factor,
        body_size=float(found["size"] or 0),
        shares=tuple((status, number / rows) for status, number in states.items()),
        exact=step == 1,
    )


def _steady_state(recent: SampledRange, days: float, body_size: float) -> StorageUse | None:
    """Return the size once as much is deleted per day as is added. Messages still waiting count as sent."""
    rules = rules_in_force()
    rows = bodies = 0.0
    if not recent.rows:
        return None
    for status, share in recent.shares:
        name = status if f"row_{status}" in rules else "sent"
        row, body = rules[f"row_{name}"], rules[f"body_{name}"]
        if row is None:
            return None
        daily = recent.rows / days * share
        rows += daily * row
        bodies += daily * min(row, body if body is not None else row)
    return _storage_use(rows, bodies, body_size)


def _sqlite_bytes(name: str) -> int | None:
    """Return a number of pages of the SQLite file as bytes."""
    if connection.vendor != "sqlite":
        return None
    with connection.cursor() as cursor:
        cursor.execute(f"PRAGMA {name}")
        pages = cursor.fetchone()[0]
        cursor.execute("PRAGMA page_size")
        return int(pages) * int(cursor.fetchone()[0])


def table_bytes() -> int | None:
    """Return the size of the log's tables and indexes on PostgreSQL; None on SQLite, which cannot tell."""
    if connection.vendor != "postgresql":
        return None
    tables = [*(model._meta.db_table for model in (Message, Recipient, Attempt, Transcript, Content)), writing.TABLE]
    with connection.cursor() as cursor:
        cursor.execute("SELECT sum(pg_total_relation_size(name::regclass)) FROM unnest(%s::text[]) AS name", [tables])
        return int(cursor.fetchone()[0])
