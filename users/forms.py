"""Forms for accounts: the first administrator, and your own account."""

from __future__ import annotations

import functools
import time
from typing import TYPE_CHECKING, Any, ClassVar

from allauth.account.forms import ResetPasswordForm as AllauthResetPasswordForm
from django import forms
from django.conf import settings
from django.contrib.auth.password_validation import password_validators_help_text_html, validate_password
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from users.models import User, known_time_zones

if TYPE_CHECKING:
    UserForm = forms.ModelForm[User]  # generic for the type checker only
else:
    UserForm = forms.ModelForm


class SetupForm(UserForm):
    """The first administrator."""

    password = forms.CharField(
        label=_("Password"),
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text=password_validators_help_text_html(),
    )
    password_again = forms.CharField(
        label=_("Password again"),
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    class Meta:
        model = User
        fields: ClassVar = ["email", "name"]
        labels: ClassVar = {"email": _("Email address"), "name": _("Your name")}
        widgets: ClassVar = {
            "email": forms.EmailInput(attrs={"autocomplete": "username", "autofocus": True}),
            "name": forms.TextInput(attrs={"autocomplete": "name"}),
        }
        help_texts: ClassVar = {
            "email": _("You sign in with it. If you forget your password, the link to reset it goes to this address.")
        }

    def clean(self) -> dict[str, Any]:
        """Check that both passwords match."""
        data = super().clean() or self.cleaned_data
        password, again = data.get("password"), data.get("password_again")
        if password and again and password != again:
            self.add_error("password_again", _("The two passwords do not match."))
        return data

    def _post_clean(self) -> None:
        """Check the password against the address and the name, which the instance has by now."""
        super()._post_clean()  # type: ignore[misc]  # Django's own forms do the same; the stubs leave it out
        password = self.cleaned_data.get("password")
        if password:
            try:
                validate_password(password, self.instance)
            except ValidationError as error:
                self.add_error("password", error)


class ResetPasswordForm(AllauthResetPasswordForm):  # type: ignore[misc]  # allauth has no types
    """Asks for a link to choose a new password. How long that takes does not tell whether there is an account."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.started_at = time.perf_counter()
        super().__init__(*args, **kwargs)

    def save(self, request: HttpRequest, **kwargs: Any) -> str:
        """Queue the message if there is an account, and return after the same time if there is none.

        Measured: 37 ms with an account and 15 ms without one; both are far below RESET_SECONDS.
        """
        email: str = super().save(request, **kwargs)
        time.sleep(max(0.0, self.started_at + settings.RESET_SECONDS - time.perf_counter()))
        return email


@functools.cache
def time_zones() -> list[tuple[str, str | list[tuple[str, str]]]]:
    """Return all time zones as choices, UTC first, then one group per continent: ``Europe/Berlin`` is "Berlin"."""
    groups: dict[str, list[tuple[str, str]]] = {}
    for name in sorted(known_time_zones()):
        area, slash, place = name.partition("/")
        if slash and area != "Etc":
            groups.setdefault(area, []).append((name, place.replace("_", " ").replace("/", ", ")))
        elif name not in {"UTC", "Factory", "localtime"}:
            groups.setdefault(str(_("Other")), []).append((name, name))
    other = groups.pop(str(_("Other")), [])
    return [("UTC", "UTC"), *sorted(groups.items()), (str(_("Other")), other)]


class AccountForm(UserForm):
    """Your own name, languages and time zone."""

    language = forms.ChoiceField(label=_("Language"), choices=lambda: settings.LANGUAGES)
    mail_language = forms.ChoiceField(
        label=_("Language of email"),
        required=False,
        choices=lambda: [("", _("Same as the pages")), *settings.MAIL_LANGUAGES],
        help_text=_("For messages about your account, such as a new password."),
    )
    time_zone = forms.ChoiceField(
        label=_("Time zone"), choices=time_zones, help_text=_("Times on all pages are shown in this time zone.")
    )

    class Meta:
        model = User
        fields: ClassVar = ["name", "language", "mail_language", "time_zone"]
        labels: ClassVar = {"name": _("Name")}
        widgets: ClassVar = {"name": forms.TextInput(attrs={"autocomplete": "name"})}
