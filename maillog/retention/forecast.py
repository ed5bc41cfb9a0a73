"""How much room the log takes, how fast it grows, and what it comes to under the rules of retention.

Never counts the log: 2,000 ids evenly spread over it tell which share is still there, which of them have a body and how
large that is. With fewer mails than that the numbers are exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection
from django.db.models import Avg, Count
from django.db.models.functions import Length

from maillog.index import writing
from maillog.models import Attempt, Content, Message, Recipient, Transcript
from maillog.retention import rules as retention
from maillog.search.conditions import first_id_since
from maillog.sql.batches import id_list

SAMPLE_SIZE = 2_000
WINDOW = timedelta(days=7)
# A row with one recipient, one attempt and their index entries, and what a body takes beside its compressed octets:
# about what 30,000 mails came to, with some room for more recipients and attempts. The entry in the search index is 230
# octets more on SQLite, 340 on PostgreSQL.
ROW_BYTES = 1_100
BODY_OVERHEAD = 100


@dataclass(frozen=True, slots=True)
class StorageUse:
    """So many rows and bodies, and the octets that each of them take, with indexes."""

    rows: int
    bodies: int
    row_octets: int
    body_octets: int

    @property
    def octets(self) -> int:
        """All together."""
        return self.row_octets + self.body_octets


@dataclass(frozen=True, slots=True)
class Forecast:
    """What there is `now`, what comes `per_day` (by the last seven days), and what it comes to: `limit`.

    `limit` is None where a rule keeps something without end, and while nothing was sent within seven days. `exact`:
    everything was counted. `file_octets` and `free_octets` are of the SQLite file, None on PostgreSQL.
    """

    now: StorageUse
    per_day: StorageUse
    limit: StorageUse | None
    exact: bool
    file_octets: int | None
    free_octets: int | None


def forecast(now: datetime) -> Forecast:
    """Return the forecast, by about ten short queries."""
    ends = Message.objects.order_by("id").values_list("id", flat=True)
    first, newest = ends.first() or 0, ends.last() or 0
    there = _sample(first, newest)
    since = first_id_since(now - WINDOW)
    fresh = _sample(since, newest) if since else SampledRange()
    oldest = Message.objects.filter(id=first).values_list("created_at", flat=True).first() or now
    days = max(min(WINDOW, now - oldest).total_seconds() / 86_400, 1.0)
    body = fresh.body_size or there.body_size
    made = fresh.amount(1 / days, body, bodies=fresh.rows)  # every mail begins with a body
    return Forecast(
        now=there.amount(1, there.body_size),
        per_day=made,
        limit=_steady_state(fresh, days, body),
        exact=there.exact,
        file_octets=_sqlite_bytes("page_count"),
        free_octets=_sqlite_bytes("freelist_count"),
    )


@dataclass(frozen=True, slots=True)
class SampledRange:
    """What the spread ids say of a range: numbers of the whole range."""

    rows: float = 0
    bodies: float = 0
    body_size: float = 0
    shares: tuple[tuple[str, float], ...] = ()  # state -> its share among the rows
    exact: bool = True

    def amount(self, factor: float, body_size: float, *, bodies: float | None = None) -> StorageUse:
        return _storage_use(self.rows * factor, (self.bodies if bodies is None else bodies) * factor, body_size)


def _storage_use(rows: float, bodies: float, body_size: float) -> StorageUse:
    return StorageUse(
        rows=round(rows),
        bodies=round(bodies),
        row_octets=round(rows * ROW_BYTES),
        body_octets=round(bodies * (body_size + BODY_OVERHEAD)),
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


def _steady_state(fresh: SampledRange, days: float, body_size: float) -> StorageUse | None:
    """Return what there is once as much goes each day as comes. What still waits is taken for sent."""
    rules = retention.rules()
    rows = bodies = 0.0
    if not fresh.rows:
        return None
    for status, share in fresh.shares:
        name = status if f"row_{status}" in rules else "sent"
        row, body = rules[f"row_{name}"], rules[f"body_{name}"]
        if row is None:
            return None
        a_day = fresh.rows / days * share
        rows += a_day * row
        bodies += a_day * min(row, body if body is not None else row)
    return _storage_use(rows, bodies, body_size)


def _sqlite_bytes(name: str) -> int | None:
    """Return so many pages of the SQLite file in octets."""
    if connection.vendor != "sqlite":
        return None
    with connection.cursor() as cursor:
        cursor.execute(f"PRAGMA {name}")
        pages = cursor.fetchone()[0]
        cursor.execute("PRAGMA page_size")
        return int(pages) * int(cursor.fetchone()[0])


def table_bytes() -> int | None:
    """Return what the log's tables and indexes take on PostgreSQL; None on SQLite, which does not know."""
    if connection.vendor != "postgresql":
        return None
    tables = [*(model._meta.db_table for model in (Message, Recipient, Attempt, Transcript, Content)), writing.TABLE]
    with connection.cursor() as cursor:
        cursor.execute("SELECT sum(pg_total_relation_size(name::regclass)) FROM unnest(%s::text[]) AS name", [tables])
        return int(cursor.fetchone()[0])
