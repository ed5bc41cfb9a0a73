"""Counts the messages of a template for the template pages, which do not know the log."""

from datetime import timedelta

from django.utils import timezone

from maillog.search.counts import count_from_template
from templates_app.library.mail_counts import DAYS, Use


def usage_of(key: str) -> Use:
    """Return how many messages the template `key` created in the last 30 days, counted up to 10,000."""
    found = count_from_template(key, timezone.now() - timedelta(days=DAYS))
    return Use(found.value, found.more)
