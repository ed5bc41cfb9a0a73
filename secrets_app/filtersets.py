"""The filters of the vault's lists."""

from __future__ import annotations

from django import forms
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _
from django_filters import CharFilter, ChoiceFilter, FilterSet

from secrets_app.kinds.kind_registry import kinds
from secrets_app.models import Secret, SecretEvent, name_key

BY_NAME = {
    "label": _("Search"),
    "max_length": 100,
    "widget": forms.TextInput(attrs={"type": "search", "placeholder": _("Name"), "autocomplete": "off"}),
}


class SecretFilter(FilterSet):  # type: ignore[misc]  # django-filter has no types
    """Secrets by part of their name, and by kind."""

    q = CharFilter(method="named", **BY_NAME)
    kind = ChoiceFilter(
        label=_("Kind"), empty_label=_("Any kind"), choices=lambda: [(form.key, form.label) for form in kinds()]
    )

    class Meta:
        model = Secret
        fields = ()

    def named(self, secrets: QuerySet[Secret], name: str, value: str) -> QuerySet[Secret]:
        """Ignore letter case and Unicode form, as the uniqueness of names does."""
        return secrets.filter(name_key__contains=name_key(value))


class SecretEventFilter(FilterSet):  # type: ignore[misc]
    """Audit log entries by part of the secret's name, and by action."""

    q = CharFilter(field_name="secret_name", lookup_expr="icontains", **BY_NAME)
    action = ChoiceFilter(label=_("Action"), empty_label=_("Any action"), choices=SecretEvent.Action.choices)

    class Meta:
        model = SecretEvent
        fields = ()
