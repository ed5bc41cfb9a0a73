"""Deletes expired messages in batches that are too small to make senders wait.

Each batch is a transaction of its own, followed by a pause four times as long: waiting writers poll SQLite's only lock
and must find it free. The batch size adapts to the time a batch takes: 100 messages at first, then up to 5,000, or down
to 20 on a busy machine. Bodies and rows are paced separately, since deleting a row with everything that belongs to it
takes many times as long as deleting a body. No position is stored, so after an interruption the next run continues.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from maillog import hooks
from maillog.models import AuditEvent, PruneRun
from maillog.retention import deletion, rules
from maillog.sql.batches import id_list
from maillog.statistics import rollups

START_SIZE, MIN_SIZE, MAX_SIZE = 100, 20, 5_000
TARGET_SECONDS = 0.015  # seconds per batch
GROWTH, SHRINKAGE = 1.25, 0.25  # factors between batch sizes
PAUSE_FACTOR = 4  # times the duration of the batch
MIN_PAUSE = 0.020
INTERVAL = timedelta(hours=1)


@dataclass(slots=True)
class PruneResult:
    """Numbers of deleted bodies and rows (with their bodies) by status, of audit events, and of drivers' records."""

    bodies: dict[str, int] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)
    audit_events: int = 0
    records: int = 0

    def add(self, expired: rules.Expired, count: int) -> None:
        counts = self.rows if expired.deletes_row else self.bodies
        if count:
            counts[expired.status] = counts.get(expired.status, 0) + count


class Pacer:
    """The batch size and the pause after each batch."""

    def __init__(self) -> None:
        self.size = min(START_SIZE, MAX_SIZE)

    def run(self, delete: Callable[[], int]) -> int:
        """Call `delete`, adapt the batch size to its duration, and pause."""
        start = time.monotonic()
        count = delete()
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
    """Prune if no other process did within the last hour; return None if one did."""
    now = timezone.now()
    run = _claim_run(now)
    return None if run is None else _finish_run(run, prune(now=now, should_stop=should_stop))


def prune_now(*, should_stop: Callable[[], bool] = lambda: False) -> PruneResult:
    """Prune, whenever the last run was."""
    now = timezone.now()
    row = PruneRun.objects.order_by("id").first() or PruneRun(pk=1)
    row.started_at, row.finished_at = now, None
    row.save()
    return _finish_run(now, prune(now=now, should_stop=should_stop))


def prune(*, now: datetime, should_stop: Callable[[], bool] = lambda: False) -> PruneResult:
    """Delete everything that has expired at `now`."""
    done, pacers = PruneResult(), {False: Pacer(), True: Pacer()}
    for expired in rules.expired(now):
        last, pacer = 0, pacers[expired.deletes_row]
        while not should_stop() and (ids := expired.after(last, pacer.size)):
            done.add(expired, pacer.run(partial(_delete, ids, deletes_row=expired.deletes_row)))
            last = ids[-1]
    rollups.fold_deltas()
    rollups.delete_old(now)
    old, pacer = rules.expired_audit_events(now).order_by("id").values_list("id", flat=True), Pacer()
    while not should_stop() and (events := list(old[: pacer.size])):
        done.audit_events += pacer.run(partial(_delete_audit_events, events))
    done.records = hooks.prune_records()
    return done


def preview(*, now: datetime) -> PruneResult:
    """Return what `prune` would delete at `now`: exact. Bodies of expired rows count in both."""
    found = PruneResult()
    for expired in rules.expired(now):
        found.add(expired, expired.count())
    found.audit_events = rules.expired_audit_events(now).count()
    return found


def last_run() -> PruneRun | None:
    """Return the last run, None before the first."""
    return PruneRun.objects.order_by("id").first()


def _checkpoint() -> None:
    """Let SQLite copy what a batch changed from the write-ahead log into the database.

    Otherwise the writer that fills the log has to do it, and a sender would wait for thousands of pages.
    """
    if connection.vendor == "sqlite" and not connection.in_atomic_block:
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA wal_checkpoint(PASSIVE)")
            cursor.fetchall()  # an open cursor would make the next COMMIT fail


def _delete(ids: Sequence[int], *, deletes_row: bool) -> int:
    return len(deletion.delete_rows(ids)) if deletes_row else deletion.delete_contents(ids)


def _delete_audit_events(ids: Sequence[int]) -> int:
    return AuditEvent.objects.filter(id__in=id_list(ids)).delete()[0]


def _claim_run(now: datetime) -> datetime | None:
    """Return `now` if no other process began a run within the last hour, claimed by one conditional UPDATE."""
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
