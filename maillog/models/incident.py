"""Incidents: failures of one kind on one connection as one row, and the messages affected."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _


class Incident(models.Model):
    """One incident, from its first failure to its end. Names are copied as text: it outlives secrets and accounts.

    While it is `PENDING`, too few messages have failed to report it; a pending row that goes no further is deleted.
    """

    class State(models.TextChoices):
        PENDING = "pending", _("Pending")
        OPEN = "open", _("Open")
        ENDED = "ended", _("Ended")

    class Ending(models.TextChoices):
        RECOVERED = "recovered", _("messages are delivered again")
        QUIET = "quiet", _("no further failures")
        GONE = "gone", _("connection deleted")
        PERSON = "person", _("ended by a person")

    connection = models.CharField(max_length=100, blank=True)  # its name; empty: not about a connection
    connection_key = models.CharField(max_length=50, blank=True)  # the id of the connection, empty if unknown
    kind = models.CharField(max_length=30)  # a key of mailadmin.incidents.kinds
    phase = models.CharField(max_length=10, blank=True)  # of the SMTP session in which it failed
    is_about_connection = models.BooleanField(
        default=False
    )  # affects every message: it failed before the message was sent
    code = models.PositiveSmallIntegerField(null=True)  # code, enhanced code and reply are of the newest failure
    enhanced_code = models.CharField(max_length=11, blank=True)
    reply = models.CharField(max_length=500, blank=True)
    state = models.CharField(max_length=10, choices=State, default=State.PENDING)
    mail_count = models.PositiveIntegerField(default=0)
    first_mail = models.BigIntegerField(null=True)  # all of its messages have ids in this range
    last_mail = models.BigIntegerField(null=True)
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()
    recent_changes = models.JSONField(
        default=list
    )  # the last changes before it began: see mailadmin.incidents.recent_changes
    waits_until = models.DateTimeField(null=True)  # of a limit: when sending is tried again
    recovered_at = models.DateTimeField(null=True)  # when a message was first delivered after the newest failure
    ended_at = models.DateTimeField(null=True)
    ending = models.CharField(max_length=10, choices=Ending, blank=True)
    ended_by = models.CharField(max_length=254, blank=True)  # the person, if a person ended it

    class Meta:
        default_permissions = ()
        ordering: ClassVar = ["-id"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["connection", "kind"], name="maillog_incident_once", condition=Q(ended_at__isnull=True)
            )
        ]
        indexes: ClassVar = [models.Index(fields=["state", "id"], name="maillog_incident_state")]

    def __str__(self) -> str:
        return f"incident {self.pk}: {self.kind} on {self.connection or 'no connection'}"

    @property
    def is_open(self) -> bool:
        return self.state == self.State.OPEN


class IncidentMail(models.Model):
    """One message affected by an incident, counted once. Not a foreign key, since messages are deleted in bulk."""

    incident = models.ForeignKey(Incident, on_delete=models.CASCADE, related_name="members", db_index=False)
    mail_number = models.BigIntegerField()
    at = models.DateTimeField()

    class Meta:
        default_permissions = ()
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["incident", "mail_number"], name="maillog_incident_mail_once")
        ]

    def __str__(self) -> str:
        return f"message {self.mail_number} of incident {self.incident_id}"
