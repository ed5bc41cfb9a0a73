"""How often templates are used. The mail log, beside this app, knows that; whoever knows both apps sets `counter`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

DAYS = 30


@dataclass(frozen=True, slots=True)
class Use:
    """How many mails a template made in the last 30 days; `more`: counting stopped there."""

    mails: int
    more: bool = False


counter: Callable[[str], Use] | None = None  # takes a key such as account/welcome


def use_of(key: str) -> Use | None:
    """Return how many mails the template `key` made, None where nobody counts."""
    return counter(key) if counter else None


def set_counter(new: Callable[[str], Use] | None) -> None:
    """Let `new` count from now on."""
    global counter
    counter = new
