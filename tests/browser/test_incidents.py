"""Incidents and alarms as they look in every view: with none, with usual ones, and with words no page was made for."""

import pytest
from django.utils import timezone

from mailadmin.models import Alarm, AlarmRules
from tests.browser.test_pages import LONG_HOST, LONG_NAME, LONG_REPLY, WORD
from tests.maillog.makers import finished, make_incident

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_pages_without_incidents_are_free_of_faults(visitor, admin):
    visitor.sign_in(admin)
    visitor.look_at("/mail/incidents/", "/mail/incidents/alarms/")


def test_pages_with_incidents_are_free_of_faults(visitor, admin):
    visitor.sign_in(admin)
    change = {"what": "settings", "number": 17, "changed": ["driver"], "by": WORD, "at": timezone.now().isoformat()}
    mail = finished("failed").pk
    usual = make_incident(mails=[mail], recent_changes=[change])
    strange = make_incident(connection=LONG_NAME, reply=LONG_REPLY, kind="spam", phase="content", code=554)
    ended = make_incident(connection="Relay B", state="ended", ended_at=timezone.now(), ending="person", ended_by=WORD)
    AlarmRules.objects.create(pk=1, webhook_url=f"https://{LONG_HOST}/", addresses="ops@example.com", changed_by=WORD)
    for event, state in (("opened", "done"), ("reminder", "failed"), ("ended", "waiting")):
        Alarm.objects.create(
            incident_number=usual.pk,
            event=event,
            channel="webhook",
            state=state,
            target=LONG_HOST,
            result=LONG_REPLY[:300],
            mail_number=mail,
            created_at=timezone.now(),
        )
    pages = [f"/mail/incidents/{one.pk}/" for one in (usual, strange, ended)]
    visitor.look_at("/mail/incidents/", "/mail/incidents/alarms/", "/", "/log/", "/mail/queue/", *pages)
