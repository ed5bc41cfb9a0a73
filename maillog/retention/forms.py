"""The form of the rules of retention: for each state, how many days what a mail says is kept, and how many its row."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext, gettext_lazy
from django.utils.translation import gettext_lazy as _

from maillog.retention import rules
from maillog.retention.rules import MAX_DAYS, STATUSES


class RetentionForm(forms.Form):
    """Days as whole numbers; an empty field keeps without end."""

    def __init__(self, data: Any = None) -> None:
        super().__init__(data, initial=rules.rules())
        for status in STATUSES:
            self._add(f"row_{status}", _("%(status)s: keep the mail") % {"status": status.label})
            self._add(f"body_{status}", _("%(status)s: keep what it says") % {"status": status.label})
        self._add("trail", gettext_lazy("Keep the trail"))

    def _add(self, name: str, label: Any) -> None:
        self.fields[name] = forms.IntegerField(
            label=label,
            required=False,
            min_value=1,
            max_value=MAX_DAYS,
            widget=forms.NumberInput(attrs={"inputmode": "numeric", "class": "days-input"}),
            error_messages={
                "invalid": _("Write a whole number of days, or nothing to keep it without end."),
                "min_value": _("Keep it for at least one day."),
                "max_value": _("At most %(limit_value)s days; nothing keeps it without end."),
            },
        )

    @property
    def lines(self) -> list[tuple[str, str, forms.BoundField, forms.BoundField]]:
        """Return a line a state: its value, its name, and the two fields."""
        return [(status.value, str(status.label), self[f"row_{status}"], self[f"body_{status}"]) for status in STATUSES]

    def clean(self) -> dict[str, Any]:
        """Refuse what says less than nothing: a body that stays longer than its mail."""
        days: dict[str, Any] = super().clean() or self.cleaned_data
        for status in STATUSES:
            row, body = days.get(f"row_{status}"), days.get(f"body_{status}")
            if row is None or f"body_{status}" in self.errors or f"row_{status}" in self.errors:
                continue
            if body is None or body > row:
                self.add_error(
                    f"body_{status}",
                    gettext("What it says goes with the mail: at most %(days)s days.") % {"days": row},
                )
        return days
