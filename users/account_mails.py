"""The template and its values for each message of allauth. Sends nothing.

allauth's other messages never occur here: the features that they belong to are closed or switched off in the settings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.urls import reverse

from users.models import User

SITE = "Mailadmin"  # what messages call this site
CHANGED, ALERT = "account/password_changed", "platform/security_alert"

# allauth's name of a message, and the template for it.
TEMPLATES = {
    "account/email/password_reset_key": "account/password_reset",
    "account/email/password_reset": CHANGED,  # through the link of the message above
    "account/email/password_changed": CHANGED,
    "account/email/password_set": CHANGED,
    "account/email/email_changed": "account/email_changed",
    "mfa/email/totp_activated": ALERT,
    "mfa/email/totp_deactivated": ALERT,
    "mfa/email/recovery_codes_generated": ALERT,
}

# What a security alert reports. A value of the template, not a text of a page: in the language of the message.
EVENTS = {
    "mfa/email/totp_activated": {
        "en": "Signing in with an authenticator app was turned on for your account.",
        "de": "Für Ihr Konto wurde die Anmeldung mit einer Authenticator-App eingeschaltet.",
    },
    "mfa/email/totp_deactivated": {
        "en": "Signing in with an authenticator app was turned off: your password alone is enough again.",
        "de": "Die Anmeldung mit einer Authenticator-App wurde ausgeschaltet: Das Passwort allein genügt wieder.",
    },
    "mfa/email/recovery_codes_generated": {
        "en": "New recovery codes were generated for your account. The old ones no longer work.",
        "de": "Für Ihr Konto wurden neue Wiederherstellungscodes erzeugt. Die alten gelten nicht mehr.",
    },
}


@dataclass(frozen=True, slots=True)
class Visit:
    """When and from where something was done; None for what is unknown."""

    at: datetime
    ip: str | None = None
    device: str | None = None


def reset_values(user: User, url: str) -> dict[str, Any]:
    """Return the values for the message with the link to choose a new password."""
    hours = settings.PASSWORD_RESET_TIMEOUT // 3600
    return {"name": user.name or None, "reset_url": url, "site": SITE, "valid_hours": hours}


def notice_values(mail: str, user: User, visit: Visit, context: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values for the notice that allauth calls `mail`; `context` is allauth's own."""
    values: dict[str, Any] = {
        "name": user.name or None,
        "happened_at": visit.at,
        "ip": visit.ip,
        "device": visit.device,
        "secure_url": f"{settings.BASE_URL}{reverse('account_reset_password')}",
    }
    if mail in EVENTS:
        words = EVENTS[mail]
        return {**values, "event": words.get(user.language_of_mails, words["en"]), "account": user.email}
    if TEMPLATES[mail] == "account/email_changed":
        return {**values, "old_email": context["from_email"], "new_email": context["to_email"]}
    return values
