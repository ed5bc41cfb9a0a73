"""The account behind an email address. Mail knows no accounts: the app that keeps them registers a lookup."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Account:
    """One account: its name (may be empty), whether it may sign in, and the language code of email sent to it."""

    name: str
    is_active: bool
    language: str


AccountLookup = Callable[[str], Account | None]

_account_lookup: AccountLookup | None = None


def register_account_lookup(lookup: AccountLookup) -> None:
    """Let `lookup` find accounts by address, given in lower case; it returns None where there is none."""
    global _account_lookup
    _account_lookup = lookup


def account_of(address: str) -> Account | None:
    """Return the account of `address`; None if there is none or no app keeps accounts."""
    return _account_lookup(address) if _account_lookup else None
