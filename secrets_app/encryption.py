"""Encrypts and decrypts single values, each bound to its secret and field.

A value is stored as a Fernet token under the first of `settings.SECRETS_KEYS`. Its plaintext is JSON,
``[secret id, field, value]``, so a token copied to another row or field is refused there. Nothing here uses the
database or puts a value or a key into an exception.
"""

import json
from collections.abc import Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.views.decorators.debug import sensitive_variables


class DecryptionFailed(Exception):
    """No key decrypts the token, or it belongs to another secret or field. Deliberately has no text and no cause."""


@sensitive_variables()
def encrypt_value(secret_id: int, field: str, value: str) -> str:
    """Return `value` encrypted with the first key and bound to this secret and field."""
    plaintext = json.dumps([secret_id, field, value]).encode()
    return _ciphers()[0].encrypt(plaintext).decode()


@sensitive_variables()
def decrypt_value(secret_id: int, field: str, token: str) -> str:
    """Return the value in `token`. Raises DecryptionFailed."""
    try:
        plaintext = MultiFernet(_ciphers()).decrypt(token)
        bound_id, bound_field, value = json.loads(plaintext)
    except (InvalidToken, ValueError, TypeError):  # ValueError, TypeError: not a token of ours at all
        raise DecryptionFailed from None
    if (bound_id, bound_field) != (secret_id, field) or not isinstance(value, str):
        raise DecryptionFailed
    return value


@sensitive_variables()
def is_under_first_key(token: str) -> bool:
    """Whether `token` is encrypted with the first key, so that rotation would change nothing."""
    try:
        _ciphers()[0].decrypt(token)
    except (InvalidToken, ValueError, TypeError):
        return False
    return True


@sensitive_variables()
def _ciphers() -> list[Fernet]:
    """Return a cipher per key, the encrypting one first. Keys are read on every call, so tests can change them."""
    keys: Sequence[str] = settings.SECRETS_KEYS
    return [Fernet(key) for key in keys]
