"""Second factors: what they are checked with is encrypted with the vault's keys."""

from __future__ import annotations

import logging
from typing import Any

from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from django.core.exceptions import PermissionDenied
from django.utils.translation import gettext
from django.views.decorators.debug import sensitive_variables

from secrets_app.encrypted_texts import TextNotDecrypted, TextRotation, decrypt_text, encrypt_text, rotate_text

logger = logging.getLogger(__name__)

PURPOSE = "second factor"
FIELDS = ("secret", "seed")  # of an authenticator app, of recovery codes


class MFAAdapter(DefaultMFAAdapter):  # type: ignore[misc]  # allauth has no types
    """Stores keys of authenticator apps and seeds of recovery codes encrypted."""

    @sensitive_variables()
    def encrypt(self, text: str) -> str:
        return encrypt_text(PURPOSE, text)

    @sensitive_variables()
    def decrypt(self, encrypted_text: str) -> str:
        """Return the text. Raises PermissionDenied, with the reason, while its key is missing."""
        try:
            return decrypt_text(PURPOSE, encrypted_text)
        except TextNotDecrypted:
            logger.error("A second factor cannot be decrypted with the keys in SECRETS_KEYS")
            raise PermissionDenied(
                gettext(
                    "The second factor of this account cannot be checked: the key it was encrypted with is missing."
                    " Ask the person who runs Mailadmin to add it to SECRETS_KEYS."
                )
            ) from None


def rotate_second_factors() -> TextRotation:
    """Encrypt what second factors are checked with under the first key; what cannot be read stays as it is."""
    result = TextRotation()
    for authenticator in Authenticator.objects.order_by("pk").iterator():
        data: dict[str, Any] = dict(authenticator.data)
        for name in FIELDS:
            if name not in data:
                continue
            try:
                data[name] = rotate_text(PURPOSE, data[name])
            except TextNotDecrypted:
                result.unreadable.append(f"second factor of account {authenticator.user_id}")
        if data == authenticator.data:
            result.current += sum(name in data for name in FIELDS)
        # Unless it was replaced or used since it was read, in which case the next rotation takes it.
        elif Authenticator.objects.filter(pk=authenticator.pk, data=authenticator.data).update(data=data):
            result.rotated += 1
    result.current -= len(result.unreadable)
    return result
