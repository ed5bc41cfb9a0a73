"""Projects, their documents (templates and parts), versions, drafts, samples and shared values.

The content of a document is in its versions, one of which is published. Versions never change. Each draft belongs to
one person, so that people do not overwrite each other's text.
"""

from __future__ import annotations

from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from templates_app.content.content import Content, from_json


class Project(models.Model):
    """A group of documents. Its key is the first half of a template's key, ``project/name``."""

    key = models.CharField(_("key"), max_length=50, unique=True)
    name = models.CharField(_("name"), max_length=100)
    description = models.CharField(_("description"), max_length=500, blank=True)
    tags = models.JSONField(_("tags"), default=list, blank=True)  # list of short words
    is_protected = models.BooleanField(_("protected"), default=False)  # neither it nor its documents can be deleted

    class Meta:
        default_permissions = ()
        permissions: ClassVar = [
            ("edit_templates", "Can edit mail templates"),
            ("edit_secret_templates", "Can publish templates that carry secrets, such as password resets"),
        ]
        ordering: ClassVar = ["key"]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("templates_app:project", args=[self.key])


class Document(models.Model):
    """A template, from which messages are rendered, or a part, which templates of any project can use."""

    class Kind(models.TextChoices):
        TEMPLATE = "template", _("Template")
        PART = "part", _("Part")

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="documents")
    kind = models.CharField(max_length=10, choices=Kind)
    key = models.CharField(_("key"), max_length=50)
    name = models.CharField(_("name"), max_length=100)
    description = models.CharField(_("description"), max_length=500, blank=True)
    tags = models.JSONField(_("tags"), default=list, blank=True)
    published = models.ForeignKey("Version", null=True, on_delete=models.PROTECT, related_name="+")
    builtin_seen = models.PositiveIntegerField(default=0)  # number of the newest built-in version that was declined
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        default_permissions = ()
        ordering: ClassVar = ["project__key", "kind", "key"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["project", "kind", "key"], name="templates_document_once")
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("templates_app:document", args=[self.project.key, self.kind, self.key])

    @property
    def full_key(self) -> str:
        """The key that code and other templates use: ``project/key``."""
        return f"{self.project.key}/{self.key}"


class Version(models.Model):
    """The content of a document at some time. Never changed; numbered from 1 within its document."""

    document = models.ForeignKey(Document, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    content = models.JSONField()  # Content.as_json()
    digest = models.CharField(max_length=64)
    note = models.CharField(max_length=500, blank=True)
    author = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    author_name = models.CharField(max_length=254, blank=True)  # empty: the system
    created_at = models.DateTimeField(auto_now_add=True)
    is_builtin = models.BooleanField(default=False)  # shipped with the program
    base = models.ForeignKey("self", null=True, on_delete=models.SET_NULL, related_name="+")  # built-in it is based on

    class Meta:
        default_permissions = ()
        ordering: ClassVar = ["-number"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["document", "number"], name="templates_version_once"),
            models.CheckConstraint(condition=Q(number__gt=0), name="templates_version_from_one"),
            models.CheckConstraint(condition=~Q(base=F("id")), name="templates_version_not_its_own_base"),
        ]

    def __str__(self) -> str:
        return f"version {self.number}"

    def read(self) -> Content:
        return from_json(self.content)


class Draft(models.Model):
    """One person's unpublished content. `revision` counts the saves, to detect edits in a second browser tab."""

    document = models.ForeignKey(Document, on_delete=models.CASCADE, related_name="drafts")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    content: Any = models.JSONField()
    based_on = models.ForeignKey(Version, null=True, on_delete=models.SET_NULL, related_name="+")
    revision = models.PositiveIntegerField(default=1)
    saved_at = models.DateTimeField(auto_now=True)
    sample_values = models.JSONField(default=dict, blank=True)  # typed, not stored; by sample name: {values, original}

    class Meta:
        default_permissions = ()
        constraints: ClassVar = [models.UniqueConstraint(fields=["document", "user"], name="templates_draft_once")]

    def __str__(self) -> str:
        return f"draft of {self.document_id} by {self.user_id}"

    def read(self) -> Content:
        return from_json(self.content)


class Sample(models.Model):
    """Named values to render a template with. To publish, every sample must render in every language."""

    document = models.ForeignKey(Document, on_delete=models.CASCADE, related_name="samples")
    name = models.CharField(_("name"), max_length=100)
    values = models.JSONField(_("values"), default=dict)
    is_builtin = models.BooleanField(default=False)

    class Meta:
        default_permissions = ()
        ordering: ClassVar = ["name"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["document", "name"], name="templates_sample_once")]

    def __str__(self) -> str:
        return self.name


class SharedValue(models.Model):
    """A value that every template can use, such as the platform's name, postal address or colour."""

    name = models.CharField(_("name"), max_length=50, unique=True)
    value = models.CharField(_("value"), max_length=500, blank=True)
    description = models.CharField(_("description"), max_length=200, blank=True)

    class Meta:
        default_permissions = ()
        ordering: ClassVar = ["name"]

    def __str__(self) -> str:
        return self.name


class Change(models.Model):
    """One row whose number rises with every change to what messages say; processes then drop their caches."""

    number = models.PositiveBigIntegerField(default=0)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return str(self.number)
