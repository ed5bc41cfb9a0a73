"""The filter of the list of templates and parts."""

from __future__ import annotations

from urllib.parse import urlencode

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _
from django_filters import CharFilter, ChoiceFilter, FilterSet

from templates_app.models import Document

FIELDS = ("q", "kind", "tag")


class DocumentFilter(FilterSet):  # type: ignore[misc]  # django-filter has no types
    """Templates and parts that contain every word of `q`, of one kind, with one tag. Empty means all.

    It has no queryset: `document_list` compares in Python, because SQLite ignores case only in ASCII and Django cannot
    look into JSON lists there. Kind and tag are chosen by links above the list.
    """

    q = CharFilter(
        label=_("Search"),
        max_length=200,
        widget=forms.TextInput(
            attrs={"type": "search", "placeholder": _("Key, name, description or tag"), "autocomplete": "off"}
        ),
    )
    kind = ChoiceFilter(label=_("Kind"), choices=Document.Kind.choices, widget=forms.HiddenInput)
    tag = CharFilter(label=_("Tag"), max_length=30, widget=forms.HiddenInput)

    class Meta:
        model = Document
        fields = ()

    def __init__(self, data: QueryDict) -> None:
        super().__init__(data, Document.objects.none())

    @property
    def words(self) -> list[str]:
        """The words to look for, case-folded."""
        return str(self.form.cleaned_data["q"]).casefold().split()

    @property
    def kind_chosen(self) -> str:
        """The kind to show, "" for all."""
        return str(self.form.cleaned_data["kind"])

    @property
    def tag_chosen(self) -> str:
        """The tag to show, "" for all."""
        return str(self.form.cleaned_data["tag"])

    @property
    def is_active(self) -> bool:
        """Whether there is a filter, valid or not."""
        return any(self.data.get(name) for name in FIELDS)

    def query(self, **changes: str | int | None) -> str:
        """Return the query string of the filter without empty values and the page, with `changes` applied."""
        given = {name: self.data.get(name) for name in FIELDS}
        return "?" + urlencode({name: value for name, value in {**given, **changes}.items() if value})
