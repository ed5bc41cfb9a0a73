"""The alarms page: the rules, recent alarms, and a test."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext, ngettext
from django.views.decorators.http import require_http_methods, require_POST

from mailadmin.alarms import booking, sending
from mailadmin.alarms.forms import AlarmForm
from mailadmin.configuration import effective
from mailadmin.connections import selection
from mailadmin.delivery.wakeup import enqueue_task
from mailadmin.models import Alarm, AlarmRules
from mailadmin.tasks import send_alarms
from maillog import audit_log
from maillog.models import Message, Status
from maillog.requests import SignedInRequest
from secrets_app import vault

PERMISSIONS = ["maillog.view_log", "mailadmin.configure_mail"]
SHOWN = 20
TONES = dict.fromkeys((Status.HELD, Status.DEFERRED, Status.PARTLY_SENT, Status.UNCERTAIN), "warn")
TONES |= {Status.SENT: "good", Status.FAILED: "bad"}


@dataclass(frozen=True, slots=True)
class AlarmRow:
    """One alarm and its result. For a queued email, that is its state in the log."""

    alarm: Alarm
    state: str
    tone: str
    result: str


@permission_required(PERMISSIONS, raise_exception=True)
@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: SignedInRequest) -> HttpResponse:
    rules = AlarmRules.current()
    for_system = [one for one in selection.connections() if vault.usable_by(one, None)]
    form = AlarmForm(request.POST if request.method == "POST" else None, instance=rules, connections=for_system)
    if request.method == "POST" and form.is_valid():
        saved = form.save(commit=False)
        saved.pk, saved.changed_by = 1, str(request.user)[:254]
        saved.save()
        audit_log.record_target(audit_log.Action.ALARMS, "", actor=request.user)
        messages.success(request, gettext("The rules were saved."))
        return redirect("mailadmin:incidents_alarms")
    stored = AlarmRules.current()  # the form has changed its own instance
    context = {
        "form": form,
        "rules": stored,
        "lines": alarm_rows(Alarm.objects.order_by("-id")[:SHOWN]),
        "connection_missing": connection_missing(stored),
        "has_one_connection": has_one_connection(stored),
    }
    return render(request, "mailadmin/alarms.html", context, status=422 if form.errors else 200)


@permission_required(PERMISSIONS, raise_exception=True)
@require_POST
def test(request: SignedInRequest) -> HttpResponse:
    """Book a test for every channel; the worker sends it, and the page shows the result."""
    if booked := booking.book_test():
        enqueue_task(send_alarms)
        text = ngettext("%d test alarm is queued.", "%d test alarms are queued.", booked) % booked
        messages.info(request, f"{text} {gettext('Reload the page in a moment to see the result below.')}")
    else:
        messages.warning(request, gettext("There is nobody to notify: save an address or a webhook first."))
    return redirect("mailadmin:incidents_alarms")


def alarm_rows(found: Iterable[Alarm]) -> list[AlarmRow]:
    listed = list(found)
    numbers = [one.mail_number for one in listed if one.mail_number]
    mails = {mail.pk: mail for mail in Message.objects.filter(pk__in=numbers).only("id", "status", "reason")}
    return [alarm_row(one, mails.get(one.mail_number or 0)) for one in listed]


def alarm_row(alarm: Alarm, mail: Message | None) -> AlarmRow:
    if mail is not None:
        status = Status(mail.status)
        return AlarmRow(alarm, str(status.label), TONES.get(status, "info"), mail.reason)
    state = Alarm.State(alarm.state)
    tone = {Alarm.State.DONE: "good", Alarm.State.FAILED: "bad"}.get(state, "info")
    return AlarmRow(alarm, str(state.label), tone, alarm.result)


def connection_missing(rules: AlarmRules) -> str:
    """Return why an alarm email could not be sent now, or ""."""
    if not rules.recipients:
        return ""
    connection = sending.connection_for(rules, None)
    return connection if isinstance(connection, str) else ""


def has_one_connection(rules: AlarmRules) -> bool:
    """Return whether only one connection is usable, so that its own failure cannot be reported by email."""
    current = effective.current()
    if not rules.recipients or not effective.driver_of(current).needs_connection:
        return False
    return len(sending.usable_connections(rules, current)) == 1
