"""The SMTP driver: messages go to an SMTP server over the connections that this process keeps open to it.

`pool` assigns messages to connections, `connecting` opens one, `session` and `protocol` talk over it, `check` goes
through the steps of a connection check.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from django.conf import settings
from django.utils.translation import gettext_lazy as _

from mailadmin.drivers.base import Driver
from mailadmin.drivers.registry import register_driver
from mailadmin.drivers.smtp import check, pool
from mailadmin.drivers.smtp.connecting import connect
from mailadmin.drivers.smtp.pool import close_all, pool_for
from mailadmin.drivers.smtp.smtp_server import SmtpServer

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from mailadmin.drivers.base import Envelope, Result, RevealedConnection
    from mailadmin.drivers.check_report import CheckReport


@register_driver
class SmtpDriver(Driver):
    """Sends messages to the SMTP server of a connection."""

    key = "smtp"
    label = _("SMTP")
    explanation = _("Messages go to the SMTP server of a connection, which delivers them.")
    order = 0
    kind = "smtp"

    async def send(
        self,
        envelopes: Sequence[Envelope],
        connection: RevealedConnection | None,
        *,
        on_result: Callable[[Envelope, Result], None] | None = None,
    ) -> list[Result]:
        """Send all envelopes over the open connections to the server, dialing more where needed.

        A failure to connect defers every message that is left, and so do three broken conversations. Raises ValueError
        without a connection.
        """
        if connection is None:
            message = "the SMTP driver needs a connection"
            raise ValueError(message)
        server = server_of(connection)
        content_timeout = server.content_timeout or server.timeout
        return await pool_for(server).send(envelopes, content_timeout=content_timeout, on_result=on_result)

    async def withdraw(self, ids: Collection[int]) -> None:
        """Take the messages out of every pool of this process, unless their transactions have begun."""
        pool.withdraw(ids)

    async def stop(self, seconds: float) -> None:
        """Close every pool of this process, which defers what was not started."""
        await close_all(seconds)

    async def probe(self, connection: RevealedConnection) -> None:
        """Connect, negotiate TLS, sign in and say QUIT."""
        session = await connect(server_of(connection))
        await session.close()

    async def check(
        self, connection: RevealedConnection, *, sender: str, recipient: str, step_timeout: float
    ) -> CheckReport:
        """Go through name, connection, TLS, greeting, EHLO, sign-in, MAIL FROM and RCPT TO."""
        server = server_of(connection)
        quick = replace(server, timeout=min(server.timeout, step_timeout))
        return await check.check(quick, sender=sender, recipient=recipient)


def server_of(connection: RevealedConnection) -> SmtpServer:
    """Return the server that a connection of the kind `smtp` leads to."""
    fields = connection.fields
    return SmtpServer(
        name=connection.name,
        host=fields["host"],
        port=fields["port"],
        tls=fields["tls"],
        username=fields["username"],
        password=connection.secrets.get("password", ""),
        mechanism=fields["mechanism"],
        ehlo_name=fields["ehlo_name"],
        timeout=fields["timeout"],
        content_timeout=connection.content_timeout,
        ca_pem=fields["ca_pem"],
        verify=fields["verify"],
        private_hosts=settings.MAIL.private_hosts,
        max_connections=fields["max_connections"],
        mails_per_connection=fields["mails_per_connection"],
    )
