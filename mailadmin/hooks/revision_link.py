"""The settings revision that a message was created under, as the log shows it."""

from __future__ import annotations

from django.urls import reverse

from mailadmin.models import SettingsRevision
from maillog.hooks import Revision

SHOWN = 10  # revisions that the settings page lists


def revision(number: int) -> Revision | None:
    """Return the revision with that number, or None: one query."""
    row = SettingsRevision.objects.filter(pk=number).first()
    if row is None:
        return None
    url = f"{reverse('mailadmin:settings')}#revision-{row.pk}"
    return Revision(row.pk, row.created_at, row.author_name, url, "mailadmin.configure_mail")
