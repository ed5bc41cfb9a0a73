"""Removes what is too old, in batches so small and with pauses so long that nobody who sends waits for them.

Each batch is a transaction of its own, and the pause after it is four times as long: who waits for SQLite's only lock
looks now and then whether it is free, and must find it so. The size of a batch follows the time that one takes: 100
mails at first, then up to 5,000, or down to 20 on a machine that is busy. Bodies and rows have a pace each, because a
row with all that belongs to it takes many times as long as a body. Stopped or killed at any moment, the next run goes
on: nothing is remembered but what is gone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from maillog.models import AuditEvent, PruneRun
from maillog.retention import deletion, rules
from maillog.sql.batches import id_list
from maillog.statistics import rollups

START_SIZE, MIN_SIZE, MAX_SIZE = 100, 20, 5_000
TARGET_SECONDS = 0.015  # seconds that a batch is to take
GROWTH, SHRINKAGE = 1.25, 0.25  # times the size, from one batch to the next
PAUSE_FACTOR = 4  # times that
MIN_PAUSE = 0.020
INTERVAL = timedelta(hours=1)


@dataclass(slots=True)
class PruneResult:
    """How many bodies and rows (with their bodies) went, or would go, by state; and how many lines of the trail."""

    bodies: dict[str, int] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)
    trail: int = 0

    def note(self, aged: rules.Expired, count: int) -> None:
        """Add what went of `aged`."""
        kind = self.rows if aged.whole else self.bodies
        if count:
            kind[aged.status] = kind.get(aged.status, 0) + count


class Pacer:
    """How many at a time, and for how long to pause."""

    def __init__(self) -> None:
        self.size = min(START_SIZE, MAX_SIZE)

    def spend(self, act: Callable[[], int]) -> int:
        """Do `act`, note how long it took, and leave the database alone for a while."""
        start = time.monotonic()
        count = act()
        took = time.monotonic() - start
        _checkpoint()
        change = min(GROWTH, max(SHRINKAGE, TARGET_SECONDS / max(took, 0.001)))
        self.size = min(MAX_SIZE, max(MIN_SIZE, int(self.size * change) + (change > 1)))
        time.sleep(max(MIN_PAUSE, PAUSE_FACTOR * took))
        return count


def is_due(now: datetime) -> bool:
    """Return whether the last run began an hour ago or earlier: one query."""
    last = PruneRun.objects.order_by("id").values_list("started_at", flat=True).first()
    return last is None or last <= now - INTERVAL


def prune_hourly(*, should_stop: Callable[[], bool] = lambda: False) -> PruneResult | None:
    """Remove what is too old if this is the process to do it; None: another one does, or did within the hour."""
    now = timezone.now()
    run = _claim_run(now)
    return None if run is None else _finish_run(run, prune(now=now, should_stop=should_stop))


def prune_now(*, should_stop: Callable[[], bool] = lambda: False) -> PruneResult:
    """Remove what is too old, whenever that was done last."""
    now = timezone.now()
    row = PruneRun.objects.order_by("id").first() or PruneRun(pk=1)
    row.started_at, row.finished_at = now, None
    row.save()
    return _finish_run(now, prune(now=now, should_stop=should_stop))


def prune(*, now: datetime, should_stop: Callable[[], bool] = lambda: False) -> PruneResult:
    """Remove what is too old at `now`, and return how much it was."""
    done, paces = PruneResult(), {False: Pacer(), True: Pacer()}
    for aged in rules.expired(now):
        last, pace = 0, paces[aged.whole]
        while not should_stop() and (ids := aged.after(last, pace.size)):
            done.note(aged, pace.spend(partial(_remove, ids, whole=aged.whole)))
            last = ids[-1]
    rollups.fold_deltas()
    rollups.delete_old(now)
    old, pace = rules.expired_audit_events(now).order_by("id").values_list("id", flat=True), Pacer()
    while not should_stop() and (lines := list(old[: pace.size])):
        done.trail += pace.spend(partial(_delete_audit_events, lines))
    return done


def preview(*, now: datetime) -> PruneResult:
    """Return what `prune` would remove at `now`, counted exactly. Bodies of rows that go count among both."""
    found = PruneResult()
    for aged in rules.expired(now):
        found.note(aged, aged.count())
    found.trail = rules.expired_audit_events(now).count()
    return found


def last_run() -> PruneRun | None:
    """Return when mails were removed last, and how many."""
    return PruneRun.objects.order_by("id").first()


def _checkpoint() -> None:
    """Let SQLite move what a batch changed from its log into the database.

    Else that is left to whoever commits when the log is full, and somebody who sends would wait for thousands of pages.
    """
    if connection.vendor == "sqlite" and not connection.in_atomic_block:
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA wal_checkpoint(PASSIVE)")
            cursor.fetchall()  # an open cursor would break the next COMMIT


def _remove(ids: Sequence[int], *, whole: bool) -> int:
    return len(deletion.delete_rows(ids)) if whole else deletion.delete_contents(ids)


def _delete_audit_events(lines: Sequence[int]) -> int:
    return AuditEvent.objects.filter(id__in=id_list(lines)).delete()[0]


def _claim_run(now: datetime) -> datetime | None:
    """Return `now` if no other process began a run within the hour: the row says so in one conditional UPDATE."""
    if PruneRun.objects.filter(started_at__lte=now - INTERVAL).update(started_at=now, finished_at=None):
        return now
    if PruneRun.objects.exists():
        return None
    try:
        with transaction.atomic():
            PruneRun.objects.create(pk=1, started_at=now)
    except IntegrityError:
        return None
    return now


def _finish_run(started_at: datetime, done: PruneResult) -> PruneResult:
    PruneRun.objects.filter(started_at=started_at).update(
        finished_at=timezone.now(), bodies=sum(done.bodies.values()), rows=sum(done.rows.values())
    )
    return done
