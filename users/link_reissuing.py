"""Reissues messages that carried a link into an account; they go only to the account's own address."""

from __future__ import annotations

from allauth.account import app_settings
from allauth.account.adapter import get_adapter
from allauth.account.utils import user_pk_to_url_str
from django.utils import timezone
from django.utils.translation import gettext

from mailadmin.api import send_template
from mailadmin.models import SendMode
from mailadmin.outbox.reissuing import NotReissued
from maillog.models import Message, Recipient
from users import account_mails
from users.middleware import zone_of
from users.models import User

PASSWORD_RESET = "account/password_reset"  # noqa: S105  (the key of a template)


def new_reset_link(mail: Message) -> int:
    """Send a new link to the account that `mail` was for, and return the id of the new message.

    Raises NotReissued if the account is closed or its address has changed, and InvalidMail.
    """
    user = owner(mail)
    token = app_settings.PASSWORD_RESET_TOKEN_GENERATOR().make_token(user)
    url = get_adapter().get_reset_password_from_key_url(f"{user_pk_to_url_str(user)}-{token}")
    with timezone.override(zone_of(user)):
        return send_template(
            PASSWORD_RESET,
            to=[user.email],
            values=account_mails.reset_values(user, url),
            language=user.language_of_mails,
            actor=None,
            mode=SendMode.BACKGROUND,
        )


def owner(mail: Message) -> User:
    """Return the account that `mail` was for. Raises NotReissued."""
    addresses = [one.search_address for one in Recipient.objects.filter(message_id=mail.pk)[:2]]
    user = User.objects.filter(email=addresses[0]).first() if len(addresses) == 1 else None
    if user is None:
        raise NotReissued(gettext("No account has the address that this message went to."))
    if not user.is_active:
        raise NotReissued(gettext("The account with this address is closed."))
    return user
