"""The first administrator: created exactly once, in the browser or from the environment.

It stays created even if all accounts are deleted later: a stranger must not become administrator then
(``createsuperuser`` is the way back in).
"""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from users.models import FirstSetup, User


class AlreadySetUp(Exception):
    """There is an account already, perhaps since a moment ago."""


class AdminRefused(ValueError):
    """The account that the environment describes cannot be created; the text names the variable, never the password."""


def is_done() -> bool:
    """Return whether there is or ever was an account. One query, two on an empty database."""
    return User.objects.exists() or FirstSetup.objects.exists()


def create_first_admin(*, email: str, password: str, name: str = "", language: str = "en") -> User:
    """Create and return the first administrator. Raises AlreadySetUp, and then nothing was stored.

    The fixed key of FirstSetup decides a race: the second transaction waits for the first and then fails.
    """
    try:
        with transaction.atomic():
            FirstSetup.objects.create()
            if User.objects.exists():
                raise AlreadySetUp
            return User.objects.create_superuser(email, password, name=name, language=language)
    except IntegrityError as error:
        raise AlreadySetUp from error


def ensure_admin() -> User | None:
    """Create and return the administrator that the environment names, unless there ever was an account.

    An existing account is never changed. Raises AdminRefused.
    """
    if not settings.ADMIN_EMAIL or is_done():
        return None
    check("MAILADMIN_ADMIN_EMAIL", email=settings.ADMIN_EMAIL)
    check("MAILADMIN_ADMIN_PASSWORD", email=settings.ADMIN_EMAIL, password=settings.ADMIN_PASSWORD)
    try:
        return create_first_admin(email=settings.ADMIN_EMAIL, password=settings.ADMIN_PASSWORD)
    except AlreadySetUp:
        return None


def check(variable: str, *, email: str, password: str = "") -> None:
    """Raise AdminRefused with the name of `variable` unless the address, or the password if given, is acceptable."""
    user = User(email=email)
    try:
        if password:
            validate_password(password, user)
        else:
            user.clean_fields(exclude={"password"})
    except ValidationError as error:
        message = f"{variable}: {' '.join(error.messages)}"
        raise AdminRefused(message) from error
