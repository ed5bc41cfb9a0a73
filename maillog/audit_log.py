"""The audit log: who did what with which message, connection, API key or alarm rule, and who viewed content.

Append-only until events expire.

It never contains content, recipients or subjects.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING

from django.utils import timezone

from maillog.models import AuditEvent
from maillog.sql.batches import insert_rows
from maillog.text import fit

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser

Action = AuditEvent.Action
VIEWS = (Action.VIEWED, Action.DOWNLOADED)
VIEW_WINDOW = timedelta(minutes=10)  # tabs and frames that a person opens within this time are one view


def record(
    action: str,
    numbers: Iterable[int],
    *,
    actor: AbstractBaseUser | None,
    others: Mapping[int, int] | None = None,
) -> None:
    """Write one event per message in the caller's transaction; `others` maps old ids to the ids of new messages."""
    now = timezone.now()
    insert_rows(
        AuditEvent,
        (
            {
                "mail_number": number,
                "target": "",
                "action": str(action),
                "other_number": (others or {}).get(number),
                "actor_id": actor.pk if actor else None,
                "actor_name": fit(str(actor), 254) if actor else "",
                "at": now,
            }
            for number in numbers
        ),
        columns=["mail_number", "target", "action", "other_number", "actor_id", "actor_name", "at"],
    )


def record_target(action: str, target: str, *, actor: AbstractBaseUser | None = None, name: str = "") -> None:
    """Record an action on something other than a message. `name`: who did it, without an account."""
    AuditEvent.objects.create(
        action=action,
        target=fit(target, 160),
        actor_id=actor.pk if actor else None,
        actor_name=fit(str(actor) if actor else name, 254),
        at=timezone.now(),
    )


def record_view(number: int, *, actor: AbstractBaseUser, downloaded: bool = False) -> None:
    """Record that `actor` views the content, once per person and ten minutes."""
    action = Action.DOWNLOADED if downloaded else Action.VIEWED
    since = timezone.now() - VIEW_WINDOW
    if not AuditEvent.objects.filter(mail_number=number, action=action, actor_id=actor.pk, at__gte=since).exists():
        record(action, [number], actor=actor)


def events_of(number: int, *, include_views: bool) -> list[AuditEvent]:
    """Return the newest 50 events of a message, views of its content only with `include_views`."""
    events = AuditEvent.objects.filter(mail_number=number)
    return list((events if include_views else events.exclude(action__in=VIEWS)).order_by("-id")[:50])
