"""Actions on the queue. Each is a POST to its own address and reports how many messages it changed."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext, ngettext
from django.views.decorators.http import require_http_methods, require_POST

from mailadmin.operations import control
from mailadmin.operations.forms import ChosenForm
from mailadmin.operations.queue_filter import QueueFilter
from maillog import lookup
from maillog.models import Message, Status
from maillog.queue.actions import RetryResult, Selection
from maillog.requests import SignedInRequest
from maillog.search.counts import newest_id
from secrets_app.vault import Connection

PERMISSIONS = ["maillog.view_log", "mailadmin.manage_queue"]


def may_manage_queue(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Require PERMISSIONS, and refuse an unreadable body before anything is done."""

    @permission_required(PERMISSIONS, raise_exception=True)
    @wraps(view)
    def guarded(request: SignedInRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        request.POST  # noqa: B018  (reading it raises what is wrong with it)
        return view(request, *args, **kwargs)

    return guarded


# ---------------------------------------------------------------- one message


@may_manage_queue
@require_POST
def retry_one(request: SignedInRequest, mail_id: int) -> HttpResponse:
    report_retried(request, control.retry([existing(mail_id)], actor=request.user), asked=1)
    return redirect_back(request)


@may_manage_queue
@require_POST
def cancel_one(request: SignedInRequest, mail_id: int) -> HttpResponse:
    report_cancelled(request, control.cancel([existing(mail_id)], by=str(request.user), actor=request.user), asked=1)
    return redirect_back(request)


# ---------------------------------------------------------------- selected messages


@may_manage_queue
@require_POST
def retry_chosen(request: SignedInRequest) -> HttpResponse:
    if ids := chosen(request):
        report_retried(request, control.retry(ids, actor=request.user), asked=len(ids))
    return redirect_back(request)


@may_manage_queue
@require_POST
def cancel_chosen(request: SignedInRequest) -> HttpResponse:
    if ids := chosen(request):
        report_cancelled(request, control.cancel(ids, by=str(request.user), actor=request.user), asked=len(ids))
    return redirect_back(request)


# ---------------------------------------------------------------- all that match


@may_manage_queue
@require_http_methods(["GET", "HEAD", "POST"])
def retry_all(request: SignedInRequest) -> HttpResponse:
    """Show which messages this would retry, and retry them once confirmed."""
    filters = QueueFilter(request.POST if request.method == "POST" else request.GET)
    if request.method != "POST" or not confirmed(filters):
        return ask(request, filters, "retry")
    selection = filters.retried()
    report_retried(request, control.retry(selection, limit=control.MAX_PER_REQUEST, actor=request.user))
    return redirect_after(
        filters, selection, "mailadmin:queue_retry_all", waits=Status.QUEUED not in selection.statuses
    )


@may_manage_queue
@require_http_methods(["GET", "HEAD", "POST"])
def cancel_all(request: SignedInRequest) -> HttpResponse:
    """Show which messages this would cancel, and cancel them once confirmed."""
    filters = QueueFilter(request.POST if request.method == "POST" else request.GET)
    if request.method != "POST" or not confirmed(filters):
        return ask(request, filters, "cancel")
    selection = filters.cancelled()
    report_cancelled(
        request, control.cancel(selection, by=str(request.user), limit=control.MAX_PER_REQUEST, actor=request.user)
    )
    return redirect_after(filters, selection, "mailadmin:queue_cancel_all", waits=True)


def confirmed(filters: QueueFilter) -> bool:
    """Return whether the form is valid and names the newest message that the person was shown."""
    if filters.is_valid() and filters.form.cleaned_data["up_to"] is None:
        filters.form.add_error("up_to", gettext("The id of the newest message is missing. Reload the page."))
    return bool(filters.is_valid())


def ask(request: SignedInRequest, filters: QueueFilter, action: str) -> HttpResponse:
    """Show the page that says how many messages `action` would change."""
    context: dict[str, object] = {
        "filter": filters,
        "form": filters.form,
        "action": action,
        "at_once": control.MAX_PER_REQUEST,
    }
    if filters.is_valid():
        selection = filters.retried() if action == "retry" else filters.cancelled()
        context |= {
            "count": selection.count(),
            "labels": [Status(status).label for status in selection.statuses],
            "connection": selection.connection,
            "scheduled_too": Status.QUEUED in selection.statuses,
            "uncertain_too": Status.UNCERTAIN in selection.statuses,
            "up_to": newest_id(),
        }
    return render(request, "mailadmin/queue_confirm.html", context, status=422 if filters.errors else 200)


def redirect_after(filters: QueueFilter, selection: Selection, again: str, *, waits: bool) -> HttpResponse:
    """Redirect to the queue, or ask again if more messages matched than one request changes."""
    has_more = waits and any(selection.messages(status).exists() for status in selection.statuses)
    return redirect(reverse(again if has_more else "mailadmin:queue") + filters.query())


# ---------------------------------------------------------------- connections


@may_manage_queue
@require_POST
def pause(request: SignedInRequest, connection_id: str) -> HttpResponse:
    one = connection(connection_id)
    if control.pause(one, by=str(request.user), actor=request.user):
        messages.success(request, gettext("“%s” is paused. Its messages are held until it is resumed.") % one.name)
    else:
        messages.info(request, gettext("“%s” was already paused.") % one.name)
    return redirect_back(request)


@may_manage_queue
@require_POST
def resume(request: SignedInRequest, connection_id: str) -> HttpResponse:
    one = connection(connection_id)
    if control.resume(one, by=str(request.user), actor=request.user):
        messages.success(request, gettext("“%s” is open again. Held messages are being sent.") % one.name)
    else:
        messages.info(request, gettext("“%s” was already open.") % one.name)
    return redirect_back(request)


@may_manage_queue
@require_POST
def probe(request: SignedInRequest, connection_id: str) -> HttpResponse:
    line = control.probe(connection(connection_id))
    if line.is_open:
        messages.success(request, gettext("“%s” works again and is open. Held messages are being sent.") % line.name)
    elif line.paused_by:
        messages.info(request, gettext("“%s” was paused manually. Resume it to open it.") % line.name)
    else:
        words = {"name": line.name, "reason": line.reason}
        messages.warning(request, gettext("“%(name)s” is still closed: %(reason)s") % words)
    return redirect_back(request)


# ---------------------------------------------------------------- shared


def existing(mail_id: int) -> int:
    """Return the id if the message exists. Raises Http404."""
    try:
        return lookup.mail_by_id(mail_id).pk
    except Message.DoesNotExist as error:
        raise Http404 from error


def connection(connection_id: str) -> Connection:
    """Return the connection with that id. Raises Http404."""
    found = control.find_connection(connection_id)
    if found is None or found.id != connection_id:
        raise Http404
    return found


def chosen(request: SignedInRequest) -> list[int]:
    """Return the selected ids; if there are none, or they are not valid, report that and return nothing."""
    form = ChosenForm(request.POST)
    if form.is_valid():
        return list(form.cleaned_data["ids"])
    messages.error(request, " ".join([gettext("Nothing was changed."), *form.errors["ids"]]))
    return []


def report_retried(request: SignedInRequest, done: RetryResult, *, asked: int | None = None) -> None:
    """Report how many messages are due now, and why others are not."""
    if done.due:
        messages.success(request, ngettext("%d message is due now.", "%d messages are due now.", done.due) % done.due)
    if done.no_recipients_left:
        text = ngettext(
            "%d failed message was not retried: all of its recipients have accepted or refused it.",
            "%d failed messages were not retried: all of their recipients have accepted or refused them.",
            done.no_recipients_left,
        )
        messages.warning(request, text % done.no_recipients_left)
    if done.content_missing:
        text = ngettext(
            "%d failed message was not retried: its content is no longer stored.",
            "%d failed messages were not retried: their content is no longer stored.",
            done.content_missing,
        )
        messages.warning(request, text % done.content_missing)
    explained = done.no_recipients_left + done.content_missing
    report_untouched(request, done.due + explained, asked)


def report_cancelled(request: SignedInRequest, count: int, *, asked: int | None = None) -> None:
    """Report how many messages were cancelled."""
    if count:
        messages.success(request, ngettext("%d message was cancelled.", "%d messages were cancelled.", count) % count)
    report_untouched(request, count, asked)


def report_untouched(request: SignedInRequest, count: int, asked: int | None) -> None:
    """Report if fewer messages were changed than asked for, or none of all that matched."""
    left = (asked or 0) - count
    if left > 0:
        text = ngettext(
            "%d message was not changed: it is being sent or already finished.",
            "%d messages were not changed: they are being sent or already finished.",
            left,
        )
        messages.warning(request, text % left)
    elif not count:
        messages.info(request, gettext("Nothing was changed: no message matches any more."))


def redirect_back(request: SignedInRequest) -> HttpResponse:
    """Redirect to the page of this site that the form names in ``next``, else to the queue."""
    place = request.POST.get("next", "")
    if place.startswith("/") and url_has_allowed_host_and_scheme(place, allowed_hosts=None):
        return redirect(place)
    return redirect("mailadmin:queue")
