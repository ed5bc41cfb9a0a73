"""The searches that somebody keeps by name. Nobody sees those of others."""

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
from maillog.sql.prepared import PreparedQuery

SAVED: PreparedQuery[SavedSearch] = PreparedQuery(lambda user_id: SavedSearch.objects.filter(user_id=user_id))


def searches_of(user_id: int) -> list[SavedSearch]:
    """Return somebody's searches by name; there are never more than `MOST_SEARCHES`."""
    return sorted(SAVED.all(user_id), key=lambda one: (one.name.casefold(), one.name))


class SearchNameForm(forms.Form):
    """The name of a search, which its owner has once."""

    name = forms.CharField(label=_("Name"), max_length=MAX_NAME_LENGTH)

    def __init__(self, data: Any = None, *, search: SavedSearch, **options: Any) -> None:
        super().__init__(data, **options)
        self.search = search
        self.initial.setdefault("name", search.name)

    def clean_name(self) -> str:
        """Refuse signs that nobody sees, and a name that is taken."""
        name = " ".join(str(self.cleaned_data["name"]).split())
        if not name.isprintable():
            raise ValidationError(_("Use letters, digits and signs that can be seen."), code="control")
        if SavedSearch.objects.filter(user_id=self.search.user_id, name=name).exclude(pk=self.search.pk).exists():
            raise ValidationError(_("You have a search of this name."), code="unique")
        return name

    def save(self) -> bool:
        """Store the search; return False, with the reason at the name, if another window took it a moment ago."""
        self.search.name = self.cleaned_data["name"]
        try:
            with transaction.atomic():
                self.search.save()
        except IntegrityError:
            self.add_error("name", gettext("You have a search of this name."))
            return False
        return True


class SavedSearchForm(SearchNameForm):
    """A new search: its name, and a query that can be understood."""

    q = forms.CharField(
        label=_("Search"),
        max_length=MAX_QUERY_LENGTH,
        error_messages={"required": _("Search for something first; an empty search lists everything.")},
    )

    def clean_q(self) -> str:
        """Refuse what the search box would refuse, in its words."""
        text = str(self.cleaned_data["q"])
        if not text.isprintable():
            raise ValidationError(_("Use letters, digits and signs that can be seen."), code="control")
        data = QueryDict(mutable=True)
        data["q"] = text
        errors = MessageFilter(data).form.errors.get("q")
        if errors:
            raise ValidationError(list(errors), code="query")
        return text

    def clean(self) -> dict[str, Any]:
        """Refuse more than somebody can keep an eye on."""
        data: dict[str, Any] = super().clean() or self.cleaned_data
        if SavedSearch.objects.filter(user_id=self.search.user_id).count() >= MAX_SEARCHES:
            raise ValidationError(
                _("You have %(count)s searches, and more are not kept. Delete one first.") % {"count": MAX_SEARCHES},
                code="many",
            )
        return data

    def save(self) -> bool:
        """Store the search with its query."""
        self.search.query = self.cleaned_data["q"]
        return super().save()
