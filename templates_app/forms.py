"""The forms of the templates' pages. Values are validated by the functions that store them, not here."""

from __future__ import annotations

import json
from typing import Any

from django import forms
from django.core import signing
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from templates_app.files.archives import MAX_ARCHIVE
from templates_app.library.catalogue import EditConflict, Invalid
from templates_app.library.publishing import NOTE_LENGTH, LibraryError
from templates_app.models import Project

SALT = "templates_app.original"


class LibraryForm(forms.Form):
    """A form that shows a library error beside the field that it names."""

    def refuse(self, error: LibraryError) -> None:
        field = error.field if isinstance(error, Invalid) else None
        self.add_error(field if field in self.fields else None, str(error))


class ConflictForm(LibraryForm):
    """A form that carries the values stored when its page was opened, so that people do not overwrite each other."""

    original = forms.CharField(widget=forms.HiddenInput, required=False)

    data: QueryDict

    def __init__(self, data: QueryDict | None = None, *, stored: dict[str, Any], **options: Any) -> None:
        super().__init__(data, **options)
        self.meanwhile: list[tuple[str, str]] = []
        self.initial["original"] = signing.dumps(stored, salt=SALT, compress=True)

    @property
    def stored_before(self) -> dict[str, Any]:
        """The values stored when the page was opened; empty, which never matches, if the field was tampered with."""
        try:
            found = signing.loads(self.cleaned_data.get("original", ""), salt=SALT)
        except signing.BadSignature:
            return {}
        return found if isinstance(found, dict) else {}

    def refuse_changed(self, error: EditConflict) -> None:
        """Show what somebody else stored meanwhile. The typed values stay; saving again replaces theirs."""
        self.meanwhile = [
            (str(self.fields[name].label or name), format_stored(value)) for name, value in error.now.items()
        ]
        self.add_error(None, str(error))
        self.data = self.data.copy()
        self.data[self.add_prefix("original")] = signing.dumps(error.now, salt=SALT, compress=True)


def format_stored(value: Any) -> str:
    """Return a stored value as a person would have typed it."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return " ".join(map(str, value))
    return json.dumps(value, ensure_ascii=False, indent=2)


class TagsField(forms.CharField):
    """Words separated by spaces or commas."""

    def to_python(self, value: Any) -> Any:
        return (super().to_python(value) or "").replace(",", " ").split()

    def prepare_value(self, value: Any) -> Any:
        return " ".join(value) if isinstance(value, list | tuple) else value


def _name() -> forms.CharField:
    return forms.CharField(label=_("Name"), max_length=100)


def _description() -> forms.CharField:
    return forms.CharField(
        label=_("Description"), max_length=500, required=False, widget=forms.Textarea(attrs={"rows": 2})
    )


def _tags() -> TagsField:
    help_text = _("Words to find it by, separated by spaces.")
    return TagsField(label=_("Tags"), max_length=700, required=False, help_text=help_text)


class MetadataForm(ConflictForm):
    """Name, description and tags of a project, a template or a part."""

    name = _name()
    description = _description()
    tags = _tags()


class NewProjectForm(LibraryForm):
    """A new project."""

    name = _name()
    key = forms.CharField(
        label=_("Key"),
        max_length=50,
        help_text=_("The first half of its templates' keys, such as account. It cannot be changed later."),
        widget=forms.TextInput(attrs={"autocapitalize": "none", "spellcheck": "false"}),
    )
    description = _description()
    tags = _tags()


class NewDocumentForm(LibraryForm):
    """A new template or part."""

    project = forms.ModelChoiceField(
        label=_("Project"), queryset=Project.objects.all(), to_field_name="key", empty_label=None
    )
    name = _name()
    key = forms.CharField(
        label=_("Key"),
        max_length=50,
        help_text=_("Programs and other templates use it: project/key. It cannot be changed later."),
        widget=forms.TextInput(attrs={"autocapitalize": "none", "spellcheck": "false"}),
    )
    description = _description()
    tags = _tags()


class PublishForm(LibraryForm):
    """Publishes a draft or an old version, with a note.

    `replaces` is the number of the published version that the page showed, `revision` that of the draft; `overwrite`
    confirms replacing a version that the draft is not based on.
    """

    replaces = forms.IntegerField(widget=forms.HiddenInput, required=False, min_value=0)
    revision = forms.IntegerField(widget=forms.HiddenInput, required=False, min_value=0)
    note = forms.CharField(
        label=_("What changed"),
        max_length=NOTE_LENGTH,
        required=False,
        help_text=_("A sentence for people who look at the versions later."),
    )
    overwrite = forms.BooleanField(label=_("Publish mine although it does not contain these changes"), required=False)


class SampleForm(ConflictForm):
    """A named sample, its values as JSON."""

    name = forms.CharField(label=_("Name"), max_length=100)
    values = forms.CharField(
        label=_("Values"),
        max_length=200_000,
        help_text=_("A JSON object: a value for each variable."),
        widget=forms.Textarea(attrs={"rows": 14, "class": "mono", "spellcheck": "false"}),
        strip=False,
    )


class SharedValueForm(ConflictForm):
    """The value of a shared value."""

    value = forms.CharField(label=_("Value"), max_length=500, required=False)


class NewSharedValueForm(LibraryForm):
    """A new shared value."""

    name = forms.CharField(
        label=_("Name"), max_length=50, widget=forms.TextInput(attrs={"autocapitalize": "none", "spellcheck": "false"})
    )
    value = forms.CharField(label=_("Value"), max_length=500, required=False)
    description = forms.CharField(label=_("Description"), max_length=200, required=False)


class ImportForm(LibraryForm):
    """A zip file of projects."""

    file = forms.FileField(
        label=_("Zip file"),
        max_length=200,
        help_text=_("Made by “Export” on a project's page or by the command templates_export; at most 20 MB."),
        widget=forms.ClearableFileInput(attrs={"accept": ".zip,application/zip"}),
    )
    note = forms.CharField(
        label=_("What changed"),
        max_length=NOTE_LENGTH,
        required=False,
        help_text=_("A sentence for people who look at the versions later."),
    )

    def clean_file(self) -> Any:
        """Refuse a file that is too large to read."""
        file = self.cleaned_data["file"]
        if file.size > MAX_ARCHIVE:
            raise forms.ValidationError(_("It is larger than 20 MB."))
        return file
