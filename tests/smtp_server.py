"""A real SMTP server for tests and walk-throughs: aiosmtpd in a thread of its own, keeping what it accepts.

By hand::

    python -m tests.smtp_server --port 2525 --starttls --user u --password p --cert-dir DIR

It prints the path of the CA certificate to trust and then one line for each accepted mail. Servers that misbehave on
purpose are in `tests/smtp_faults.py`.
"""

import argparse
import json
import logging
import signal
import ssl
import sys
import tempfile
import threading
import time
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from socket import AF_INET, IPPROTO_TCP, SO_REUSEADDR, SOCK_STREAM, SOL_SOCKET, create_connection, socket
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult

from tests.smtp_certificates import NAMES, authority, kept_authority, server_context

logging.getLogger("mail.log").setLevel(logging.ERROR)  # aiosmtpd tells of every connection


@dataclass(frozen=True)
class AcceptedMail:
    """A mail as the server took it: `content` are the octets after unstuffing, `tls` e.g. "TLSv1.3" or ""."""

    sender: str
    recipients: tuple[str, ...]
    content: bytes
    options: tuple[str, ...] = ()
    tls: str = ""
    username: str = ""
    ehlo: str = ""


@dataclass
class Mailbox:
    """aiosmtpd's handler: what was accepted, and what to refuse."""

    username: str = ""
    password: str = ""
    refused: dict[str, str] = field(default_factory=dict)  # recipient -> reply such as "550 5.1.1 No such user"
    content_reply: str = "250 2.0.0 Accepted"
    mails: list[AcceptedMail] = field(default_factory=list)
    sign_ins: list[tuple[str, str]] = field(default_factory=list)  # mechanism, user name: every try
    connections: int = 0
    arrived: threading.Condition = field(default_factory=threading.Condition)

    async def handle_EHLO(self, server, session, envelope, hostname, responses):  # noqa: N802  (aiosmtpd's name)
        session.host_name = hostname
        return responses

    async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: N802
        if address in self.refused:
            return self.refused[address]
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 Recipient OK"

    async def handle_DATA(self, server, session, envelope):  # noqa: N802
        if self.content_reply.startswith("2"):
            tls = server.transport.get_extra_info("ssl_object")
            mail = AcceptedMail(
                sender=envelope.mail_from,
                recipients=tuple(envelope.rcpt_tos),
                content=envelope.original_content,
                options=tuple(envelope.mail_options),
                tls=tls.version() if tls else "",
                username=session.auth_data or "",
                ehlo=session.host_name or "",
            )
            with self.arrived:
                self.mails.append(mail)
                self.arrived.notify_all()
        return self.content_reply

    def authenticate(self, server, session, envelope, mechanism, credentials):
        name = credentials.login.decode()
        self.sign_ins.append((mechanism, name))
        right = (name, credentials.password.decode()) == (self.username, self.password)
        return AuthResult(success=right, handled=False, auth_data=name if right else None)


