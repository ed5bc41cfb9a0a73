"""The mail app's own state: numbered revisions of its settings. Mails themselves are in `maillog`."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from mailadmin.alarm_models import Alarm, AlarmRules
from mailadmin.bulk_models import BulkAction
from mailadmin.key_models import ApiKey

__all__ = [
    "Alarm",
    "AlarmRules",
    "ApiKey",
    "BulkAction",
    "ConnectionRate",
    "ConnectionState",
    "SendMode",
    "SettingsRevision",
    "WorkerBeat",
]


class SendMode(models.TextChoices):
    """When a mail leaves: in the caller's process or by the worker."""

    BACKGROUND = "background", _("In the background, by the worker")
    INSTANT = "instant", _("At once, while the sender waits")


class SettingsRevision(models.Model):
    """What the settings page held at one time. The newest row is in force; an empty field means "not set here"."""

    driver = models.CharField(_("driver"), max_length=20, blank=True)
    mode = models.CharField(_("sending"), max_length=10, choices=SendMode, blank=True)
    from_name = models.CharField(_("From name"), max_length=200, blank=True)
    from_address = models.CharField(_("From address"), max_length=254, blank=True)
    reply_to = models.CharField(_("Reply-to address"), max_length=254, blank=True)
    # the id of a secret, or "environment"
    primary_connection = models.CharField(_("primary connection"), max_length=20, blank=True)
    # ids of connections, in order, separated by commas
    backup_connections = models.CharField(_("backup connections"), max_length=200, blank=True)
    # keys of templates, separated by spaces: what may have arrived is not repeated without being asked for
    ask_before_repeat = models.CharField(_("never repeat by itself"), max_length=1000, blank=True)
    changed = models.JSONField(default=list)  # names of the fields that differ from the revision before
    author = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    author_name = models.CharField(max_length=254, blank=True)
    made_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        default_permissions = ()
        ordering: ClassVar = ["-id"]
        permissions: ClassVar = [
            ("send_mail", "Can send mails"),
            ("send_test", "Can send test mails"),
            ("configure_mail", "Can change the mail settings"),
            ("manage_queue", "Can cancel and retry mails, pause and resume connections"),
        ]

    def __str__(self) -> str:
        """Return the number."""
        return f"revision {self.pk}"

    @property
    def changed_labels(self) -> list[str]:
        """Return the readable names of what this revision changed."""
        names = {field.name: str(field.verbose_name) for field in self._meta.fields}
        return [names.get(name, name) for name in self.changed]


class ConnectionState(models.Model):
    """How one connection is doing, shared by all workers. No row: it is open and has had no trouble."""

    class State(models.TextChoices):
        """Whether mails go through."""

        OPEN = "open", _("Open")
        PAUSED = "paused", _("Paused")
        UNREACHABLE = "unreachable", _("Unreachable")

    connection = models.CharField(max_length=20, unique=True)  # the id of a secret, or "environment"
    name = models.CharField(max_length=100)
    state = models.CharField(max_length=12, choices=State, default=State.OPEN)
    reason = models.CharField(max_length=500, blank=True)
    since = models.DateTimeField(null=True)
    failures = models.PositiveIntegerField(default=0)  # in a row
    probe_at = models.DateTimeField(null=True)  # when one worker looks whether it answers again
    fingerprint = models.CharField(max_length=64, blank=True)  # of its settings when the trouble began
    paused_by = models.CharField(max_length=254, blank=True)  # somebody's decision; empty: its own trouble

    class Meta:
        default_permissions = ()
        ordering: ClassVar = ["name"]

    def __str__(self) -> str:
        """Return name and state."""
        return f"{self.name}: {self.state}"


class ConnectionRate(models.Model):
    """Where a connection stands in each of its rate limits: when the next mail would leave at an even pace."""

    connection = models.CharField(max_length=20, unique=True)
    per_second = models.DateTimeField(null=True)
    per_minute = models.DateTimeField(null=True)
    per_hour = models.DateTimeField(null=True)
    per_day = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        """Return which connection."""
        return f"rate of connection {self.connection}"


class WorkerBeat(models.Model):
    """One worker process and when it was last seen."""

    name = models.CharField(max_length=100, unique=True)
    started_at = models.DateTimeField()
    seen_at = models.DateTimeField()

    class Meta:
        default_permissions = ()
        ordering: ClassVar = ["name"]

    def __str__(self) -> str:
        """Return the name."""
        return self.name
