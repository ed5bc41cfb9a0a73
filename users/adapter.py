"""What allauth asks this site: who may sign up (nobody), where links lead, and how its mails leave.

Mails go through `mailadmin.api` like all others. Whether one could be queued never shows to the visitor, who would
learn from it whether an account exists.
"""

from __future__ import annotations

import logging
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme

from mailadmin.addresses import CONTROL_CHARACTERS
from mailadmin.api import send_template
from mailadmin.errors import MailadminError
from mailadmin.models import SendMode
from users.models import User

logger = logging.getLogger(__name__)

SITE = "Mailadmin"  # what the mails call this place

# allauth's name of a mail, and the template that it becomes. Its other mails are switched off in the settings, or
# belong to pages that are closed here.
TEMPLATES = {"account/email/password_reset_key": "account/password_reset"}


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # allauth has no types
    """The answers."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Return False: accounts are made by an administrator."""
        return False

    def is_ajax(self, request: HttpRequest) -> bool:
        """Return False: there are pages only, and no second way in through JSON."""
        return False

    def is_safe_url(self, url: str) -> bool:
        """Return whether `url` is a path on this site: nobody is led to another host."""
        if not url.startswith("/") or CONTROL_CHARACTERS.search(url):
            return False
        return url_has_allowed_host_and_scheme(url, allowed_hosts=None)

    def get_password_change_redirect_url(self, request: HttpRequest) -> str:
        """Return where a changed password leads to."""
        return reverse("users:account")

    def get_reset_password_from_key_url(self, key: str) -> str:
        """Return the link for the mail, from BASE_URL: a forged Host header must not get into a mail."""
        uid, _, token = key.partition("-")
        path = reverse("account_reset_password_from_key", kwargs={"uidb36": uid, "key": token})
        return f"{settings.BASE_URL}{path}"

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Queue the mail that allauth calls `template_prefix`.

        Always for the worker, also where mails are sent instantly: the answer must not take longer for an account that
        exists. A mail that cannot be queued is logged. Raises ImproperlyConfigured for a mail without a template.
        """
        if template_prefix not in TEMPLATES:
            message = f"There is no template for allauth's mail {template_prefix}."
            raise ImproperlyConfigured(message)
        user: User = context["user"]
        values = {
            "name": user.name,
            "reset_url": context["password_reset_url"],
            "site": SITE,
            "valid_hours": settings.PASSWORD_RESET_TIMEOUT // 3600,
        }
        try:
            send_template(
                TEMPLATES[template_prefix],
                to=[user.email],
                values=values,
                language=user.language,
                actor=None,
                sensitive=True,
                mode=SendMode.BACKGROUND,
            )
        except MailadminError as error:
            logger.error("The mail %s for account %s cannot be sent: %s", template_prefix, user.pk, error)
