"""Rollups: finished messages per hour and per day, so that no page counts the log.

An hour is a number: full hours since 1970 in UTC. A day, also in UTC, is the number of its first hour.
"""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _


class RollupDelta(models.Model):
    """Messages that finished alike in one transaction (negative: undone), not yet folded into the rollups.

    Rows are only inserted, so that workers on many machines never wait for one another. Label ids are 0 for "none".
    """

    hour = models.IntegerField()
    block = models.BigIntegerField()  # of message ids, for rebuilding the rollups while messages are being sent
    status = models.CharField(max_length=20)
    template = models.BigIntegerField(default=0)
    connection = models.BigIntegerField(default=0)
    error = models.CharField(max_length=60, blank=True)  # see `maillog.explanations.error_kinds`
    bucket = models.SmallIntegerField(default=-1)  # of the time from queueing to the final reply; -1: not sent
    count = models.IntegerField()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.count:+} {self.status} in hour {self.hour}"


class Rollup(models.Model):
    """How many messages finished in one hour or day, by one dimension at a time, so that rows stay few."""

    class Span(models.IntegerChoices):
        """Length in hours."""

        HOUR = 1, _("Hour")
        DAY = 24, _("Day")

    class Kind(models.TextChoices):
        """The dimension counted besides the status; `name` is its value."""

        STATUS = "status", _("Status")  # no other dimension
        TEMPLATE = "template", _("Template")  # id of the label
        CONNECTION = "connection", _("Connection")  # id of the label
        ERROR = "error", _("Error")  # as in RollupDelta.error
        TIME = "time", _("Delivery time")  # number of the bucket

    span = models.PositiveSmallIntegerField(choices=Span)
    kind = models.CharField(max_length=10, choices=Kind)
    hour = models.IntegerField()
    status = models.CharField(max_length=20)
    name = models.CharField(max_length=60, blank=True)
    count = models.BigIntegerField()

    class Meta:
        default_permissions = ()
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["span", "kind", "hour", "status", "name"], name="maillog_rollup_once")
        ]

    def __str__(self) -> str:
        return f"{self.count} {self.status} {self.kind} {self.name} in hour {self.hour}"


class WaitingPeak(models.Model):
    """The peak number of waiting messages within one hour, sampled at heartbeats; up to 10,000 per status."""

    hour = models.IntegerField(unique=True)
    peak = models.IntegerField()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.peak} waiting in hour {self.hour}"


class RollupLock(models.Model):
    """One row, locked while deltas are folded into the rollups; none are folded during a rebuild."""

    KEY = 1

    rebuilding_until = models.DateTimeField(null=True)  # the lease of a rebuild; expired: that process has died

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"rebuilding until {self.rebuilding_until}"
