"""Accounts: people who sign in with their email address. Their permissions are Django's."""

from __future__ import annotations

import functools
import zoneinfo
from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from mailadmin.message.addresses import CONTROL_CHARACTERS, AddressError, parse_address


@functools.cache
def known_time_zones() -> frozenset[str]:
    """Return the names of this machine's IANA time zones; read from its disk once, which takes some 10 ms."""
    return frozenset(zoneinfo.available_timezones())


def validate_time_zone(name: str) -> None:
    """Raise ValidationError unless `name` is an IANA time zone."""
    if name not in known_time_zones():
        raise ValidationError(_("There is no time zone with this name."), code="time_zone")


def validate_address(email: str) -> None:
    """Raise ValidationError unless `email` passes the check for recipients."""
    try:
        parse_address(email)
    except AddressError as error:
        raise ValidationError(_("Enter a valid email address."), code="invalid") from error


def validate_line(text: str) -> None:
    """Raise ValidationError if `text` contains line breaks or other control characters."""
    if CONTROL_CHARACTERS.search(text):
        raise ValidationError(_("Line breaks and other control characters are not allowed here."), code="control")


class UserManager(BaseUserManager["User"]):
    """Creates accounts; email addresses are stored in lower case."""

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> User:
        """Return a new, saved account. Raises ValueError without an email address."""
        if not email:
            message = "An account needs an email address."
            raise ValueError(message)
        user = self.model(email=email.strip().lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> User:
        """Return a new administrator, who may do everything; the set-up page closes."""
        with transaction.atomic(using=self._db):
            FirstSetup.objects.using(self._db).get_or_create(pk=FirstSetup.KEY)
            return self.create_user(email, password, **{**fields, "is_superuser": True})

    def get_by_natural_key(self, email: str | None) -> User:
        """Return the account of `email`, ignoring case. Raises User.DoesNotExist."""
        return self.get(email=(email or "").lower())


class User(AbstractBaseUser, PermissionsMixin):
    """One person. `is_superuser` marks an administrator."""

    email = models.EmailField(
        _("email address"),
        max_length=254,
        unique=True,
        validators=[validate_address],
        error_messages={"unique": _("There is already an account with this email address.")},
    )
    name = models.CharField(_("name"), max_length=150, blank=True, validators=[validate_line])
    language = models.CharField(_("language"), max_length=10, default="en")
    mail_language = models.CharField(_("language of email"), max_length=10, blank=True)  # empty: as the pages
    time_zone = models.CharField(_("time zone"), max_length=64, default="UTC", validators=[validate_time_zone])
    is_active = models.BooleanField(_("may sign in"), default=True)
    date_joined = models.DateTimeField(_("joined"), default=timezone.now, editable=False)

    objects: ClassVar[UserManager] = UserManager()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                Lower("email"),
                name="users_user_email_once",
                violation_error_message=_("There is already an account with this email address."),
            )
        ]
        permissions: ClassVar = [("manage_users", "Can manage accounts")]
        default_permissions = ()

    def __str__(self) -> str:
        return self.name or self.email

    def get_full_name(self) -> str:
        """Return the same as `str`, for libraries that call this method."""
        return str(self)

    @property
    def language_of_mails(self) -> str:
        """The language of messages to this person."""
        return self.mail_language or self.language

    @property
    def initials(self) -> str:
        """Return one or two capital letters for the avatar."""
        words = [word for word in self.name.split() if word[0].isalpha()]
        if not words:
            return self.email[:2].upper()
        return (words[0][0] + (words[-1][0] if len(words) > 1 else "")).upper()


class FirstSetup(models.Model):
    """A row with a fixed key that exists once there was an administrator: two browsers cannot both insert it."""

    KEY = 1

    id = models.PositiveSmallIntegerField(primary_key=True, default=KEY)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"first administrator created {self.created_at}"


class CacheEntry(models.Model):
    """A value of `users.shared_cache`: how often somebody has tried to sign in, above all."""

    key = models.CharField(max_length=250, primary_key=True)
    value = models.TextField()  # JSON
    expires_at = models.DateTimeField(db_index=True)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return self.key
