"""Incidents: the list, one incident with next steps, and ending it. Retrying its messages is a bulk action."""

from __future__ import annotations

from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext
from django.views.decorators.http import require_POST, require_safe

from mailadmin.incidents import detection, recent_changes, texts
from mailadmin.incidents.incident_filter import IncidentFilter
from mailadmin.incidents.incident_list import MAX_OPEN, rows
from mailadmin.models import Alarm, AlarmRules, BulkAction
from mailadmin.operations import bulk, control
from mailadmin.views.alarm_pages import alarm_rows
from mailadmin.views.queue_actions import may_manage_queue
from maillog.models import Incident
from maillog.requests import SignedInRequest
from maillog.search import counts
from maillog.search.counts import Count
from maillog.search.paging import PAGE_SIZE, PositionForm
from secrets_app import vault

COUNT_LIMIT = 10_000
LOG, MANAGE, RESEND = "maillog.view_log", "mailadmin.manage_queue", "maillog.resend_mail"


@permission_required(LOG, raise_exception=True)
@require_safe
def listing(request: SignedInRequest) -> HttpResponse:
    """Show open incidents, then 50 that have ended, newest first."""
    place = PositionForm(request.GET)
    misplaced = not place.is_valid()
    before = place.cleaned_data.get("before")
    filters = IncidentFilter(request.GET, Incident.objects.order_by("-id"))
    matching = filters.qs if filters.is_valid() else Incident.objects.none()
    ended = matching.filter(state=Incident.State.ENDED)
    found = list((ended.filter(id__lt=before) if before else ended)[: PAGE_SIZE + 1])
    context = {
        "form": filters.form,
        "open": [] if before else rows(matching.filter(state=Incident.State.OPEN)[:MAX_OPEN]),
        "ended": rows(found[:PAGE_SIZE]),
        "older": found[PAGE_SIZE - 1].pk if len(found) > PAGE_SIZE else None,
        "newest": not before,
        "misplaced": misplaced,
        "rules": AlarmRules.current(),
    }
    return render(request, "mailadmin/incidents.html", context)


@permission_required(LOG, raise_exception=True)
@require_safe
def detail(request: SignedInRequest, pk: int) -> HttpResponse:
    incident = existing(pk)
    query, retry_query = mails_query(incident), mails_query(incident, "is:retriable")
    resend_query = mails_query(incident, "status:failed,partly_sent -is:retriable")
    may_retry, may_resend = request.user.has_perm(MANAGE), request.user.has_perm(RESEND)
    closed = {line.id: line for line in control.closed_connections()} if incident.is_open else {}
    line = closed.get(incident.connection_key)
    context = {
        "incident": incident,
        "sentence": texts.sentence(incident),
        "cause": texts.cause(incident),
        "reply": texts.reply(incident),
        "steps": texts.steps(incident) if incident.is_open else [],
        "state": texts.state(incident, closed=line is not None, minutes=AlarmRules.current().minutes),
        "changes": recent_changes.changes(incident.recent_changes),
        "line": line,
        "mails_url": f"{reverse('maillog:list')}?{query}",
        "retry_url": bulk_url(BulkAction.Action.RETRY, retry_query),
        "retriable": eligible(BulkAction.Action.RETRY, retry_query) if may_retry and incident.mail_count else None,
        "resend_url": bulk_url(BulkAction.Action.RESEND, resend_query),
        "resendable": eligible(BulkAction.Action.RESEND, resend_query) if may_resend and incident.mail_count else None,
        "lines": alarm_rows(Alarm.objects.filter(incident_number=incident.pk).order_by("-id")),
        "secret_url": secret_url(request, incident),
    }
    return render(request, "mailadmin/incident.html", context)


@may_manage_queue
@require_POST
def end(request: SignedInRequest, pk: int) -> HttpResponse:
    if detection.end(existing(pk), by=str(request.user)):
        messages.success(request, gettext("Incident %d was ended. If the failure occurs again, a new one opens.") % pk)
    else:
        messages.info(request, gettext("Incident %d had already ended.") % pk)
    return redirect("mailadmin:incidents_one", pk)


def mails_query(incident: Incident, more: str = "") -> str:
    """Return the query string for which the log lists exactly the incident's messages, or those of them like `more`."""
    return urlencode({"q": f"incident:{incident.pk} {more}".strip()})


def bulk_url(action: str, query: str) -> str:
    """Return the page that asks whether to do `action` with the messages of `query`."""
    return f"{reverse('maillog_actions:bulk_new')}?{urlencode({'all': 1, 'do': action})}&{query}"


def eligible(action: str, query: str) -> Count:
    """Return with how many of the messages `action` would do something, counted up to COUNT_LIMIT."""
    found = bulk.targets(action, query=query, up_to=counts.newest_id())
    count = found.queryset().order_by()[: COUNT_LIMIT + 1].count()
    return Count(min(count, COUNT_LIMIT), count > COUNT_LIMIT)


def secret_url(request: SignedInRequest, incident: Incident) -> str:
    """Return the page of the connection's secret, if this person may see it."""
    if not incident.connection_key or not request.user.has_perm("secrets_app.use_secrets"):
        return ""
    return vault.page_url(incident.connection_key)


def existing(pk: int) -> Incident:
    """Return the incident. Raises Http404."""
    try:
        return Incident.objects.exclude(state=Incident.State.PENDING).get(pk=pk)
    except (Incident.DoesNotExist, OverflowError) as error:
        raise Http404 from error
