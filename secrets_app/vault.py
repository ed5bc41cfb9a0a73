"""The door to the secrets: which connections there are, who may use them, and their passwords.

Owns every reading; the writes are in `secrets_app.storing`. A value leaves only through `reveal`, which is imported by
the drivers' connection factory alone.

    VaultError
    ├── SecretUnreadable   no key in use opens the value, or it was moved
    ├── SecretGone         no such secret (any more)
    ├── NameTaken          another secret has this name
    ├── EditedMeanwhile    somebody saved since the form was opened
    └── ReentryNeeded      the server changed, so the password has to be typed again
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_variables

from secrets_app.encryption import SealBroken, unseal
from secrets_app.kinds.base import kind as kind_of
from secrets_app.kinds.base import kinds
from secrets_app.models import Secret, SecretEvent, SecretValue

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from secrets_app.models import Person

ENVIRONMENT = "environment"
Change = SecretEvent.Action


class VaultError(Exception):
    """Something about the secrets that people can put right; the text says how and never holds a value."""


class SecretUnreadable(VaultError):
    """No key in use opens a stored value, or the value was moved here from another secret."""


class SecretGone(VaultError):
    """There is no secret of this number, or no connection in the environment."""


class NameTaken(VaultError):
    """Another secret got this name first."""


class EditedMeanwhile(VaultError):
    """The secret was saved by somebody else since the form was opened."""


class ReentryNeeded(VaultError):
    """The server changed while the old password was to be kept."""


@dataclass(frozen=True, slots=True)
class Connection:
    """A secret without its values. `id` is its number as text, or ``environment``."""

    id: str
    name: str
    kind: str
    fields: Mapping[str, Any] = field(repr=False)
    has: frozenset[str]  # the secret fields that are stored
    available_to_system: bool
    revision: int
    owner_ids: frozenset[int]
    group_ids: frozenset[int]


def connections(kind: str = "smtp") -> list[Connection]:
    """Return every connection of a kind, the environment's first, then oldest first. Four queries, no decryption."""
    secrets = list(Secret.objects.filter(kind=kind).order_by("pk"))
    first = environment_connection() if kind == "smtp" else None
    return [*([first] if first else []), *_described(secrets, kind)]


def connection(secret: Secret) -> Connection:
    """Return the connection that `secret` makes."""
    return _described([secret], secret.kind)[0]


def _described(secrets: list[Secret], kind: str) -> list[Connection]:
    if not secrets:
        return []
    has, owners, groups = (defaultdict(set) for _set in range(3))
    for pk, name in SecretValue.objects.filter(secret__kind=kind).values_list("secret_id", "field"):
        has[pk].add(name)
    for pk, who in Secret.owners.through.objects.filter(secret__kind=kind).values_list("secret_id", "user_id"):
        owners[pk].add(who)
    for pk, who in Secret.groups.through.objects.filter(secret__kind=kind).values_list("secret_id", "group_id"):
        groups[pk].add(who)
    defaults = {form.key: form.defaults for form in kinds()}
    return [
        Connection(
            id=str(secret.pk),
            name=secret.name,
            kind=secret.kind,
            fields=MappingProxyType({**defaults.get(secret.kind, {}), **secret.fields}),
            has=frozenset(has[secret.pk]),
            available_to_system=secret.available_to_system,
            revision=secret.revision,
            owner_ids=frozenset(owners[secret.pk]),
            group_ids=frozenset(groups[secret.pk]),
        )
        for secret in secrets
    ]


def environment_connection() -> Connection | None:
    """Return the connection made of the ``MAIL_*`` variables, or None if MAIL_HOST is not set."""
    mail = settings.MAIL
    if not mail.host:
        return None
    port = mail.port or (465 if mail.tls == "ssl" else 587)
    fields = {
        **kind_of("smtp").defaults,
        "host": mail.host,
        "port": port,
        "tls": mail.tls or ("ssl" if port == 465 else "starttls"),
        "username": mail.username,
        "sender": "",  # MAIL_FROM_ADDRESS is the sender of all mail, not of this connection
        "ehlo_name": mail.ehlo_name,
        "timeout": float(mail.timeout or 20),
        "ca_pem": mail.ca_pem,
        "verify": True,
    }
    return Connection(
        id=ENVIRONMENT,
        name=ENVIRONMENT,
        kind="smtp",
        fields=MappingProxyType(fields),
        has=frozenset({"password"} if mail.password else ()),
        available_to_system=True,
        revision=0,
        owner_ids=frozenset(),
        group_ids=frozenset(),
    )


def usable_by(connection: Connection, user: Person | None) -> bool:
    """Whether mail of `user` may go through it; None is the system itself. One query at most."""
    if connection.available_to_system:
        return True
    if user is None or not user.is_active:
        return False
    if user.is_superuser or user.pk in connection.owner_ids:
        return True
    return bool(connection.group_ids) and user.groups.filter(pk__in=connection.group_ids).exists()


@sensitive_variables()
def reveal(connection_id: str) -> Mapping[str, str]:
    """Return the secret fields of a connection, such as ``{"password": "..."}``; fields without a value are absent.

    Raises SecretUnreadable (lost or wrong key, moved ciphertext) and SecretGone.
    """
    if connection_id == ENVIRONMENT:
        if not settings.MAIL.host:
            raise SecretGone(_("The environment names no mail server any more (MAIL_HOST)."))
        return {"password": settings.MAIL.password} if settings.MAIL.password else {}
    secret = Secret.objects.filter(pk=int(connection_id)).first() if _is_number(connection_id) else None
    if secret is None:
        raise SecretGone(_("There is no secret number %(id)s any more.") % {"id": connection_id[:20]})
    found = {}
    for value in secret.values.all():
        try:
            found[value.field] = unseal(secret.pk, value.field, value.ciphertext)
        except SealBroken:
            raise SecretUnreadable(unreadable_text(secret.name)) from None
    return found


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 18


def unreadable_text(name: str) -> str:
    """Return what to tell people about a secret that no key opens."""
    text = _(
        "The password of “%(name)s” cannot be read with the keys in use. "
        "Put the right key into SECRETS_KEYS, or type the password again."
    )
    return text % {"name": name}


def unreadable(connection: Connection) -> list[str]:
    """Return the names of the stored secret fields that no key in use opens."""
    return [] if connection.id == ENVIRONMENT else unreadable_fields([int(connection.id)]).get(int(connection.id), [])


@sensitive_variables()
def unreadable_fields(secret_ids: Collection[int]) -> dict[int, list[str]]:
    """Return, by secret, the names of the secret fields that no key in use opens. One query."""
    broken: dict[int, list[str]] = {}
    for value in SecretValue.objects.filter(secret__in=secret_ids).order_by("secret_id", "field"):
        try:
            unseal(value.secret_id, value.field, value.ciphertext)
        except SealBroken:
            broken.setdefault(value.secret_id, []).append(value.field)
    return broken


def last_change(secret_id: int) -> SecretEvent | None:
    """Return the newest event after which the secret says something else, None if there is none."""
    changes = (Change.CREATED, Change.CHANGED, Change.VALUE_REPLACED, Change.VALUE_REMOVED)
    return SecretEvent.objects.filter(secret_number=secret_id, action__in=changes).order_by("-id").first()
