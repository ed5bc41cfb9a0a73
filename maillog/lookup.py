"""Small lookups for other apps: one message, the test messages of a person."""

from __future__ import annotations

from datetime import datetime

from maillog.models import Attempt, Message, Status


def mail_by_id(mail_id: int) -> Message:
    """Return the message with what its verdict needs: three queries. Raises Message.DoesNotExist."""
    rows = Message.objects.select_related("sender", "driver", "connection", "template")
    return rows.prefetch_related("recipients", "attempts").get(pk=mail_id)


def last_attempt(mail: Message) -> Attempt | None:
    """Return the newest attempt of `mail`, None before the first."""
    return next(iter(mail.attempts.all()), None)


def count_tests_since(since: datetime, *, actor_id: int) -> int:
    """Return how many test messages the person has sent since then."""
    return Message.objects.filter(is_test=True, actor_id=actor_id, created_at__gte=since).count()


def has_finished_test(*, undelivered_too: bool) -> bool:
    """Return whether a server ever accepted a test message. `undelivered_too` also counts drivers without a server."""
    statuses = [Status.SENT, *([Status.LOGGED, Status.SILENCED, Status.SKIPPED] if undelivered_too else [])]
    return Message.objects.filter(is_test=True, status__in=statuses).exists()
