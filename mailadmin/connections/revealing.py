"""Connections with their secrets in plain text, for drivers. The only module that imports `reveal`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils.crypto import salted_hmac
from django.views.decorators.debug import sensitive_variables

from mailadmin.drivers.base import RevealedConnection
from secrets_app.reveal import reveal

if TYPE_CHECKING:
    from secrets_app.kinds.base import SecretForm
    from secrets_app.vault import Connection


@sensitive_variables()
def revealed(connection: Connection, *, content_timeout: float = 0.0) -> RevealedConnection:
    """Return `connection` with its secrets.

    `content_timeout`: seconds to wait for the reply to a whole message, 0 for the connection's own timeout. Raises
    VaultError if a secret cannot be read.
    """
    return RevealedConnection(
        id=connection.id,
        name=connection.name,
        kind=connection.kind,
        fields=connection.fields,
        secrets=reveal(connection.id),
        content_timeout=content_timeout,
    )


@sensitive_variables()
def secrets_digest(connection: Connection) -> str:
    """Return a digest that changes with the secrets of `connection`, keyed with SECRET_KEY. Raises VaultError.

    Without the key, who reads the database could try passwords against it.
    """
    secrets = repr(sorted(reveal(connection.id).items()))
    return salted_hmac("mailadmin.connections.secrets", secrets, algorithm="sha256").hexdigest()


@sensitive_variables()
def revealed_form(form: SecretForm) -> RevealedConnection:
    """Return the connection that a valid form describes, nothing of which is stored.

    Secret fields that are to be kept are those of the secret that the form changes. Raises VaultError if they cannot be
    read.
    """
    typed = form.values()
    stored = reveal(str(form.secret.pk)) if form.secret and form.stored - typed.keys() else {}
    secrets = {**stored, **typed}
    return RevealedConnection(
        id=str(form.secret.pk) if form.secret else "",
        name="",
        kind=form.key,
        fields={**form.defaults, **form.stored_fields()},
        secrets={name: value for name, value in secrets.items() if value is not None},
    )
