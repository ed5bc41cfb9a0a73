"""What is kept beside the mails: who did what with them, and for how long they stay. Both outlive every mail."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _


class MailEvent(models.Model):
    """One line of the trail: what a person did with a mail. Never what it says; it stays when the mail is gone."""

    class Action(models.TextChoices):
        """What people can do with a mail."""

        RESENT = "resent", _("Sent again")
        RETRIED = "retried", _("Made due now")
        CANCELLED = "cancelled", _("Cancelled")
        DELETED = "deleted", _("Deleted")
        VIEWED = "viewed", _("Content looked at")
        DOWNLOADED = "downloaded", _("Content downloaded")

    mail_number = models.BigIntegerField()  # its id, also after it is gone
    action = models.CharField(max_length=10, choices=Action)
    other_number = models.BigIntegerField(null=True)  # the new mail of one that was sent again
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+", db_index=False
    )
    actor_name = models.CharField(max_length=254, blank=True)  # empty: the system
    at = models.DateTimeField()

    class Meta:
        default_permissions = ()
        ordering: ClassVar = ["-id"]
        indexes: ClassVar = [models.Index(fields=["mail_number", "id"], name="maillog_trail")]

    def __str__(self) -> str:
        """Return what happened to which mail."""
        return f"{self.action}: mail {self.mail_number}"


class RetentionRules(models.Model):
    """For how many days mails are kept. One row, once somebody has changed the defaults; see `maillog.retention`."""

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
