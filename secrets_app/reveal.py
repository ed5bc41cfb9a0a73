"""Returns the secret values of a connection in plain text. An import-linter contract allows one caller."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_variables

from secrets_app.encryption import DecryptionFailed, decrypt_value
from secrets_app.kinds.kind_registry import kinds
from secrets_app.models import Secret
from secrets_app.vault import SecretGone, SecretUnreadable, is_environment_id, is_number, unreadable_text

if TYPE_CHECKING:
    from collections.abc import Mapping


@sensitive_variables()
def reveal(connection_id: str) -> Mapping[str, str]:
    """Return the secret fields of a connection, such as ``{"password": "..."}``; fields without a value are absent.

    Raises SecretUnreadable and SecretGone.
    """
    if is_environment_id(connection_id):
        return _environment_secrets(connection_id)
    secret = Secret.objects.filter(pk=int(connection_id)).first() if is_number(connection_id) else None
    if secret is None:
        raise SecretGone(_("There is no secret with the number %(id)s.") % {"id": connection_id[:20]})
    found = {}
    for value in secret.values.all():
        try:
            found[value.field] = decrypt_value(secret.pk, value.field, value.ciphertext)
        except DecryptionFailed:
            raise SecretUnreadable(unreadable_text(secret.name)) from None
    return found


@sensitive_variables()
def _environment_secrets(connection_id: str) -> Mapping[str, str]:
    form = next((form for form in kinds() if form.environment_id() == connection_id), None)
    values = form.from_environment() if form else None
    if values is None:
        raise SecretGone(_("The environment no longer sets the connection “%s”.") % connection_id)
    return values.secrets
