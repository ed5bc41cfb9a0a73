"""The workers' heartbeats: which workers are alive, and when one was last seen."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from django.utils import timezone

from mailadmin.models import WorkerHeartbeat

ALIVE_WITHIN = timedelta(seconds=20)  # five heartbeats
KEEP_FOR = timedelta(days=1)
MAX_WORKERS = 1_000
CLOCK_SKEW = timedelta(minutes=1)  # a report from further ahead was made by a clock that was wrong: it says nothing


@dataclass(frozen=True, slots=True)
class Workers:
    """How many workers are alive, and how many seconds ago one was last seen (None: never)."""

    alive: int
    seen_seconds_ago: float | None


def record(name: str) -> None:
    """Record that the worker `name` is alive."""
    now = timezone.now()
    if not WorkerHeartbeat.objects.filter(name=name).update(seen_at=now):
        WorkerHeartbeat.objects.update_or_create(name=name, defaults={"started_at": now, "seen_at": now})
        WorkerHeartbeat.objects.exclude(seen_at__range=(now - KEEP_FOR, now + CLOCK_SKEW)).delete()


def remove(name: str) -> None:
    """Forget the worker `name`, which has stopped in order."""
    WorkerHeartbeat.objects.filter(name=name).delete()


def workers() -> Workers:
    """Return what is known of the workers: one query."""
    now = timezone.now()
    believed = WorkerHeartbeat.objects.filter(seen_at__lte=now + CLOCK_SKEW).order_by("-seen_at")
    seen = list(believed.values_list("seen_at", flat=True)[:MAX_WORKERS])
    alive = sum(now - at <= ALIVE_WITHIN for at in seen)
    return Workers(alive, max(0.0, (now - seen[0]).total_seconds()) if seen else None)
