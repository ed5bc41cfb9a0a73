"""The editor's form: the texts of one language and the variables.

One language is edited at a time and replaced in the content. Whether it renders and may be published is not checked
here.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from django import forms
from django.utils.text import format_lazy
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from templates_app.content import value_text
from templates_app.content.content import LANGUAGE, MAX_TEXT, RESERVED, TYPES, VARIABLE_NAME, Content, Texts, Variable

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_VARIABLES = 100
TYPE_LABELS = {
    "text": gettext_lazy("Text"),
    "number": gettext_lazy("Number"),
    "boolean": gettext_lazy("Yes or no"),
    "date": gettext_lazy("Date"),
    "datetime": gettext_lazy("Date and time"),
    "url": gettext_lazy("Link"),
    "email": gettext_lazy("Email address"),
    "list": gettext_lazy("List"),
    "object": gettext_lazy("Object"),
}


def no_control_characters(text: str) -> None:
    """Raise ValidationError if `text` contains a control character other than line endings or tabs."""
    try:
        value_text.check_characters(text.replace("\r\n", "\n").replace("\r", "\n"))
    except ValueError as error:
        raise forms.ValidationError(str(error), code="control") from error


def one_line(text: str) -> None:
    """Raise ValidationError if `text` contains a line ending or another control character."""
    if "\n" in text or "\r" in text:
        raise forms.ValidationError(_("Enter a single line."), code="lines")
    no_control_characters(text)


TEXT_VALIDATORS = [no_control_characters]
CODE_ATTRIBUTES = {"class": "code", "spellcheck": "false", "autocapitalize": "off", "autocomplete": "off"}


class TextsForm(forms.Form):
    """The texts of one language. `revision` is the edited draft's (0: none yet), `based_on` the number of a version."""

    language = forms.CharField(max_length=20, widget=forms.HiddenInput)
    revision = forms.IntegerField(min_value=0, max_value=2**31 - 1, widget=forms.HiddenInput)
    based_on = forms.IntegerField(min_value=0, max_value=2**31 - 1, widget=forms.HiddenInput)
    subject = forms.CharField(
        label=gettext_lazy("Subject"),
        required=False,
        strip=False,
        max_length=MAX_TEXT,
        validators=[one_line],
        widget=forms.TextInput(CODE_ATTRIBUTES),
    )
    html = forms.CharField(
        label=gettext_lazy("HTML"),
        required=False,
        strip=False,
        max_length=MAX_TEXT,
        validators=TEXT_VALIDATORS,
        widget=forms.Textarea(
            {**CODE_ATTRIBUTES, "rows": 22, "data-source": "html", "aria-label": gettext_lazy("HTML")}
        ),
    )
    text = forms.CharField(
        label=gettext_lazy("Plain text"),
        required=False,
        strip=False,
        max_length=MAX_TEXT,
        validators=TEXT_VALIDATORS,
        widget=forms.Textarea(
            {**CODE_ATTRIBUTES, "rows": 22, "data-source": "text", "aria-label": gettext_lazy("Plain text")}
        ),
    )

    def __init__(self, *args: Any, has_subject: bool, **options: Any) -> None:
        super().__init__(*args, **options)
        if not has_subject:
            del self.fields["subject"]
        for name, field in self.fields.items():
            field.error_messages["max_length"] = format_lazy(
                "{label} {reason}", label=field.label or name, reason=gettext_lazy("is longer than 200,000 characters.")
            )

    def clean_language(self) -> str:
        language: str = self.cleaned_data["language"]
        if not LANGUAGE.fullmatch(language):
            raise forms.ValidationError(_("This is not a language code such as de or de-AT."))
        return language

    def texts(self) -> Texts:
        """Return the texts with Unix line endings."""
        typed = {
            name: self.cleaned_data.get(name, "").replace("\r\n", "\n").replace("\r", "\n")
            for name in ("subject", "html", "text")
        }
        return Texts(**typed)


