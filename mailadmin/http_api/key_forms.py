"""The form of a new API key."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django import forms
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from mailadmin.message.addresses import CONTROL_CHARACTERS
from mailadmin.models.api_key import Scope

DAYS = ((30, _("30 days")), (90, _("90 days")), (365, _("1 year")), (730, _("2 years")))


class KeyForm(forms.Form):
    """Name, scopes and lifetime of a key. Only scopes for which the owner has the permissions are offered."""

    name = forms.CharField(
        label=_("Name"),
        max_length=100,
        help_text=_(
            "The program that uses it, such as “web shop” or “backup server”. With one key per program, each can be "
            "revoked separately."
        ),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    scopes = forms.MultipleChoiceField(
        label=_("May be used to"),
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": _("Choose at least one.")},
    )
    days = forms.TypedChoiceField(label=_("Valid for"), coerce=int, choices=DAYS, initial=365)

    def __init__(self, data: Any = None, *, offered: Sequence[Scope]) -> None:
        super().__init__(data, initial={"scopes": [Scope.SEND] if Scope.SEND in offered else []})
        scopes = self.fields["scopes"]
        if isinstance(scopes, forms.MultipleChoiceField):
            scopes.choices = [(scope.value, scope.label) for scope in offered]

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        if CONTROL_CHARACTERS.search(name):
            raise forms.ValidationError(gettext("Line breaks and other control characters are not allowed."))
        return name

    def lifetime(self) -> timedelta:
        return timedelta(days=self.cleaned_data["days"])
