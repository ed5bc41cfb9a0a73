"""allauth's adapter: who may sign up (nobody), where links lead, and how allauth's messages are sent.

They go through `mailadmin.api` like all others. Visitors never see whether a message could be queued: it would tell
them whether an account exists.
"""

from __future__ import annotations

import logging
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme

from mailadmin.api import send_template
from mailadmin.errors import MailadminError
from mailadmin.http_api.api_keys import active_keys
from mailadmin.message.addresses import CONTROL_CHARACTERS
from mailadmin.models import SendMode
from users import account_mails
from users.account_mails import Visit
from users.devices import names_in
from users.middleware import zone_of
from users.models import User

logger = logging.getLogger(__name__)


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # allauth has no types
    """Closed sign-up, links from BASE_URL, messages through the outbox."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Return False: administrators create accounts."""
        return False

    def is_ajax(self, request: HttpRequest) -> bool:
        """Return False: there is no second way in through JSON."""
        return False

    def is_safe_url(self, url: str) -> bool:
        """Return whether `url` is a path on this site, so that nobody is redirected to another host."""
        if not url.startswith("/") or CONTROL_CHARACTERS.search(url):
            return False
        return url_has_allowed_host_and_scheme(url, allowed_hosts=None)

    def get_password_change_redirect_url(self, request: HttpRequest) -> str:
        """Return the page of the person's own API keys if they have any: a new password does not end them."""
        has_keys = isinstance(request.user, User) and active_keys(request.user).exists()
        return reverse("mailadmin:keys_revoke_own" if has_keys else "users:account")

    def get_reset_password_from_key_url(self, key: str) -> str:
        """Return the link for the message, from BASE_URL: a forged Host header must not get into a message."""
        uid, _, token = key.partition("-")
        path = reverse("account_reset_password_from_key", kwargs={"uidb36": uid, "key": token})
        return f"{settings.BASE_URL}{path}"

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Queue the message with a link that allauth calls `template_prefix`.

        It goes to the account's own address, however `email` was typed. Raises ImproperlyConfigured if there is no
        template for it.
        """
        user: User = context["user"]
        template = template_of(template_prefix)
        values = account_mails.reset_values(user, context["password_reset_url"])
        self.queue(template, user.email, user, values)

    def send_notification_mail(
        self, template_prefix: str, user: User, context: dict[str, Any] | None = None, email: str | None = None
    ) -> None:
        """Queue the notice that allauth calls `template_prefix`, to `email` or else the account's own address.

        Raises ImproperlyConfigured if there is no template for it.
        """
        template = template_of(template_prefix)
        values = account_mails.notice_values(template_prefix, user, self.visit(), context or {})
        self.queue(template, email or user.email, user, values)

    def visit(self) -> Visit:
        """Return when and from where the current request was made."""
        request: HttpRequest | None = self.request
        if request is None:  # a command
            return Visit(timezone.now())
        device = ", ".join(filter(None, names_in(self.get_http_user_agent(request))))
        return Visit(timezone.now(), ip=request.META.get("REMOTE_ADDR") or None, device=device or None)

    def queue(self, template: str, email: str, user: User, values: dict[str, Any]) -> None:
        """Queue a message about the account of `user`, in the person's language and time zone.

        It is always sent by the worker, even in the instant mode: the response must not take longer if the account
        exists. If it cannot be queued, that is logged; the password has been changed all the same.
        """
        try:
            with timezone.override(zone_of(user)):
                send_template(
                    template,
                    to=[email],
                    values=values,
                    language=user.language_of_mails,
                    actor=None,
                    mode=SendMode.BACKGROUND,
                )
        except MailadminError as error:
            logger.error("The message %s for account %s cannot be sent: %s", template, user.pk, error)


def template_of(mail: str) -> str:
    """Return the template for allauth's message `mail`. Raises ImproperlyConfigured if there is none."""
    if mail not in account_mails.TEMPLATES:
        message = f"There is no template for allauth's message {mail}."
        raise ImproperlyConfigured(message)
    return account_mails.TEMPLATES[mail]
