"""Decides which alarms are due and books them: at most one alarm per event and channel. The worker sends them.

People are notified when an incident opens, once more if it is still open after some hours, and when it has ended.
Booking inserts a row with a unique constraint before anything is sent: an alarm may be lost with its worker, but it is
never sent twice. `mailadmin.incidents.detection` ignores the messages of alarms, so nobody is notified of an incident
that affected only an alarm.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from django.db import DatabaseError, IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from mailadmin.incidents import detection
from mailadmin.models import Alarm, AlarmRules
from maillog.models import Incident

Event, Channel, State = Alarm.Event, Alarm.Channel, Alarm.State
MAX_PER_HOUR = 20  # per channel; incidents beyond it are notified when the hour is over, if they are still open
END_NOTICE_WITHIN = timedelta(hours=24)  # after that, the end of an incident is no longer news
STUCK_AFTER = timedelta(minutes=5)  # in state "sending" for longer: the worker is dead
KEEP_FOR = timedelta(days=365)

logger = logging.getLogger(__name__)


def check() -> bool:
    """End finished incidents, book due alarms, and return whether any wait to be sent: two or three queries.

    Raises only database errors: other errors here must not stop the worker's other jobs.
    """
    try:
        detection.end_finished()
        book()
        return has_waiting()
    except DatabaseError:
        raise
    except Exception:
        logger.exception("Incidents could not be checked.")
        return False


def book(now: datetime | None = None) -> int:
    """Book the alarms that are due and return how many there are: one query if nobody is to be notified."""
    now = now or timezone.now()
    rules = AlarmRules.current()
    if not rules.notifies_anyone:
        return 0
    recent = now - END_NOTICE_WITHIN
    candidates = list(Incident.objects.filter(state=Incident.State.OPEN, mail_count__gt=0).order_by("id")[:200])
    candidates += Incident.objects.filter(state=Incident.State.ENDED, ended_at__gte=recent).order_by("id")[:200]
    notified = notified_of(candidates)
    booked = 0
    for incident in candidates:
        for channel in channels(rules):
            event = due(incident, notified.get((incident.pk, channel), {}), rules, now)
            if event and not limit_reached(channel, now):
                booked += book_one(event, channel, rules, now, incident=incident)
    return booked


def notified_of(incidents: Iterable[Incident]) -> dict[tuple[int, str], dict[str, datetime]]:
    """Return when alarms were booked for `incidents`: by incident and channel, then by event."""
    found: dict[tuple[int, str], dict[str, datetime]] = {}
    alarms = Alarm.objects.filter(incident_number__in=[one.pk for one in incidents])
    for number, channel, event, at in alarms.values_list("incident_number", "channel", "event", "created_at"):
        found.setdefault((number or 0, channel), {})[event] = at
    return found


def due(incident: Incident, notified: dict[str, datetime], rules: AlarmRules, now: datetime) -> Alarm.Event | None:
    """Return the event of `incident` to notify now, given those `notified` before."""
    opened = notified.get(Event.OPENED)
    if not incident.is_open:  # its end is news only to those who were notified that it opened
        return Event.ENDED if opened and Event.ENDED not in notified else None
    if opened is None:
        return Event.OPENED
    reminds = rules.remind_hours and Event.REMINDER not in notified
    return Event.REMINDER if reminds and now - opened >= timedelta(hours=rules.remind_hours) else None


def channels(rules: AlarmRules) -> list[Alarm.Channel]:
    email = [Channel.MAIL] if rules.recipients else []
    return [*email, *([Channel.WEBHOOK] if rules.webhook_url else [])]


def limit_reached(channel: str, now: datetime) -> bool:
    """Return whether the channel has had MAX_PER_HOUR alarms, not counting tests."""
    within = Alarm.objects.filter(channel=channel, created_at__gte=now - timedelta(hours=1))
    return within.exclude(event=Event.TEST).count() >= MAX_PER_HOUR


def book_one(
    event: Alarm.Event, channel: Alarm.Channel, rules: AlarmRules, now: datetime, *, incident: Incident | None
) -> bool:
    """Book one alarm; False if another worker has booked it."""
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
    """Book a test for every channel and return how many channels there are."""
    rules, at = AlarmRules.current(), now or timezone.now()
    return sum(book_one(Event.TEST, channel, rules, at, incident=None) for channel in channels(rules))


def has_waiting() -> bool:
    """Return whether an alarm waits to be sent: one query on a small index."""
    return Alarm.objects.filter(state=State.WAITING).exists()


def clean_up(now: datetime) -> None:
    """Mark alarms of dead workers as failed, and delete old ones."""
    Alarm.objects.filter(state=State.SENDING, created_at__lt=now - STUCK_AFTER).update(
        state=State.FAILED,
        result=_("The worker died while sending it. It is not known whether it was sent."),
        finished_at=now,
    )
    Alarm.objects.filter(created_at__lt=now - KEEP_FOR).delete()
