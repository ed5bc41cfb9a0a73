"""For how long messages are kept, and the last time that expired ones were removed."""

from __future__ import annotations

from django.db import models


class RetentionRules(models.Model):
    """For how many days mails are kept.

    One row, once somebody has changed the defaults; see `maillog.retention.rules`.
    """

    days = models.JSONField(default=dict)  # name of a rule -> days, None: without end
    author_name = models.CharField(max_length=254, blank=True)
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        """Return what it is."""
        return "retention rules"


class PruneRun(models.Model):
    """The last time that mails were removed by age. One row, by which workers agree on who does it."""

    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    bodies = models.PositiveBigIntegerField(default=0)
    rows = models.PositiveBigIntegerField(default=0)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        """Return when it began."""
        return f"removal of {self.started_at}"
