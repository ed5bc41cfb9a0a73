"""The pulse of delivery, as every page shows it: whether there is a worker, and how long the oldest mail waits.

Costs two short queries, whatever the length of the queue. What to do about it is on the queue page.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from django.utils.translation import gettext

from mailadmin.delivery import heartbeats
from mailadmin.delivery.heartbeats import Workers
from maillog.durations import age
from maillog.queue.waiting import OldestWaiting, oldest_waiting

# A worker beats every 5 s. A minute, and what a `deliver_due --once` that cron starts each minute takes to start.
WORKER_MISSING_AFTER = timedelta(seconds=70)
LATE_AFTER = timedelta(
    minutes=3
)  # workers look every few seconds, so a mail that is overdue by this much has met trouble


@dataclass(frozen=True, slots=True)
class DeliveryStatus:
    """What is known of the workers and of the oldest waiting mails."""

    workers: Workers
    waiting: OldestWaiting

    @property
    def no_worker(self) -> bool:
        """Whether no worker was seen for a minute."""
        seen = self.workers.seen_seconds_ago
        return seen is None or seen > WORKER_MISSING_AFTER.total_seconds()

    @property
    def something_is_due(self) -> bool:
        """Whether a mail could leave now."""
        return self.waiting.due_seconds is not None

    @property
    def something_waits(self) -> bool:
        """Whether a mail waits, for a worker or for anything else."""
        return self.waiting.oldest_seconds is not None

    @property
    def is_late(self) -> bool:
        """Whether a mail is overdue by more than three minutes."""
        return (self.waiting.due_seconds or 0.0) > LATE_AFTER.total_seconds()

    @property
    def tone(self) -> str:
        """Return good, warn, bad, or muted where there is no worker and nothing to do for one."""
        if self.no_worker:
            return "bad" if self.something_is_due else "warn" if self.something_waits else "muted"
        return "warn" if self.is_late or self.waiting.held_for is not None else "good"

    @property
    def workers_text(self) -> str:
        """Return such as "Worker seen 4 s ago", "2 workers, seen 4 s ago", "No worker seen for 3 min"."""
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
        """Return such as "oldest waiting 12 s" or "nothing waits"."""
        if self.waiting.oldest_seconds is None:
            return gettext("nothing waits")
        return gettext("oldest waiting %s") % age(self.waiting.oldest_seconds)

    @property
    def no_worker_text(self) -> str:
        """Return the alarm: no worker, and since when."""
        seen = self.workers.seen_seconds_ago
        if seen is None:
            return gettext("No worker has been seen yet.")
        return gettext("No worker has been seen for %s.") % age(seen)


def delivery_status() -> DeliveryStatus:
    """Return the pulse: two queries."""
    return DeliveryStatus(heartbeats.workers(), oldest_waiting())
