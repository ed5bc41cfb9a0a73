"""The retention rules with the storage forecast, and the form that changes the rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext
from django.views.decorators.http import require_http_methods, require_safe

from maillog.retention import forecast, pruning
from maillog.retention import rules as retention
from maillog.retention.forms import RetentionForm
from maillog.search.counts import status_counts

if TYPE_CHECKING:
    from maillog.requests import SignedInRequest


@permission_required("maillog.view_log", raise_exception=True)
@require_safe
def overview(request: HttpRequest) -> HttpResponse:
    rules, counts, now = retention.rules(), status_counts(), timezone.now()
    figures = forecast.forecast(now)
    context = {
        "lines": [
            (status.value, status.label, counts[status], rules[f"row_{status}"], rules[f"body_{status}"])
            for status in retention.STATUSES
        ],
        "audit_log_days": rules["audit_log"],
        "forecast": figures,
        "amounts": [
            (gettext("Now"), figures.now),
            (gettext("New per day"), figures.per_day),
            *([(gettext("Eventually"), figures.limit)] if figures.limit else []),
        ],
        "table_bytes": forecast.table_bytes(),
        "last_run": pruning.last_run(),
        "change": retention.last_change(),
    }
    return render(request, "maillog/retention.html", context)


@permission_required(["maillog.view_log", "mailadmin.configure_mail"], raise_exception=True)
@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: SignedInRequest) -> HttpResponse:
    form = RetentionForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        retention.save_rules(form.cleaned_data, by=str(request.user))
        messages.success(request, gettext("The rules were saved. They apply from the next run."))
        return redirect("maillog:retention")
    return render(request, "maillog/retention_form.html", {"form": form}, status=422 if form.errors else 200)
