"""A mail server and how to use it: what the SMTP driver makes of a connection."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class SmtpServer:
    """Times in seconds. `tls`: "none", "starttls" or "ssl". `timeout`: for each step.

    `mechanism`: the only one to sign in by (plain, login, cram-md5), "" for those offered, in that order.
    `ca_pem` is trusted instead of the system's authorities; `verify=False` checks no certificate at all.
    `private_hosts`: whether `host` may lead to a private or loopback address. `content_timeout`: for the reply to the
    final dot, 0 for `timeout` (RFC 5321 4.5.3.2.6 asks for 600 where no person is waiting). At most `max_connections`
    are open per process; each is closed after `mails_per_connection` messages.
    """

    name: str
    host: str
    port: int
    tls: str
    username: str = ""
    password: str = field(default="", repr=False)
    mechanism: str = ""
    ehlo_name: str = ""
    timeout: float = 20.0
    content_timeout: float = 0.0
    ca_pem: str = ""
    verify: bool = True
    private_hosts: bool = True
    max_connections: int = 5
    mails_per_connection: int = 100

    @property
    def endpoint(self) -> str:
        """``host:port``, for people and the log."""
        host = self.host.strip("[]")
        return f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"
