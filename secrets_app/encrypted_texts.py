"""Encrypts single texts of other apps with the vault's keys: each bound to its purpose, and part of every rotation.

Unlike secrets, such texts have no owner, no audit log and no page.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from django.views.decorators.debug import sensitive_variables

from secrets_app.encryption import DecryptionFailed, decrypt_value, encrypt_value, is_under_first_key

NO_SECRET = 0  # in place of the id of a secret, which no secret has


class TextNotDecrypted(Exception):
    """No key in use decrypts the text, or it was encrypted for another purpose. Has no text, on purpose."""


@dataclass(slots=True)
class TextRotation:
    """What rotating the texts of one app did, in numbers of texts."""

    rotated: int = 0
    current: int = 0  # were already encrypted with the first key
    unreadable: list[str] = field(default_factory=list)  # what they belong to


_rotations: list[Callable[[], TextRotation]] = []


@sensitive_variables()
def encrypt_text(purpose: str, text: str) -> str:
    """Return `text` encrypted with the first key."""
    return encrypt_value(NO_SECRET, purpose, text)


@sensitive_variables()
def decrypt_text(purpose: str, token: str) -> str:
    """Return the text in `token`. Raises TextNotDecrypted."""
    try:
        return decrypt_value(NO_SECRET, purpose, token)
    except DecryptionFailed:
        raise TextNotDecrypted from None


@sensitive_variables()
def rotate_text(purpose: str, token: str) -> str:
    """Return `token` encrypted with the first key, itself if it is already. Raises TextNotDecrypted."""
    text = decrypt_text(purpose, token)
    return token if is_under_first_key(token) else encrypt_text(purpose, text)


def register_text_rotation(rotate: Callable[[], TextRotation]) -> None:
    """Have ``rotate_secrets`` call `rotate`, which encrypts the texts of an app with the first key."""
    _rotations.append(rotate)


def rotate_texts() -> TextRotation:
    """Rotate the texts of all apps."""
    total = TextRotation()
    for rotate in _rotations:
        one = rotate()
        total.rotated += one.rotated
        total.current += one.current
        total.unreadable += one.unreadable
    return total
