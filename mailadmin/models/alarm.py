"""When failures become an incident, who is told of it and how, and every alarm that went out or did not."""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _


class AlarmRules(models.Model):
    """The one row of rules; without it the defaults hold."""

    mails = models.PositiveSmallIntegerField(
        _("mails"), default=10, validators=[MinValueValidator(1), MaxValueValidator(10_000)]
    )
    minutes = models.PositiveSmallIntegerField(
        _("minutes"), default=15, validators=[MinValueValidator(1), MaxValueValidator(24 * 60)]
    )
    addresses = models.TextField(_("told by mail"), blank=True)  # separated by line ends
    connection = models.CharField(_("connection for alarms"), max_length=20, blank=True)  # empty: the first that can
    webhook_url = models.CharField(_("webhook"), max_length=500, blank=True)
    remind_hours = models.PositiveSmallIntegerField(
        _("reminder after hours"), default=4, validators=[MaxValueValidator(24 * 7)]
    )  # 0: none
    changed_at = models.DateTimeField(auto_now=True)
    changed_by = models.CharField(max_length=254, blank=True)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        """Say what it is."""
        return "rules for incidents and alarms"

    @classmethod
    def current(cls) -> AlarmRules:
        """Return what holds now: one query."""
        return cls.objects.filter(pk=1).first() or cls(pk=1)

    @property
    def window(self) -> timedelta:
        """Within which `mails` failures of single mails open an incident, and without any of which it ends."""
        return timedelta(minutes=self.minutes)

    @property
    def recipients(self) -> list[str]:
        """Who is told by mail."""
        return self.addresses.split()

    @property
    def tells_anybody(self) -> bool:
        """Whether there is anybody to tell."""
        return bool(self.addresses.strip() or self.webhook_url)


class Alarm(models.Model):
    """One message about an incident to one channel. It is booked before it is sent, so it is sent at most once."""

    class Occasion(models.TextChoices):
        """What it tells."""

        OPENED = "opened", _("Opened")
        REMINDER = "reminder", _("Still open")
        ENDED = "ended", _("Ended")
        TEST = "test", _("Test")

    class Channel(models.TextChoices):
        """How it goes out."""

        MAIL = "mail", _("Mail")
        WEBHOOK = "webhook", _("Webhook")

    class State(models.TextChoices):
        """How far it is."""

        WAITING = "waiting", _("Waiting")
        SENDING = "sending", _("Being sent")
        DONE = "done", _("Handed over")
        FAILED = "failed", _("Not sent")

    incident_number = models.BigIntegerField(null=True)  # none: a test
    occasion = models.CharField(max_length=10, choices=Occasion)
    channel = models.CharField(max_length=10, choices=Channel)
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    target = models.CharField(max_length=500, blank=True)  # the addresses, or the webhook's host
    connection = models.CharField(max_length=100, blank=True)  # that the mail takes
    mail_number = models.BigIntegerField(null=True, db_index=True)
    result = models.CharField(max_length=300, blank=True)  # the HTTP status, or why it was not sent
    made_at = models.DateTimeField()
    done_at = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()
        ordering: ClassVar = ["-id"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["incident_number", "occasion", "channel"],
                name="mailadmin_alarm_once",
                condition=Q(incident_number__isnull=False),
            )
        ]
        indexes: ClassVar = [
            models.Index(fields=["id"], name="mailadmin_alarm_waiting", condition=Q(state="waiting")),
            models.Index(fields=["made_at"], name="mailadmin_alarm_made"),
        ]

    def __str__(self) -> str:
        """Return what it tells and how."""
        return f"alarm {self.pk}: {self.occasion} by {self.channel}"
