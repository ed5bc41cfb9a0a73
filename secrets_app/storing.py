"""All writes to the vault: store, change, share and delete a secret.

Each function is one transaction, including the entry in the audit log, and raises PermissionDenied for an actor who
does not own the secret; `actor=None` is the system. Checks of the form that concurrent changes could defeat are
repeated here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_variables

from secrets_app.encryption import encrypt_value
from secrets_app.kinds.kind_registry import kind_of
from secrets_app.models import Secret, SecretEvent, SecretValue, name_key
from secrets_app.system_access import may_give_system_access
from secrets_app.vault import EditConflict, NameTaken, ReentryNeeded, SecretGone

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from django.contrib.auth.models import Group

    from secrets_app.models import Person

Action = SecretEvent.Action


@sensitive_variables()
def store(
    *,
    kind: str,
    name: str,
    fields: Mapping[str, Any],
    values: Mapping[str, str | None],
    actor: Person | None,
    available_to_system: bool = False,
) -> Secret:
    """Store a new secret, owned by `actor`. `fields` stay readable, `values` are encrypted.

    Raises NameTaken, and PermissionDenied if `actor` may not make it available to the system.
    """
    if available_to_system and not may_give_system_access(actor):
        raise PermissionDenied
    with transaction.atomic():
        secret = _saved(Secret(kind=kind, name=name, fields=dict(fields), available_to_system=available_to_system))
        if actor is not None:
            secret.owners.add(actor.pk)
        written = _write_values(secret, values)
        defaults = kind_of(kind).defaults
        record_event(
            secret, actor, Action.CREATED, [*(key for key in fields if fields[key] != defaults.get(key)), *written]
        )
    return secret


@sensitive_variables()
def change(
    secret_id: int,
    *,
    revision: int,
    name: str,
    fields: Mapping[str, Any],
    values: Mapping[str, str | None],
    actor: Person | None,
) -> Secret:
    """Change a secret. In `values`, a text replaces, None removes, and an absent field is kept.

    Writes nothing if nothing changes. Raises PermissionDenied, EditConflict if `revision` is not the stored one,
    ReentryNeeded if a value is kept although the server changes, NameTaken and SecretGone.
    """
    with transaction.atomic():
        secret = _locked(secret_id, revision=revision, actor=actor)
        form = kind_of(secret.kind)
        before = {**form.defaults, **secret.fields}
        changed = [key for key in fields if fields[key] != before.get(key)]
        kept = set(secret.values.values_list("field", flat=True)) - set(values)
        if kept and form.reentry_causes(before, fields):
            raise ReentryNeeded(_("Enter the password again, because the server changed."))
        if secret.name != name:
            changed.insert(0, "name")
        written = _write_values(secret, values)
        if not changed and not written:
            return secret
        secret.name, secret.fields = name, {**secret.fields, **fields}
        _bump(secret)
        if changed:
            record_event(secret, actor, Action.CHANGED, changed)
        for key, action in written.items():
            record_event(secret, actor, action, [key])
    return secret


def share(
    secret_id: int,
    *,
    revision: int,
    owners: Iterable[Any],
    groups: Iterable[Group],
    available_to_system: bool,
    actor: Person | None,
) -> Secret:
    """Set owners (accounts), groups and availability to the system.

    Raises PermissionDenied if the actor does not own it, adds a group they are not in, or may not make it available to
    the system; EditConflict, SecretGone, and ValueError if no owner would be left.
    """
    with transaction.atomic():
        secret = _locked(secret_id, revision=revision, actor=actor)
        new_owners, new_groups = {o.pk: o for o in owners}, {g.pk: g for g in groups}
        if not new_owners:
            message = "a secret needs an owner"
            raise ValueError(message)
        allowed = set(new_groups) if actor is None else set(secret.shareable_groups(actor).values_list("pk", flat=True))
        if set(new_groups) - allowed:
            raise PermissionDenied
        if available_to_system and not may_give_system_access(actor):
            raise PermissionDenied
        changed = [
            *_differences("owners", {o.pk: o for o in secret.owners.all()}, new_owners),
            *_differences("groups", {g.pk: g for g in secret.groups.all()}, new_groups),
        ]
        if secret.available_to_system != available_to_system:
            changed.append(f"available_to_system {'+' if available_to_system else '-'}")
        if changed:
            secret.owners.set(new_owners.values())
            secret.groups.set(new_groups.values())
            secret.available_to_system = available_to_system
            _bump(secret)
            record_event(secret, actor, Action.SHARED, changed)
    return secret


def delete(secret_id: int, *, actor: Person | None) -> str:
    """Delete a secret and its values, and return its name. Its audit log remains.

    Raises PermissionDenied and SecretGone.
    """
    with transaction.atomic():
        secret = _locked(secret_id, revision=None, actor=actor)
        record_event(secret, actor, Action.DELETED, [])
        secret.delete()
    return secret.name


def record_event(secret: Secret, actor: Person | None, action: str, changed: Iterable[str]) -> None:
    """Add an entry to the audit log. `changed` holds names of fields, never values."""
    SecretEvent.objects.create(
        secret=secret,
        secret_number=secret.pk,
        secret_name=secret.name,
        actor_id=actor.pk if actor else None,
        actor_name=str(actor)[:254] if actor else "",
        action=action,
        changed=list(changed),
    )


def _locked(secret_id: int, *, revision: int | None, actor: Person | None) -> Secret:
    """Return the row, locked until the transaction ends.

    Raises SecretGone, PermissionDenied unless `actor` may change it, and EditConflict unless it is at `revision`.
    """
    secret = Secret.objects.select_for_update().filter(pk=secret_id).first()
    if secret is None:
        raise SecretGone(_("This secret no longer exists."))
    if actor is not None and not secret.managed_by(actor):
        raise PermissionDenied
    if revision is not None and secret.revision != revision:
        raise EditConflict(_("Someone else saved this secret in the meantime."))
    return secret


def _bump(secret: Secret) -> None:
    secret.revision += 1
    _saved(secret)


def _saved(secret: Secret) -> Secret:
    try:
        with transaction.atomic():
            secret.save()
    except IntegrityError as error:
        if Secret.objects.filter(name_key=name_key(secret.name)).exclude(pk=secret.pk).exists():
            raise NameTaken(_("A secret with this name already exists. Choose another name.")) from error
        raise
    return secret


@sensitive_variables()
def _write_values(secret: Secret, values: Mapping[str, str | None]) -> dict[str, str]:
    """Encrypt or remove the values, and return the action by field."""
    done: dict[str, str] = {}
    for key, value in values.items():
        if value is None:
            if SecretValue.objects.filter(secret=secret, field=key).delete()[0]:
                done[key] = Action.VALUE_REMOVED
        else:
            token = encrypt_value(secret.pk, key, value)
            SecretValue.objects.update_or_create(secret=secret, field=key, defaults={"ciphertext": token})
            done[key] = Action.VALUE_REPLACED
    return done


def _differences(word: str, before: Mapping[int, Any], after: Mapping[int, Any]) -> list[str]:
    added = [f"{word} +{after[pk]}" for pk in after if pk not in before]
    return added + [f"{word} -{before[pk]}" for pk in before if pk not in after]
