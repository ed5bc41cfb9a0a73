"""Connections made of environment variables: what they set, as the form of their kind reads it.

The variables are read as the project's settings read theirs (setting ``READ_VARIABLE``), so that ``.env`` and
``NAME_FILE`` work for them, too; without that setting they come from the process's environment.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_variables


@dataclass(frozen=True, slots=True)
class EnvironmentValues:
    """The stored fields and the secret fields of a connection that the environment makes."""

    fields: Mapping[str, Any]
    secrets: Mapping[str, str] = field(repr=False)


class VariableRow(NamedTuple):
    """A variable with what holds for it, for people: of a secret only whether it is set."""

    name: str
    value: str
    is_set: bool


def read_variable(name: str) -> str:
    """Return the text of the variable, "" if it is not set."""
    reader = getattr(settings, "READ_VARIABLE", None)
    return str(reader(name) if reader else os.environ.get(name, ""))


@sensitive_variables()
def cleaned_variables(
    variables: Mapping[str, str], fields: Mapping[str, forms.Field]
) -> tuple[dict[str, Any], list[str]]:
    """Return what the `variables` (by field) set, read by their form fields, and what is wrong, naming the variable.

    Both are empty if no variable is set. A value is not repeated: it may be a secret.
    """
    raw = {name: read_variable(variable) for name, variable in variables.items()}
    if not any(raw.values()):
        return {}, []
    values: dict[str, Any] = {}
    problems = []
    for name, text in raw.items():
        if not text and not fields[name].required:
            continue
        try:
            values[name] = fields[name].clean(text)
        except ValidationError as error:
            reason = " ".join(error.messages) if text else _("is missing beside the others of this connection")
            problems.append(f"{variables[name]}: {reason}")
    return values, problems
