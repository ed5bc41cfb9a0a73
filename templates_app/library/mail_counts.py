"""How often templates are used. The mail log knows that; an app that knows both registers a counter."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

DAYS = 30


@dataclass(frozen=True, slots=True)
class Use:
    """How many messages a template created in the last 30 days; `more`: counting stopped there."""

    mails: int
    more: bool = False


_counter: Callable[[str], Use] | None = None


def register_counter(counter: Callable[[str], Use]) -> None:
    """Let `counter` count the messages of a template, given its key such as account/welcome."""
    global _counter
    _counter = counter


def use_of(key: str) -> Use | None:
    """Return how many messages the template `key` created, None where nobody counts."""
    return _counter(key) if _counter else None
