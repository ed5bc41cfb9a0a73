"""The retention rules: how long messages are kept, and what has expired.

A rule is named ``body_<status>`` (content), ``row_<status>`` (the message with recipients and attempts) or
``audit_log``. Days count from the creation of the message; None keeps indefinitely.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import QuerySet

from maillog.models import AuditEvent, Content, Message, RetentionRules, Status
from maillog.retention.deletion import DELETABLE
from maillog.search.conditions import first_id_since

# In the order in which pages list them.
STATUSES = tuple(status for status in Status if status in DELETABLE)
DELIVERED = frozenset({Status.SENT, Status.LOGGED, Status.SILENCED})
MAX_DAYS = 3650
DEFAULTS: dict[str, int | None] = {
    **{f"body_{status}": 30 if status in DELIVERED else 90 for status in STATUSES},
    **{f"row_{status}": 365 for status in STATUSES},
    "audit_log": 730,
}


@dataclass(frozen=True, slots=True)
class Expired:
    """Messages of one status with an id below `bound` whose content, or row, has expired."""

    status: Status
    bound: int
    deletes_row: bool  # else only the content

    def after(self, last: int, count: int) -> list[int]:
        """Return the next `count` ids above `last`, oldest first. SQLite needs "not sent" to use the partial index."""
        mails = Message.objects.filter(status=self.status, id__gt=last, id__lt=self.bound, next_attempt_at__isnull=True)
        if self.status != Status.SENT:
            mails = mails.exclude(status=Status.SENT)
        elif not self.deletes_row:
            return self._contents_after(last, count)
        if not self.deletes_row:
            mails = mails.filter(content__isnull=False)
        return list(mails.order_by("id").values_list("id", flat=True)[:count])

    def _contents_after(self, last: int, count: int) -> list[int]:
        """Read the contents, which are fewer than rows and nearly all of sent messages."""
        contents: QuerySet[Content] = Content.objects.filter(message_id__gt=last, message_id__lt=self.bound)
        found = contents.filter(message__status=self.status).order_by("message_id")
        return list(found.values_list("message_id", flat=True)[:count])

    def count(self) -> int:
        """Return the exact number, by reading all of them."""
        total, last = 0, 0
        while ids := self.after(last, 10_000):
            total += len(ids)
            last = ids[-1]
        return total


def rules() -> dict[str, int | None]:
    """Return the effective value of every rule in `DEFAULTS`: one query."""
    stored = RetentionRules.objects.values_list("days", flat=True).order_by("id").first() or {}
    return {name: stored.get(name, days) for name, days in DEFAULTS.items()}


def save_rules(days: Mapping[str, int | None], *, by: str) -> None:
    row = RetentionRules.objects.order_by("id").first() or RetentionRules()
    row.days = {name: days[name] for name in DEFAULTS}
    row.author_name = by[:254]
    row.save()


def last_change() -> RetentionRules | None:
    """Return the stored rules, None if they are the defaults."""
    return RetentionRules.objects.order_by("id").first()


def expired(now: datetime) -> Iterator[Expired]:
    """Yield what has expired at `now`: bodies first, since they take the most space."""
    in_force = rules()
    bounds: dict[int, int | None] = {}
    for deletes_row in (False, True):
        for status in STATUSES:
            days = in_force[f"{'row' if deletes_row else 'body'}_{status}"]
            if days is None:
                continue
            if days not in bounds:
                bounds[days] = _first_id_to_keep(now - timedelta(days=days))
            bound = bounds[days]
            if bound:
                yield Expired(status, bound, deletes_row)


def expired_audit_events(now: datetime) -> QuerySet[AuditEvent]:
    """Return the audit events that have expired at `now`."""
    days = rules()["audit_log"]
    if days is None:
        return AuditEvent.objects.none()
    return AuditEvent.objects.filter(at__lt=now - timedelta(days=days))


def _first_id_to_keep(moment: datetime) -> int | None:
    """Return the first id not older than `moment`, the one after the newest if all are older, None without messages."""
    first = first_id_since(moment)
    if first is not None:
        return first
    newest = Message.objects.order_by("-id").values_list("id", flat=True).first()
    return None if newest is None else newest + 1
