"""The messages of an experiment, and their state in the log. Needs Django set up on the workers' database."""

from __future__ import annotations

import socket
from collections import Counter
from typing import TYPE_CHECKING

from django.db.models import Count, Min
from django.utils import timezone

from mailadmin.api import Mail, send_many
from maillog.models import Attempt, Message, Status

if TYPE_CHECKING:
    from collections.abc import Iterable

    from benchmarks.faults.lab import CountingServer, Worker


def enqueue(count: int, *, subject: str = "Number") -> list[int]:
    """Queue `count` small messages and return their ids."""
    return send_many(
        Mail(to=[f"p{number}@example.com"], subject=f"{subject} {number}", text="x" * 1000, mode="background")
        for number in range(count)
    )


def statuses() -> dict[str, int]:
    """Return the number of messages by status."""
    return dict(Message.objects.order_by().values_list("status").annotate(count=Count("id")))


def unsent() -> int:
    """Return the number of messages not recorded as sent."""
    return Message.objects.exclude(status=Status.SENT).count()


def overdue() -> float:
    """Return the seconds since the oldest lease expired; below 0 if none has."""
    end = Message.objects.filter(status=Status.SENDING).aggregate(end=Min("next_attempt_at"))["end"]
    return (timezone.now() - end).total_seconds() if end else -1.0


def message_ids() -> list[str]:
    """Return the Message-IDs of all messages in the log."""
    return list(Message.objects.values_list("message_id", flat=True))


def recorded_by(worker: Worker) -> set[str]:
    """Return the Message-IDs that this worker recorded as sent."""
    mine = Attempt.objects.filter(worker=f"{socket.gethostname()}:{worker.pid}"[:100], outcome=Attempt.Outcome.SENT)
    return set(mine.values_list("message__message_id", flat=True))


def copies(servers: Iterable[CountingServer]) -> Counter[str]:
    """Return how often each Message-ID was accepted by all `servers` together."""
    return Counter(event.message_id for server in servers for event in server.taken())


def flagged() -> int:
    """Return the number of messages marked as possibly delivered twice."""
    return Message.objects.filter(possibly_duplicate=True).count()
