"""The filter of the list of API keys."""

from __future__ import annotations

from django import forms
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django_filters import CharFilter, ChoiceFilter, FilterSet

from mailadmin.models import ApiKey


class KeyFilter(FilterSet):  # type: ignore[misc]  # django-filter has no types
    """Keys by part of their name or their owner's address, and by state."""

    q = CharFilter(
        label=_("Search"),
        method="containing",
        max_length=254,
        widget=forms.TextInput(attrs={"type": "search", "placeholder": _("Name or owner"), "autocomplete": "off"}),
    )
    state = ChoiceFilter(
        label=_("State"),
        empty_label=_("Any state"),
        method="in_state",
        choices=[("active", _("Active")), ("expired", _("Expired")), ("revoked", _("Revoked"))],
    )

    class Meta:
        model = ApiKey
        fields = ()

    def containing(self, keys: QuerySet[ApiKey], name: str, value: str) -> QuerySet[ApiKey]:
        return keys.filter(Q(name__icontains=value) | Q(owner__email__icontains=value))

    def in_state(self, keys: QuerySet[ApiKey], name: str, value: str) -> QuerySet[ApiKey]:
        """A revoked key counts as revoked, whether or not it has expired."""
        if value == "revoked":
            return keys.filter(revoked_at__isnull=False)
        now = timezone.now()
        valid = keys.filter(revoked_at__isnull=True)
        return valid.filter(expires_at__gt=now) if value == "active" else valid.filter(expires_at__lte=now)
