"""The form of the retention rules: for each status, how many days content and rows are kept."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext, gettext_lazy
from django.utils.translation import gettext_lazy as _

from maillog.retention import rules
from maillog.retention.rules import MAX_DAYS, STATUSES


class RetentionForm(forms.Form):
    """Whole numbers of days; an empty field keeps indefinitely."""

    def __init__(self, data: Any = None) -> None:
        super().__init__(data, initial=rules.rules())
        for status in STATUSES:
            self._add(f"row_{status}", _("%(status)s: keep the message") % {"status": status.label})
            self._add(f"body_{status}", _("%(status)s: keep the content") % {"status": status.label})
        self._add("audit_log", gettext_lazy("Keep the audit log"))

    def _add(self, name: str, label: Any) -> None:
        self.fields[name] = forms.IntegerField(
            label=label,
            required=False,
            min_value=1,
            max_value=MAX_DAYS,
            widget=forms.NumberInput(attrs={"inputmode": "numeric", "class": "days-input"}),
            error_messages={
                "invalid": _("Enter a whole number of days, or leave the field empty to keep it indefinitely."),
                "min_value": _("Enter at least 1 day."),
                "max_value": _("Enter at most %(limit_value)s days, or leave the field empty to keep it indefinitely."),
            },
        )

    @property
    def lines(self) -> list[tuple[str, str, forms.BoundField, forms.BoundField]]:
        """Per status: its value, its label and the two fields."""
        return [(status.value, str(status.label), self[f"row_{status}"], self[f"body_{status}"]) for status in STATUSES]

    def clean(self) -> dict[str, Any]:
        """Add an error for content that would be kept longer than its message."""
        days: dict[str, Any] = super().clean() or self.cleaned_data
        for status in STATUSES:
            row, body = days.get(f"row_{status}"), days.get(f"body_{status}")
            if row is None or f"body_{status}" in self.errors or f"row_{status}" in self.errors:
                continue
            if body is None or body > row:
                self.add_error(
                    f"body_{status}",
                    gettext("The content is deleted with the message: at most %(days)s days.") % {"days": row},
                )
        return days
