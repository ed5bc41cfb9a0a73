"""Sums of what became of mails: per hour and per day, so that no page ever counts the log.

Hours are numbers: full hours since 1970 in UTC. A day is the number of its first hour, and it is a day in UTC.
"""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _


class RollupDelta(models.Model):
    """So many mails (or fewer) ended alike within one transaction; waits to be added to the sums.

    Rows are only inserted, so that workers on many machines never wait for one another. Label ids are 0 for "none".
    """

    hour = models.IntegerField()
    block = models.BigIntegerField()  # of ids of mails, for counting the log anew while mails are being sent
    status = models.CharField(max_length=10)
    template = models.BigIntegerField(default=0)
    connection = models.BigIntegerField(default=0)
    error = models.CharField(max_length=20, blank=True)
    bucket = models.SmallIntegerField(default=-1)  # of the time from queueing to the end; -1: was not sent
    count = models.IntegerField()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        """Return what is to be added."""
        return f"{self.count:+} {self.status} in hour {self.hour}"


class Rollup(models.Model):
    """How many mails ended in one hour or day, by one thing at a time: sums stay few, however many combinations are."""

    class Span(models.IntegerChoices):
        """How long the time is."""

        HOUR = 1, _("Hour")
        DAY = 24, _("Day")

    class Kind(models.TextChoices):
        """What is told apart, beside the status; `name` says which."""

        STATUS = "status", _("Status")  # nothing else
        TEMPLATE = "template", _("Template")  # id of the label
        CONNECTION = "connection", _("Connection")  # id of the label
        ERROR = "error", _("Error")  # "550 5.1.1", "421", or a phase of the conversation
        TIME = "time", _("Delivery time")  # number of the bucket

    span = models.PositiveSmallIntegerField(choices=Span)
    kind = models.CharField(max_length=10, choices=Kind)
    hour = models.IntegerField()
    status = models.CharField(max_length=10)
    name = models.CharField(max_length=20, blank=True)
    count = models.BigIntegerField()

    class Meta:
        default_permissions = ()
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["span", "kind", "hour", "status", "name"], name="maillog_rollup_once")
        ]

    def __str__(self) -> str:
        """Return the sum."""
        return f"{self.count} {self.status} {self.kind} {self.name} in hour {self.hour}"


class WaitingPeak(models.Model):
    """The most mails that waited at any beat of a worker within one hour, counted up to 10,000 a state."""

    hour = models.IntegerField(unique=True)
    peak = models.IntegerField()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        """Return the number."""
        return f"{self.peak} waiting in hour {self.hour}"


class RollupLock(models.Model):
    """One row, locked by whoever adds to the sums; while the log is counted anew nobody does."""

    KEY = 1

    rebuilding_until = models.DateTimeField(null=True)  # a rebuilding that stopped renewing this has died

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        """Return whether the log is being counted."""
        return f"rebuilding until {self.rebuilding_until}"
