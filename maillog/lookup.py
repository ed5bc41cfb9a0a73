"""Small lookups for other apps: one message, the test messages of a person."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from django.db.models import Q

from maillog.models import Attempt, Message, Status


def mail_by_id(mail_id: int) -> Message:
    """Return the message with what its verdict needs: three queries. Raises Message.DoesNotExist."""
    rows = Message.objects.select_related("sender", "driver", "connection", "template")
    return rows.prefetch_related("recipients", "attempts").get(pk=mail_id)


def without_content(heads: Collection[tuple[int, str]]) -> set[tuple[int, str]]:
    """Return those messages, given by id and Message-ID, whose content was deleted from the log: one query.

    Sensitive messages never have any for long, and count only once they are deleted themselves.
    """
    rows = Message.objects.filter(pk__in=[number for number, _message_id in heads])
    there = rows.filter(Q(is_sensitive=True) | Q(content__isnull=False)).values_list("id", "message_id")
    return set(heads) - set(there)


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
