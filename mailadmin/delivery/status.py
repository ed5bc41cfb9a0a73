"""The state of delivery that every page shows: whether a worker runs, and how long the oldest message has waited.

Two short queries, however long the queue is.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from django.utils.translation import gettext

from mailadmin.delivery import heartbeats
from mailadmin.delivery.heartbeats import Workers
from maillog.durations import age
from maillog.queue.waiting import OldestWaiting, oldest_waiting

# Workers report every 5 s; allow one minute plus start-up time for `deliver_due --once` run from cron.
WORKER_MISSING_AFTER = timedelta(seconds=70)
LATE_AFTER = timedelta(minutes=3)  # workers check every few seconds, so something is wrong with a message this late


@dataclass(frozen=True, slots=True)
class DeliveryStatus:
    """What is known of the workers and of the oldest waiting messages."""

    workers: Workers
    waiting: OldestWaiting

    @property
    def no_worker(self) -> bool:
        """Whether no worker was seen for WORKER_MISSING_AFTER."""
        seen = self.workers.seen_seconds_ago
        return seen is None or seen > WORKER_MISSING_AFTER.total_seconds()

    @property
    def has_due(self) -> bool:
        """Whether a message could leave now."""
        return self.waiting.due_seconds is not None

    @property
    def has_waiting(self) -> bool:
        """Whether a message waits, for a worker or for anything else."""
        return self.waiting.oldest_seconds is not None

    @property
    def is_late(self) -> bool:
        """Whether a message is overdue by more than LATE_AFTER."""
        return (self.waiting.due_seconds or 0.0) > LATE_AFTER.total_seconds()

    @property
    def tone(self) -> str:
        """`good`, `warn`, `bad`, or `muted` where there is no worker and no work."""
        if self.no_worker:
            return "bad" if self.has_due else "warn" if self.has_waiting else "muted"
        return "warn" if self.is_late or self.waiting.held_reason is not None else "good"

    @property
    def workers_text(self) -> str:
        """Such as "Worker seen 4 s ago", "2 workers, seen 4 s ago", "No worker seen for 3 min"."""
        seen = self.workers.seen_seconds_ago
        if seen is None:
            return gettext("No worker seen yet")
        if self.no_worker:
            return gettext("No worker seen for %s") % age(seen)
        if self.workers.alive < 2:
            return gettext("Worker seen %s ago") % age(seen)
        return gettext("%(count)s workers, seen %(age)s ago") % {"count": self.workers.alive, "age": age(seen)}

    @property
    def waiting_text(self) -> str:
        """Such as "oldest waiting 12 s" or "nothing waiting"."""
        if self.waiting.oldest_seconds is None:
            return gettext("nothing waiting")
        return gettext("oldest waiting %s") % age(self.waiting.oldest_seconds)

    @property
    def no_worker_text(self) -> str:
        """Since when there has been no worker, as a sentence."""
        seen = self.workers.seen_seconds_ago
        if seen is None:
            return gettext("No worker has been seen yet.")
        return gettext("No worker has been seen for %s.") % age(seen)


def delivery_status() -> DeliveryStatus:
    """Return the state of delivery: two queries."""
    return DeliveryStatus(heartbeats.workers(), oldest_waiting())
