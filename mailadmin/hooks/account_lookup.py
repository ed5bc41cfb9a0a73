"""What is known of the account of an address. Mail knows no accounts: whoever keeps them says by `set_finder` how."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Account:
    """One account: its name (may be empty), whether it may sign in, and the language code of mails to it."""

    name: str
    is_active: bool
    language: str


Finder = Callable[[str], Account | None]  # takes an address in lower case

find: Finder | None = None


def set_finder(new: Finder | None) -> None:
    """Let `new` find accounts from now on; it returns None where there is none."""
    global find
    find = new


def account_of(address: str) -> Account | None:
    """Return the account of `address`, None if there is none, or nobody keeps accounts."""
    return find(address) if find else None
