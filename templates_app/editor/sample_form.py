"""The values of a sample as a form with a field for each variable, and as JSON.

The one that was edited last counts. With JavaScript, the page reports which; without, the JSON counts if it differs
from what the page showed. Values of undeclared variables are only in the JSON.
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
    """The values of a sample, as fields and as JSON. `problems` lists what is invalid in the posted `data`."""

    def __init__(self, variables: Sequence[Variable], values: Mapping[str, Any], data: Mapping[str, Any] | None = None):
        self.variables = variables
        self.values = dict(values)
        self.problems: list[tuple[str, str]] = []  # (id of the field, error)
        self.errors: dict[str, str] = {}  # by variable; "" for the JSON
        self.data = data
        self.source = ""
        self.before: dict[str, Any] = {}  # what the page showed
        if data is not None and "values_json" in data:
            self.read(data)

    @property
    def changed(self) -> bool:
        """Whether the posted values are valid and differ from what the page showed."""
        return not self.problems and self.values != self.before

    def read(self, data: Mapping[str, Any]) -> None:
        """Read the values from the tab that was edited last."""
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
        try:
            self.values = value_text.parse_object(typed.strip() or "{}")
        except ValueError as error:
            self.values = dict(self.before)
            self.refuse("", str(error))

    def read_fields(self, data: Mapping[str, Any]) -> None:
        """Read the values from the fields; values without a field stay as they were shown."""
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
        """Record an error of the field of the variable `name` ("": of the JSON)."""
        self.errors[name] = reason
        label = name or _("JSON")
        self.problems.append((f"id_{FIELD_PREFIX}{name}" if name else "id_values_json", f"{label}: {reason}"))

    @property
    def json(self) -> str:
        """The values as JSON, or what was typed if it is invalid."""
        if self.data is not None and "" in self.errors:
            return str(self.data["values_json"])
        return value_text.as_json(self.values)

    @property
    def shown_json(self) -> str:
        """The values to compare with later; invalid values must not count as removed by editing."""
        return value_text.as_json(self.values)

    @property
    def json_error(self) -> str:
        return self.errors.get("", "")

    def fields(self) -> list[tuple[forms.BoundField, Variable, str]]:
        """Return (field, variable, error or "") of each declared variable."""
        return [(self.bound(variable), variable, self.errors.get(variable.name, "")) for variable in self.variables]

    def bound(self, variable: Variable) -> forms.BoundField:
        """Return the field of a variable with its text."""
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
    """Return the widget for a value of this type, or a text field if it could not show `text`."""
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
    """Return `text` with Unix line endings, which browsers change, and without surrounding whitespace."""
    return str(text).replace("\r\n", "\n").strip()
