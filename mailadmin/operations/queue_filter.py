"""The filter of the queue, and the messages that its “all” actions change."""

from __future__ import annotations

from urllib.parse import urlencode

from django.http import QueryDict
from django.utils.translation import gettext_lazy as _
from django_filters import ChoiceFilter, FilterSet

from maillog.models import Message, Status
from maillog.queue.actions import CANCELLABLE, RETRIABLE, RETRIED_BY_DEFAULT, Selection
from maillog.queue.waiting import QUEUE_STATUSES, connection_names
from maillog.search.filters import IdFilter
from maillog.search.paging import LARGEST_ID


class QueueFilter(FilterSet):  # type: ignore[misc]  # django-filter has no types
    """Waiting messages by status and connection, up to an id. Empty means all."""

    status = ChoiceFilter(label=_("Status"), choices=[(status.value, status.label) for status in QUEUE_STATUSES])
    connection = ChoiceFilter(label=_("Connection"), choices=lambda: [(name, name) for name in connection_names()])
    up_to = IdFilter(label=_("Newest message"), min_value=0, max_value=LARGEST_ID)

    class Meta:
        model = Message
        fields = ()

    def __init__(self, data: QueryDict) -> None:
        super().__init__(data, Message.objects.none())

    @property
    def chosen(self) -> Status | None:
        """The chosen state, or None."""
        status = self.form.cleaned_data.get("status")
        return Status(status) if status else None

    @property
    def connection_name(self) -> str:
        """The name of the chosen connection, or ""."""
        return str(self.form.cleaned_data.get("connection") or "")

    @property
    def is_active(self) -> bool:
        """Whether there is a filter, valid or not."""
        return any(self.data.get(name) for name in ("status", "connection"))

    def query(self, **changes: str | int | None) -> str:
        """Return the query string of the filter without empty values and positions, with `changes` applied."""
        given = {name: self.data.get(name) for name in ("status", "connection")}
        return "?" + urlencode({name: value for name, value in {**given, **changes}.items() if value})

    def shown(self) -> Selection:
        """Return what the list shows."""
        return self._selection((self.chosen,) if self.chosen else QUEUE_STATUSES)

    def retried(self) -> Selection:
        """Return what “Retry all” changes; without a chosen status, deferred and held messages."""
        return self._selection(self._changeable(RETRIED_BY_DEFAULT, RETRIABLE))

    def cancelled(self) -> Selection:
        """Return what “Cancel all” changes; without a chosen status, everything."""
        return self._selection(self._changeable(CANCELLABLE, CANCELLABLE))

    def _changeable(self, by_default: tuple[Status, ...], possible: tuple[Status, ...]) -> tuple[Status, ...]:
        if self.chosen is None:
            return by_default
        return (self.chosen,) if self.chosen in possible else ()

    def _selection(self, statuses: tuple[Status, ...]) -> Selection:
        up_to = self.form.cleaned_data.get("up_to")
        return Selection(statuses=statuses, connection=self.connection_name, up_to=up_to)
