"""Encrypts every stored value with the first key, so that the older keys can be taken out of SECRETS_KEYS.

May run beside everything else, be broken off and run again: each value is exchanged only if it is still the one that
was read, and one that the first key opens already is left alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from django.db import transaction
from django.views.decorators.debug import sensitive_variables

from secrets_app.encryption import SealBroken, is_sealed_with_first_key, seal, unseal
from secrets_app.models import Secret, SecretEvent, SecretValue
from secrets_app.storing import note

if TYPE_CHECKING:
    from collections.abc import Sequence

BATCH = 200  # values in one transaction


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A value that no key opens. It was left as it is."""

    secret: int
    name: str
    field: str


@dataclass(slots=True)
class Rotation:
    """What a rotation did: counts of values."""

    rotated: int = 0
    current: int = 0  # encrypted with the first key already
    unreadable: list[Unreadable] = field(default_factory=list)


def rotate(*, batch: int = BATCH) -> Rotation:
    """Encrypt every value with the first key, `batch` at a time, and return what was done."""
    result = Rotation()
    last = 0
    while values := list(SecretValue.objects.filter(pk__gt=last).select_related("secret").order_by("pk")[:batch]):
        with transaction.atomic():
            _rotate_batch(values, result)
        last = values[-1].pk
    return result


@sensitive_variables()
def _rotate_batch(values: Sequence[SecretValue], result: Rotation) -> None:
    rotated: dict[Secret, list[str]] = {}
    for value in values:
        secret = value.secret
        try:
            plain = unseal(secret.pk, value.field, value.ciphertext)
        except SealBroken:
            result.unreadable.append(Unreadable(secret.pk, secret.name, value.field))
            continue
        # Replaced meanwhile: that was done with the first key, so the condition keeps the newer value.
        same = SecretValue.objects.filter(pk=value.pk, ciphertext=value.ciphertext)
        if is_sealed_with_first_key(value.ciphertext):
            result.current += 1
        elif same.update(ciphertext=seal(secret.pk, value.field, plain)):
            result.rotated += 1
            rotated.setdefault(secret, []).append(value.field)
        else:
            result.current += 1
    for secret, fields in rotated.items():
        note(secret, None, SecretEvent.Action.ROTATED, fields)
