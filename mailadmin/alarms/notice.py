"""The content of an alarm: subject and text of the email, and the JSON for the webhook."""

from __future__ import annotations

from django.conf import settings
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from mailadmin.incidents import texts
from mailadmin.models import Alarm, AlarmRules
from maillog.models import Incident

Event = Alarm.Event


def subject(alarm: Alarm, incident: Incident | None) -> str:
    if incident is None:
        return _("Test alarm from Mailadmin")
    prefix = {Event.OPENED: "", Event.REMINDER: _("Still open: "), Event.ENDED: _("Ended: ")}
    return (prefix[Event(alarm.event)] + texts.sentence(incident))[:200]


def text(incident: Incident | None) -> str:
    """Return the text of the email; without an incident that of a test."""
    if incident is None:
        return _("This test was requested on the Alarms page. Alarms by email work.") + f"\n\n{url(None)}\n"
    steps = texts.steps(incident) if incident.is_open else []
    parts = [
        texts.sentence(incident),
        f"{texts.cause(incident)} {texts.reply(incident)}".strip(),
        "\n".join(f"{number}. {step}" for number, step in enumerate(steps, start=1)),
        texts.state(incident, minutes=AlarmRules.current().minutes) if not incident.is_open else "",
        url(incident),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def payload(alarm: Alarm, incident: Incident | None) -> dict[str, object]:
    """Return the JSON object for the webhook, as docs/incidents.md describes it."""
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
    """Return the address of the incident's page, or of the list."""
    path = reverse("mailadmin:incidents_one", args=[incident.pk]) if incident else reverse("mailadmin:incidents")
    return f"{settings.BASE_URL}{path}"
