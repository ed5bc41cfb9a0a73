"""Forms to look up an address and to suppress one."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from mailadmin.form_fields import HeaderTextField
from mailadmin.message.addresses import MAX_TEXT, AddressError, parse_address
from maillog.search.paging import LARGEST_ID


class MailboxField(forms.CharField):
    """One address, pasted with or without a name, normalized as in the log."""

    def __init__(self, **options: Any) -> None:
        widget = forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"})
        super().__init__(max_length=MAX_TEXT, widget=widget, **options)

    def clean(self, value: Any) -> str:
        """Return `local@domain` in lower case. Raises ValidationError."""
        text: str = super().clean(value)
        try:
            return normalized_address(text)
        except AddressError as error:
            raise forms.ValidationError(gettext("This %s.") % error, code="address") from error


class RecipientForm(forms.Form):
    """The address whose messages are shown."""

    address = MailboxField(label=_("Address"))


class SuppressionForm(forms.Form):
    """The address to suppress and why. `mail`: the id of the message that led to it."""

    address = MailboxField(label=_("Address"))
    reason = HeaderTextField(
        label=_("Reason"),
        required=False,
        max_length=200,
        help_text=_("Shown with every message that skips the address."),
    )
    mail = forms.IntegerField(min_value=1, max_value=LARGEST_ID, required=False, widget=forms.HiddenInput)


def normalized_address(text: str) -> str:
    """Return the address in `text` as the log stores it. Raises AddressError."""
    return parse_address(text).addr_spec.lower()
