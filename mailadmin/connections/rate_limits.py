"""How many messages a connection may send per second, minute, hour and day, across all workers.

Each window follows the generic cell rate algorithm (ITU-T I.371): the database holds one time per window, the
"theoretical arrival time" of the next message, and a message may leave when that is no further ahead than a small
burst. A tenth of a window's messages may leave at once; the rate is lowered by as much, so that no window exceeds its
limit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction

from mailadmin.models import ConnectionRate

WINDOWS = {"per_second": 1.0, "per_minute": 60.0, "per_hour": 3600.0, "per_day": 86400.0}  # seconds

CLOCK_SKEW = timedelta(minutes=1)  # by which the clocks of several machines may differ


@dataclass(frozen=True, slots=True)
class Limit:
    """One window: the `column` of the table, the time between two messages, and how many may leave at once."""

    column: str
    interval: timedelta
    burst: int


def limits_of(fields: Mapping[str, object]) -> list[Limit]:
    """Return the limits set by a connection's fields; 0 sets none."""
    limits = []
    for name, seconds in WINDOWS.items():
        count = int(str(fields.get(name) or 0))
        if count:
            burst = max(1, count // 10)
            limits.append(Limit(name, timedelta(seconds=seconds / max(count - burst, 1)), burst))
    return limits


def reserve(
    connection_id: str, limits: list[Limit], count: int, *, now: datetime, horizon: timedelta
) -> list[datetime]:
    """Return when up to `count` messages may leave, in order, as far as that is within `horizon` from `now`.

    The returned times are booked in one short transaction, so two workers never get the same one.
    """
    with transaction.atomic(durable=True):
        ConnectionRate.objects.get_or_create(connection=connection_id)
        row = ConnectionRate.objects.select_for_update().get(connection=connection_id)
        expected = {limit.column: _believed(getattr(row, limit.column), limit, now, horizon) for limit in limits}
        times: list[datetime] = []
        while len(times) < count:
            earliest = [expected[limit.column] - limit.interval * (limit.burst - 1) for limit in limits]
            leaves = max([now, *times[-1:], *earliest])
            if leaves > now + horizon:
                break
            for limit in limits:
                expected[limit.column] = max(expected[limit.column], leaves) + limit.interval
            times.append(leaves)
        for column, at in expected.items():
            setattr(row, column, at)
        row.save()
    return times


def _believed(stored: datetime | None, limit: Limit, now: datetime, horizon: timedelta) -> datetime:
    """Return the stored time, or `now` if it is further ahead than any booking: a clock was wrong, or the limit was."""
    latest = now + horizon + limit.interval * limit.burst + CLOCK_SKEW
    return stored if stored and stored <= latest else now


def slowest_interval(limits: list[Limit]) -> timedelta:
    """Return the longest of the limits' times between two messages."""
    return max(limit.interval for limit in limits)
