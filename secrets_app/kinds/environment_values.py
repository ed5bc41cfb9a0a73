"""Connections defined by environment variables, validated by the form fields of their kind.

The setting ``READ_VARIABLE`` is the function that reads a variable, so that ``.env`` and ``NAME_FILE`` work here too.
Without it, variables come from the process environment.
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
    """The readable and the secret fields of a connection defined in the environment."""

    fields: Mapping[str, Any]
    secrets: Mapping[str, str] = field(repr=False)


class VariableRow(NamedTuple):
    """A variable and the value to show, which for a secret says only that it is set."""

    name: str
    value: str
    is_set: bool


def read_variable(name: str) -> str:
    """Return the variable's text, "" if it is not set."""
    reader = getattr(settings, "READ_VARIABLE", None)
    return str(reader(name) if reader else os.environ.get(name, ""))


@sensitive_variables()
def cleaned_variables(
    variables: Mapping[str, str], fields: Mapping[str, forms.Field]
) -> tuple[dict[str, Any], list[str]]:
    """Return the values by field name, and the problems, each naming its variable.

    `variables` maps field names to variables, whose text is cleaned by the form field. Both results are empty if no
    variable is set. Problems never repeat a value, which may be a secret.
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
            reason = (
                " ".join(error.messages)
                if text
                else _("is missing, although other variables of this connection are set")
            )
            problems.append(f"{variables[name]}: {reason}")
    return values, problems
