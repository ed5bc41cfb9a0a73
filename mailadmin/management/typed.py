"""Reads command arguments as strictly as the forms do."""

from __future__ import annotations

from typing import NoReturn

from django.core.management.base import CommandError

from maillog.search.paging import LARGEST_ID


def parse_number(text: str) -> int | None:
    """Return `text` as an id, or None if it is none."""
    if text.isascii() and text.isdigit() and len(text) < 20 and 0 < int(text) <= LARGEST_ID:
        return int(text)
    return None


def usage_error(reason: str) -> NoReturn:
    """Raise CommandError with exit code 2."""
    raise CommandError(reason, returncode=2)
