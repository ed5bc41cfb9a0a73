"""Tells people of incidents: books at most one alarm an event and channel, then the worker sends what is booked.

An incident is told when it opens, once more if it is still open after some hours, and when it has ended. Booking is a
row with a unique constraint, made before anything is sent: an alarm may be lost with a worker, it never comes twice.
The mail goes through another connection than the one in trouble. Alarms are no part of incidents:
`mailadmin.incidents.detection` leaves their mails out, and an incident that nothing but an alarm has met is told to
nobody.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from django.conf import settings
from django.db import DatabaseError, IntegrityError, transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from mailadmin import api
from mailadmin.alarms import webhook
from mailadmin.configuration import effective
from mailadmin.errors import MailadminError
from mailadmin.incidents import detection, texts
from mailadmin.message.mail import Mail
from mailadmin.models import Alarm, AlarmRules, ConnectionState, SendMode
from maillog.models import Incident
from secrets_app import vault
from secrets_app.vault import Connection

Event, Channel, State = Alarm.Event, Alarm.Channel, Alarm.State
TAG = "alarm"
MAX_PER_HOUR = 20  # a channel: beyond, incidents are told when the hour is over, if they are still open
END_NOTICE_WITHIN = timedelta(hours=24)  # an end that could not be told for so long is not news
STUCK_AFTER = timedelta(minutes=5)  # being sent for longer: its worker is gone
KEEP_FOR = timedelta(days=365)

logger = logging.getLogger(__name__)


# ---------------------------------------------------------------- booking


def check() -> bool:
    """End what is over, book what is to be told, and return whether something is to be sent: two or three queries.

    Never raises but for the database: it must not keep anything else from being done.
    """
    try:
        detection.end_finished()
        book()
        return has_waiting()
    except DatabaseError:
        raise
    except Exception:
        logger.exception("Incidents could not be looked after.")
        return False


def book(now: datetime | None = None) -> int:
    """Book what is to be told and return how many alarms that is: one query where nobody is to be told."""
    now = now or timezone.now()
    rules = AlarmRules.current()
    if not rules.notifies_anyone:
        return 0
    recent = now - END_NOTICE_WITHIN
    candidates = list(Incident.objects.filter(state=Incident.State.OPEN, mail_count__gt=0).order_by("id")[:200])
    candidates += Incident.objects.filter(state=Incident.State.ENDED, ended_at__gte=recent).order_by("id")[:200]
    told = notified_of(candidates)
    booked = 0
    for incident in candidates:
        for channel in channels(rules):
            event = due(incident, told.get((incident.pk, channel), {}), rules, now)
            if event and not is_too_many(channel, now):
                booked += book_one(event, channel, rules, now, incident=incident)
    return booked


def notified_of(incidents: Iterable[Incident]) -> dict[tuple[int, str], dict[str, datetime]]:
    """Return when which occasions of `incidents` were told, by incident and channel."""
    found: dict[tuple[int, str], dict[str, datetime]] = {}
    alarms = Alarm.objects.filter(incident_number__in=[one.pk for one in incidents])
    for number, channel, event, at in alarms.values_list("incident_number", "channel", "event", "created_at"):
        found.setdefault((number or 0, channel), {})[event] = at
    return found


def due(incident: Incident, told: dict[str, datetime], rules: AlarmRules, now: datetime) -> Alarm.Event | None:
    """Return what is to be told of `incident` now, of which `told` was told before."""
    opened = told.get(Event.OPENED)
    if not incident.is_open:  # its end is news only to who heard of its beginning
        return Event.ENDED if opened and Event.ENDED not in told else None
    if opened is None:
        return Event.OPENED
    reminds = rules.remind_hours and Event.REMINDER not in told
    return Event.REMINDER if reminds and now - opened >= timedelta(hours=rules.remind_hours) else None


def channels(rules: AlarmRules) -> list[Alarm.Channel]:
    """Return how people are told."""
    mail = [Channel.MAIL] if rules.recipients else []
    return [*mail, *([Channel.WEBHOOK] if rules.webhook_url else [])]


def is_too_many(channel: str, now: datetime) -> bool:
    """Return whether as much was told within the hour as people can bear."""
    within = Alarm.objects.filter(channel=channel, created_at__gte=now - timedelta(hours=1))
    return within.exclude(event=Event.TEST).count() >= MAX_PER_HOUR


def book_one(
    event: Alarm.Event, channel: Alarm.Channel, rules: AlarmRules, now: datetime, *, incident: Incident | None
) -> bool:
    """Book one alarm; False if somebody else has."""
    target = ", ".join(rules.recipients) if channel == Channel.MAIL else urlsplit(rules.webhook_url).netloc
    try:
        with transaction.atomic():
            Alarm.objects.create(
                incident_number=incident.pk if incident else None,
                event=event,
                channel=channel,
                target=target[:500],
                created_at=now,
            )
    except IntegrityError:
        return False
    return True


def book_test(now: datetime | None = None) -> int:
    """Book a test for every channel and return how many these are."""
    rules, at = AlarmRules.current(), now or timezone.now()
    return sum(book_one(Event.TEST, channel, rules, at, incident=None) for channel in channels(rules))


# ---------------------------------------------------------------- sending


def has_waiting() -> bool:
    """Return whether a worker should send something: one look into a small index."""
    return Alarm.objects.filter(state=State.WAITING).exists()


def send_waiting() -> int:
    """Send what is booked, each by one worker only, and return how many went out."""
    sent = 0
    rules = AlarmRules.current()
    for alarm in Alarm.objects.filter(state=State.WAITING).order_by("id")[:100]:
        if Alarm.objects.filter(pk=alarm.pk, state=State.WAITING).update(state=State.SENDING):
            try:
                sent += send(alarm, rules)
            except Exception:
                logger.exception("Alarm %d could not be sent.", alarm.pk)
                finish(alarm, State.FAILED, _("An error stopped it. The log of the worker says which."))
    return sent


def clean_up(now: datetime) -> None:
    """Say of alarms that were left behind by a dead worker that nobody knows; forget those of long ago."""
    Alarm.objects.filter(state=State.SENDING, created_at__lt=now - STUCK_AFTER).update(
        state=State.FAILED, result=_("The worker ended meanwhile: nobody knows whether it went out."), finished_at=now
    )
    Alarm.objects.filter(created_at__lt=now - KEEP_FOR).delete()


def send(alarm: Alarm, rules: AlarmRules) -> bool:
    """Send one alarm that was booked, and record what came of it."""
    incident = Incident.objects.filter(pk=alarm.incident_number).first() if alarm.incident_number else None
    if alarm.channel == Channel.WEBHOOK:
        return post_to_webhook(alarm, rules, incident)
    return send_email(alarm, rules, incident)


def post_to_webhook(alarm: Alarm, rules: AlarmRules, incident: Incident | None) -> bool:
    """Tell the webhook."""
    try:
        status = webhook.post(rules.webhook_url, facts(alarm, incident))
    except (webhook.WebhookRefused, webhook.WebhookFailed) as error:
        finish(alarm, State.FAILED, str(error))
        return False
    finish(alarm, State.DONE, f"HTTP {status}")
    return True


def send_email(alarm: Alarm, rules: AlarmRules, incident: Incident | None) -> bool:
    """Queue the mail, and note its number in the same transaction."""
    way = connection_for(rules, incident)
    if isinstance(way, str):
        finish(alarm, State.FAILED, way)
        return False
    try:
        with transaction.atomic():
            number = api.send(
                Mail(
                    to=rules.recipients,
                    subject=subject(alarm, incident),
                    text=text(alarm, incident),
                    tags=[TAG],
                    connection_hint=way.id if way else "",
                    mode=SendMode.BACKGROUND,
                )
            )
            Alarm.objects.filter(pk=alarm.pk).update(mail_number=number, connection=way.name if way else "")
            finish(alarm, State.DONE, "")
    except MailadminError as error:
        finish(alarm, State.FAILED, str(error))
        return False
    return True


def finish(alarm: Alarm, state: Alarm.State, result: str) -> None:
    """Record what came of it."""
    Alarm.objects.filter(pk=alarm.pk).update(state=state, result=result[:300], finished_at=timezone.now())


# ---------------------------------------------------------------- the way of the mail


def connection_for(rules: AlarmRules, incident: Incident | None) -> Connection | str | None:
    """Return the connection for a mail about `incident`, None where the driver needs none, or why there is none."""
    current = effective.current()
    if not effective.driver_of(current).needs_connection:
        return None
    found = usable_connections(rules, current, besides=incident.connection_key if incident else "")
    if found:
        return found[0]
    return _("No other connection is there that could send it and is not in trouble itself.")


def usable_connections(rules: AlarmRules, current: effective.Configuration, *, besides: str = "") -> list[Connection]:
    """Return the connections that can send an alarm, best first: the chosen one, the backups, the others."""
    closed = set(ConnectionState.objects.exclude(state=ConnectionState.State.OPEN).values_list("connection", flat=True))
    order = [rules.connection, *str(current.backup_connections).split(",")]
    known = [
        one
        for one in vault.connections()
        if one.id not in closed and one.id != besides and vault.usable_by(one, None) and not vault.unreadable(one)
    ]
    return sorted(known, key=lambda one: order.index(one.id) if one.id in order else len(order))


# ---------------------------------------------------------------- words


def subject(alarm: Alarm, incident: Incident | None) -> str:
    """Return the subject of the mail."""
    if incident is None:
        return _("Test of the alarms of Mailadmin")
    before = {Event.OPENED: "", Event.REMINDER: _("Still open: "), Event.ENDED: _("Ended: ")}
    return (before[Alarm.Event(alarm.event)] + texts.sentence(incident))[:200]


def text(alarm: Alarm, incident: Incident | None) -> str:
    """Return what the mail says."""
    if incident is None:
        return _("Somebody asked for this test. If you can read it, alarms by mail arrive.") + f"\n\n{url(None)}\n"
    steps = texts.steps(incident) if incident.is_open else []
    parts = [
        texts.sentence(incident),
        f"{texts.cause(incident)} {texts.reply(incident)}".strip(),
        "\n".join(f"{number}. {step}" for number, step in enumerate(steps, start=1)),
        texts.state(incident, minutes=AlarmRules.current().minutes) if not incident.is_open else "",
        url(incident),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def facts(alarm: Alarm, incident: Incident | None) -> dict[str, object]:
    """Return what the webhook is told."""
    return {
        "incident": incident.pk if incident else None,
        "event": alarm.event,
        "sentence": texts.sentence(incident) if incident else subject(alarm, None),
        "connection": incident.connection if incident else "",
        "kind": incident.kind if incident else "",
        "code": incident.code if incident else None,
        "count": incident.mail_count if incident else 0,
        "first_at": incident.first_at.isoformat(timespec="seconds") if incident else None,
        "last_at": incident.last_at.isoformat(timespec="seconds") if incident else None,
        "ended_at": incident.ended_at.isoformat(timespec="seconds") if incident and incident.ended_at else None,
        "url": url(incident),
        "sent_at": timezone.now().isoformat(timespec="seconds"),
    }


def url(incident: Incident | None) -> str:
    """Return the address of the incident's page, or of all."""
    path = reverse("mailadmin:incidents_one", args=[incident.pk]) if incident else reverse("mailadmin:incidents")
    return f"{settings.BASE_URL}{path}"
