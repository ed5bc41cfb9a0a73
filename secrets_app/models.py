"""The tables of the vault: secrets, their encrypted values, and the audit log."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from django.conf import settings
from django.contrib.auth.models import Group
from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from secrets_app.system_access import may_give_system_access

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_NAME = 100  # characters


class Person(Protocol):
    """What the vault needs of an account. The user model belongs to a higher layer."""

    @property
    def pk(self) -> Any:
        """The primary key."""

    @property
    def is_active(self) -> bool:
        """Whether this person may sign in."""

    @property
    def is_superuser(self) -> bool:
        """Whether this is an administrator."""

    @property
    def groups(self) -> Any:
        """The manager of the groups this person is in."""

    def has_perm(self, perm: str) -> bool: ...


def name_key(name: str) -> str:
    """Return the key by which names are unique, whatever their letter case and Unicode form."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())


class SecretQuerySet(models.QuerySet["Secret"]):
    """Secrets by who may see them."""

    def visible_to(self, user: Person) -> SecretQuerySet:
        """Secrets that `user` owns, shares through a group, or may use because they are available to the system."""
        if user.is_superuser:
            return self
        mine = Q(pk__in=Secret.objects.filter(owners=user.pk).values("pk"))
        shared = Q(pk__in=Secret.groups.through.objects.filter(group__in=user.groups.all()).values("secret_id"))
        return self.filter(mine | shared | Q(available_to_system=True))


class Secret(models.Model):
    """One set of credentials of a registered kind. Its encrypted fields are `SecretValue` rows."""

    kind = models.CharField(max_length=30)
    name = models.CharField(_("name"), max_length=MAX_NAME)
    name_key = models.CharField(max_length=4 * MAX_NAME, unique=True, editable=False)  # set by `save`
    fields = models.JSONField(default=dict)  # the readable fields, as cleaned by the kind's form
    available_to_system = models.BooleanField(_("available to the system"), default=False)
    owners = models.ManyToManyField(settings.AUTH_USER_MODEL, related_name="owned_secrets")
    groups = models.ManyToManyField(Group, blank=True, related_name="shared_secrets")
    revision = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField(auto_now_add=True)
    changed_at = models.DateTimeField(auto_now=True)

    objects = SecretQuerySet.as_manager()

    class Meta:
        default_permissions = ()
        permissions: ClassVar = [("use_secrets", "Can store and use secrets")]
        ordering: ClassVar = ["name_key"]

    def __str__(self) -> str:
        return self.name

    def save(self, *, update_fields: Iterable[str] | None = None, **options: Any) -> None:
        """Update `name_key` with the name."""
        self.name_key = name_key(self.name)
        if update_fields is not None and "name" in update_fields:
            update_fields = {*update_fields, "name_key"}
        super().save(update_fields=update_fields, **options)

    def get_absolute_url(self) -> str:
        return reverse("secrets_app:detail", args=[self.pk])

    def seen_by(self, user: Person) -> bool:
        """Whether `user` may use it and see it, without its values."""
        return type(self).objects.filter(pk=self.pk).visible_to(user).exists()

    def managed_by(self, user: Person) -> bool:
        """Whether `user` may change, share and delete it: an administrator or an owner.

        While mail of the system takes it, owners also need the right to decide where that mail goes.
        """
        if not user.is_active or user.is_superuser:
            return user.is_active
        if self.available_to_system and not may_give_system_access(user):
            return False
        return self.owners.filter(pk=user.pk).exists()

    def shareable_groups(self, user: Person) -> models.QuerySet[Group]:
        """Groups that `user` may select for sharing: their own, and those it is shared with already."""
        if user.is_superuser:
            return Group.objects.order_by("name")
        mine = Q(pk__in=user.groups.values("pk")) | Q(pk__in=self.groups.values("pk"))
        return Group.objects.filter(mine).order_by("name")


class SecretValue(models.Model):
    """One encrypted field. The ciphertext is bound to the secret and the field, so a copied one is refused."""

    secret = models.ForeignKey(Secret, on_delete=models.CASCADE, related_name="values")
    field = models.CharField(max_length=50)
    ciphertext = models.TextField()
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        default_permissions = ()
        constraints: ClassVar = [models.UniqueConstraint(fields=["secret", "field"], name="secrets_value_once")]

    def __str__(self) -> str:
        return f"{self.field} of secret {self.secret_id}"


class SecretEvent(models.Model):
    """One entry of the audit log. It holds no values, and remains when the secret is deleted."""

    class Action(models.TextChoices):
        CREATED = "created", _("Created")
        CHANGED = "changed", _("Changed")
        VALUE_REPLACED = "value_replaced", _("Password replaced")
        VALUE_REMOVED = "value_removed", _("Password removed")
        SHARED = "shared", _("Sharing changed")
        DELETED = "deleted", _("Deleted")
        ROTATED = "rotated", _("Encrypted with a new key")

    secret = models.ForeignKey(Secret, null=True, on_delete=models.SET_NULL, related_name="events")
    secret_number = models.BigIntegerField()  # its id, which remains when it is deleted; names can be reused
    secret_name = models.CharField(max_length=MAX_NAME)
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    actor_name = models.CharField(max_length=254, blank=True)  # empty: the system
    action = models.CharField(max_length=20, choices=Action)
    # Names of the changed fields; with who was added or removed: "owners +ann@example.com", "groups -Sales".
    changed = models.JSONField(default=list)
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        default_permissions = ()
        ordering: ClassVar = ["-id"]

    def __str__(self) -> str:
        return f"{self.action}: {self.secret_name}"
