"""The filters of the message list, as a django-filter `FilterSet`: the query string decides what is shown.

An invalid value is an error of its field and never ignored. The search text `q` is a language of its own
(`maillog.search.query`), and the result is a `SearchResult`, which can count and page without reading the table.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from functools import partial
from typing import Any, cast

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import QueryDict
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _
from django_filters import CharFilter, ChoiceFilter, DateFilter, FilterSet, MultipleChoiceFilter, NumberFilter

from maillog.models import Label, Message, Status
from maillog.search.conditions import Conditions, Labels, midnight
from maillog.search.query import FIRST_YEAR, LAST_YEAR, MAX_LENGTH, NAMES, QueryError, parse
from maillog.search.results import SearchResult
from maillog.sql.prepared import PreparedQuery

LABELS: PreparedQuery[tuple[str, str, int]] = PreparedQuery(
    lambda: Label.objects.exclude(kind=Label.Kind.SENDER).values_list("kind", "text", "id")
)
DAY: dict[str, Any] = {
    "input_formats": ["%Y-%m-%d"],
    "error_messages": {"invalid": _("Enter a date that exists, such as 2026-11-20.")},
}


class FilterForm(forms.Form):
    """Validates the fields, each alone and against each other; "after:2h" in `q` counts back from `now`."""

    def __init__(self, data: QueryDict, prefix: str | None = None, *, label_ids: Labels, now: datetime | None) -> None:
        super().__init__(data, prefix=prefix)
        self.label_ids, self.now = label_ids, now
        self.problem: QueryError | None = None
        self.conditions: Conditions | None = None
        for name in NAMES:
            texts = sorted(text for kind, text in label_ids if kind == name)
            cast(forms.ChoiceField, self.fields[name]).choices = [(text, text) for text in texts]

    def clean_q(self) -> str:
        """Return the search text. Raises ValidationError where it cannot be parsed; `problem` says at which word."""
        text = str(self.cleaned_data["q"])
        conditions = Conditions(self.label_ids, self.now or timezone.now())
        try:
            conditions.add_query(parse(text))
        except QueryError as error:
            self.problem = error
            raise ValidationError(str(error), code="query") from error
        self.conditions = conditions
        return text

    def clean_date_from(self) -> date | None:
        """Return the first day. Raises ValidationError for a year that the log cannot have."""
        return self._day("date_from")

    def clean_date_to(self) -> date | None:
        """Return the last day. Raises ValidationError if it is before the first."""
        last, first = self._day("date_to"), self.cleaned_data.get("date_from")
        if first and last and last < first:
            raise ValidationError(_("The last day is before the first."), code="order")
        return last

    def _day(self, name: str) -> date | None:
        day: date | None = self.cleaned_data[name]
        if day and not FIRST_YEAR <= day.year <= LAST_YEAR:
            raise ValidationError(
                _("Choose a year from %(first)s to %(last)s.") % {"first": FIRST_YEAR, "last": LAST_YEAR}, code="year"
            )
        return day


class IdFilter(NumberFilter):  # type: ignore[misc]  # django-filter has no types
    """The id of a row."""

    field_class = forms.IntegerField


class MessageFilter(FilterSet):  # type: ignore[misc]
    """What the query string `data` asks of `Message` rows; "after:2h" counts back from `now`."""

    q = CharFilter(label=_("Search"), max_length=MAX_LENGTH)
    status = MultipleChoiceFilter(label=_("Status"), choices=Status.choices)
    template = ChoiceFilter(label=_("Template"))
    driver = ChoiceFilter(label=_("Driver"))
    connection = ChoiceFilter(label=_("Connection"))
    date_from = DateFilter(label=_("First day"), **DAY)
    date_to = DateFilter(label=_("Last day"), **DAY)

    class Meta:
        model = Message
        form = FilterForm
        fields = ()

    def __init__(
        self,
        data: QueryDict,
        queryset: QuerySet[Message] | None = None,
        *,
        now: datetime | None = None,
        labels: Labels | None = None,
    ) -> None:
        everything = Message.objects.select_related("template", "driver", "connection")
        super().__init__(without_blanks(data, "status"), everything if queryset is None else queryset)
        self.label_ids = known_labels() if labels is None else labels
        self.now = now

    def get_form_class(self) -> Any:
        """Return the form class with the names that exist and the time that relative dates count back from."""
        return partial(super().get_form_class(), label_ids=self.label_ids, now=self.now)

    @property
    def problem(self) -> QueryError | None:
        """What is wrong with the search text, or None."""
        self.is_valid()
        problem: QueryError | None = self.form.problem
        return problem

    @cached_property
    def result(self) -> SearchResult:
        """The messages that match. Only for a valid filter."""
        self.is_valid()
        given = self.form.cleaned_data
        conditions = self.form.conditions or Conditions(self.label_ids)
        if given["status"]:
            conditions.add_statuses(given["status"])
        for name in NAMES:
            if given[name]:
                conditions.add_label(name, self.label_ids[name, given[name]])
        if given["date_from"]:
            conditions.add_since(midnight(given["date_from"]))
        if given["date_to"]:
            conditions.add_before(midnight(given["date_to"] + timedelta(days=1)))
        return conditions.apply(self.queryset)

    def filter_queryset(self, queryset: QuerySet[Message]) -> QuerySet[Message]:
        """Return `result` as a plain queryset, for `qs`."""
        return self.result.queryset()


def known_labels() -> dict[tuple[str, str], int]:
    """Return the label ids of all templates, drivers and connections, by kind and name."""
    return {(kind, text): pk for kind, text, pk in LABELS.all()}


def without_blanks(data: QueryDict, name: str) -> QueryDict:
    """Return `data` without the empty values of `name`, which a form sends for "any"."""
    cleaned = data.copy()
    cleaned.setlist(name, [value for value in data.getlist(name) if value])
    return cleaned
