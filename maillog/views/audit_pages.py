"""The trail of all mails: who did what, and who looked at what a mail says; deleted mails, too."""

from __future__ import annotations

from django import forms
from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from maillog.models import AuditEvent, Message
from maillog.search.paging import LARGEST_ID

SIZE = 50


class AuditPageForm(forms.Form):
    """Before which line the page begins, and of which mail."""

    before = forms.IntegerField(min_value=1, max_value=LARGEST_ID, required=False)
    mail = forms.IntegerField(min_value=1, max_value=LARGEST_ID, required=False)


@permission_required(["maillog.view_log", "maillog.view_body"], raise_exception=True)
@require_safe
def listing(request: HttpRequest) -> HttpResponse:
    """Show 50 lines, newest first; what is no number in the address counts as missing, and is said."""
    place = AuditPageForm(request.GET)
    misplaced = not place.is_valid()
    lines = AuditEvent.objects.order_by("-id")
    if place.cleaned_data.get("mail"):
        lines = lines.filter(mail_number=place.cleaned_data["mail"])
    if place.cleaned_data.get("before"):
        lines = lines.filter(id__lt=place.cleaned_data["before"])
    found = list(lines[: SIZE + 1])
    shown = found[:SIZE]
    there = set(Message.objects.filter(id__in={one.mail_number for one in shown}).values_list("id", flat=True))
    context = {
        "lines": [(one, one.mail_number in there) for one in shown],
        "older": shown[-1].pk if len(found) > SIZE else None,
        "newest": not place.cleaned_data.get("before"),
        "mail": place.cleaned_data.get("mail"),
        "misplaced": misplaced,
    }
    return render(request, "maillog/audit_log.html", context)
