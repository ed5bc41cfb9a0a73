"""The form of actions on selected messages of the queue."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from maillog.search.paging import LARGEST_ID

MAX_CHOSEN = 500


class NumbersField(forms.Field):
    """The ids of 1 to MAX_CHOSEN messages."""

    widget = forms.MultipleHiddenInput

    def clean(self, value: Any) -> list[int]:
        texts = list(value or [])
        if not texts:
            raise forms.ValidationError(gettext("Select at least one message."), code="required")
        if len(texts) > MAX_CHOSEN:
            raise forms.ValidationError(gettext("Select at most %d messages.") % MAX_CHOSEN, code="many")
        number = forms.IntegerField(min_value=1, max_value=LARGEST_ID)
        return sorted({int(number.clean(text)) for text in texts})


class ChosenForm(forms.Form):
    """The selected messages."""

    ids = NumbersField(label=_("Messages"))
