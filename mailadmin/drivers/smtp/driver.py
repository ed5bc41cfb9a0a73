"""The driver that delivers: through an SMTP server, over the connections that this process keeps open to it.

Who sends when and over which connection is in `pool`, how a connection is made in `smtp_connecting`, what is said over
it in `smtp_session` and `smtp_conversation`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from django.utils.translation import gettext_lazy as _

from mailadmin.drivers.base import Driver, Envelope, Result
from mailadmin.drivers.smtp.connecting import connect
from mailadmin.drivers.smtp.pool import pool_for

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from django.utils.functional import _StrOrPromise


@dataclass(frozen=True, slots=True, kw_only=True)
class SmtpServer:
    """A server and how to use it. `tls`: "none", "starttls" or "ssl". `timeout`: seconds for each step.

    `ca_pem` is trusted instead of the system's authorities. `verify=False` checks no certificate at all.
    `private_hosts`: may `host` lead to a private or loopback address. `content_timeout`: seconds to wait for the answer
    to the final dot, 0 for `timeout` (RFC 5321 4.5.3.2.6 asks for 600 where nobody is waiting). At most
    `max_connections` are open in a process at a time; each leaves after `mails_per_connection` mails, or after it has
    had nothing to do for `idle_seconds`.
    """

    name: str
    host: str
    port: int
    tls: str
    username: str = ""
    password: str = field(default="", repr=False)
    ehlo_name: str = ""
    timeout: float = 20.0
    content_timeout: float = 0.0
    ca_pem: str = ""
    verify: bool = True
    private_hosts: bool = True
    max_connections: int = 5
    mails_per_connection: int = 100
    idle_seconds: float = 15.0

    @property
    def endpoint(self) -> str:
        """Return ``host:port`` for people and the log."""
        host = self.host.strip("[]")
        return f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"


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
