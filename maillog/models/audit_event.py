"""The audit log: who did what with a message. It outlives the message."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _


class AuditEvent(models.Model):
    """One action of a person on a message, connection, API key or alarm rule.

    Never contains content; it stays when the message is deleted.
    """

    class Action(models.TextChoices):
        RESENT = "resent", _("Resent")
        RETRIED = "retried", _("Retried")
        CANCELLED = "cancelled", _("Cancelled")
        DELETED = "deleted", _("Deleted")
        VIEWED = "viewed", _("Content viewed")
        DOWNLOADED = "downloaded", _("Content downloaded")
        PAUSED = "paused", _("Connection paused")
        RESUMED = "resumed", _("Connection resumed")
        CHECKED = "checked", _("Connection checked")
        ALARMS = "alarms", _("Alarm rules changed")
        KEY_CREATED = "key_created", _("API key created")
        KEY_REVOKED = "key_revoked", _("API key revoked")

    mail_number = models.BigIntegerField(null=True)  # the id of the message, also after its deletion; None: of none
    target = models.CharField(max_length=160, blank=True)  # otherwise: the name of the connection or key
    action = models.CharField(max_length=20, choices=Action)
    other_number = models.BigIntegerField(null=True)  # of a resend: the id of the new message
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+", db_index=False
    )
    actor_name = models.CharField(max_length=254, blank=True)  # empty: the system
    at = models.DateTimeField()

    class Meta:
        default_permissions = ()
        ordering: ClassVar = ["-id"]
        indexes: ClassVar = [models.Index(fields=["mail_number", "id"], name="maillog_audit_event")]

    def __str__(self) -> str:
        return f"{self.action}: {self.target or f'message {self.mail_number}'}"
