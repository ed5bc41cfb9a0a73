"""When failures become an incident, who is notified and how, and every alarm that was sent or failed."""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _


class AlarmRules(models.Model):
    """The single row of rules; without it the defaults apply."""

    threshold = models.PositiveSmallIntegerField(
        _("failed messages"), default=10, validators=[MinValueValidator(1), MaxValueValidator(10_000)]
    )
    minutes = models.PositiveSmallIntegerField(
        _("minutes"), default=15, validators=[MinValueValidator(1), MaxValueValidator(24 * 60)]
    )
    addresses = models.TextField(_("email recipients"), blank=True)  # one per line
    connection = models.CharField(
        _("connection for alarm emails"), max_length=50, blank=True
    )  # empty: the first that works
    webhook_url = models.CharField(_("webhook"), max_length=500, blank=True)
    remind_hours = models.PositiveSmallIntegerField(
        _("reminder after hours"), default=4, validators=[MaxValueValidator(24 * 7)]
    )  # 0: none
    changed_at = models.DateTimeField(auto_now=True)
    changed_by = models.CharField(max_length=254, blank=True)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return "rules for incidents and alarms"

    @classmethod
    def current(cls) -> AlarmRules:
        """Return the rules in force: one query."""
        return cls.objects.filter(pk=1).first() or cls(pk=1)

    @property
    def window(self) -> timedelta:
        """Within this time `threshold` failures open an incident; after this time without a failure it ends."""
        return timedelta(minutes=self.minutes)

    @property
    def recipients(self) -> list[str]:
        return self.addresses.split()

    @property
    def notifies_anyone(self) -> bool:
        return bool(self.addresses.strip() or self.webhook_url)


class Alarm(models.Model):
    """One notice about an incident on one channel. It is booked before it is sent, so it is sent at most once."""

    class Event(models.TextChoices):
        OPENED = "opened", _("Opened")
        REMINDER = "reminder", _("Still open")
        ENDED = "ended", _("Ended")
        TEST = "test", _("Test")

    class Channel(models.TextChoices):
        MAIL = "mail", _("Email")
        WEBHOOK = "webhook", _("Webhook")

    class State(models.TextChoices):
        WAITING = "waiting", _("Waiting")
        SENDING = "sending", _("Sending")
        DONE = "done", _("Sent")
        FAILED = "failed", _("Not sent")

    incident_number = models.BigIntegerField(null=True)  # none: a test
    event = models.CharField(max_length=10, choices=Event)
    channel = models.CharField(max_length=10, choices=Channel)
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    target = models.CharField(max_length=500, blank=True)  # the addresses, or the webhook's host
    connection = models.CharField(max_length=100, blank=True)  # of the email
    mail_number = models.BigIntegerField(null=True, db_index=True)
    result = models.CharField(max_length=300, blank=True)  # the HTTP status, or why it was not sent
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()
        ordering: ClassVar = ["-id"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["incident_number", "event", "channel"],
                name="mailadmin_alarm_once",
                condition=Q(incident_number__isnull=False),
            )
        ]
        indexes: ClassVar = [
            models.Index(fields=["id"], name="mailadmin_alarm_waiting", condition=Q(state="waiting")),
            models.Index(fields=["created_at"], name="mailadmin_alarm_created"),
        ]

    def __str__(self) -> str:
        return f"alarm {self.pk}: {self.event} by {self.channel}"
