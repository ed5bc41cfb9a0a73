"""Encrypts and decrypts single values, each bound to its place.

Owns the format: a Fernet token under the first of `settings.SECRETS_KEYS`, whose plaintext is JSON
``[secret id, field, value]``. A token copied to another row or field therefore does not open there. Never touches the
database, and never lets a value or a key into an error.
"""

import json
from collections.abc import Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.views.decorators.debug import sensitive_variables


class SealBroken(Exception):
    """A token that no key in use opens, or that belongs to another place. Carries no text and no cause on purpose."""


@sensitive_variables()
def seal(secret_id: int, field: str, value: str) -> str:
    """Return `value` encrypted with the first key, readable only as `field` of the secret `secret_id`."""
    plaintext = json.dumps([secret_id, field, value]).encode()
    return _ciphers()[0].encrypt(plaintext).decode()


@sensitive_variables()
def unseal(secret_id: int, field: str, token: str) -> str:
    """Return the value in `token`. Raises SealBroken if no key opens it or if it was sealed for another place."""
    try:
        plaintext = MultiFernet(_ciphers()).decrypt(token)
        sealed_id, sealed_field, value = json.loads(plaintext)
    except (InvalidToken, ValueError, TypeError):  # TypeError, ValueError: a column that holds no token at all
        raise SealBroken from None
    if (sealed_id, sealed_field) != (secret_id, field) or not isinstance(value, str):
        raise SealBroken
    return value


@sensitive_variables()
def is_sealed_with_first_key(token: str) -> bool:
    """Whether the first key opens `token`, so that rotating it again would change nothing."""
    try:
        _ciphers()[0].decrypt(token)
    except (InvalidToken, ValueError, TypeError):
        return False
    return True


@sensitive_variables()
def _ciphers() -> list[Fernet]:
    """Return a cipher for each key, the encrypting one first; read at each call, so that tests can change the keys."""
    keys: Sequence[str] = settings.SECRETS_KEYS
    return [Fernet(key) for key in keys]
