"""The workers' heartbeats, and the short look around that each beat takes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone

from mailadmin.delivery import deliver, expired_leases
from mailadmin.models import ConnectionState, WorkerHeartbeat
from maillog.queue import claiming
from maillog.search.counts import count_unfinished
from maillog.sql.prepared import PreparedQuery
from maillog.statistics import rollups

ALIVE_WITHIN = timedelta(seconds=20)  # five beats: a worker that was not seen for so long is gone
KEEP_FOR = timedelta(days=1)
LAST_SEEN: PreparedQuery[datetime] = PreparedQuery(
    lambda: WorkerHeartbeat.objects.order_by("-seen_at").values_list("seen_at", flat=True)[:1000]
)


@dataclass(frozen=True, slots=True)
class Workers:
    """How many workers live, and how many seconds ago one was last seen (None: never)."""

    alive: int
    seen_seconds_ago: float | None


def record(name: str) -> None:
    """Record that the worker `name` lives."""
    now = timezone.now()
    if not WorkerHeartbeat.objects.filter(name=name).update(seen_at=now):
        WorkerHeartbeat.objects.update_or_create(name=name, defaults={"started_at": now, "seen_at": now})
        WorkerHeartbeat.objects.filter(seen_at__lt=now - KEEP_FOR).delete()


def remove(name: str) -> None:
    """Record that the worker `name` ended in order."""
    WorkerHeartbeat.objects.filter(name=name).delete()


def workers() -> Workers:
    """Return what is known of the workers: one query."""
    now = timezone.now()
    seen = LAST_SEEN.all()
    alive = sum(now - at <= ALIVE_WITHIN for at in seen)
    return Workers(alive, (now - seen[0]).total_seconds() if seen else None)


def look() -> bool:
    """Make due what waited for a dead worker or a repaired connection; return whether anything is due."""
    expired_leases.recover_expired()
    deliver.release_held()
    return claiming.has_due()


def keep_figures() -> None:
    """Add up what ended since the last beat, and note how much waits."""
    rollups.fold_deltas()
    rollups.record_waiting(count_unfinished(), timezone.now())


def probe_is_due() -> bool:
    """Return whether an unreachable connection is to be looked after."""
    states = ConnectionState.objects.filter(state=ConnectionState.State.UNREACHABLE, probe_at__lte=timezone.now())
    return states.exists()
