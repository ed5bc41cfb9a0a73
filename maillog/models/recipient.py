"""The recipients of a message, each with an outcome of its own."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from maillog.models.message import Message
from maillog.text import server_reply


class Recipient(models.Model):
    """One address of the envelope and its outcome; a retry goes only to those still open."""

    class Kind(models.TextChoices):
        """The header that contains the address (Bcc: none)."""

        TO = "to", _("To")
        CC = "cc", _("Cc")
        BCC = "bcc", _("Bcc")

    class Outcome(models.TextChoices):
        OPEN = "open", _("Waiting")
        ACCEPTED = "accepted", _("Accepted")
        REFUSED = "refused", _("Refused")
        DEFERRED = "deferred", _("Deferred")
        UNCERTAIN = "uncertain", _("Uncertain")
        SKIPPED = "skipped", _("Skipped")

    message = models.ForeignKey(Message, on_delete=models.CASCADE, related_name="recipients")
    kind = models.CharField(max_length=3, choices=Kind)
    address = models.CharField(max_length=320)  # as it goes into RCPT TO
    search_address = models.CharField(max_length=320)  # readable spelling, lower case
    outcome = models.CharField(max_length=10, choices=Outcome, default=Outcome.OPEN)
    code = models.PositiveSmallIntegerField(null=True)
    enhanced_code = models.CharField(max_length=11, blank=True)
    reply = models.CharField(max_length=500, blank=True)

    class Meta:
        default_permissions = ()
        ordering: ClassVar = ["id"]
        indexes: ClassVar = [
            # With the id, the newest messages to an address are read without sorting all of them; with the pattern
            # operators (PostgreSQL), the same index finds addresses by prefix.
            models.Index(
                fields=["search_address", "id"],
                name="maillog_recipient_address",
                opclasses=["varchar_pattern_ops", "int8_ops"],
            )
        ]

    def __str__(self) -> str:
        return f"{self.address} ({self.outcome})"

    @property
    def server_words(self) -> str:
        """The codes and the reply as one text."""
        return server_reply(self.code, self.enhanced_code, self.reply)
