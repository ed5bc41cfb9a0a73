"""Encrypts every stored value with the first key, so that older keys can be removed from SECRETS_KEYS.

Rotation can run while the system is in use, and can be interrupted and repeated: a value is replaced only if it has not
changed since it was read, and values already encrypted with the first key are skipped.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from django.db import transaction
from django.views.decorators.debug import sensitive_variables

from secrets_app.encrypted_texts import rotate_texts
from secrets_app.encryption import DecryptionFailed, decrypt_value, encrypt_value, is_under_first_key
from secrets_app.models import Secret, SecretEvent, SecretValue
from secrets_app.storing import record_event

if TYPE_CHECKING:
    from collections.abc import Sequence

BATCH = 200  # values per transaction


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A value that no key decrypts. It is left unchanged. Without a secret it is a text of another app."""

    secret: int | None
    name: str
    field: str


@dataclass(slots=True)
class Rotation:
    """The result of a rotation, in numbers of values."""

    rotated: int = 0
    current: int = 0  # were already encrypted with the first key
    unreadable: list[Unreadable] = field(default_factory=list)


def rotate(*, batch: int = BATCH) -> Rotation:
    """Encrypt every value, and what other apps encrypt, with the first key; values in transactions of `batch`."""
    result = Rotation()
    last = 0
    while values := list(SecretValue.objects.filter(pk__gt=last).select_related("secret").order_by("pk")[:batch]):
        with transaction.atomic():
            _rotate_batch(values, result)
        last = values[-1].pk
    texts = rotate_texts()
    result.rotated += texts.rotated
    result.current += texts.current
    result.unreadable += [Unreadable(None, name, "") for name in texts.unreadable]
    return result


@sensitive_variables()
def _rotate_batch(values: Sequence[SecretValue], result: Rotation) -> None:
    rotated: dict[Secret, list[str]] = {}
    for value in values:
        secret = value.secret
        try:
            plain = decrypt_value(secret.pk, value.field, value.ciphertext)
        except DecryptionFailed:
            result.unreadable.append(Unreadable(secret.pk, secret.name, value.field))
            continue
        # A value that was replaced since it was read is newer and already under the first key; the condition keeps it.
        same = SecretValue.objects.filter(pk=value.pk, ciphertext=value.ciphertext)
        if is_under_first_key(value.ciphertext):
            result.current += 1
        elif same.update(ciphertext=encrypt_value(secret.pk, value.field, plain)):
            result.rotated += 1
            rotated.setdefault(secret, []).append(value.field)
        else:
            result.current += 1
    for secret, fields in rotated.items():
        record_event(secret, None, SecretEvent.Action.ROTATED, fields)
