"""TLS modes of SMTP connections, and presets for well-known providers."""

from __future__ import annotations

from typing import Any

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _

from secrets_app.kinds.preset import Preset


class Tls(TextChoices):
    """When TLS begins: never, after STARTTLS, or at once (implicit TLS)."""

    NONE = "none", _("None")
    STARTTLS = "starttls", _("STARTTLS (587)")
    SSL = "ssl", _("Implicit TLS (465)")


def _submission(host: str, **more: Any) -> dict[str, Any]:
    return {"host": host, "port": 587, "tls": Tls.STARTTLS, **more}


PRESETS = (
    Preset(
        "gmail",
        "Gmail",
        _submission("smtp.gmail.com"),
        _("User: your full Gmail address. Password: an app password (requires 2-step verification), not your own."),
    ),
    Preset(
        "microsoft365",
        "Microsoft 365",
        _submission("smtp.office365.com"),
        _("User: the mailbox's address. “Authenticated SMTP” must be enabled for this mailbox."),
    ),
    Preset(
        "ses",
        "Amazon SES",
        _submission("email-smtp.us-east-1.amazonaws.com"),
        _("Put your region into the host. User and password: SMTP credentials created in SES, not an access key."),
    ),
    Preset(
        "mailgun",
        "Mailgun",
        _submission("smtp.mailgun.org"),
        _("For domains in the EU region, the host is smtp.eu.mailgun.org. User and password: the domain's SMTP login."),
    ),
    Preset(
        "postmark",
        "Postmark",
        _submission("smtp.postmarkapp.com"),
        _("User and password: the server's API token for both, or an SMTP token's access key and secret key."),
    ),
    Preset(
        "brevo",
        "Brevo",
        _submission("smtp-relay.brevo.com"),
        _("User: the SMTP login shown under “SMTP & API”. Password: an SMTP key, not the API key."),
    ),
    Preset(
        "local",
        _("Local relay"),
        {"host": "localhost", "port": 25, "tls": Tls.NONE},
        _("A mail server on this machine or in this network. It usually requires no user and no password."),
    ),
)
