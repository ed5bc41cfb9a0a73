"""Saved searches. Each belongs to one person, and nobody else sees it."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.http import QueryDict
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from maillog.models import SavedSearch
from maillog.models.list_preference import MAX_NAME_LENGTH, MAX_QUERY_LENGTH, MAX_SEARCHES
from maillog.search.filters import MessageFilter


def searches_of(user_id: int) -> list[SavedSearch]:
    """Return the searches of a person, at most `MAX_SEARCHES`, sorted by name without case."""
    return sorted(SavedSearch.objects.filter(user_id=user_id), key=lambda one: (one.name.casefold(), one.name))


class SearchNameForm(forms.Form):
    """The name of a saved search, unique per person."""

    name = forms.CharField(label=_("Name"), max_length=MAX_NAME_LENGTH)

    def __init__(self, data: Any = None, *, search: SavedSearch, **options: Any) -> None:
        super().__init__(data, **options)
        self.search = search
        self.initial.setdefault("name", search.name)

    def clean_name(self) -> str:
        """Return the name with single spaces. Raises ValidationError for invisible characters or a name in use."""
        name = " ".join(str(self.cleaned_data["name"]).split())
        if not name.isprintable():
            raise ValidationError(_("Use visible characters only."), code="control")
        if SavedSearch.objects.filter(user_id=self.search.user_id, name=name).exclude(pk=self.search.pk).exists():
            raise ValidationError(_("You already have a search with this name."), code="unique")
        return name

    def save(self) -> bool:
        """Store the search. Returns False, with an error at the name, if the name was taken in the meantime."""
        self.search.name = self.cleaned_data["name"]
        try:
            with transaction.atomic():
                self.search.save()
        except IntegrityError:
            self.add_error("name", gettext("You already have a search with this name."))
            return False
        return True


class SavedSearchForm(SearchNameForm):
    """A new saved search: its name and a valid query."""

    q = forms.CharField(
        label=_("Search"),
        max_length=MAX_QUERY_LENGTH,
        error_messages={"required": _("Enter a search first. An empty one lists everything.")},
    )

    def clean_q(self) -> str:
        """Return the query. Raises ValidationError with the errors that the search box would show."""
        text = str(self.cleaned_data["q"])
        if not text.isprintable():
            raise ValidationError(_("Use visible characters only."), code="control")
        data = QueryDict(mutable=True)
        data["q"] = text
        errors = MessageFilter(data).form.errors.get("q")
        if errors:
            raise ValidationError(list(errors), code="query")
        return text

    def clean(self) -> dict[str, Any]:
        """Raise ValidationError if the person has `MAX_SEARCHES` already."""
        data: dict[str, Any] = super().clean() or self.cleaned_data
        if SavedSearch.objects.filter(user_id=self.search.user_id).count() >= MAX_SEARCHES:
            raise ValidationError(
                _("You can save up to %(count)s searches. Delete one first.") % {"count": MAX_SEARCHES},
                code="many",
            )
        return data

    def save(self) -> bool:
        self.search.query = self.cleaned_data["q"]
        return super().save()
