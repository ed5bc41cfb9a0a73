"""What somebody asked to be done with many mails at once, and how far it has got."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _


class BulkAction(models.Model):
    """One order: an action on ticked mails (`ids`) or on all that match `query`, none newer than `up_to`."""

    class Action(models.TextChoices):
        """What is done with each mail."""

        RESEND = "resend", _("Send again")
        RETRY = "retry", _("Make due now")
        CANCEL = "cancel", _("Cancel")
        DELETE = "delete", _("Delete")

    class State(models.TextChoices):
        """How far it is."""

        WAITING = "waiting", _("Waiting")
        RUNNING = "running", _("Running")
        DONE = "done", _("Done")
        STOPPED = "stopped", _("Stopped")

    action = models.CharField(max_length=10, choices=Action)
    query = models.TextField(blank=True)  # the query string of the log's page; not used where there are ids
    ids = models.JSONField(default=list)
    up_to = models.BigIntegerField()
    last_id = models.BigIntegerField(default=0)  # everything up to it is done
    total = models.PositiveIntegerField()  # as it was told to whoever asked for it
    done = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)  # left as they are
    reasons = models.JSONField(default=dict)  # why mails were left as they are -> how many
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    note = models.CharField(max_length=300, blank=True)  # why it stopped
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    actor_name = models.CharField(max_length=254)
    made_at = models.DateTimeField()
    zone = models.CharField(max_length=64, blank=True)  # whose days the query means
    finished_at = models.DateTimeField(null=True)
    lease_until = models.DateTimeField(null=True)  # running: until then one worker is at it
    claim = models.CharField(max_length=32, blank=True)  # of that worker

    class Meta:
        default_permissions = ()
        ordering: ClassVar = ["-id"]
        indexes: ClassVar = [
            models.Index(
                fields=["id"], name="mailadmin_bulk_open", condition=models.Q(state__in=["waiting", "running"])
            )
        ]

    def __str__(self) -> str:
        """Return number and action."""
        return f"bulk action {self.pk}: {self.action}"

    @property
    def is_open(self) -> bool:
        """Whether there is something left to do."""
        return self.state in {self.State.WAITING, self.State.RUNNING}

    @property
    def looked_at(self) -> int:
        """How many mails it has dealt with."""
        return self.done + self.failed
