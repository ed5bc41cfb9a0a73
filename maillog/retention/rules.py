"""For how long mails are kept: the rules, their defaults, and what is too old by them.

A rule is named ``body_<status>`` (what the mail says) or ``row_<status>`` (its row with recipients and attempts), and
``trail`` (who did what with mails). Days count from when the mail was made; None keeps without end.
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
    "trail": 730,
}


@dataclass(frozen=True, slots=True)
class Expired:
    """The mails of one state made before `bound` (an id) whose body, or row, is too old."""

    status: Status
    bound: int
    whole: bool  # the row; else only what the mail says

    def after(self, last: int, count: int) -> list[int]:
        """Return the next `count` ids above `last`, oldest first. "Not sent" lets SQLite take the partial index."""
        mails = Message.objects.filter(status=self.status, id__gt=last, id__lt=self.bound, next_attempt_at__isnull=True)
        if self.status != Status.SENT:
            mails = mails.exclude(status=Status.SENT)
        elif not self.whole:
            return self._contents_after(last, count)
        if not self.whole:
            mails = mails.filter(content__isnull=False)
        return list(mails.order_by("id").values_list("id", flat=True)[:count])

    def _contents_after(self, last: int, count: int) -> list[int]:
        """Walk the contents, of which there are fewer than rows: nearly all of them are of sent mails."""
        contents: QuerySet[Content] = Content.objects.filter(message_id__gt=last, message_id__lt=self.bound)
        mine = contents.filter(message__status=self.status).order_by("message_id")
        return list(mine.values_list("message_id", flat=True)[:count])

    def count(self) -> int:
        """Return how many there are, exactly: a walk over all of them."""
        total, last = 0, 0
        while ids := self.after(last, 10_000):
            total += len(ids)
            last = ids[-1]
        return total


def rules() -> dict[str, int | None]:
    """Return the rule in force for every name of `DEFAULTS`: one query."""
    stored = RetentionRules.objects.values_list("days", flat=True).order_by("id").first() or {}
    return {name: stored.get(name, days) for name, days in DEFAULTS.items()}


def save_rules(days: Mapping[str, int | None], *, by: str) -> None:
    """Store the rules."""
    row = RetentionRules.objects.order_by("id").first() or RetentionRules()
    row.days = {name: days[name] for name in DEFAULTS}
    row.author_name = by[:254]
    row.save()


def last_change() -> RetentionRules | None:
    """Return who changed the rules last and when; None: they are the defaults."""
    return RetentionRules.objects.order_by("id").first()


def expired(now: datetime) -> Iterator[Expired]:
    """Yield what is too old at `now`: bodies first, because they take the most room."""
    in_force = rules()
    bounds: dict[int, int | None] = {}
    for whole in (False, True):
        for status in STATUSES:
            days = in_force[f"{'row' if whole else 'body'}_{status}"]
            if days is None:
                continue
            if days not in bounds:
                bounds[days] = _first_id_to_keep(now - timedelta(days=days))
            bound = bounds[days]
            if bound:
                yield Expired(status, bound, whole)


def expired_audit_events(now: datetime) -> QuerySet[AuditEvent]:
    """Return the lines of the trail that are too old at `now`."""
    days = rules()["trail"]
    if days is None:
        return AuditEvent.objects.none()
    return AuditEvent.objects.filter(at__lt=now - timedelta(days=days))


def _first_id_to_keep(moment: datetime) -> int | None:
    """Return the first id that is not older than `moment`; where all are, the one after the newest; None: no mails."""
    first = first_id_since(moment)
    if first is not None:
        return first
    newest = Message.objects.order_by("-id").values_list("id", flat=True).first()
    return None if newest is None else newest + 1
