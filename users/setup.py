"""The first administrator: created exactly once, in the browser or from the environment.

It stays created even if all accounts are deleted later: a stranger must not become administrator then
(``createsuperuser`` is the way back in).
"""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.http import HttpRequest
from django.urls import reverse
from django.utils.crypto import constant_time_compare, salted_hmac

from users.models import FirstSetup, User


class AlreadySetUp(Exception):
    """There is an account already, perhaps since a moment ago."""


class AdminRefused(ValueError):
    """The account that the environment describes cannot be created; the text names the variable, never the password."""


def token() -> str:
    """Return what opens the set-up page on an open network; whoever reads the log of the start may set up.

    Derived from SECRET_KEY, so that all processes and machines know it.
    """
    return salted_hmac("users.setup", "first administrator", algorithm="sha256").hexdigest()[:32]


def setup_link() -> str:
    """Return the address of the set-up page, with the token unless only this machine's users can reach the site."""
    return f"{settings.BASE_URL}{reverse('users:setup')}" if is_local_installation() else link_with_token()


def link_with_token() -> str:
    return f"{settings.BASE_URL}{reverse('users:setup')}?token={token()}"


def is_local_installation() -> bool:
    """Return whether only this machine's users can reach the site, as far as the settings tell."""
    return is_loopback(getattr(settings, "WEB_HOST", "")) and is_loopback(urlsplit(settings.BASE_URL).hostname or "")


def may_set_up(request: HttpRequest, given: str) -> bool:
    """Return whether the visitor sits at this machine, or has the token."""
    forwarded = any(name in request.META for name in ("HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED", "HTTP_X_REAL_IP"))
    if is_local_installation() and is_loopback(request.META.get("REMOTE_ADDR", "")) and not forwarded:
        return True
    return constant_time_compare(given, token())


def is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


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
