"""Looks up the account of an address for the mail pages; see `mailadmin.hooks.account_lookup`."""

from __future__ import annotations

from mailadmin.hooks.account_lookup import Account
from users.models import User


def account_of(address: str) -> Account | None:
    """Return the account of `address` (in lower case), or None."""
    user = User.objects.filter(email=address).only("name", "is_active", "language", "mail_language").first()
    return Account(user.name, user.is_active, user.language_of_mails) if user else None
