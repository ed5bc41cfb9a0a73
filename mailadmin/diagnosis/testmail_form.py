"""The form of the test page: recipient, connection, template and values.

The values shown belong to one sample of one template, and the form records which. Without JavaScript, a person can
select another template and submit the form before the page shows its values: then nothing is sent yet (`is_stale`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from django import forms
from django.urls import reverse
from django.utils.translation import get_language, gettext
from django.utils.translation import gettext_lazy as _

from mailadmin.configuration.forms import connection_names
from mailadmin.diagnosis.testmail import TEMPLATE as PLAIN
from mailadmin.form_fields import AddressField
from maillog.content.template_link import language_name
from templates_app.content import value_text
from templates_app.library import sample_rendering

if TYPE_CHECKING:
    from secrets_app.vault import Connection

CODE = {"class": "mono", "rows": 10, "spellcheck": "false", "autocapitalize": "off", "autocomplete": "off"}


class Selection:
    """The selected template, language and sample, and the values to show.

    `given` are the raw fields from the request, all optional. Unknown choices are replaced by defaults.
    """

    def __init__(self, given: Mapping[str, Any], *, language: str) -> None:
        self.key = str(given.get("template", ""))
        self.template = sample_rendering.sampled_template(self.key or PLAIN)
        self.unknown = bool(self.key) and self.template is None
        if self.unknown:
            self.key = ""
            self.template = sample_rendering.sampled_template(PLAIN)
        wanted = (str(given.get("language", "")), language)
        self.language = next((one for one in wanted if one in self.languages), "")
        sample = str(given.get("sample", ""))
        self.sample = sample if sample in self.samples else next(iter(self.samples), "")
        shown = (str(given.get("shown_template", "")), str(given.get("shown_sample", "")))
        self.is_stale = shown != (self.key, self.sample)
        self.values = str(given.get("values", "")) if not self.is_stale else self.sample_json

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages to choose from, the template's default first."""
        return self.template.languages if self.template else ()

    @property
    def samples(self) -> Mapping[str, Mapping[str, Any]]:
        """The samples to choose from; none for the plain test message."""
        return self.template.samples if self.template and self.key else {}

    @property
    def sample_json(self) -> str:
        return value_text.as_json(dict(self.samples[self.sample])) if self.samples else ""

    @property
    def initial(self) -> dict[str, str]:
        return {
            "template": self.key,
            "language": self.language,
            "sample": self.sample,
            "values": self.values,
            "shown_template": self.key,
            "shown_sample": self.sample,
        }


class TestMailForm(forms.Form):
    """The form. `values` is JSON as text, parsed by `clean_values`; without a template there are none."""

    to = AddressField(label=_("To"))
    connection = forms.ChoiceField(label=_("Connection"), required=False)
    template = forms.ChoiceField(label=_("Template"), required=False)
    language = forms.ChoiceField(label=_("Language"), required=False)
    sample = forms.ChoiceField(label=_("Sample"), required=False)
    values = forms.CharField(
        label=_("Values"),
        required=False,
        strip=False,
        help_text=_("As JSON, starting with the sample's values. Changes here apply to this message only."),
        widget=forms.Textarea(CODE),
    )
    shown_template = forms.CharField(required=False, widget=forms.HiddenInput)
    shown_sample = forms.CharField(required=False, strip=False, widget=forms.HiddenInput)

    def __init__(
        self, *args: Any, connections: Sequence[Connection], delivers: bool, picked: Selection, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.picked = picked
        self.fields["to"].help_text = (
            _("A real message is sent to this address.")
            if delivers
            else _("The driver delivers nothing, so nobody receives it.")
        )
        self.offer("connection", [("", gettext("Default")), *connection_names(connections).items()])
        self.offer("template", [("", gettext("Plain test email")), *sample_rendering.published_names().items()])
        self.offer("language", [(one, language_label(one)) for one in picked.languages])
        self.offer("sample", [(one, one or gettext("Sample values of the variables")) for one in picked.samples])
        url = reverse("mailadmin:test")
        swap = {"hx-get": url, "hx-target": "#test-template", "hx-swap": "outerHTML", "hx-sync": "closest form:replace"}
        self.fields["template"].widget.attrs |= {**swap, "hx-include": "#id_language"}
        self.fields["sample"].widget.attrs |= {**swap, "hx-include": "#id_template, #id_language"}

    def offer(self, name: str, choices: Sequence[tuple[str, Any]]) -> None:
        field = self.fields[name]
        if isinstance(field, forms.ChoiceField):
            field.choices = choices

    def clean_values(self) -> dict[str, Any]:
        typed = str(self.cleaned_data["values"])
        if not self.picked.key:
            return {}
        try:
            return value_text.parse_object(typed.strip() or "{}")
        except ValueError as error:
            raise forms.ValidationError(str(error)) from error


class TestDraftForm(forms.Form):
    """Recipient, language and sample for a test of a template's draft."""

    to = AddressField(label=_("To"))
    language = forms.CharField(max_length=20, required=False)
    sample = forms.CharField(max_length=200, required=False)


def language_label(code: str) -> str:
    """Return ``German (de)``."""
    return f"{language_name(code, get_language() or 'en')} ({code})"
