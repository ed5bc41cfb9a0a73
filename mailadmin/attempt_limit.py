"""How often a person may try something in a minute, counted in the cache that all processes share."""

from __future__ import annotations

from django.core.cache import cache


def is_exceeded(what: str, person: int, *, per_minute: int) -> bool:
    """Count one attempt of `person` at `what`, and return whether it is one too many."""
    key = f"mailadmin.attempts.{what}.{person}"
    cache.add(key, 0, timeout=60)
    try:
        return cache.incr(key) > per_minute
    except ValueError:  # the minute has just ended
        return False
