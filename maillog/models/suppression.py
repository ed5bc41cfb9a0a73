"""Suppressed addresses, now and in the past. They outlive every message."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q


class Suppression(models.Model):
    """One period in which an address gets no messages: since when, why, by whom; and when and by whom it was lifted."""

    address = models.CharField(max_length=320)  # readable spelling, lower case, as `Recipient.search_address`
    reason = models.CharField(max_length=200, blank=True)
    since = models.DateTimeField()
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+", db_index=False
    )
    actor_name = models.CharField(max_length=254, blank=True)  # empty: the system
    mail_number = models.BigIntegerField(null=True)  # the message whose refusal led to it; it may be deleted
    lifted_at = models.DateTimeField(null=True)  # null: in force
    lifted_by = models.CharField(max_length=254, blank=True)

    class Meta:
        default_permissions = ()
        ordering: ClassVar = ["-id"]
        permissions: ClassVar = [("suppress_address", "Can suppress addresses")]
        indexes: ClassVar = [models.Index(fields=["address", "id"], name="maillog_suppression_address")]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["address"], name="maillog_suppressed_once", condition=Q(lifted_at__isnull=True)
            )
        ]

    def __str__(self) -> str:
        return f"{self.address} since {self.since}"
