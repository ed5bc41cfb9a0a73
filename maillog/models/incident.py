"""Failures of one kind on one connection, gathered into one line, and which mails met them."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _


class Incident(models.Model):
    """One trouble, from its first failure to its end. Names are copied as text: it outlives secrets and people.

    While it is `gathering`, too few mails have failed to tell anybody; such a row is forgotten when it goes no further.
    """

    class State(models.TextChoices):
        """How far it is."""

        PENDING = "pending", _("Pending")
        OPEN = "open", _("Open")
        ENDED = "ended", _("Ended")

    class Ending(models.TextChoices):
        """Why it ended."""

        RECOVERED = "recovered", _("mail went through again")
        QUIET = "quiet", _("no further failures")
        GONE = "gone", _("connection deleted")
        PERSON = "person", _("ended by a person")

    connection = models.CharField(max_length=100, blank=True)  # its name; empty: of no connection
    connection_key = models.CharField(max_length=50, blank=True)  # the id of a connection, "" if it is not known
    kind = models.CharField(max_length=30)  # a key of mailadmin.incidents.kinds
    phase = models.CharField(max_length=10, blank=True)  # of the SMTP conversation in which it ended
    is_about_connection = models.BooleanField(default=False)  # it meets any mail: it came before the mail itself
    code = models.PositiveSmallIntegerField(null=True)  # code, enhanced code and words of the newest failure
    enhanced_code = models.CharField(max_length=11, blank=True)
    reply = models.CharField(max_length=500, blank=True)
    state = models.CharField(max_length=10, choices=State, default=State.PENDING)
    mail_count = models.PositiveIntegerField(default=0)
    first_mail = models.BigIntegerField(null=True)  # every mail of it lies between these ids
    last_mail = models.BigIntegerField(null=True)
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()
    recent_changes = models.JSONField(
        default=list
    )  # what was changed last before it began: see mailadmin.incidents.recent_changes
    recovered_at = models.DateTimeField(null=True)  # when something first went through after the newest failure
    ended_at = models.DateTimeField(null=True)
    ending = models.CharField(max_length=10, choices=Ending, blank=True)
    ended_by = models.CharField(max_length=254, blank=True)  # the person, if it was one

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
        """Return the number, the kind and the connection."""
        return f"incident {self.pk}: {self.kind} on {self.connection or 'no connection'}"

    @property
    def is_open(self) -> bool:
        """Whether it goes on."""
        return self.state == self.State.OPEN


class IncidentMail(models.Model):
    """One mail that met an incident, once however often it did. Not a foreign key: mails are deleted in bulk."""

    incident = models.ForeignKey(Incident, on_delete=models.CASCADE, related_name="members", db_index=False)
    mail_number = models.BigIntegerField()
    at = models.DateTimeField()

    class Meta:
        default_permissions = ()
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["incident", "mail_number"], name="maillog_incident_mail_once")
        ]

    def __str__(self) -> str:
        """Return both numbers."""
        return f"mail {self.mail_number} of incident {self.incident_id}"
