"""The numbered revisions of the mail settings."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _


class SendMode(models.TextChoices):
    """Who sends a message: the worker, or the caller's own process."""

    BACKGROUND = "background", _("In the background, by the worker")
    INSTANT = "instant", _("Immediately, while the sender waits")


class SettingsRevision(models.Model):
    """The settings page as saved once. The newest row is in force; an empty field means "not set here"."""

    driver = models.CharField(_("driver"), max_length=20, blank=True)
    mode = models.CharField(_("sending"), max_length=10, choices=SendMode, blank=True)
    from_name = models.CharField(_("From name"), max_length=200, blank=True)
    from_address = models.CharField(_("From address"), max_length=254, blank=True)
    reply_to = models.CharField(_("Reply-to address"), max_length=254, blank=True)
    # the id of a connection
    primary_connection = models.CharField(_("primary connection"), max_length=50, blank=True)
    # ids of connections, in order, separated by commas
    backup_connections = models.CharField(_("backup connections"), max_length=500, blank=True)
    # keys of templates, separated by spaces: a message that may have arrived is not resent without a decision
    ask_before_resend = models.CharField(_("ask before resending"), max_length=1000, blank=True)
    changed = models.JSONField(default=list)  # names of the fields that differ from the revision before
    author = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    author_name = models.CharField(max_length=254, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        default_permissions = ()
        ordering: ClassVar = ["-id"]
        permissions: ClassVar = [
            ("send_mail", "Can send messages"),
            ("send_test", "Can send test messages"),
            ("configure_mail", "Can change the mail settings"),
            ("manage_queue", "Can cancel and retry messages, pause and resume connections"),
        ]

    def __str__(self) -> str:
        return f"revision {self.pk}"

    @property
    def changed_labels(self) -> list[str]:
        """The labels of the settings that this revision changed."""
        names = {field.name: str(field.verbose_name) for field in self._meta.fields}
        return [names.get(name, name) for name in self.changed]
