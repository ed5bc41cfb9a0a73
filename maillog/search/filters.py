"""What the log can be filtered by. The state is in the address; what is wrong is said at the field, never ignored."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import cast

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import QueryDict
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _

from maillog.models import Label, Message, Status
from maillog.search.conditions import Conditions, Labels, midnight
from maillog.search.query import FIRST_YEAR, LAST_YEAR, MAX_LENGTH, NAMES, QueryError, parse
from maillog.search.results import SearchResult
from maillog.sql.prepared import PreparedQuery

LABELS: PreparedQuery[tuple[str, str, int]] = PreparedQuery(
    lambda: Label.objects.exclude(kind=Label.Kind.SENDER).values_list("kind", "text", "id")
)
INVALID_DATE = {"invalid": _("Write a day that there is, such as 2026-11-20.")}


class FilterForm(forms.Form):
    """The fields, checked one by one and against each other; "after:2h" in `q` counts from `now`."""

    q = forms.CharField(label=_("Search"), max_length=MAX_LENGTH, required=False)
    status = forms.MultipleChoiceField(label=_("Status"), choices=Status.choices, required=False)
    template = forms.ChoiceField(label=_("Template"), required=False)
    driver = forms.ChoiceField(label=_("Driver"), required=False)
    connection = forms.ChoiceField(label=_("Connection"), required=False)
    date_from = forms.DateField(
        label=_("First day"), input_formats=["%Y-%m-%d"], error_messages=INVALID_DATE, required=False
    )
    date_to = forms.DateField(
        label=_("Last day"), input_formats=["%Y-%m-%d"], error_messages=INVALID_DATE, required=False
    )

    def __init__(self, data: QueryDict, *, label_ids: Labels, now: datetime | None) -> None:
        super().__init__(data)
        self.label_ids, self.now = label_ids, now
        self.problem: QueryError | None = None
        self.conditions: Conditions | None = None
        for name in NAMES:
            texts = sorted(text for kind, text in label_ids if kind == name)
            cast(forms.ChoiceField, self.fields[name]).choices = [(text, text) for text in texts]

    def clean_q(self) -> str:
        """Refuse what cannot be understood, and say where it is."""
        text = str(self.cleaned_data["q"])
        conditions = Conditions(self.label_ids, self.now or timezone.now())
        try:
            conditions.want(parse(text))
        except QueryError as error:
            self.problem = error
            raise ValidationError(str(error), code="query") from error
        self.conditions = conditions
        return text

    def clean_date_from(self) -> date | None:
        """Refuse days outside the calendar that we can count in."""
        return self._day("date_from")

    def clean_date_to(self) -> date | None:
        """Refuse days outside the calendar, and an end before the beginning."""
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


class MailFilter:
    """What the query string `data` asks of `Message` rows; "after:2h" counts from `now`."""

    def __init__(
        self,
        data: QueryDict,
        queryset: QuerySet[Message] | None = None,
        *,
        now: datetime | None = None,
        labels: Labels | None = None,
    ) -> None:
        everything = Message.objects.select_related("template", "driver", "connection")
        self.rows = everything if queryset is None else queryset
        self.label_ids = known_labels() if labels is None else labels
        self.form = FilterForm(without_blanks(data, "status"), label_ids=self.label_ids, now=now)

    def is_valid(self) -> bool:
        """Return whether all of it can be used; else `form` says what is wrong where."""
        return self.form.is_valid()

    @property
    def problem(self) -> QueryError | None:
        """What is wrong with the query in the search box."""
        self.is_valid()
        return self.form.problem

    @cached_property
    def found(self) -> SearchResult:
        """What was found. Only for filters that are valid."""
        self.is_valid()
        given = self.form.cleaned_data
        conditions = self.form.conditions or Conditions(self.label_ids)
        if given["status"]:
            conditions.statuses(given["status"])
        for name in NAMES:
            if given[name]:
                conditions.label_id(name, self.label_ids[name, given[name]])
        if given["date_from"]:
            conditions.since(midnight(given["date_from"]))
        if given["date_to"]:
            conditions.before(midnight(given["date_to"] + timedelta(days=1)))
        return conditions.found_in(self.rows)


def known_labels() -> dict[tuple[str, str], int]:
    """Return the ids of all names of templates, drivers and connections."""
    return {(kind, text): pk for kind, text, pk in LABELS.all()}


def without_blanks(data: QueryDict, name: str) -> QueryDict:
    """Return `data` without the empty values of `name`, which a form sends for "any"."""
    cleaned = data.copy()
    cleaned.setlist(name, [value for value in data.getlist(name) if value])
    return cleaned
