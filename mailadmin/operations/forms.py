"""The forms of the queue's pages and actions: a filter, and selected messages."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from maillog.models import Status
from maillog.queue.actions import CANCELLABLE, RETRIED_BY_DEFAULT, Selection
from maillog.queue.waiting import QUEUE_STATUSES, connection_names
from maillog.search.paging import LARGEST_ID

MAX_CHOSEN = 500


class QueueFilter(forms.Form):
    """Filters waiting messages by state, connection and newest id. Always bound; empty means all."""

    status = forms.ChoiceField(
        label=_("Status"), required=False, choices=[(status.value, status.label) for status in QUEUE_STATUSES]
    )
    connection = forms.ChoiceField(label=_("Connection"), required=False)
    up_to = forms.IntegerField(label=_("Newest message"), required=False, min_value=0, max_value=LARGEST_ID)

    def __init__(self, data: QueryDict) -> None:
        super().__init__(data)
        choice = self.fields["connection"]
        if data.get("connection") and isinstance(choice, forms.ChoiceField):
            choice.choices = [(name, name) for name in connection_names()]

    @property
    def chosen(self) -> Status | None:
        """The selected state, if any."""
        return Status(self.cleaned_data["status"]) if self.cleaned_data.get("status") else None

    @property
    def connection_name(self) -> str:
        """The name of the selected connection, or ""."""
        return str(self.cleaned_data.get("connection") or "")

    @property
    def is_active(self) -> bool:
        """Whether a filter is set, valid or not."""
        return any(self.data.get(name) for name in ("status", "connection"))

    def query(self, **changes: str | int | None) -> str:
        """Return the filter's query string, changed by `changes`, without empty fields and without the page."""
        kept = {name: self.data.get(name) for name in ("status", "connection")}
        return "?" + urlencode({name: value for name, value in {**kept, **changes}.items() if value})

    def shown(self) -> Selection:
        return self._selection((self.chosen,) if self.chosen else QUEUE_STATUSES)

    def retried(self) -> Selection:
        """Return what "Retry all" changes: without a selected state, deferred and held messages."""
        return self._selection(self._touched(RETRIED_BY_DEFAULT))

    def cancelled(self) -> Selection:
        """Return what "Cancel all" changes: without a selected state, everything that is not being sent."""
        return self._selection(self._touched(CANCELLABLE))

    def _touched(self, unasked: tuple[Status, ...]) -> tuple[Status, ...]:
        if self.chosen is None:
            return unasked
        return (self.chosen,) if self.chosen in CANCELLABLE else ()

    def _selection(self, statuses: tuple[Status, ...]) -> Selection:
        return Selection(statuses=statuses, connection=self.connection_name, up_to=self.cleaned_data.get("up_to"))


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
