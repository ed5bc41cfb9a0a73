"""What each person keeps about the list of mails: searches by name, and which columns it has."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models

MAX_QUERY_LENGTH = 500  # what `maillog.search.query` reads at most
MAX_NAME_LENGTH = 60
MAX_SEARCHES = 50  # of one person


class SavedSearch(models.Model):
    """A query text under a name. It is its owner's alone."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", db_index=False)
    name = models.CharField(max_length=MAX_NAME_LENGTH)
    query = models.CharField(max_length=MAX_QUERY_LENGTH)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        default_permissions = ()
        ordering: ClassVar = ["name"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["user", "name"], name="maillog_search_once")]

    def __str__(self) -> str:
        """Return the name."""
        return self.name


class ChosenColumns(models.Model):
    """The columns that somebody chose for the list; no row: those that it has for everybody."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, primary_key=True, on_delete=models.CASCADE, related_name="+")
    names = models.CharField(max_length=200, blank=True)  # of `maillog.listing.columns.COLUMNS`, separated by spaces

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        """Return the names."""
        return self.names
