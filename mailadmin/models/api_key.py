"""API keys: with one, a program sends and reads mail as the person whose key it is."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _


class Scope(models.TextChoices):
    """What a key may be used for. Its owner must be permitted to do the same, each time."""

    SEND = "mails:send", _("Send mails")
    READ = "mails:read", _("Read the mail log: who got what when, not what mails say")
    RESEND = "mails:resend", _("Send mails of the log again")
    CANCEL = "mails:cancel", _("Cancel mails that wait")
    TEMPLATES = "templates:read", _("List templates and render them")


class ApiKey(models.Model):
    """One key. Only a digest of it is kept: whoever reads the database cannot use it."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    name = models.CharField(max_length=100)
    hint = models.CharField(max_length=10)  # how it begins, by which its owner knows it
    digest = models.CharField(max_length=64, unique=True)  # SHA-256 in hex; the key is random, so no salt is needed
    scopes = models.CharField(max_length=200)  # separated by spaces
    made_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)  # to the minute
    revoked_at = models.DateTimeField(null=True)
    revoked_by = models.CharField(max_length=254, blank=True)

    class Meta:
        default_permissions = ()
        ordering: ClassVar = ["-id"]
        permissions: ClassVar = [
            ("use_api", "Can use the HTTP API, with keys of their own"),
            ("manage_keys", "Can see and revoke everybody's API keys"),
        ]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["owner", "name"], name="mailadmin_key_name_once", condition=Q(revoked_at__isnull=True)
            )
        ]

    def __str__(self) -> str:
        """Return the name and how the key begins."""
        return f"{self.name} ({self.hint}…)"

    @property
    def scope_list(self) -> list[str]:
        """The scopes as a list, in the order of `Scope`."""
        given = self.scopes.split()
        return [scope for scope in Scope.values if scope in given]
