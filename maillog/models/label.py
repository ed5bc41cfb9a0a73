"""Labels: names that the log filters by."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _


class Label(models.Model):
    """A name that lists filter by, copied as text: the log stays readable when the secret or template is deleted."""

    class Kind(models.TextChoices):
        DRIVER = "driver", _("Driver")
        CONNECTION = "connection", _("Connection")
        TEMPLATE = "template", _("Template")
        SENDER = "sender", _("Sender")

    kind = models.CharField(max_length=10, choices=Kind)
    text = models.CharField(max_length=254)

    class Meta:
        default_permissions = ()
        constraints: ClassVar = [models.UniqueConstraint(fields=["kind", "text"], name="maillog_label_once")]

    def __str__(self) -> str:
        return self.text
