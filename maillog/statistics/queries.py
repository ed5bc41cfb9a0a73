"""Reads the rollups: a few short queries, however many messages the log has or ever had.

Every question is one statement over the rollups and the deltas that are not folded into them yet, so that a worker that
folds them meanwhile is seen completely or not at all. Deltas are few, and all of them are read each time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from django.db import connections, router
from django.utils import timezone

from maillog import labels
from maillog.models import Label, Rollup, RollupDelta, Status, WaitingPeak
from maillog.statistics.rollups import BUCKET_BOUNDS, DAY, HOUR, hour_of

PERCENTILES = (50, 95, 99)
WAITING_KIND = "waiting"
TOP = 5  # errors, templates and connections that are listed


@dataclass(frozen=True, slots=True)
class TimeSlot:
    """A bar of the chart: what ended between `start` and `end` by status, and the peak backlog (None: unknown)."""

    start: datetime
    end: datetime
    ended: Counter[str] = field(default_factory=Counter)
    waiting: int | None = None

    @property
    def sent(self) -> int:
        """Messages that a server accepted."""
        return self.ended[Status.SENT]

    @property
    def failed(self) -> int:
        """Messages that failed for good."""
        return self.ended[Status.FAILED]

    @property
    def other(self) -> int:
        """Messages that ended in any other way: logged, skipped, cancelled, uncertain."""
        return sum(self.ended.values()) - self.sent - self.failed


@dataclass(frozen=True, slots=True)
class GroupShare:
    """How many messages of a template or a connection ended, and how many of them were sent or failed."""

    name: str
    total: int
    sent: int
    failed: int

    @property
    def failed_percent(self) -> float:
        """The percentage of failures among sent and failed messages."""
        attempted = self.sent + self.failed
        return 100 * self.failed / attempted if attempted else 0.0


@dataclass(frozen=True, slots=True)
class Breakdown:
    """The most common errors (by kind), templates and connections of a period, and its delivery times.

    `delivery_times`: upper bounds in seconds by percentile of the sent messages, accurate to a quarter of the time.
    """

    errors: list[tuple[str, int]] = field(default_factory=list)
    templates: list[GroupShare] = field(default_factory=list)
    connections: list[GroupShare] = field(default_factory=list)
    delivery_times: dict[int, float] = field(default_factory=dict)


def last_hours(now: datetime, count: int = DAY) -> list[datetime]:
    """Return the starts of the last `count` hours, including the current one, and its end: count + 1 times."""
    last = hour_of(now) + 1
    return [_hour_start(hour) for hour in range(last - count, last + 1)]


def last_days(now: datetime, count: int = 30) -> list[datetime]:
    """Return the starts of the last `count` days in the current time zone, including today, and its end.

    Rollups are of full hours in UTC. Where midnight falls within one (India, Nepal), that hour belongs to the day in
    which it began. The day of a clock change has 23 or 25 hours.
    """
    zone = timezone.get_current_timezone()
    today = timezone.localtime(now).date()
    midnights = [
        datetime(day.year, day.month, day.day, tzinfo=zone)
        for day in (today + timedelta(days=number) for number in range(1 - count, 2))
    ]
    return [_hour_start(-int(-moment.timestamp() // HOUR)) for moment in midnights]


def ended_in_last_day(now: datetime) -> Counter[str]:
    """Return how many messages ended, by status, in the current hour and the 23 before: exact, one query."""
    return time_slots([], now)[1]


def time_slots(bounds: Sequence[datetime], now: datetime) -> tuple[list[TimeSlot], Counter[str]]:
    """Return a slot for each pair of `bounds`, which are full hours, and `ended_in_last_day`: one query."""
    between = [(hour_of(start), hour_of(end)) for start, end in pairwise(bounds)]
    parts = [(number, Rollup.Span.HOUR.value, first, end) for number, (first, end) in enumerate(between)]
    last_day = len(parts)
    stop = hour_of(now) + 1
    parts.append((last_day, Rollup.Span.HOUR.value, stop - DAY, stop))
    counts: list[Counter[str]] = [Counter() for _ in parts]
    waiting: dict[int, int] = {}
    for number, kind, status, _, count in _query_sums(parts, [Rollup.Kind.STATUS.value], gauge=True):
        if kind == WAITING_KIND:
            waiting[number] = count
        else:
            counts[number][status] += count
    found = [
        TimeSlot(start, end, counts[number], waiting.get(number))
        for number, (start, end) in enumerate(pairwise(bounds))
    ]
    return found, counts[last_day]


def breakdown(first: datetime, end: datetime) -> Breakdown:
    """Return the breakdown of messages that ended from `first` until `end`, both full hours: one query."""
    kinds = [Rollup.Kind.ERROR, Rollup.Kind.TEMPLATE, Rollup.Kind.CONNECTION, Rollup.Kind.TIME]
    by: dict[str, dict[str, Counter[str]]] = {kind.value: {} for kind in kinds}
    for _, kind, status, name, count in _query_sums(
        _spans(hour_of(first), hour_of(end)), [kind.value for kind in kinds]
    ):
        by[kind].setdefault(name, Counter())[status] += count
    errors = Counter({name: sum(found.values()) for name, found in by[Rollup.Kind.ERROR].items()})
    templates = _largest(by[Rollup.Kind.TEMPLATE])
    connected = _largest(by[Rollup.Kind.CONNECTION])
    wanted = [int(one.name) for one in (*templates, *connected)]
    texts = {str(pk): text for pk, text in labels.label_texts(wanted).items()}
    times = Counter({int(name): found[Status.SENT] for name, found in by[Rollup.Kind.TIME].items()})
    return Breakdown(
        errors=[(name, count) for name, count in errors.most_common(TOP) if count > 0],
        templates=_with_names(templates, texts),
        connections=_with_names(connected, texts),
        delivery_times=percentiles(times),
    )


def sent_through(connection: str, *, hours: int, now: datetime) -> int:
    """Return how many messages left through the connection of that name in the current hour and `hours` - 1 before."""
    label = Label.objects.filter(kind=Label.Kind.CONNECTION, text=connection).values_list("pk", flat=True).first()
    stop = hour_of(now) + 1
    sums = _query_sums([(0, Rollup.Span.HOUR.value, stop - hours, stop)], [Rollup.Kind.CONNECTION.value])
    return sum(count for _, _, status, name, count in sums if status == Status.SENT and name == str(label))


def percentiles(times: Counter[int]) -> dict[int, float]:
    """Return the 50th, 95th and 99th percentile of delivery times in seconds; empty without messages."""
    total = sum(times.values())
    found: dict[int, float] = {}
    reached = 0
    wanted = list(PERCENTILES) if total > 0 else []
    for bucket, count in sorted(times.items()):
        reached += count
        while wanted and reached * 100 >= wanted[0] * total:
            found[wanted.pop(0)] = BUCKET_BOUNDS[min(bucket, len(BUCKET_BOUNDS) - 1)]
    return found


def _hour_start(hour: int) -> datetime:
    return datetime.fromtimestamp(hour * HOUR, UTC)


def _spans(first: int, end: int) -> list[tuple[int, int, int, int]]:
    """Split the time from `first` until `end` into whole UTC days and the hours before and after them."""
    first_day, last_day = -(-first // DAY) * DAY, end // DAY * DAY
    if first_day >= last_day:
        return [(0, Rollup.Span.HOUR.value, first, end)]
    edges = [(first, first_day), (last_day, end)]
    hours = [(0, Rollup.Span.HOUR.value, start, stop) for start, stop in edges if start < stop]
    return [(0, Rollup.Span.DAY.value, first_day, last_day), *hours]


def _largest(found: dict[str, Counter[str]]) -> list[GroupShare]:
    """Return the largest shares, named by label id."""
    all_of_them = (
        GroupShare(name, sum(ended.values()), ended[Status.SENT], ended[Status.FAILED]) for name, ended in found.items()
    )
    return sorted((one for one in all_of_them if one.total > 0), key=lambda one: (-one.total, int(one.name)))[:TOP]


def _with_names(shares: Iterable[GroupShare], texts: dict[str, str]) -> list[GroupShare]:
    return [GroupShare(texts[one.name], one.total, one.sent, one.failed) for one in shares if one.name in texts]


def _query_sums(
    parts: Sequence[tuple[int, int, int, int]], kinds: Sequence[str], *, gauge: bool = False
) -> list[tuple[int, str, str, str, int]]:
    """Return (number of the span, kind, status, name, count) for all kinds in all spans: one statement.

    A span is (number, length, first hour, hour after the last). Deltas match by time, whatever the length. With `gauge`
    the peak backlog is added as a kind of its own.
    """
    connection = connections[router.db_for_read(Rollup)]
    quote = connection.ops.quote_name
    rollup, delta = quote(Rollup._meta.db_table), quote(RollupDelta._meta.db_table)
    values = ", ".join(f"({', '.join(str(int(one)) for one in part)})" for part in parts)
    marks = ", ".join(f"'{kind}'" for kind in kinds)
    of_rollups = (
        f"SELECT part.n, t.kind, t.status, t.name, SUM(t.count) FROM part JOIN {rollup} AS t"  # noqa: S608
        f" ON t.span = part.span AND t.kind IN ({marks}) AND t.hour >= part.start AND t.hour < part.stop"
        " GROUP BY 1, 2, 3, 4"
    )
    # Summed before the join, so that each delta is read once, however many spans there are.
    of_deltas = [
        f"SELECT part.n, '{kind}', d.status, d.name, SUM(d.count) FROM part JOIN"  # noqa: S608
        f" (SELECT hour, status, {name} AS name, SUM(count) AS count FROM {delta}{condition} GROUP BY 1, 2, 3) AS d"
        " ON d.hour >= part.start AND d.hour < part.stop GROUP BY 1, 2, 3, 4"
        for kind, (name, condition) in ((kind, DELTA_COLUMNS[kind]) for kind in kinds)
    ]
    of_waiting = (
        f"SELECT part.n, '{WAITING_KIND}', '', '', MAX(w.peak) FROM part"  # noqa: S608
        f" JOIN {quote(WaitingPeak._meta.db_table)} AS w ON w.hour >= part.start AND w.hour < part.stop GROUP BY part.n"
    )
    statements = [of_rollups, *of_deltas, *([of_waiting] if gauge else [])]
    with connection.cursor() as cursor:
        cursor.execute(f"WITH part(n, span, start, stop) AS (VALUES {values}) {' UNION ALL '.join(statements)}")
        return [(n, kind, status, name, int(count)) for n, kind, status, name, count in cursor.fetchall()]


# The expression over a delta that corresponds to the name of a rollup, and the condition under which it counts.
DELTA_COLUMNS = {
    Rollup.Kind.STATUS.value: ("CAST('' AS varchar(20))", ""),
    Rollup.Kind.TEMPLATE.value: ("CAST(template AS varchar(20))", " WHERE template <> 0"),
    Rollup.Kind.CONNECTION.value: ("CAST(connection AS varchar(20))", " WHERE connection <> 0"),
    Rollup.Kind.ERROR.value: ("error", " WHERE error <> ''"),
    Rollup.Kind.TIME.value: ("CAST(bucket AS varchar(20))", " WHERE bucket >= 0"),
}
