"""What all workers know about a connection: its state and where it stands in its rate limits."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _


class ConnectionState(models.Model):
    """How one connection is doing, shared by all workers. No row: it is open and has had no trouble."""

    class State(models.TextChoices):
        """Whether mails go through."""

        OPEN = "open", _("Open")
        PAUSED = "paused", _("Paused")
        UNREACHABLE = "unreachable", _("Unreachable")

    connection = models.CharField(max_length=20, unique=True)  # the id of a secret, or "environment"
    name = models.CharField(max_length=100)
    state = models.CharField(max_length=12, choices=State, default=State.OPEN)
    reason = models.CharField(max_length=500, blank=True)
    since = models.DateTimeField(null=True)
    failures = models.PositiveIntegerField(default=0)  # in a row
    probe_at = models.DateTimeField(null=True)  # when one worker looks whether it answers again
    fingerprint = models.CharField(max_length=64, blank=True)  # of its settings when the trouble began
    paused_by = models.CharField(max_length=254, blank=True)  # somebody's decision; empty: its own trouble

    class Meta:
        default_permissions = ()
        ordering: ClassVar = ["name"]

    def __str__(self) -> str:
        """Return name and state."""
        return f"{self.name}: {self.state}"


class ConnectionRate(models.Model):
    """Where a connection stands in each of its rate limits: when the next mail would leave at an even pace."""

    connection = models.CharField(max_length=20, unique=True)
    per_second = models.DateTimeField(null=True)
    per_minute = models.DateTimeField(null=True)
    per_hour = models.DateTimeField(null=True)
    per_day = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        """Return which connection."""
        return f"rate of connection {self.connection}"