class SmtpServer(Controller):
    """The running server. `tls`: "none", "starttls" or "ssl". `fields` is what a connection to it needs."""

    def __init__(
        self,
        *,
        tls: str = "starttls",
        username: str = "mailer",
        password: str = "correct horse battery",
        certificate: str | ssl.SSLContext = "good",
        ca_pem: str = "",
        host: str = "127.0.0.1",
        port: int = 0,
        size_limit: int = 10_000_000,
        smtputf8: bool = True,
        mechanisms: tuple[str, ...] = ("PLAIN", "LOGIN"),
    ):
        self.tls, self.username, self.password = tls, username, password
        self.ca_pem = ca_pem or authority().cert_pem.bytes().decode()
        self.mailbox = Mailbox(username, password)
        context = server_context(certificate) if isinstance(certificate, str) else certificate
        self._listening = socket(AF_INET, SOCK_STREAM, IPPROTO_TCP)  # named, or there is no TCP_NODELAY
        self._listening.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
        self._listening.bind((host, port))
        options: dict[str, Any] = {
            "data_size_limit": size_limit,
            "enable_SMTPUTF8": smtputf8,
            "auth_exclude_mechanism": {"PLAIN", "LOGIN"} - set(mechanisms),
        }
        if username:
            options |= {
                "authenticator": self.mailbox.authenticate,
                "auth_required": True,
                "auth_require_tls": tls == "starttls",  # with implicit TLS aiosmtpd does not see it
            }
        if tls == "starttls":
            options |= {"tls_context": context, "require_starttls": True}
        super().__init__(
            self.mailbox,
            hostname=host,
            port=self._listening.getsockname()[1],
            ssl_context=context if tls == "ssl" else None,
            server_hostname="mx.test",
            ident="test",
            ready_timeout=60.0,
            **options,
        )

    # ------------------------------------------------------------ for tests

    @property
    def fields(self) -> dict[str, Any]:
        """What a connection's fields must be to reach it, the password among them."""
        return {
            "host": "localhost",
            "port": self.port,
            "tls": self.tls,
            "username": self.username,
            "password": self.password,
            "ca_pem": self.ca_pem if self.tls != "none" else "",
        }

    @property
    def mails(self) -> list[AcceptedMail]:
        """What was accepted so far, oldest first."""
        return self.mailbox.mails

    @property
    def sign_ins(self) -> list[tuple[str, str]]:
        """Every try to sign in: mechanism and user name."""
        return self.mailbox.sign_ins

    @property
    def connections(self) -> int:
        """How many connections were made to it."""
        return self.mailbox.connections

    def refuse(self, recipient: str, reply: str) -> None:
        """Answer RCPT TO for this recipient by `reply` from now on."""
        self.mailbox.refused[recipient] = reply

    def wait_for(self, count: int, *, seconds: float = 60) -> list[AcceptedMail]:
        """Wait until `count` mails have come and return them all. Raises AssertionError after `seconds`."""
        with self.mailbox.arrived:
            self.mailbox.arrived.wait_for(lambda: len(self.mails) >= count, timeout=seconds)
        assert len(self.mails) >= count, f"{len(self.mails)} of {count} mails came within {seconds} s"
        return self.mails

    # ------------------------------------------------------------ aiosmtpd

    def factory(self):
        self.mailbox.connections += 1
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # "Requiring AUTH while not requiring TLS": wanted here
            return SMTP(self.handler, **self.SMTP_kwargs)

    def _create_server(self):
        return self.loop.create_server(self._factory_invoker, sock=self._listening, ssl=self.ssl_context)

    def _trigger_server(self):
        """Make the first connection, which shows that the server runs; it does not count."""
        with create_connection((self.hostname, self.port), 60):
            self._factory_invoked.wait(60)
        self.mailbox.connections = 0


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.smtp_server", description="A real SMTP server to try mails on."
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=2525)
    modes = parser.add_mutually_exclusive_group()
    modes.add_argument("--starttls", action="store_const", const="starttls", dest="tls", default="none")
    modes.add_argument("--tls", action="store_const", const="ssl", dest="tls", help="implicit TLS")
    parser.add_argument("--user", default="", help="ask for this sign-in")
    parser.add_argument("--password", default="")
    parser.add_argument("--cert-dir", type=Path, help="where ca.pem is kept (a temporary folder)")
    chosen = parser.parse_args()

    folder = chosen.cert_dir or Path(tempfile.mkdtemp(prefix="smtp-server-"))
    issuer = kept_authority(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    issuer.issue_cert(*NAMES).configure_cert(context)
    server = SmtpServer(
        tls=chosen.tls,
        username=chosen.user,
        password=chosen.password,
        certificate=context,
        host=chosen.host,
        port=chosen.port,
    )
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_signal: stopped.set())
    server.start()
    say(f"CA certificate: {folder / 'ca.pem'}")
    say(f"Listening on {chosen.host}:{server.port} ({chosen.tls})")
    shown = 0
    while not stopped.wait(0.1):
        for mail in server.mails[shown:]:
            shown += 1
            subject = next((line for line in mail.content.split(b"\r\n") if line.lower().startswith(b"subject:")), b"")
            say(
                json.dumps(
                    {
                        "at": time.strftime("%H:%M:%S"),
                        "from": mail.sender,
                        "to": list(mail.recipients),
                        "subject": subject[8:].strip().decode("utf-8", "replace"),
                        "octets": len(mail.content),
                        "tls": mail.tls,
                        "user": mail.username,
                    },
                    ensure_ascii=False,
                )
            )
    server.stop()


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
