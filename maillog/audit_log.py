"""The trail: who did what with which mail, and who looked at what it says. Lines are only ever added, until they age.

It never holds what a mail says, to whom it went or what it was about.
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
VIEW_WINDOW = timedelta(minutes=10)  # tabs and frames of one page, opened by one person, are one look


def record(
    action: str,
    numbers: Iterable[int],
    *,
    actor: AbstractBaseUser | None,
    others: Mapping[int, int] | None = None,
) -> None:
    """Write one line a mail, in the caller's transaction; `others` are the new mails by the number of the old one."""
    now = timezone.now()
    insert_rows(
        AuditEvent,
        (
            {
                "mail_number": number,
                "action": str(action),
                "other_number": (others or {}).get(number),
                "actor_id": actor.pk if actor else None,
                "actor_name": fit(str(actor), 254) if actor else "",
                "at": now,
            }
            for number in numbers
        ),
        columns=["mail_number", "action", "other_number", "actor_id", "actor_name", "at"],
    )


def record_view(number: int, *, actor: AbstractBaseUser, downloaded: bool = False) -> None:
    """Write that `actor` sees what the mail says; looks of the same person within ten minutes are one line."""
    action = Action.DOWNLOADED if downloaded else Action.VIEWED
    since = timezone.now() - VIEW_WINDOW
    if not AuditEvent.objects.filter(mail_number=number, action=action, actor_id=actor.pk, at__gte=since).exists():
        record(action, [number], actor=actor)


def events_of(number: int, *, looks_too: bool) -> list[AuditEvent]:
    """Return the newest 50 lines about a mail; who looked at its content only if `looks_too`."""
    lines = AuditEvent.objects.filter(mail_number=number)
    return list((lines if looks_too else lines.exclude(action__in=VIEWS)).order_by("-id")[:50])
