"""Keeps incidents: failures of one kind on one connection, as one row with the numbers of the mails that met it.

Many workers on many machines write the same rows. A row is locked while mails are added to it, so that each mail is
counted once; that two of them begin an incident at the same time is settled by a unique constraint.
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

BATCH = 1_000  # mails in one statement
RECOVERY_SAMPLE = 200  # mails that are asked whether anything went through
RETENTION = timedelta(days=365)  # ended incidents

State = Incident.State


@dataclass(slots=True, kw_only=True)
class FailureGroup:
    """Failures of one kind on one connection, as one worker met them. No mails: nobody but a probe met it."""

    connection: str
    kind: str
    phase: str = ""
    connection_key: str = ""
    is_about_connection: bool = False
    code: int | None = None
    enhanced_code: str = ""
    reply: str = ""
    mails: set[int] = field(default_factory=set)


def record_failures(
    finding: FailureGroup,
    *,
    now: datetime,
    most: int,
    within: timedelta,
    before: Callable[[FailureGroup], list[dict[str, Any]]],
) -> Incident:
    """Add `finding` to its incident, which opens when `most` mails met it `within` a time; return that incident.

    What is about a connection opens at once. `before` is asked, when an incident begins, what had been changed before.
    """
    with transaction.atomic():
        incident = _lock_open(finding) or _create(finding, now, before)
        if not incident.is_open:
            _drop_old_messages(incident, now, within)
        new = _add_messages(incident, finding.mails, now)
        values: dict[str, Any] = {
            "phase": fit(finding.phase, 10),
            "code": finding.code,
            "enhanced_code": fit(finding.enhanced_code, 11),
            "reply": fit(finding.reply, 500),
            "last_at": Greatest(F("last_at"), now),
            "recovered_at": None,
            **_updated_counts(incident, new),
        }
        if finding.connection_key:
            values["connection_key"] = finding.connection_key
        if not incident.is_open and (finding.is_about_connection or incident.mail_count + len(new) >= most):
            values |= {"state": State.OPEN, "is_about_connection": finding.is_about_connection}
        Incident.objects.filter(pk=incident.pk).update(**values)
    incident.refresh_from_db()
    return incident


def add_waiting_messages(connection: str, mails: Collection[int], *, now: datetime) -> None:
    """Add mails that wait for a connection in trouble to what is open about it; nothing if nothing is."""
    about = Incident.objects.filter(connection=connection, is_about_connection=True, state=State.OPEN)
    with transaction.atomic():
        incident = about.select_for_update().order_by("-id").first()
        new = _add_messages(incident, mails, now) if incident else []
        if not incident or not new:
            return
        Incident.objects.filter(pk=incident.pk).update(**_updated_counts(incident, new))


def end(incident: Incident, *, ending: str, now: datetime, by: str = "", unless_after: datetime | None = None) -> bool:
    """End an open incident; False if it had ended, or if something failed after `unless_after`."""
    still = Incident.objects.filter(pk=incident.pk, state=State.OPEN)
    if unless_after:
        still = still.filter(last_at__lte=unless_after)
    return bool(still.update(state=State.ENDED, ended_at=now, ending=ending, ended_by=by[:254]))


def record_recovery(incidents: QuerySet[Incident], *, now: datetime) -> None:
    """Note that something went through again, on those of `incidents` for which that is news."""
    incidents.filter(state=State.OPEN, recovered_at=None).update(recovered_at=now)


def has_recovered(incident: Incident, name: str) -> bool:
    """Return whether a mail was sent through the incident's connection, `name` by now, after its newest failure.

    Looks at a bounded number of mails only: the newest of the connection, and the first of its own.
    """
    newest = Message.objects.filter(connection__kind="connection", connection__text=name).order_by("-id")
    own = IncidentMail.objects.filter(incident=incident).order_by("mail_number")
    ids = [
        *newest.values_list("id", flat=True)[:RECOVERY_SAMPLE],
        *own.values_list("mail_number", flat=True)[:RECOVERY_SAMPLE],
    ]
    sent = Message.objects.filter(id__in=ids, status=Status.SENT, finished_at__gt=incident.last_at)
    return sent.filter(connection__text=name).exists()


def delete_stale(*, now: datetime, within: timedelta) -> None:
    """Forget what gathered and went no further, and what ended long ago."""
    Incident.objects.filter(state=State.PENDING, last_at__lt=now - within).delete()
    old = Incident.objects.filter(state=State.ENDED, ended_at__lt=now - RETENTION).order_by("id").first()
    if old:
        old.delete()


def _lock_open(finding: FailureGroup) -> Incident | None:
    found = Incident.objects.select_for_update().filter(
        connection=fit(finding.connection, 100), kind=finding.kind, ended_at=None
    )
    return found.first()


def _create(finding: FailureGroup, now: datetime, before: Callable[[FailureGroup], list[dict[str, Any]]]) -> Incident:
    changed = before(finding)
    try:
        with transaction.atomic():
            return Incident.objects.create(
                connection=fit(finding.connection, 100),
                connection_key=finding.connection_key,
                kind=finding.kind,
                first_at=now,
                last_at=now,
                recent_changes=changed,
            )
    except IntegrityError:  # another worker began it a moment ago
        found = _lock_open(finding)
        if found is None:
            raise
        return found


def _add_messages(incident: Incident, mails: Collection[int], now: datetime) -> list[int]:
    """Add those of `mails` that are new to the incident, whose row is locked, and return them."""
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
    """Return what changes on the locked incident with `new` mails."""
    if not new:
        return {}
    first, last = min(new), max(new)
    return {
        "mail_count": F("mail_count") + len(new),
        "first_mail": first if incident.first_mail is None else Least(F("first_mail"), first),
        "last_mail": last if incident.last_mail is None else Greatest(F("last_mail"), last),
    }


def _drop_old_messages(incident: Incident, now: datetime, within: timedelta) -> None:
    """Let a gathering incident hold only the mails of the time that counts."""
    gone, _ = IncidentMail.objects.filter(incident=incident, at__lt=now - within).delete()
    if not gone:
        return
    rest: Sequence[tuple[int, datetime]] = list(
        IncidentMail.objects.filter(incident=incident).values_list("mail_number", "at")
    )
    numbers = [number for number, _at in rest]
    incident.mail_count = len(rest)
    incident.first_mail, incident.last_mail = min(numbers, default=None), max(numbers, default=None)
    incident.first_at = min((at for _number, at in rest), default=now)
    incident.save(update_fields=["mail_count", "first_mail", "last_mail", "first_at"])
