"""The form of a new API key."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django import forms
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_variables

from mailadmin.attempt_limit import is_exceeded
from mailadmin.message.addresses import CONTROL_CHARACTERS, AddressError
from mailadmin.message.recipient_patterns import parse_pattern
from mailadmin.models.api_key import Scope

if TYPE_CHECKING:
    from django.contrib.auth.models import _User as User

PASSWORDS_PER_MINUTE = 10  # attempts per person
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
    senders = forms.CharField(
        label=_("Allowed senders"),
        required=False,
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 2, "autocomplete": "off", "spellcheck": "false"}),
        help_text=_(
            "From addresses that the program may use, one per line: shop@example.com or *@example.com. The sender of "
            "the mail settings is always allowed. Leave empty for all that you may use yourself."
        ),
    )
    days = forms.TypedChoiceField(label=_("Valid for"), coerce=int, choices=DAYS, initial=365)
    password = forms.CharField(
        label=_("Your password"),
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
        help_text=_("So that nobody else can create a key at a computer that you left unlocked."),
    )

    def __init__(self, data: Any = None, *, offered: Sequence[Scope], person: User) -> None:
        self.person = person
        super().__init__(data, initial={"scopes": [Scope.SEND] if Scope.SEND in offered else []})
        scopes = self.fields["scopes"]
        if isinstance(scopes, forms.MultipleChoiceField):
            scopes.choices = [(scope.value, scope.label) for scope in offered]
        if not person.has_usable_password():  # signs in some other way
            del self.fields["password"]

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        if CONTROL_CHARACTERS.search(name):
            raise forms.ValidationError(gettext("Line breaks and other control characters are not allowed."))
        return name

    def clean_senders(self) -> list[str]:
        patterns = []
        for line in re.split(r"[\s,]+", self.cleaned_data["senders"].strip()):
            if not line:
                continue
            try:
                patterns.append(parse_pattern(line))
            except AddressError as error:
                raise forms.ValidationError(
                    gettext("%(line)s %(reason)s.") % {"line": line, "reason": error}
                ) from error
        return patterns

    @sensitive_variables()
    def clean_password(self) -> None:
        if is_exceeded("new_api_key", self.person.pk, per_minute=PASSWORDS_PER_MINUTE):
            raise forms.ValidationError(gettext("Too many attempts. Try again in a minute."))
        if not self.person.check_password(self.cleaned_data["password"]):
            raise forms.ValidationError(gettext("This is not your password."))

    def lifetime(self) -> timedelta:
        return timedelta(days=self.cleaned_data["days"])
