"""Stores incidents: failures of one kind on one connection, as one row, with the messages affected.

Workers on many machines write the same rows. A row is locked while messages are added to it, so that each message is
counted once. A unique constraint decides if two workers create an incident at the same time.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Greatest, Least

from maillog.models import Incident, IncidentMail, Message, Status
from maillog.sql.batches import insert_rows
from maillog.text import fit

BATCH = 1_000  # messages per statement
RECOVERY_SAMPLE = 200  # messages checked for a success
RETENTION = timedelta(days=365)  # of ended incidents

State = Incident.State


@dataclass(slots=True, kw_only=True)
class FailureGroup:
    """Failures of one kind on one connection, collected by one worker. Without messages: found by a probe."""

    connection: str
    kind: str
    phase: str = ""
    connection_key: str = ""
    is_about_connection: bool = False
    code: int | None = None
    enhanced_code: str = ""
    reply: str = ""
    waits_until: datetime | None = None
    mails: set[int] = field(default_factory=set)


def record_failures(
    group: FailureGroup,
    *,
    now: datetime,
    threshold: int,
    window: timedelta,
    find_changes: Callable[[FailureGroup], list[dict[str, Any]]],
) -> Incident:
    """Add `group` to its incident and return that. It opens when `threshold` messages are affected within `window`.

    An incident about the connection itself opens at once. `find_changes` is called when an incident begins, for what
    was changed before.
    """
    with transaction.atomic():
        incident = _lock_open(group) or _create(group, now, find_changes)
        if not incident.is_open:
            _drop_old_messages(incident, now, window)
        new = _add_messages(incident, group.mails, now)
        values: dict[str, Any] = {
            "phase": fit(group.phase, 10),
            "code": group.code,
            "enhanced_code": fit(group.enhanced_code, 11),
            "reply": fit(group.reply, 500),
            "last_at": Greatest(F("last_at"), now),
            "recovered_at": None,
            **_updated_counts(incident, new),
        }
        if group.connection_key:
            values["connection_key"] = group.connection_key
        if group.waits_until:
            values["waits_until"] = group.waits_until
        if not incident.is_open and (group.is_about_connection or incident.mail_count + len(new) >= threshold):
            values |= {"state": State.OPEN, "is_about_connection": group.is_about_connection}
        Incident.objects.filter(pk=incident.pk).update(**values)
    incident.refresh_from_db()
    return incident


def add_waiting_messages(connection: str, mails: Collection[int], *, now: datetime) -> None:
    """Add messages that wait for a connection to the open incident about it, if there is one."""
    about = Incident.objects.filter(connection=connection, is_about_connection=True, state=State.OPEN)
    with transaction.atomic():
        incident = about.select_for_update().order_by("-id").first()
        new = _add_messages(incident, mails, now) if incident else []
        if not incident or not new:
            return
        Incident.objects.filter(pk=incident.pk).update(**_updated_counts(incident, new))


def end(incident: Incident, *, ending: str, now: datetime, by: str = "", unless_after: datetime | None = None) -> bool:
    """End an open incident. Returns False if it has ended, or if anything failed after `unless_after`."""
    still = Incident.objects.filter(pk=incident.pk, state=State.OPEN)
    if unless_after:
        still = still.filter(last_at__lte=unless_after)
    return bool(still.update(state=State.ENDED, ended_at=now, ending=ending, ended_by=by[:254]))


def record_recovery(incidents: QuerySet[Incident], *, now: datetime) -> None:
    """Record on open `incidents` that a message went through, unless one already has."""
    incidents.filter(state=State.OPEN, recovered_at=None).update(recovered_at=now)


def has_recovered(incident: Incident, name: str) -> bool:
    """Return whether a message was sent over the connection, now called `name`, after the incident's newest failure.

    Checks a limited number of messages: the newest of the connection and the first of the incident.
    """
    newest = Message.objects.filter(connection__kind="connection", connection__text=name).order_by("-id")
    own = IncidentMail.objects.filter(incident=incident).order_by("mail_number")
    ids = [
        *newest.values_list("id", flat=True)[:RECOVERY_SAMPLE],
        *own.values_list("mail_number", flat=True)[:RECOVERY_SAMPLE],
    ]
    sent = Message.objects.filter(
        id__in=ids, status__in=[Status.SENT, Status.PARTLY_SENT], finished_at__gt=incident.last_at
    )
    return sent.filter(connection__text=name).exists()


def delete_stale(*, now: datetime, window: timedelta) -> None:
    """Delete pending incidents that went no further, and ones that ended long ago."""
    Incident.objects.filter(state=State.PENDING, last_at__lt=now - window).delete()
    old = Incident.objects.filter(state=State.ENDED, ended_at__lt=now - RETENTION).order_by("id").first()
    if old:
        old.delete()


def _lock_open(group: FailureGroup) -> Incident | None:
    found = Incident.objects.select_for_update().filter(
        connection=fit(group.connection, 100), kind=group.kind, ended_at=None
    )
    return found.first()


def _create(
    group: FailureGroup, now: datetime, find_changes: Callable[[FailureGroup], list[dict[str, Any]]]
) -> Incident:
    changes = find_changes(group)
    try:
        with transaction.atomic():
            return Incident.objects.create(
                connection=fit(group.connection, 100),
                connection_key=group.connection_key,
                kind=group.kind,
                first_at=now,
                last_at=now,
                recent_changes=changes,
            )
    except IntegrityError:  # another worker has just created it
        found = _lock_open(group)
        if found is None:
            raise
        return found


def _add_messages(incident: Incident, mails: Collection[int], now: datetime) -> list[int]:
    """Add the new ones among `mails` to the locked incident, and return them."""
    new: list[int] = []
    given = sorted(mails)
    for start in range(0, len(given), BATCH):
        part = given[start : start + BATCH]
        known = set(
            IncidentMail.objects.filter(incident=incident, mail_number__in=part).values_list("mail_number", flat=True)
        )
        new += [number for number in part if number not in known]
    insert_rows(
        IncidentMail,
        ({"incident_id": incident.pk, "mail_number": number, "at": now} for number in new),
        columns=["incident_id", "mail_number", "at"],
    )
    return new


def _updated_counts(incident: Incident, new: Sequence[int]) -> dict[str, Any]:
    """Return the changed columns of the locked incident with `new` messages."""
    if not new:
        return {}
    first, last = min(new), max(new)
    return {
        "mail_count": F("mail_count") + len(new),
        "first_mail": first if incident.first_mail is None else Least(F("first_mail"), first),
        "last_mail": last if incident.last_mail is None else Greatest(F("last_mail"), last),
    }


def _drop_old_messages(incident: Incident, now: datetime, window: timedelta) -> None:
    """Limit a pending incident to the messages within the window."""
    deleted, _ = IncidentMail.objects.filter(incident=incident, at__lt=now - window).delete()
    if not deleted:
        return
    remaining: Sequence[tuple[int, datetime]] = list(
        IncidentMail.objects.filter(incident=incident).values_list("mail_number", "at")
    )
    numbers = [number for number, _at in remaining]
    incident.mail_count = len(remaining)
    incident.first_mail, incident.last_mail = min(numbers, default=None), max(numbers, default=None)
    incident.first_at = min((at for _number, at in remaining), default=now)
    incident.save(update_fields=["mail_count", "first_mail", "last_mail", "first_at"])
