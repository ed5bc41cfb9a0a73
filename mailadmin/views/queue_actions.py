"""What is done about the queue. Every action is a POST to an address of its own and says how many mails it touched."""

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
from mailadmin.operations.forms import ChosenForm, QueueFilter
from maillog import lookup
from maillog.models import Message, Status
from maillog.queue.actions import RetryResult, Selection
from maillog.requests import SignedInRequest
from maillog.search.counts import newest_id
from secrets_app.vault import Connection

PERMISSIONS = ["maillog.view_log", "mailadmin.manage_queue"]


def may_manage_queue(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Ask for the permissions, and refuse a body that cannot be read before anything is done."""

    @permission_required(PERMISSIONS, raise_exception=True)
    @wraps(view)
    def guarded(request: SignedInRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        request.POST  # noqa: B018  (reading it raises what is wrong with it)
        return view(request, *args, **kwargs)

    return guarded


# ---------------------------------------------------------------- one mail


@may_manage_queue
@require_POST
def retry_one(request: SignedInRequest, mail_id: int) -> HttpResponse:
    """Make one mail due now."""
    report_retried(request, control.retry([existing(mail_id)], actor=request.user), asked=1)
    return redirect_back(request)


@may_manage_queue
@require_POST
def cancel_one(request: SignedInRequest, mail_id: int) -> HttpResponse:
    """Cancel one mail."""
    report_cancelled(request, control.cancel([existing(mail_id)], by=str(request.user), actor=request.user), asked=1)
    return redirect_back(request)


# ---------------------------------------------------------------- those that were ticked


@may_manage_queue
@require_POST
def retry_chosen(request: SignedInRequest) -> HttpResponse:
    """Make the ticked mails due now."""
    if ids := chosen(request):
        report_retried(request, control.retry(ids, actor=request.user), asked=len(ids))
    return redirect_back(request)


@may_manage_queue
@require_POST
def cancel_chosen(request: SignedInRequest) -> HttpResponse:
    """Cancel the ticked mails."""
    if ids := chosen(request):
        report_cancelled(request, control.cancel(ids, by=str(request.user), actor=request.user), asked=len(ids))
    return redirect_back(request)


# ---------------------------------------------------------------- all that match


@may_manage_queue
@require_http_methods(["GET", "HEAD", "POST"])
def retry_all(request: SignedInRequest) -> HttpResponse:
    """Say which mails this would make due now, and do it when that is confirmed."""
    form = QueueFilter(request.POST if request.method == "POST" else request.GET)
    if request.method != "POST" or not confirmed(form):
        return ask(request, form, "retry")
    selection = form.retried()
    report_retried(request, control.retry(selection, most=control.MAX_PER_REQUEST, actor=request.user))
    return redirect_after(form, selection, "mailadmin:queue_retry_all", waits=Status.QUEUED not in selection.statuses)


@may_manage_queue
@require_http_methods(["GET", "HEAD", "POST"])
def cancel_all(request: SignedInRequest) -> HttpResponse:
    """Say which mails this would cancel, and do it when that is confirmed."""
    form = QueueFilter(request.POST if request.method == "POST" else request.GET)
    if request.method != "POST" or not confirmed(form):
        return ask(request, form, "cancel")
    selection = form.cancelled()
    report_cancelled(
        request, control.cancel(selection, by=str(request.user), most=control.MAX_PER_REQUEST, actor=request.user)
    )
    return redirect_after(form, selection, "mailadmin:queue_cancel_all", waits=True)


def confirmed(form: QueueFilter) -> bool:
    """Return whether the form names what is to be touched, up to the newest mail that the person was shown."""
    if form.is_valid() and form.cleaned_data["up_to"] is None:
        form.add_error("up_to", gettext("The number of the newest mail is missing. Open the page again."))
    return form.is_valid()


def ask(request: SignedInRequest, form: QueueFilter, action: str) -> HttpResponse:
    """Show the page that says how many mails `action` would touch."""
    context: dict[str, object] = {"form": form, "action": action, "at_once": control.MAX_PER_REQUEST}
    if form.is_valid():
        selection = form.retried() if action == "retry" else form.cancelled()
        context |= {
            "count": selection.count(),
            "labels": [Status(status).label for status in selection.statuses],
            "connection": selection.connection,
            "scheduled_too": Status.QUEUED in selection.statuses,
            "uncertain_too": Status.UNCERTAIN in selection.statuses,
            "up_to": newest_id(),
        }
    return render(request, "mailadmin/queue_confirm.html", context, status=422 if form.errors else 200)


def redirect_after(form: QueueFilter, selection: Selection, again: str, *, waits: bool) -> HttpResponse:
    """Go back to the queue, or ask again if so many mails matched that some of them were left for another time."""
    left = waits and any(selection.mails(status).exists() for status in selection.statuses)
    return redirect(reverse(again if left else "mailadmin:queue") + form.query())


# ---------------------------------------------------------------- connections


@may_manage_queue
@require_POST
def pause(request: SignedInRequest, connection_id: str) -> HttpResponse:
    """Let no mail through this connection until somebody resumes it."""
    one = connection(connection_id)
    if control.pause(one, by=str(request.user)):
        messages.success(request, gettext("“%s” is paused. Its mails wait until somebody resumes it.") % one.name)
    else:
        messages.info(request, gettext("“%s” was paused already.") % one.name)
    return redirect_back(request)


@may_manage_queue
@require_POST
def resume(request: SignedInRequest, connection_id: str) -> HttpResponse:
    """Open this connection again and let its mails go on."""
    one = connection(connection_id)
    if control.resume(one):
        messages.success(request, gettext("“%s” is open again. What it held goes on.") % one.name)
    else:
        messages.info(request, gettext("“%s” was open already.") % one.name)
    return redirect_back(request)


@may_manage_queue
@require_POST
def probe(request: SignedInRequest, connection_id: str) -> HttpResponse:
    """Look now whether this connection answers and signs in."""
    line = control.probe(connection(connection_id))
    if line.is_open:
        messages.success(request, gettext("“%s” answers: it is open. What it held goes on.") % line.name)
    elif line.paused_by:
        messages.info(request, gettext("“%s” was paused by somebody. Resume it to open it.") % line.name)
    else:
        words = {"name": line.name, "reason": line.reason}
        messages.warning(request, gettext("“%(name)s” is still closed: %(reason)s") % words)
    return redirect_back(request)


# ---------------------------------------------------------------- what they share


def existing(mail_id: int) -> int:
    """Return the id if there is such a mail. Raises Http404."""
    try:
        return lookup.mail_by_id(mail_id).pk
    except Message.DoesNotExist as error:
        raise Http404 from error


def connection(connection_id: str) -> Connection:
    """Return the connection of that id. Raises Http404."""
    found = control.find_connection(connection_id)
    if found is None or found.id != connection_id:
        raise Http404
    return found


def chosen(request: SignedInRequest) -> list[int]:
    """Return the ids that were ticked; where they are no ids, or none, say so and return nothing."""
    form = ChosenForm(request.POST)
    if form.is_valid():
        return list(form.cleaned_data["ids"])
    messages.error(request, " ".join([gettext("Nothing was done."), *form.errors["ids"]]))
    return []


def report_retried(request: SignedInRequest, done: RetryResult, *, asked: int | None = None) -> None:
    """Say how many mails are due now, and why others are not."""
    if done.due:
        messages.success(request, ngettext("%d mail is due now.", "%d mails are due now.", done.due) % done.due)
    if done.nobody_left:
        text = ngettext(
            "%d failed mail is left as it is: each of its recipients has accepted or refused it.",
            "%d failed mails are left as they are: each of their recipients has accepted or refused them.",
            done.nobody_left,
        )
        messages.warning(request, text % done.nobody_left)
    if done.content_gone:
        text = ngettext(
            "%d failed mail is left as it is: what it said is not kept any more.",
            "%d failed mails are left as they are: what they said is not kept any more.",
            done.content_gone,
        )
        messages.warning(request, text % done.content_gone)
    explained = done.nobody_left + done.content_gone
    report_untouched(request, done.due + explained, asked)


def report_cancelled(request: SignedInRequest, count: int, *, asked: int | None = None) -> None:
    """Say how many mails were cancelled."""
    if count:
        messages.success(request, ngettext("%d mail was cancelled.", "%d mails were cancelled.", count) % count)
    report_untouched(request, count, asked)


def report_untouched(request: SignedInRequest, count: int, asked: int | None) -> None:
    """Say so if fewer mails were touched than asked for, or none of all that match."""
    left = (asked or 0) - count
    if left > 0:
        text = ngettext(
            "%d mail was left alone: it is being sent, or has ended.",
            "%d mails were left alone: they are being sent, or have ended.",
            left,
        )
        messages.warning(request, text % left)
    elif not count:
        messages.info(request, gettext("No mail was touched: none matched any more."))


def redirect_back(request: SignedInRequest) -> HttpResponse:
    """Return to the page of ours that the form names in ``next``, else to the queue."""
    place = request.POST.get("next", "")
    if place.startswith("/") and url_has_allowed_host_and_scheme(place, allowed_hosts=None):
        return redirect(place)
    return redirect("mailadmin:queue")
