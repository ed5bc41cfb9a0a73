"""Chooses the connection for a message, and gives its server. The only place that reveals a password."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.conf import settings

from mailadmin.drivers.smtp.smtp_server import SmtpServer
from secrets_app import vault
from secrets_app.vault import Connection, reveal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from django.contrib.auth.models import _User as User


def choose(
    connections: Sequence[Connection], *, primary: str, hint: str = "", actor: User | None = None
) -> Connection | None:
    """Return the connection for a message from `connections` (as ordered by `vault.connections()`), or None.

    The hint (an id or a name, in any case) comes first if `actor` may use that connection; then the primary connection,
    then `environment`, then the oldest secret that is available to the system.
    """
    wanted = hint.casefold()
    if wanted:
        for connection in connections:
            if wanted in {connection.id, connection.name.casefold()} and vault.usable_by(connection, actor):
                return connection
    for_system = [connection for connection in connections if vault.usable_by(connection, None)]
    by_id = {connection.id: connection for connection in for_system}
    return by_id.get(primary) or by_id.get("environment") or next(iter(for_system), None)


def server_for(connection: Connection, *, content_timeout: float = 0.0) -> SmtpServer:
    """Return the server of `connection` with its password.

    `content_timeout`: seconds to wait for the reply to the final dot, 0 for the connection's own timeout. Raises
    VaultError if the password cannot be read.
    """
    password = reveal(connection.id).get("password", "")
    return _server(connection.name, connection.fields, password, content_timeout=content_timeout)


def server_for_unsaved(
    fields: Mapping[str, Any], values: Mapping[str, str | None], *, stored: str | None = None
) -> SmtpServer:
    """Return the server that a valid form describes; nothing of it is stored.

    `fields` and `values` are the form's `stored_fields` and `values`; a password that is to be kept is that of the
    secret with the id `stored`. Raises VaultError if it cannot be read.
    """
    if "password" in values:
        password = values["password"] or ""
    else:
        password = reveal(stored).get("password", "") if stored else ""
    return _server("", fields, password)


def _server(name: str, fields: Mapping[str, Any], password: str, *, content_timeout: float = 0.0) -> SmtpServer:
    return SmtpServer(
        name=name,
        host=fields["host"],
        port=fields["port"],
        tls=fields["tls"],
        username=fields["username"],
        password=password,
        ehlo_name=fields["ehlo_name"],
        timeout=fields["timeout"],
        content_timeout=content_timeout,
        ca_pem=fields["ca_pem"],
        verify=fields["verify"],
        private_hosts=settings.MAIL.private_hosts,
        max_connections=fields["max_connections"],
        mails_per_connection=fields["mails_per_connection"],
    )
