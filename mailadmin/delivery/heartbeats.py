"""The workers' heartbeats: which workers are alive, and when one was last seen."""

from __future__ import annotations

from collections import Counter
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


def record_in_hand(name: str, in_hand: dict[str, int]) -> None:
    """Record how many messages the worker `name` has begun that were to be given back, by the ids of connections."""
    WorkerHeartbeat.objects.filter(name=name).update(in_hand=in_hand)


def in_hand() -> dict[str, int]:
    """Return the same of all living workers together: one query."""
    now, total = timezone.now(), Counter[str]()
    living = WorkerHeartbeat.objects.filter(seen_at__range=(now - ALIVE_WITHIN, now + CLOCK_SKEW))
    for counts in living.exclude(in_hand={}).values_list("in_hand", flat=True):
        total.update(counts)
    return dict(total)


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
