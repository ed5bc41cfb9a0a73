"""The SMTP driver: messages go to an SMTP server over the connections that this process keeps open to it.

`pool` assigns messages to connections, `connecting` opens one, `session` and `protocol` talk over it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from django.utils.translation import gettext_lazy as _

from mailadmin.drivers.base import Driver, Envelope, Result
from mailadmin.drivers.smtp.connecting import connect
from mailadmin.drivers.smtp.pool import pool_for

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from django.utils.functional import _StrOrPromise

    from mailadmin.drivers.smtp.smtp_server import SmtpServer


class SmtpDriver(Driver):
    """Hands mails to an SMTP server."""

    key: ClassVar[str] = "smtp"
    label: ClassVar[_StrOrPromise] = _("SMTP")
    explanation: ClassVar[_StrOrPromise] = _(
        "Mails are handed to the SMTP server of a connection, which delivers them."
    )
    needs_connection: ClassVar[bool] = True
    delivers: ClassVar[bool] = True

    async def send(
        self,
        envelopes: Sequence[Envelope],
        server: SmtpServer | None,
        *,
        on_result: Callable[[Envelope, Result], None] | None = None,
    ) -> list[Result]:
        """Send all envelopes over the open connections to `server`, making new ones where they are needed.

        A failure to connect defers every mail that is left, and so do three broken conversations. Raises ValueError
        without a server.
        """
        if server is None:
            message = "the smtp driver needs a server"
            raise ValueError(message)
        content_timeout = server.content_timeout or server.timeout
        return await pool_for(server).send(envelopes, content_timeout=content_timeout, on_result=on_result)


async def check(server: SmtpServer) -> None:
    """Connect, negotiate TLS, sign in and leave again. Raises DeliveryError with the server's words."""
    session = await connect(server)
    await session.close()
