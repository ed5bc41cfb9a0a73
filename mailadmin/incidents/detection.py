"""Detects incidents: collects the failures of one worker, records them in bulk, and ends finished incidents.

Reporting failures must never cause more of them: an error in this module is logged, and delivery continues. A worker
writes at most once per second, and nothing at all while every message is sent.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import datetime
from time import monotonic

from django.utils import timezone

from mailadmin.drivers import registry
from mailadmin.errors import DeliveryError
from mailadmin.incidents import kinds, recent_changes
from mailadmin.models import Alarm, AlarmRules, ConnectionState
from maillog import incident_store
from maillog.incident_store import FailureGroup
from maillog.models import FAILURES, Attempt, Incident, Recipient, Status
from maillog.outcomes import AttemptRecord, Settlement
from maillog.text import fit
from secrets_app import vault
from secrets_app.vault import Connection

FAILURE_STATUSES = frozenset({*FAILURES, Status.DEFERRED, Status.UNCERTAIN})
REPORT_SECONDS = 1.0  # at least, between two reports of one worker
State = Incident.State

logger = logging.getLogger(__name__)


class FailureCollector:
    """The failures of one worker since its last report."""

    def __init__(self) -> None:
        self.groups: dict[tuple[str, str], FailureGroup] = {}
        self.held: dict[str, set[int]] = {}  # ids of held messages, by connection
        self.reported = monotonic()

    def add(self, settlements: Iterable[Settlement]) -> None:
        """Collect the failures among `settlements`, and report if the last report was REPORT_SECONDS ago."""
        for one in settlements:
            if one.failovers or one.status in FAILURE_STATUSES or one.status == Status.HELD:
                try:
                    self.collect(one)
                except Exception:
                    logger.exception("The failure of message %d is part of no incident.", one.id)
        if (self.groups or self.held) and monotonic() - self.reported >= REPORT_SECONDS:
            self.report()

    def collect(self, one: Settlement) -> None:
        for attempt in one.failovers:
            self.add_failure(one, attempt, about_connection=True)
        if one.status == Status.HELD:
            if one.connection:
                self.held.setdefault(one.connection, set()).add(one.id)
        elif one.attempt and one.attempt.outcome != Attempt.Outcome.SENT and one.status in FAILURE_STATUSES:
            self.add_failure(one, one.attempt, about_connection=kinds.is_about_connection(one.attempt.phase))
        elif one.status in FAILURES and not one.attempt and not one.failovers:
            self.group("", kinds.WORKER, about_connection=True, reply=one.reason).mails.add(one.id)

    def add_failure(self, one: Settlement, attempt: AttemptRecord, *, about_connection: bool) -> None:
        """Add the message to the group of the failure in `attempt`: final refusals and deferrals to one each."""
        replies: list[tuple[int | None, str, str, bool]] = [] if about_connection else recipient_replies(one)
        for code, enhanced_code, reply, is_retried in replies or [
            (attempt.code, attempt.enhanced_code, attempt.reply, one.status == Status.DEFERRED)
        ]:
            kind = kinds.kind_of(
                attempt.phase,
                code,
                enhanced_code,
                reply,
                fault=attempt.fault,
                is_retried=is_retried and not about_connection,
                uncertain=one.status == Status.UNCERTAIN and not about_connection,
            )
            group = self.group(attempt.connection, kind, about_connection=about_connection, reply=reply)
            group.phase, group.code, group.enhanced_code = attempt.phase, code, enhanced_code
            group.mails.add(one.id)

    def group(self, connection: str, kind: str, *, about_connection: bool, reply: str) -> FailureGroup:
        """Return the group of that kind, with `reply` as the newest reply."""
        group = self.groups.setdefault((connection, kind), FailureGroup(connection=connection, kind=kind))
        group.is_about_connection = group.is_about_connection or about_connection
        group.reply = reply
        return group

    def report(self) -> None:
        """Record what was collected. If that fails, the error is logged and the failures are lost."""
        groups, self.groups = self.groups, {}
        held, self.held = self.held, {}
        self.reported = monotonic()
        if groups or held:
            try:
                record(list(groups.values()), held)
            except Exception:
                logger.exception("Incidents could not be recorded.")


def recipient_replies(one: Settlement) -> list[tuple[int | None, str, str, bool]]:
    """Return code, enhanced code, reply and "is retried" of the first recipient refused, and of the first deferred."""
    found: list[tuple[int | None, str, str, bool]] = []
    for outcome in (Recipient.Outcome.REFUSED, Recipient.Outcome.DEFERRED):
        replied = next((each for each in one.recipients if each.outcome == outcome and each.code), None)
        if replied:
            is_retried = outcome == Recipient.Outcome.DEFERRED and one.status == Status.DEFERRED
            found.append((replied.code, replied.enhanced_code, replied.reply, is_retried))
    return found


def record(groups: Iterable[FailureGroup], held: dict[str, set[int]]) -> None:
    """Record failures and held messages, leaving out alarms."""
    now, rules = timezone.now(), AlarmRules.current()
    ordered = sorted(groups, key=lambda one: (one.connection, one.kind))  # the same order in all workers: no deadlocks
    alarms = alarm_emails_among({number for one in ordered for number in one.mails}.union(*held.values()))
    for one in ordered:
        only_alarms = bool(one.mails) and one.mails <= alarms
        one.mails -= alarms
        if not only_alarms:
            incident_store.record_failures(
                one, now=now, threshold=rules.threshold, window=rules.window, find_changes=recent_changes.changes_before
            )
    for connection, mails in sorted(held.items()):
        if mails - alarms:
            incident_store.add_waiting_messages(connection, mails - alarms, now=now)


def alarm_emails_among(mails: set[int]) -> set[int]:
    """Return which of `mails` are alarms. There are few, and they are newer than their incident."""
    if not mails:
        return set()
    alarms = Alarm.objects.filter(mail_number__gte=min(mails), mail_number__lte=max(mails))
    return {number for number in alarms.values_list("mail_number", flat=True) if number in mails}


# ---------------------------------------------------------------- connections


def connection_failed(connection: Connection, error: DeliveryError, *, waits_until: datetime | None = None) -> None:
    """Record that a failure has closed `connection`; the messages that met it are recorded with their results."""
    reply = error.reply or error.message
    group = FailureGroup(
        connection=connection.name,
        connection_key=connection.id,
        kind=kinds.kind_of(error.phase, error.code, error.enhanced_code, reply, fault=error.fault),
        phase=error.phase,
        is_about_connection=True,
        code=error.code,
        enhanced_code=error.enhanced_code,
        reply=fit(reply, 500),
        waits_until=waits_until,
    )
    try:
        record([group], {})
    except Exception:
        logger.exception("The incident of the connection “%s” could not be recorded.", connection.name)


def connection_recovered(connection_id: str) -> None:
    """Record that a probe found the connection working."""
    about = Incident.objects.filter(connection_key=connection_id, is_about_connection=True)
    try:
        incident_store.record_recovery(about, now=timezone.now())
    except Exception:
        logger.exception("The recovery of the connection %s could not be recorded.", connection_id)


# ---------------------------------------------------------------- ending


def end_finished(now: datetime | None = None) -> int:
    """End incidents that are over and return how many: one query while there are none."""
    now = now or timezone.now()
    unfinished = list(Incident.objects.filter(state__in=[State.OPEN, State.PENDING]).order_by("id")[:500])
    if not unfinished:
        return 0
    rules = AlarmRules.current()
    closed = set(ConnectionState.objects.exclude(state=ConnectionState.State.OPEN).values_list("connection", flat=True))
    existing = {one.id: one.name for one in vault.connections(registry.connection_kinds())}
    ended = 0
    for incident in unfinished:
        ending = ending_of(incident, rules, now, closed=closed, existing=existing) if incident.is_open else None
        if ending and incident_store.end(incident, ending=ending, now=now, unless_after=incident.last_at):
            ended += 1
    incident_store.delete_stale(now=now, window=rules.window)
    return ended


def ending_of(
    incident: Incident, rules: AlarmRules, now: datetime, *, closed: set[str], existing: dict[str, str]
) -> Incident.Ending | None:
    """Return why `incident` is over, or None while it is not."""
    is_quiet = incident.last_at <= now - rules.window
    if not incident.is_about_connection or not incident.connection:
        return Incident.Ending.QUIET if is_quiet else None
    if incident.connection_key and incident.connection_key not in existing:
        return Incident.Ending.GONE
    if incident.connection_key in closed:
        return None
    if incident.recovered_at is None and incident_store.has_recovered(
        incident, existing.get(incident.connection_key, incident.connection)
    ):
        incident_store.record_recovery(Incident.objects.filter(pk=incident.pk, last_at=incident.last_at), now=now)
        incident.recovered_at = now
    return Incident.Ending.RECOVERED if is_quiet and incident.recovered_at else None


def end(incident: Incident, *, by: str) -> bool:
    """End `incident` by a person's decision; False if it had ended."""
    return incident_store.end(incident, ending=Incident.Ending.PERSON, now=timezone.now(), by=by)
