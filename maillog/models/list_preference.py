"""Saved searches and chosen columns of the message list, per person."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models

MAX_QUERY_LENGTH = 500  # the limit of `maillog.search.query`
MAX_NAME_LENGTH = 60
MAX_SEARCHES = 50  # per person


class SavedSearch(models.Model):
    """A query text with a name, visible only to its owner."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", db_index=False)
    name = models.CharField(max_length=MAX_NAME_LENGTH)
    query = models.CharField(max_length=MAX_QUERY_LENGTH)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        default_permissions = ()
        ordering: ClassVar = ["name"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["user", "name"], name="maillog_search_once")]

    def __str__(self) -> str:
        return self.name


class ChosenColumns(models.Model):
    """The columns that a person chose for the list; without a row, the defaults apply."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, primary_key=True, on_delete=models.CASCADE, related_name="+")
    names = models.CharField(max_length=200, blank=True)  # of `maillog.listing.columns.COLUMNS`, separated by spaces

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return self.names
