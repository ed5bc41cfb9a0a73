"""Reads from the vault: which connections exist and who may use them. `secrets_app.storing` writes.

Values in plain text come only from `secrets_app.reveal`, which `mailadmin.connections.revealing` alone imports.

    VaultError
    ├── SecretUnreadable   no key in use decrypts the value, or it was moved
    ├── SecretGone         there is no such secret, or no longer
    ├── NameTaken          another secret has this name
    ├── EditConflict       another person saved it since the form was opened
    └── ReentryNeeded      the server changed, so the password must be entered again
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_variables

from secrets_app.encryption import DecryptionFailed, decrypt_value
from secrets_app.kinds.base import ENVIRONMENT
from secrets_app.kinds.kind_registry import find_kind, kinds
from secrets_app.models import Secret, SecretEvent, SecretValue

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from secrets_app.kinds.base import SecretForm
    from secrets_app.kinds.environment_values import EnvironmentValues
    from secrets_app.models import Person

Change = SecretEvent.Action


class VaultError(Exception):
    """A problem with a secret that people can solve. The text says how and never contains a value."""


class SecretUnreadable(VaultError):
    """No key in use decrypts a stored value, or it was copied from another secret or field."""


class SecretGone(VaultError):
    """There is no secret with this number, or no such connection in the environment."""


class NameTaken(VaultError):
    """Another secret has this name."""


class EditConflict(VaultError):
    """Another person saved the secret since the form was opened."""


class ReentryNeeded(VaultError):
    """The server changed, but the password was not entered again."""


@dataclass(frozen=True, slots=True)
class Connection:
    """A secret without its values. `id` is its number as text, or that of a connection from the environment."""

    id: str
    name: str
    kind: str
    fields: Mapping[str, Any] = field(repr=False)
    has: frozenset[str]  # names of the secret fields that have a value
    available_to_system: bool
    revision: int
    owner_ids: frozenset[int]
    group_ids: frozenset[int]

    @property
    def is_from_environment(self) -> bool:
        """Whether environment variables define it."""
        return is_environment_id(self.id)

    @property
    def sender(self) -> str:
        """The sender address that the server requires, or ""."""
        return str(self.fields.get("sender", ""))

    @property
    def summary(self) -> tuple[str, str]:
        """The server and how it is secured, for lists; empty texts if the kind is not registered."""
        form = find_kind(self.kind)
        where, how = form.summary(self.fields) if form else ("", "")
        return str(where), str(how)


def connections(of_kinds: Collection[str] | None = None) -> list[Connection]:
    """Return all connections of these kinds (None: all), those from the environment first, then the oldest.

    Takes four queries, however many there are.
    """
    wanted = [form.key for form in kinds()] if of_kinds is None else of_kinds
    secrets = list(Secret.objects.filter(kind__in=wanted).order_by("pk"))
    return [*environment_connections(wanted), *_described(secrets, wanted)]


def connection(secret: Secret) -> Connection:
    return _described([secret], [secret.kind])[0]


def _described(secrets: list[Secret], of_kinds: Collection[str]) -> list[Connection]:
    if not secrets:
        return []
    has, owners, groups = (defaultdict(set) for _set in range(3))
    for pk, name in SecretValue.objects.filter(secret__kind__in=of_kinds).values_list("secret_id", "field"):
        has[pk].add(name)
    for pk, who in Secret.objects.filter(kind__in=of_kinds, owners__isnull=False).values_list("pk", "owners"):
        owners[pk].add(who)
    for pk, who in Secret.groups.through.objects.filter(secret__kind__in=of_kinds).values_list("secret_id", "group_id"):
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


def environment_connections(of_kinds: Collection[str]) -> list[Connection]:
    """Return the connections defined by environment variables, in the order of the kinds."""
    found = ((form, form.from_environment()) for form in kinds() if form.key in of_kinds)
    return [_from_environment(form, values) for form, values in found if values]


def _from_environment(form: type[SecretForm], values: EnvironmentValues) -> Connection:
    return Connection(
        id=form.environment_id(),
        name=form.environment_id(),
        kind=form.key,
        fields=MappingProxyType(dict(values.fields)),
        has=frozenset(values.secrets),
        available_to_system=True,
        revision=0,
        owner_ids=frozenset(),
        group_ids=frozenset(),
    )


def is_environment_id(connection_id: str) -> bool:
    """Whether the id is that of a connection from the environment."""
    return connection_id.partition("-")[0] == ENVIRONMENT


def page_url(connection_id: str) -> str:
    """Return the path of the connection's page, "" for a malformed id."""
    if is_environment_id(connection_id):
        return reverse("secrets_app:environment")
    return reverse("secrets_app:detail", args=[int(connection_id)]) if is_number(connection_id) else ""


def usable_by(connection: Connection, user: Person | None) -> bool:
    """Whether messages of `user` (None: the system) may use the connection. At most one query."""
    if connection.available_to_system:
        return True
    if user is None or not user.is_active:
        return False
    if user.is_superuser or user.pk in connection.owner_ids:
        return True
    return bool(connection.group_ids) and user.groups.filter(pk__in=connection.group_ids).exists()


def is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 18


def unreadable_text(name: str) -> str:
    """Tell people that no key in use decrypts a value of this secret."""
    text = _(
        "The password of “%(name)s” cannot be decrypted with the keys in use. "
        "Add the right key to SECRETS_KEYS, or enter the password again."
    )
    return text % {"name": name}


def unreadable(connection: Connection) -> list[str]:
    """Return the names of the secret fields that no key in use decrypts."""
    if connection.is_from_environment:
        return []
    return unreadable_fields([int(connection.id)]).get(int(connection.id), [])


@sensitive_variables()
def unreadable_fields(secret_ids: Collection[int]) -> dict[int, list[str]]:
    """Return the names of the secret fields that no key in use decrypts, by secret id. One query."""
    broken: dict[int, list[str]] = {}
    for value in SecretValue.objects.filter(secret__in=secret_ids).order_by("secret_id", "field"):
        try:
            decrypt_value(value.secret_id, value.field, value.ciphertext)
        except DecryptionFailed:
            broken.setdefault(value.secret_id, []).append(value.field)
    return broken


def last_change(secret_id: int) -> SecretEvent | None:
    """Return the newest event that changed the secret's fields or values, or None."""
    changes = (Change.CREATED, Change.CHANGED, Change.VALUE_REPLACED, Change.VALUE_REMOVED)
    return SecretEvent.objects.filter(secret_number=secret_id, action__in=changes).order_by("-id").first()
