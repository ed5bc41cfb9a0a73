"""Makes incidents out of failures: gathers what one worker meets, writes it down, and ends what is over.

Telling people of trouble must never make more of it: whatever goes wrong here is logged and forgotten, and delivery
goes on. A worker writes at most once a second, and nothing at all while everything is sent.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import datetime
from time import monotonic

from django.utils import timezone

from mailadmin.errors import DeliveryError
from mailadmin.incidents import kinds, recent_changes
from mailadmin.models import Alarm, AlarmRules, ConnectionState
from maillog import incident_store as kept
from maillog.incident_store import FailureGroup
from maillog.models import Attempt, Incident, Recipient, Status
from maillog.outcomes import AttemptRecord, Settlement
from maillog.text import fit
from secrets_app import vault
from secrets_app.vault import Connection

FAILURE_STATUSES = frozenset({Status.FAILED, Status.DEFERRED, Status.UNCERTAIN})
REPORT_SECONDS = 1.0  # seconds between two reports of one worker
State = Incident.State

logger = logging.getLogger(__name__)


class FailureCollector:
    """The failures of one worker since its last report."""

    def __init__(self) -> None:
        self.findings: dict[tuple[str, str], FailureGroup] = {}
        self.waiting: dict[str, set[int]] = {}  # held mails, by connection
        self.reported = monotonic()

    def add(self, settlements: Iterable[Settlement]) -> None:
        """Take those of `settlements` that did not end well, and report when the last time is a second ago."""
        for one in settlements:
            if one.failovers or one.status in FAILURE_STATUSES or one.status == Status.HELD:
                self.take(one)
        if (self.findings or self.waiting) and monotonic() - self.reported >= REPORT_SECONDS:
            self.report()

    def take(self, one: Settlement) -> None:
        """Take one mail that did not end well."""
        for hop in one.failovers:
            self.found(one, hop, about_connection=True)
        if one.status == Status.HELD:
            if one.connection:
                self.waiting.setdefault(one.connection, set()).add(one.id)
        elif one.attempt and one.attempt.outcome != Attempt.Outcome.SENT and one.status in FAILURE_STATUSES:
            self.found(one, one.attempt, about_connection=kinds.is_about_connection(one.attempt.phase))
        elif one.status == Status.FAILED and not one.attempt and not one.failovers:
            self.of("", kinds.WORKER, about_connection=True, reply=one.reason).mails.add(one.id)

    def found(self, one: Settlement, attempt: AttemptRecord, *, about_connection: bool) -> None:
        """Add the mail to what it met in `attempt`."""
        code, enhanced, words = (attempt.code, attempt.enhanced_code, attempt.reply)
        if not about_connection:
            code, enhanced, words = recipient_reply(one) or (code, enhanced, words)
        kind = kinds.kind_of(
            attempt.phase, code, enhanced, words, uncertain=one.status == Status.UNCERTAIN and not about_connection
        )
        finding = self.of(attempt.connection, kind, about_connection=about_connection, reply=words)
        finding.phase, finding.code, finding.enhanced_code = attempt.phase, code, enhanced
        finding.mails.add(one.id)

    def of(self, connection: str, kind: str, *, about_connection: bool, reply: str) -> FailureGroup:
        """Return the finding of that kind, with the newest reply."""
        finding = self.findings.setdefault((connection, kind), FailureGroup(connection=connection, kind=kind))
        finding.is_about_connection = finding.is_about_connection or about_connection
        finding.reply = reply
        return finding

    def report(self) -> None:
        """Write down what was gathered; an error is logged, and what was gathered is lost."""
        findings, self.findings = self.findings, {}
        waiting, self.waiting = self.waiting, {}
        self.reported = monotonic()
        if findings or waiting:
            try:
                record(list(findings.values()), waiting)
            except Exception:
                logger.exception("Incidents could not be written down.")


def recipient_reply(one: Settlement) -> tuple[int | None, str, str] | None:
    """Return what was said about the first recipient that was not accepted; None if nobody said anything."""
    for recipient in one.recipients:
        if recipient.outcome in {Recipient.Outcome.REFUSED, Recipient.Outcome.DEFERRED} and recipient.code:
            return recipient.code, recipient.enhanced_code, recipient.reply
    return None


def record(findings: Iterable[FailureGroup], waiting: dict[str, set[int]]) -> None:
    """Record findings and waiting mails, without those that are alarms themselves."""
    now, rules = timezone.now(), AlarmRules.current()
    found = sorted(findings, key=lambda one: (one.connection, one.kind))  # one order for all: no deadlocks
    alarms = alarm_emails_among({number for one in found for number in one.mails}.union(*waiting.values()))
    for one in found:
        only_alarms = bool(one.mails) and one.mails <= alarms
        one.mails -= alarms
        if not only_alarms:
            kept.record_failures(
                one, now=now, most=rules.mails, within=rules.window, before=recent_changes.changes_before
            )
    for connection, mails in sorted(waiting.items()):
        if mails - alarms:
            kept.add_waiting_messages(connection, mails - alarms, now=now)


def alarm_emails_among(mails: set[int]) -> set[int]:
    """Return which of `mails` tell of incidents; they are few, and newer than the incident."""
    if not mails:
        return set()
    alarms = Alarm.objects.filter(mail_number__gte=min(mails), mail_number__lte=max(mails))
    return {number for number in alarms.values_list("mail_number", flat=True) if number in mails}


# ---------------------------------------------------------------- connections


def connection_failed(connection: Connection, error: DeliveryError) -> None:
    """Record that `connection` was closed by its own trouble; the mails that met it come with their results."""
    words = error.reply or error.message
    finding = FailureGroup(
        connection=connection.name,
        connection_key=connection.id,
        kind=kinds.kind_of(error.phase, error.code, error.enhanced_code, words),
        phase=error.phase,
        is_about_connection=True,
        code=error.code,
        enhanced_code=error.enhanced_code,
        reply=fit(words, 500),
    )
    try:
        record([finding], {})
    except Exception:
        logger.exception("The incident of the connection “%s” could not be written down.", connection.name)


def connection_recovered(connection_id: str) -> None:
    """Note that a probe found the connection working."""
    about = Incident.objects.filter(connection_key=connection_id, is_about_connection=True)
    try:
        kept.record_recovery(about, now=timezone.now())
    except Exception:
        logger.exception("The recovery of the connection %s could not be written down.", connection_id)


# ---------------------------------------------------------------- ending


def end_finished(now: datetime | None = None) -> int:
    """End what is over, and return how many that were: one query while there is nothing."""
    now = now or timezone.now()
    going_on = list(Incident.objects.filter(state__in=[State.OPEN, State.PENDING]).order_by("id")[:500])
    if not going_on:
        return 0
    rules = AlarmRules.current()
    closed = set(ConnectionState.objects.exclude(state=ConnectionState.State.OPEN).values_list("connection", flat=True))
    there = {one.id: one.name for one in vault.connections()}
    ended = 0
    for incident in going_on:
        ending = ending_of(incident, rules, now, closed=closed, there=there) if incident.is_open else None
        if ending and kept.end(incident, ending=ending, now=now, unless_after=incident.last_at):
            ended += 1
    kept.delete_stale(now=now, within=rules.window)
    return ended


def ending_of(
    incident: Incident, rules: AlarmRules, now: datetime, *, closed: set[str], there: dict[str, str]
) -> Incident.Ending | None:
    """Return why `incident` is over, None while it is not."""
    is_quiet = incident.last_at <= now - rules.window
    if not incident.is_about_connection or not incident.connection:
        return Incident.Ending.QUIET if is_quiet else None
    if incident.connection_key and incident.connection_key not in there:
        return Incident.Ending.GONE
    if incident.connection_key in closed:
        return None
    if incident.recovered_at is None and kept.has_recovered(
        incident, there.get(incident.connection_key, incident.connection)
    ):
        kept.record_recovery(Incident.objects.filter(pk=incident.pk, last_at=incident.last_at), now=now)
        incident.recovered_at = now
    return Incident.Ending.RECOVERED if is_quiet and incident.recovered_at else None


def end(incident: Incident, *, by: str) -> bool:
    """End `incident` by somebody's decision; False if it had ended."""
    return kept.end(incident, ending=Incident.Ending.PERSON, now=timezone.now(), by=by)
