"""Creates, checks and revokes API keys.

A key is ``mk_`` followed by 256 random bits, and is shown once. It allows what its scopes and its owner's current
permissions both allow, so a permission taken from the owner is lost at the key's next request.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Iterable
from datetime import timedelta
from typing import TYPE_CHECKING

from django.contrib.auth import get_user_model
from django.db import IntegrityError, transaction
from django.db.models import BooleanField, ExpressionWrapper, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext
from django.views.decorators.debug import sensitive_variables

from mailadmin.models.api_key import ApiKey, Scope
from maillog import audit_log

if TYPE_CHECKING:
    from django.contrib.auth.models import _User as User

USE, MANAGE, SEND_AS = "mailadmin.use_api", "mailadmin.manage_keys", "mailadmin.send_as"
# The permissions that the owner needs for each scope.
PERMISSIONS: dict[Scope, tuple[str, ...]] = {
    Scope.SEND: ("mailadmin.send_mail",),
    Scope.READ: ("maillog.view_log",),
    Scope.RESEND: ("maillog.view_log", "maillog.resend_mail"),
    Scope.CANCEL: ("maillog.view_log", "mailadmin.manage_queue"),
    Scope.TEMPLATES: ("mailadmin.send_mail",),
}
PREFIX = "mk_"
KEY = re.compile(rf"{PREFIX}[A-Za-z0-9_-]{{43}}")
SHOWN = len(PREFIX) + 4  # characters of a key that are stored in plain text
USED_WITHIN = timedelta(minutes=1)  # so that a busy key does not cause a write per request


class NameTaken(Exception):
    """The owner has another key with this name."""


class KeyRefused(Exception):
    """A key is not accepted; the text says why."""


@sensitive_variables()
def make(
    owner: User, *, name: str, scopes: Iterable[str], lifetime: timedelta, senders: Iterable[str] = ()
) -> tuple[ApiKey, str]:
    """Create a key. Return its row, and the key itself, which cannot be read again. Raises NameTaken.

    `senders` are patterns of the From addresses that it may use; without any, those that its owner may use.
    """
    key = PREFIX + secrets.token_urlsafe(32)
    now = timezone.now()
    try:
        with transaction.atomic():
            stored = ApiKey.objects.create(
                owner=owner,
                name=name,
                prefix=key[:SHOWN],
                digest=digest_of(key),
                scopes=" ".join(scopes),
                senders="\n".join(senders),
                created_at=now,
                expires_at=now + lifetime,
            )
            audit_log.record_target(audit_log.Action.KEY_CREATED, str(stored), actor=owner)
    except IntegrityError as error:
        raise NameTaken from error
    return stored, key


@sensitive_variables()
def digest_of(key: str) -> str:
    """Return what is stored of a key: SHA-256 in hex."""
    return hashlib.sha256(key.encode()).hexdigest()


@sensitive_variables()
def authenticate(key: str) -> ApiKey:
    """Return the stored key with its owner, and record its use. Raises KeyRefused."""
    stored = ApiKey.objects.filter(digest=digest_of(key)).first() if KEY.fullmatch(key) else None
    owner = owner_of(stored) if stored else None
    if stored is None or owner is None:
        raise KeyRefused(gettext("There is no such key."))
    stored.owner = owner
    now = timezone.now()
    if stored.revoked_at is not None:
        raise KeyRefused(gettext("This key was revoked."))
    if stored.expires_at <= now:
        raise KeyRefused(gettext("This key has expired."))
    if not owner.is_active or not owner.has_perm(USE):
        raise KeyRefused(gettext("The owner of this key may no longer use the API."))
    if stored.used_at is None or stored.used_at <= now - USED_WITHIN:
        ApiKey.objects.filter(pk=stored.pk).update(used_at=now)
    return stored


def owner_of(key: ApiKey) -> User | None:
    """Return the account of the key's owner, or None if it was deleted while the key was being checked."""
    return get_user_model().objects.filter(pk=key.owner_id).first()


def scopes_for(person: User) -> list[Scope]:
    """Return the scopes for which `person` has the permissions."""
    return [scope for scope, needs in PERMISSIONS.items() if person.has_perms(needs)]


def visible_to(person: User) -> QuerySet[ApiKey]:
    """Return the person's own keys, or everyone's for those who manage keys; revoked keys last, then newest first."""
    is_revoked = ExpressionWrapper(Q(revoked_at__isnull=False), output_field=BooleanField())
    keys = ApiKey.objects.select_related("owner").order_by(is_revoked, "-id")
    return keys if person.has_perm(MANAGE) else keys.filter(owner=person)


def active_keys(person: User) -> QuerySet[ApiKey]:
    """Return the person's own keys that still give access."""
    return ApiKey.objects.filter(owner=person, revoked_at__isnull=True, expires_at__gt=timezone.now())


def revoke(key: ApiKey, *, by: User) -> bool:
    """Revoke the key, effective from the next request. Returns False if it was already revoked."""
    still = ApiKey.objects.filter(pk=key.pk, revoked_at__isnull=True)
    with transaction.atomic():
        revoked = bool(still.update(revoked_at=timezone.now(), revoked_by=str(by)[:254]))
        if revoked:
            audit_log.record_target(audit_log.Action.KEY_REVOKED, str(key), actor=by)
    return revoked
