"""API keys: with one, a program sends and reads email as the owner of the key."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _


class Scope(models.TextChoices):
    """What a key may be used for, as far as its owner has the same permission at that time."""

    SEND = "mails:send", _("Send messages")
    READ = "mails:read", _("Read the mail log: who received what and when, not the content")
    RESEND = "mails:resend", _("Send messages in the log again")
    CANCEL = "mails:cancel", _("Cancel waiting messages")
    TEMPLATES = "templates:read", _("List and render templates")


class ApiKey(models.Model):
    """One key. Only its digest is stored, so reading the database does not give access."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    name = models.CharField(max_length=100)
    prefix = models.CharField(max_length=10)  # its first characters, by which its owner recognizes it
    digest = models.CharField(max_length=64, unique=True)  # SHA-256 in hex; the key is random, so no salt is needed
    scopes = models.CharField(max_length=200)  # separated by spaces
    senders = models.TextField(blank=True)  # patterns of From addresses, one per line; empty: as the owner may
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)  # to the minute
    revoked_at = models.DateTimeField(null=True)
    revoked_by = models.CharField(max_length=254, blank=True)

    class Meta:
        default_permissions = ()
        ordering: ClassVar = ["-id"]
        permissions: ClassVar = [
            ("use_api", "Can use the HTTP API with keys of their own"),
            ("send_as", "Can send from any address with API keys"),
            ("manage_keys", "Can see and revoke everyone's API keys"),
        ]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["owner", "name"], name="mailadmin_key_name_once", condition=Q(revoked_at__isnull=True)
            )
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"

    @property
    def sender_patterns(self) -> list[str]:
        """Patterns for `mailadmin.message.recipient_patterns.matches`; empty: no limit of the key's own."""
        return self.senders.split("\n") if self.senders else []

    @property
    def scope_list(self) -> list[str]:
        """The scopes in the order of `Scope`."""
        given = self.scopes.split()
        return [scope for scope in Scope.values if scope in given]
