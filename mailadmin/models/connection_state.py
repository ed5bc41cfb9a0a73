"""What all workers share about a connection: its circuit breaker and its place in its rate limits."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _


class ConnectionState(models.Model):
    """The circuit breaker of one connection, shared by all workers. Without a row it is open and has never failed."""

    class State(models.TextChoices):
        OPEN = "open", _("Open")
        PAUSED = "paused", _("Paused")
        UNREACHABLE = "unreachable", _("Unreachable")
        RESTING = "resting", _("At its limit")

    connection = models.CharField(max_length=50, unique=True)  # the id of a connection
    name = models.CharField(max_length=100)
    state = models.CharField(max_length=12, choices=State, default=State.OPEN)
    reason = models.CharField(max_length=500, blank=True)
    since = models.DateTimeField(null=True)
    failures = models.PositiveIntegerField(default=0)  # in a row; of limits, also after the connection has rested
    probe_at = models.DateTimeField(null=True)  # when a worker tries it next; resting: when that ends, or ended
    learned_rate = models.CharField(max_length=10, blank=True)  # the field of the limit that was met, e.g. "per_hour"
    learned_count = models.PositiveIntegerField(default=0)  # messages that it let through in that time
    fingerprint = models.CharField(max_length=64, blank=True)  # of its settings when it failed
    paused_by = models.CharField(max_length=254, blank=True)  # the person who decided; empty: its own failure

    class Meta:
        default_permissions = ()
        ordering: ClassVar = ["name"]

    def __str__(self) -> str:
        return f"{self.name}: {self.state}"


class ConnectionRate(models.Model):
    """Where a connection stands in each of its rate limits: when the next message would leave at an even pace."""

    connection = models.CharField(max_length=50, unique=True)
    per_second = models.DateTimeField(null=True)
    per_minute = models.DateTimeField(null=True)
    per_hour = models.DateTimeField(null=True)
    per_day = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"rate of connection {self.connection}"
