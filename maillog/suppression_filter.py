"""The filter of the list of suppressed addresses."""

from __future__ import annotations

from django import forms
from django.core.validators import RegexValidator
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _
from django_filters import CharFilter, FilterSet

from maillog.models import Suppression

CONTROL = r"[\x00-\x1f\x7f-\x9f\u2028\u2029]"


class SuppressionFilter(FilterSet):  # type: ignore[misc]  # django-filter has no types
    """Suppressed addresses that contain `q`."""

    q = CharFilter(
        label=_("Search"),
        method="containing",
        max_length=254,
        validators=[RegexValidator(CONTROL, _("Control characters are not allowed here."), inverse_match=True)],
        widget=forms.TextInput(
            attrs={"type": "search", "placeholder": _("ann@ or example.com"), "autocomplete": "off"}
        ),
    )

    class Meta:
        model = Suppression
        fields = ()

    def containing(self, rows: QuerySet[Suppression], name: str, value: str) -> QuerySet[Suppression]:
        """Addresses are stored in lower case."""
        return rows.filter(address__contains=value.lower())
