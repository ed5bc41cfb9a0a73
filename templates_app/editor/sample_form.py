"""The values of a sample as a form with a field for each variable, and the same values as JSON.

Whichever was edited last counts: the page says which, and without JavaScript the JSON counts where it differs from what
was shown. Values of no declared variable have no field; they stay in the JSON.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from django import forms
from django.utils.translation import gettext as _

from templates_app.content import value_text
from templates_app.editor.forms import CODE_ATTRIBUTES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from templates_app.content.content import Variable

FIELD_PREFIX = "value-"  # before the variable's name


class SampleValuesForm:
    """The two tabs of a sample's values. After `read`, `values` holds them and `problems` what is wrong."""

    def __init__(self, variables: Sequence[Variable], values: Mapping[str, Any], data: Mapping[str, Any] | None = None):
        self.variables = variables
        self.values = dict(values)
        self.problems: list[tuple[str, str]] = []  # (id of the field, sentence)
        self.errors: dict[str, str] = {}  # by variable; "" is the JSON's
        self.data = data
        self.source = ""
        self.before: dict[str, Any] = {}  # what the page showed
        if data is not None and "values_json" in data:
            self.read(data)

    @property
    def changed(self) -> bool:
        """Whether anything was typed that the page did not show."""
        return not self.problems and self.values != self.before

    def read(self, data: Mapping[str, Any]) -> None:
        """Take the values from the tab that was edited last."""
        typed = normalized(data["values_json"])
        with contextlib.suppress(ValueError):
            self.before = value_text.parse_object(data.get("values_shown", "") or "{}")
        source = data.get("values_from", "")
        if source not in {"form", "json"}:
            source = "form" if typed == normalized(data.get("values_shown", "")) else "json"
        self.source = source
        if source == "json":
            self.read_json(typed)
        else:
            self.read_fields(data)

    def read_json(self, typed: str) -> None:
        """Take the values from the JSON."""
        try:
            self.values = value_text.parse_object(typed.strip() or "{}")
        except ValueError as error:
            self.values = dict(self.before)
            self.refuse("", str(error))

    def read_fields(self, data: Mapping[str, Any]) -> None:
        """Take the values from the fields; what has none stays as it was shown."""
        self.values = dict(self.before)
        for variable in self.variables:
            typed = data.get(FIELD_PREFIX + variable.name)
            if typed is None or (not typed.strip() and variable.name not in self.before):
                continue
            try:
                value = value_text.parse_value(variable.type, typed)
            except ValueError as error:
                self.refuse(variable.name, str(error))
                continue
            if value != "" or (variable.required and variable.type == "text"):
                self.values[variable.name] = value
            elif self.values.get(variable.name) not in ("", None) or variable.required:
                self.values.pop(variable.name, None)

    def refuse(self, name: str, reason: str) -> None:
        """Note what is wrong with the field of the variable `name` ("": with the JSON)."""
        self.errors[name] = reason
        label = name or _("JSON")
        self.problems.append((f"id_{FIELD_PREFIX}{name}" if name else "id_values_json", f"{label}: {reason}"))

    @property
    def json(self) -> str:
        """The values as JSON, or what was typed there if that cannot be read."""
        if self.data is not None and "" in self.errors:
            return str(self.data["values_json"])
        return value_text.as_json(self.values)

    @property
    def shown_json(self) -> str:
        """What the page remembers as shown: values that could not be read must not count as edited away."""
        return value_text.as_json(self.values)

    @property
    def json_error(self) -> str:
        """What is wrong with the JSON, or nothing."""
        return self.errors.get("", "")

    def fields(self) -> list[tuple[forms.BoundField, Variable, str]]:
        """Return (field, variable, error) of each declared variable."""
        return [(self.bound(variable), variable, self.errors.get(variable.name, "")) for variable in self.variables]

    def bound(self, variable: Variable) -> forms.BoundField:
        """Return the field of one variable with its text."""
        name = FIELD_PREFIX + variable.name
        text = value_text.format_value(variable.type, self.values.get(variable.name))
        if self.source == "form" and variable.name in self.errors and self.data is not None:
            text = str(self.data.get(name, ""))
        field = forms.CharField(
            label=variable.name, required=False, help_text=variable.description, widget=widget_for(variable, text)
        )
        if variable.name in self.errors:
            field.widget.attrs |= {"aria-invalid": "true", "aria-describedby": f"id_{name}_error"}
        alone = forms.Form(initial={name: text})
        alone.fields[name] = field
        return alone[name]


def widget_for(variable: Variable, text: str) -> forms.Widget:
    """Return the control for a value of this type that shows `text`; one that cannot show it is not chosen."""
    try:
        fits = value_text.parse_value(variable.type, text) == text or not text or variable.type in {"boolean", "number"}
    except ValueError:
        fits = False
    if variable.type in value_text.JSON_TYPES:
        return forms.Textarea({**CODE_ATTRIBUTES, "rows": min(12, max(3, text.count("\n") + 1))})
    if variable.type == "boolean" and fits:
        return forms.Select(choices=[("", "-"), ("true", _("yes")), ("false", _("no"))])
    if variable.type == "date" and fits:
        return forms.DateInput({"type": "date"}, format="%Y-%m-%d")
    if variable.type == "text":
        return forms.Textarea({"rows": min(8, text.count("\n") + 1)})
    mode = {"number": "decimal", "url": "url", "email": "email"}.get(variable.type, "text")
    return forms.TextInput({"inputmode": mode, "autocomplete": "off"})


def normalized(text: object) -> str:
    """Return `text` with the line ends that browsers change."""
    return str(text).replace("\r\n", "\n").strip()
