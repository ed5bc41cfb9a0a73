"""Incidents as lists show them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from mailadmin.incidents import kinds, texts
from maillog.models import Incident

MAX_OPEN = 200


@dataclass(frozen=True, slots=True)
class Row:
    """One incident as lists show it."""

    pk: int
    sentence: str
    cause: str
    is_open: bool
    last_at: datetime
    mail_count: int


def open_incidents() -> list[Incident]:
    """Return the open incidents, final failures before deferrals, then newest first: one per kind and connection."""
    found = Incident.objects.filter(state=Incident.State.OPEN).order_by("-id")[:MAX_OPEN]
    return sorted(found, key=lambda one: kinds.is_temporary(one.kind))


def rows(found: Iterable[Incident]) -> list[Row]:
    now = timezone.now()
    return [
        Row(
            pk=one.pk,
            sentence=texts.sentence(one, now=now),
            cause=texts.cause(one) if one.code else "",
            is_open=one.is_open,
            last_at=one.last_at,
            mail_count=one.mail_count,
        )
        for one in found
    ]
