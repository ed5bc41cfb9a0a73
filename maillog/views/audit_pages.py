"""The audit log: who did what with a message, and who read its content; deleted messages included."""

from __future__ import annotations

from django import forms
from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe
from django_filters import CharFilter, ChoiceFilter, FilterSet

from maillog.models import AuditEvent, Message
from maillog.search.filters import IdFilter
from maillog.search.paging import LARGEST_ID, PositionForm

SIZE = 50


class AuditFilter(FilterSet):  # type: ignore[misc]  # django-filter has no types
    """Lines of the audit log by person, action and message."""

    q = CharFilter(
        label=_("Search"),
        field_name="actor_name",
        lookup_expr="icontains",
        max_length=254,
        widget=forms.TextInput(attrs={"type": "search", "placeholder": _("Person"), "autocomplete": "off"}),
    )
    action = ChoiceFilter(label=_("Action"), empty_label=_("Any action"), choices=AuditEvent.Action.choices)
    mail = IdFilter(
        label=_("Message"),
        field_name="mail_number",
        min_value=1,
        max_value=LARGEST_ID,
        widget=forms.NumberInput(attrs={"placeholder": _("Message number")}),
    )

    class Meta:
        model = AuditEvent
        fields = ()


@permission_required(["maillog.view_log", "maillog.view_body"], raise_exception=True)
@require_safe
def listing(request: HttpRequest) -> HttpResponse:
    """Show 50 lines, newest first. An invalid position is reported and ignored."""
    place = PositionForm(request.GET)
    misplaced = not place.is_valid()
    before = place.cleaned_data.get("before")
    filters = AuditFilter(request.GET, AuditEvent.objects.order_by("-id"))
    lines = filters.qs if filters.is_valid() else AuditEvent.objects.none()
    found = list((lines.filter(id__lt=before) if before else lines)[: SIZE + 1])
    shown = found[:SIZE]
    there = set(
        Message.objects.filter(id__in={one.mail_number for one in shown if one.mail_number}).values_list(
            "id", flat=True
        )
    )
    context = {
        "lines": [(one, one.mail_number in there) for one in shown],
        "older": shown[-1].pk if len(found) > SIZE else None,
        "newest": not before,
        "form": filters.form,
        "mail": filters.form.cleaned_data.get("mail"),
        "misplaced": misplaced,
    }
    return render(request, "maillog/audit_log.html", context)
