"""What the log can be filtered by. The state is in the address; what is wrong is said at the field, never ignored."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import django_filters
from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Q, QuerySet
from django.http import QueryDict
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from maillog.models import Label, Message, Status

LONGEST_QUERY = 200
MOST_WORDS = 8  # each is one more comparison a row
FIRST_YEAR, LAST_YEAR = 1990, 2999  # beyond, a day moved to UTC may fall out of the calendar


NOT_A_DAY = {"invalid": _("Write a day that there is, such as 2026-11-20.")}


class DayInput(forms.DateInput):
    """A day, picked in the browser's calendar and written as 2026-11-20 in the address."""

    input_type = "date"

    def __init__(self, attrs: dict[str, Any] | None = None) -> None:
        super().__init__(attrs, format="%Y-%m-%d")


class FilterForm(forms.Form):
    """The fields, checked one by one and against each other."""

    def clean_q(self) -> str:
        """Refuse more words than a search may have."""
        text = str(self.cleaned_data["q"])
        if len(text.split()) > MOST_WORDS:
            raise ValidationError(_("Use at most %(count)s words.") % {"count": MOST_WORDS}, code="words")
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


class MailFilter(django_filters.FilterSet):  # type: ignore[misc]  # django-filter has no types
    """The filters of the log over `Message` rows, always bound to the query string."""

    q = django_filters.CharFilter(
        label=_("Search"),
        method="filter_words",
        max_length=LONGEST_QUERY,
        widget=forms.TextInput(
            attrs={
                "type": "search",
                "placeholder": _("Recipient, subject or error…"),
                "autocomplete": "off",
                "aria-label": _("Search"),
            }
        ),
    )
    status = django_filters.MultipleChoiceFilter(
        label=_("Status"), choices=Status.choices, method="filter_status", widget=forms.MultipleHiddenInput
    )
    template = django_filters.ChoiceFilter(
        label=_("Template"),
        empty_label=_("Any template"),
        method="filter_label",
        choices=[],
        widget=forms.Select(attrs={"aria-label": _("Template")}),
    )
    driver = django_filters.ChoiceFilter(
        label=_("Driver"),
        empty_label=_("Any driver"),
        method="filter_label",
        choices=[],
        widget=forms.Select(attrs={"aria-label": _("Driver")}),
    )
    connection = django_filters.ChoiceFilter(
        label=_("Connection"),
        empty_label=_("Any connection"),
        method="filter_label",
        choices=[],
        widget=forms.Select(attrs={"aria-label": _("Connection")}),
    )
    date_from = django_filters.DateFilter(
        label=_("First day"),
        method="filter_first_day",
        input_formats=["%Y-%m-%d"],
        error_messages=NOT_A_DAY,
        widget=DayInput(attrs={"aria-label": _("First day"), "title": _("First day")}),
    )
    date_to = django_filters.DateFilter(
        label=_("Last day"),
        method="filter_last_day",
        input_formats=["%Y-%m-%d"],
        error_messages=NOT_A_DAY,
        widget=DayInput(attrs={"aria-label": _("Last day"), "title": _("Last day")}),
    )

    class Meta:
        model = Message
        form = FilterForm
        fields: list[str] = []

    def __init__(self, data: QueryDict, queryset: QuerySet[Message] | None = None) -> None:
        rows = Message.objects.select_related("template", "driver", "connection") if queryset is None else queryset
        super().__init__(without_blanks(data, "status"), queryset=rows)
        self.label_ids: dict[tuple[str, str], int] = {}
        for kind, text, pk in Label.objects.exclude(kind=Label.Kind.SENDER).values_list("kind", "text", "id"):
            self.label_ids[kind, text] = pk
        for name in ("template", "driver", "connection"):
            texts = sorted(text for kind, text in self.label_ids if kind == name)
            self.filters[name].extra["choices"] = [(text, text) for text in texts]

    @property
    def statuses(self) -> list[str]:
        """The statuses that were chosen; none if that choice is not valid."""
        self.is_valid()  # fills cleaned_data, also where another field is wrong
        return list(self.form.cleaned_data.get("status") or [])

    @property
    def is_active(self) -> bool:
        """Whether anything is filtered by, rightly or wrongly."""
        return any(self.data.get(name) for name in self.filters)

    def filter_words(self, queryset: QuerySet[Message], _name: str, text: str) -> QuerySet[Message]:
        """Keep mails in whose recipients, subject or reason every word occurs, in any case."""
        for word in text.split():
            condition = Q(to_text__contains=word.lower())
            for spelling in spellings(word):
                condition |= Q(subject__icontains=spelling) | Q(reason__icontains=spelling)
            queryset = queryset.filter(condition)
        return queryset

    def filter_status(self, queryset: QuerySet[Message], _name: str, statuses: list[str]) -> QuerySet[Message]:
        """Keep mails in one of the states."""
        if not statuses:
            return queryset
        queryset = queryset.filter(status=statuses[0]) if len(statuses) == 1 else queryset.filter(status__in=statuses)
        # What is not sent has an index of its own, which SQLite takes only if the query repeats its condition.
        return queryset if Status.SENT in statuses else queryset.exclude(status=Status.SENT)

    def filter_label(self, queryset: QuerySet[Message], name: str, text: str) -> QuerySet[Message]:
        """Keep mails that have the name."""
        return queryset.filter(**{f"{name}_id": self.label_ids[name, text]})

    def filter_first_day(self, queryset: QuerySet[Message], _name: str, day: date) -> QuerySet[Message]:
        """Keep mails of this day and later, in the time zone in force."""
        first = first_id_since(midnight(day))
        return queryset.none() if first is None else queryset.filter(id__gte=first)

    def filter_last_day(self, queryset: QuerySet[Message], _name: str, day: date) -> QuerySet[Message]:
        """Keep mails of this day and earlier, in the time zone in force."""
        first_after = first_id_since(midnight(day + timedelta(days=1)))
        return queryset if first_after is None else queryset.filter(id__lt=first_after)


def without_blanks(data: QueryDict, name: str) -> QueryDict:
    """Return `data` without the empty values of `name`, which a form sends for "any"."""
    cleaned = data.copy()
    cleaned.setlist(name, [value for value in data.getlist(name) if value])
    return cleaned


def spellings(word: str) -> set[str]:
    """Return `word` in the cases in which it must be looked for.

    SQLite compares letters beyond ASCII by their exact case, so "ärger" must also be tried as "Ärger" and "ÄRGER".
    """
    return {word} if word.isascii() else {word, word.lower(), word.upper(), word.capitalize()}


def midnight(day: date) -> datetime:
    """Return the first moment of `day` in the time zone in force, in UTC."""
    return timezone.make_aware(datetime.combine(day, time.min)).astimezone(UTC)


def first_id_since(moment: datetime) -> int | None:
    """Return the id of the first mail made at `moment` or later, from the index of times alone.

    Ids are in time order, so every question about times becomes a range of ids, which goes with any other index;
    a condition on the time itself would scan the table in id order on both engines.
    """
    rows = Message.objects.filter(created_at__gte=moment).order_by("created_at", "id")
    return rows.values_list("id", flat=True).first()
