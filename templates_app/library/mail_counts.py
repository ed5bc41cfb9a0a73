"""How many messages were created from a template, counted by an app that knows the mail log."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

DAYS = 30


@dataclass(frozen=True, slots=True)
class Use:
    """How many messages were created from a template in the last 30 days; `more`: counting stopped there."""

    messages: int
    more: bool = False


_counter: Callable[[str], Use] | None = None


def register_counter(counter: Callable[[str], Use]) -> None:
    """Register the function that counts the messages of a template, given its key such as account/welcome."""
    global _counter
    _counter = counter


def use_of(key: str) -> Use | None:
    """Return how many messages were created from the template `key`, None without a registered counter."""
    return _counter(key) if _counter else None
