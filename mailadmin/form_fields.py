"""Form fields for email addresses and header text, as strict as sending."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext

from mailadmin.message.addresses import AddressError, parse_address
from mailadmin.message.headers import HeaderError, check_text


class AddressField(forms.CharField):
    """One email address without a name, as strict as sending."""

    def __init__(self, **options: Any) -> None:
        super().__init__(max_length=254, widget=forms.EmailInput(attrs={"autocomplete": "off"}), **options)

    def clean(self, value: Any) -> str:
        """Return the address with its domain in lower case. Raises ValidationError."""
        text: str = super().clean(value)
        if not text:
            return ""
        try:
            address = parse_address(text)
        except AddressError as error:
            raise forms.ValidationError(gettext("This %s.") % error, code="address") from error
        if address.display_name:
            raise forms.ValidationError(gettext("Give the address alone, without a name."), code="name")
        return address.addr_spec


class HeaderTextField(forms.CharField):
    """One line of text for a message header."""

    def clean(self, value: Any) -> str:
        """Return the text. Raises ValidationError for control characters, U+2028 and the like."""
        text: str = super().clean(value)
        try:
            return check_text(text, field="text")
        except HeaderError as error:
            raise forms.ValidationError(gettext("This %s.") % error.reason, code="control") from error
