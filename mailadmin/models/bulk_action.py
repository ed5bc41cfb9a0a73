"""An action on many messages at once, and its progress."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _


class BulkAction(models.Model):
    """An action on selected messages (`ids`) or on all that match `query`, none newer than `up_to`."""

    class Action(models.TextChoices):
        RESEND = "resend", _("Resend")
        RETRY = "retry", _("Retry")
        CANCEL = "cancel", _("Cancel")
        DELETE = "delete", _("Delete")

    class State(models.TextChoices):
        WAITING = "waiting", _("Waiting")
        RUNNING = "running", _("Running")
        DONE = "done", _("Done")
        STOPPED = "stopped", _("Stopped")

    action = models.CharField(max_length=10, choices=Action)
    query = models.TextField(blank=True)  # the query string of the log's page; not used where there are ids
    ids = models.JSONField(default=list)
    up_to = models.BigIntegerField()
    last_id = models.BigIntegerField(default=0)  # everything up to this id is done
    total = models.PositiveIntegerField()  # as counted when the person confirmed
    done = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)  # left unchanged
    reasons = models.JSONField(default=dict)  # why messages were left unchanged -> how many
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    note = models.CharField(max_length=300, blank=True)  # why it was stopped
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    actor_name = models.CharField(max_length=254)
    created_at = models.DateTimeField()
    time_zone = models.CharField(max_length=64, blank=True)  # in which the query's days are meant
    finished_at = models.DateTimeField(null=True)
    lease_until = models.DateTimeField(null=True)  # while running: until then it belongs to one worker
    claim = models.CharField(max_length=32, blank=True)  # that worker's

    class Meta:
        default_permissions = ()
        ordering: ClassVar = ["-id"]
        indexes: ClassVar = [
            models.Index(
                fields=["id"], name="mailadmin_bulk_open", condition=models.Q(state__in=["waiting", "running"])
            )
        ]

    def __str__(self) -> str:
        return f"bulk action {self.pk}: {self.action}"

    @property
    def is_open(self) -> bool:
        """Whether it is waiting or running."""
        return self.state in {self.State.WAITING, self.State.RUNNING}

    @property
    def processed(self) -> int:
        """How many messages have been handled, changed or not."""
        return self.done + self.failed