class VariableForm(forms.Form):
    """A declared variable. A row without name, description and sample is ignored."""

    name = forms.CharField(
        label=gettext_lazy("Name"),
        required=False,
        max_length=50,
        widget=forms.TextInput({**CODE_ATTRIBUTES, "size": 14}),
    )
    type = forms.ChoiceField(
        label=gettext_lazy("Type"), required=False, choices=[(one, TYPE_LABELS[one]) for one in TYPES]
    )
    description = forms.CharField(
        label=gettext_lazy("Description"), required=False, max_length=500, validators=[one_line]
    )
    sample = forms.CharField(
        label=gettext_lazy("Sample"),
        required=False,
        strip=False,
        max_length=value_text.MAX_CHARACTERS,
        widget=forms.Textarea({"rows": 1}),
    )
    required = forms.BooleanField(label=gettext_lazy("Required"), required=False)
    secret = forms.BooleanField(label=gettext_lazy("Secret link or code"), required=False)

    def clean(self) -> dict[str, Any]:
        """Check the name, and parse the sample by its type. Adds errors to their fields."""
        typed = self.cleaned_data
        name, kind = typed.get("name", ""), typed.get("type") or "text"
        if not name and "name" not in self.errors:
            if typed.get("sample", "").strip() or typed.get("description", "").strip():
                self.add_error("name", _("Enter a name for the variable."))
            return typed
        if name and not VARIABLE_NAME.fullmatch(name):
            self.add_error("name", _("Use lowercase letters, digits and _, and do not start with a digit."))
        elif name in RESERVED:
            self.add_error("name", _("“%s” is reserved in templates. Choose another name.") % name)
        try:
            typed["sample"] = value_text.parse_value(kind, typed.get("sample", ""))
        except ValueError as error:
            self.add_error("sample", str(error))
        return typed

    def variable(self) -> Variable | None:
        """Return the variable, None for an empty row or one to be removed."""
        typed = self.cleaned_data
        if not typed.get("name") or typed.get("DELETE"):
            return None
        return Variable(
            name=typed["name"],
            type=typed["type"] or "text",
            description=typed["description"],
            sample=typed["sample"],
            required=typed["required"],
            secret=typed["secret"],
        )


if TYPE_CHECKING:
    VariableForms = forms.BaseFormSet[VariableForm]
else:
    VariableForms = forms.BaseFormSet


class BaseVariables(VariableForms):
    """The declared variables, with distinct names."""

    def clean(self) -> None:
        """Add an error to the second row with the same name."""
        seen = set()
        for form in self.forms:
            typed = getattr(form, "cleaned_data", {})
            name = typed.get("name")
            if not name or typed.get("DELETE"):
                continue
            if name in seen:
                form.add_error("name", _("This name is declared twice."))
            seen.add(name)

    def variables(self) -> tuple[Variable, ...]:
        found = (form.variable() for form in self.forms if hasattr(form, "cleaned_data"))
        return tuple(one for one in found if one is not None)


VariableFormSet = cast(
    "type[BaseVariables]",
    forms.formset_factory(
        VariableForm,
        formset=BaseVariables,
        extra=1,
        can_delete=True,
        max_num=MAX_VARIABLES,
        absolute_max=MAX_VARIABLES + 1,
        validate_max=True,
    ),
)


class EditorForm:
    """The forms of the editor page as one: texts and, for a template, variables."""

    def __init__(
        self, data: Mapping[str, Any] | None, *, content: Content, language: str, is_template: bool, **base: int
    ):
        texts = content.languages.get(language, Texts())
        self.over = content
        self.texts = TextsForm(
            data,
            has_subject=is_template,
            initial={"language": language, "subject": texts.subject, "html": texts.html, "text": texts.text, **base},
        )
        rows = [
            {
                "name": one.name,
                "type": one.type,
                "description": one.description,
                "sample": value_text.format_value(one.type, one.sample),
                "required": one.required,
                "secret": one.secret,
            }
            for one in content.variables
        ]
        self.variables = (
            VariableFormSet(data, prefix="variables", initial=None if data is not None else rows)
            if is_template
            else None
        )

    def is_valid(self) -> bool:
        valid = self.texts.is_valid()
        return (self.variables is None or self.variables.is_valid()) and valid

    def content(self) -> Content:
        """Return the edited content. Only for a valid form."""
        language = self.texts.cleaned_data["language"]
        variables = self.over.variables if self.variables is None else self.variables.variables()
        return replace(self.over, languages={**self.over.languages, language: self.texts.texts()}, variables=variables)

    def problems(self) -> list[tuple[str, str]]:
        """Return (id of the field, error) for each error."""
        found: list[tuple[str, str]] = []
        forms_here: list[forms.Form] = [self.texts, *(self.variables.forms if self.variables is not None else [])]
        for form in forms_here:
            for name, errors in form.errors.items():
                field = form[name] if name in form.fields else None
                label = f"{field.label}: " if field is not None and form is not self.texts else ""
                if field is not None and form is not self.texts and name != "name" and form["name"].value():
                    label = f"{form['name'].value()}, {field.label}: "
                found.extend((field.id_for_label if field is not None else "", f"{label}{error}") for error in errors)
        if self.variables is not None:
            found.extend(("variables", str(error)) for error in self.variables.non_form_errors())
        return found
