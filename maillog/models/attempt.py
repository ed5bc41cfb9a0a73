"""The attempts to deliver a message, and the SMTP transcripts of those that did not simply succeed."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from maillog.models.message import Message
from maillog.text import server_reply


class Attempt(models.Model):
    """One attempt to deliver a message, with the server's reply."""

    class Outcome(models.TextChoices):
        SENT = "sent", _("Sent")
        PARTIAL = "partial", _("Partly sent")
        DEFERRED = "deferred", _("Deferred")
        FAILED = "failed", _("Failed")
        UNCERTAIN = "uncertain", _("Uncertain")
        HELD = "held", _("Held")
        LOGGED = "logged", _("Logged")
        SILENCED = "silenced", _("Silenced")
        SKIPPED = "skipped", _("Skipped")

    message = models.ForeignKey(Message, on_delete=models.CASCADE, related_name="attempts")
    number = models.PositiveSmallIntegerField()
    started_at = models.DateTimeField()
    duration_ms = models.PositiveIntegerField()
    outcome = models.CharField(max_length=10, choices=Outcome)
    phase = models.CharField(max_length=10, blank=True)  # of the SMTP session in which it ended
    code = models.PositiveSmallIntegerField(null=True)
    enhanced_code = models.CharField(max_length=11, blank=True)
    reply = models.CharField(max_length=1000, blank=True)  # the server's reply, or the error
    # What this side noticed without a reply: a key of `maillog.explanations.meanings`.
    fault = models.CharField(max_length=30, blank=True)
    driver = models.CharField(max_length=20)
    connection = models.CharField(max_length=100, blank=True)
    host = models.CharField(max_length=260, blank=True)  # name:port
    tls = models.CharField(max_length=60, blank=True)  # e.g. "TLSv1.3, TLS_AES_256_GCM_SHA384"; empty: none
    worker = models.CharField(max_length=100)

    class Meta:
        default_permissions = ()
        ordering: ClassVar = ["-id"]

    def __str__(self) -> str:
        return f"attempt {self.number} of message {self.message_id}: {self.outcome}"

    @property
    def server_words(self) -> str:
        """The codes and the reply as one text."""
        return server_reply(self.code, self.enhanced_code, self.reply)


class Transcript(models.Model):
    """The SMTP session of an attempt that failed or belongs to a test message, with the duration of each phase.

    Packed by `maillog.content.transcripts`. It belongs to the attempt of the message with the same `started_at`: the
    ids of attempts are not known when a batch is written, and their numbers are not unique.
    """

    message = models.ForeignKey(Message, on_delete=models.CASCADE, related_name="transcripts")
    started_at = models.DateTimeField()
    packed = models.BinaryField()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"transcript of message {self.message_id}"
