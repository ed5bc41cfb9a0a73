"""The mail log, which is also the queue: narrow message rows, with recipients, attempts and content apart.

The layout and the indexes follow measurements at 1 to 5 million rows: message rows stay near 200 bytes, everything is
ordered by id (which is time order), lists filter by small integers, and content has a table of its own so that it can
be deleted first.
"""

from __future__ import annotations

import re
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from maillog.models.label import Label
from maillog.text import shortened


class Status(models.TextChoices):
    """The status of a message; docs/glossary.md defines each."""

    QUEUED = "queued", _("Queued")
    SENDING = "sending", _("Sending")
    DEFERRED = "deferred", _("Deferred")
    HELD = "held", _("Held")
    SENT = "sent", _("Sent")
    PARTLY_SENT = "partly_sent", _("Partly sent")
    FAILED = "failed", _("Failed")
    UNCERTAIN = "uncertain", _("Uncertain")
    LOGGED = "logged", _("Logged")
    SILENCED = "silenced", _("Silenced")
    SKIPPED = "skipped", _("Skipped")
    CANCELLED = "cancelled", _("Cancelled")


WAITING = frozenset({Status.QUEUED, Status.DEFERRED, Status.HELD})
FINAL = frozenset(set(Status) - WAITING - {Status.SENDING})
FAILURES = (Status.PARTLY_SENT, Status.FAILED)  # final, and some or all recipients were refused or given up
SPACED_ADDRESSES = re.compile(r'(?:"(?:[^"\\]|\\.)*"|[^ ])+')  # spaces may stand in a quoted local part


class Message(models.Model):
    """One message. Ids are in time order; lists sort only by id.

    Labels are never deleted, so foreign keys to them have no constraint: on PostgreSQL every write would lock the row
    of its driver, which is the same for all messages of all workers.
    """

    status = models.CharField(max_length=20, choices=Status, default=Status.QUEUED)
    subject = models.CharField(max_length=998)
    to_text = models.TextField()  # every recipient's address, lower case, separated by spaces
    sender = models.ForeignKey(Label, on_delete=models.PROTECT, related_name="+", db_index=False, db_constraint=False)
    driver = models.ForeignKey(
        Label, null=True, on_delete=models.PROTECT, related_name="+", db_index=False, db_constraint=False
    )
    connection = models.ForeignKey(
        Label, null=True, on_delete=models.PROTECT, related_name="+", db_index=False, db_constraint=False
    )
    template = models.ForeignKey(
        Label, null=True, on_delete=models.PROTECT, related_name="+", db_index=False, db_constraint=False
    )
    template_version = models.PositiveSmallIntegerField(null=True)  # 0: the built-in text
    language = models.CharField(max_length=10, blank=True)
    tags = models.TextField(blank=True)  # separated by spaces
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+", db_index=False
    )
    actor_name = models.CharField(max_length=254, blank=True)  # empty: the system
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    next_attempt_at = models.DateTimeField(null=True)  # waiting: when it is due; sending: when the claim expires
    attempt_count = models.PositiveSmallIntegerField(default=0)  # attempts booked, counted before dialing
    worker_deaths = models.PositiveSmallIntegerField(
        default=0
    )  # claims that expired without a result: the message may have killed its worker
    reason = models.CharField(max_length=500, blank=True)  # why it has this status: an error, or what it waits for
    possibly_duplicate = models.BooleanField(default=False)  # sent again after a final reply, or a worker, was lost
    mode = models.CharField(max_length=10)
    connection_hint = models.CharField(max_length=100, blank=True)
    claim = models.CharField(max_length=32, blank=True)  # token of the worker that holds it while sending
    message_id = models.CharField(max_length=998)  # header Message-ID, fixed when the message is queued
    idempotency_key = models.CharField(max_length=250, null=True, blank=True)  # noqa: DJ001  (null: unique only where given)
    fingerprint = models.CharField(
        max_length=64, blank=True
    )  # of the message, to tell a repeated request from a reused key
    size = models.PositiveIntegerField(default=0)  # octets of the MIME message
    is_test = models.BooleanField(default=False)
    is_sensitive = models.BooleanField(default=False)
    has_attachment = models.BooleanField(default=False)
    needs_smtputf8 = models.BooleanField(default=False)
    settings_revision = models.PositiveIntegerField(null=True)
    resent_from = models.BigIntegerField(null=True)  # the id of the message that this one resends

    class Meta:
        default_permissions = ()
        ordering: ClassVar = ["-id"]
        permissions: ClassVar = [
            ("view_log", "Can see the mail log"),
            ("view_body", "Can view the content of messages"),
            ("resend_mail", "Can resend messages"),
            ("delete_mail", "Can delete messages from the log"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["template", "id"], name="maillog_template"),
            # Each includes the other: if a search has both and hardly any message does, the index alone decides
            # (measured at a million messages: 40 ms, not 240 ms of reading rows).
            models.Index(fields=["driver", "id", "connection"], name="maillog_driver"),
            models.Index(fields=["connection", "id", "driver"], name="maillog_connection"),
            models.Index(fields=["created_at", "id"], name="maillog_created"),
            models.Index(fields=["actor", "created_at"], name="maillog_test_by_actor", condition=Q(is_test=True)),
            models.Index(fields=["id"], name="maillog_test_by_id", condition=Q(is_test=True)),
            models.Index(
                fields=["status", "id", "driver", "connection"],
                name="maillog_not_sent",
                condition=~Q(status=Status.SENT),
            ),
            models.Index(
                fields=["next_attempt_at", "id"], name="maillog_due", condition=Q(next_attempt_at__isnull=False)
            ),
            models.Index(fields=["resent_from"], name="maillog_resent_from", condition=Q(resent_from__isnull=False)),
        ]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["idempotency_key"],
                name="maillog_idempotency_key_once",
                condition=Q(idempotency_key__isnull=False),
            )
        ]

    def __str__(self) -> str:
        """Return id and status. The subject may be confidential."""
        return f"message {self.pk} ({self.status})"

    @property
    def addresses(self) -> list[str]:
        """The address of every recipient, lower case."""
        return SPACED_ADDRESSES.findall(self.to_text)

    @property
    def recipients_shown(self) -> str:
        """The first three addresses, and how many more there are."""
        return shortened(self.addresses)


class Content(models.Model):
    """The MIME message, compressed. Deleted before its row, and for sensitive messages as soon as they are finished."""

    message = models.OneToOneField(Message, primary_key=True, on_delete=models.CASCADE, related_name="content")
    mime = models.BinaryField()  # zlib level 1: a third of the size
    metadata = models.JSONField(default=dict)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"content of message {self.pk}"
