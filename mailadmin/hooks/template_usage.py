"""Tells the templates' pages how many mails a template made: the log knows that, and they do not know the log."""

from datetime import timedelta

from django.utils import timezone

from maillog.search.counts import made_from
from templates_app.library.mail_counts import DAYS, Use


def use_of(key: str) -> Use:
    """Return how many mails were made from the template `key` in the last 30 days, counted up to 10,000."""
    found = made_from(key, timezone.now() - timedelta(days=DAYS))
    return Use(found.value, found.more)
