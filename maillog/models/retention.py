"""The retention rules, and the last deletion of expired messages."""

from __future__ import annotations

from django.db import models


class RetentionRules(models.Model):
    """For how many days messages are kept: one row once the defaults were changed; see `maillog.retention.rules`."""

    days = models.JSONField(default=dict)  # name of a rule -> days, None: indefinitely
    author_name = models.CharField(max_length=254, blank=True)
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return "retention rules"


class PruneRun(models.Model):
    """The last deletion of expired messages. One row, with which workers agree on who does it."""

    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    bodies = models.PositiveBigIntegerField(default=0)
    rows = models.PositiveBigIntegerField(default=0)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"pruning at {self.started_at}"
