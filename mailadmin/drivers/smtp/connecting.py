"""Connecting to a server: name, connection, TLS, sign-in. The result is a `Session`, or one error naming the step.

aiosmtplib carries it out, one stage at a time, because its own shortcuts were measured to be unsafe: left alone it
falls back to HELO, sends the password without TLS where STARTTLS is missing, and tries a wrong password with two
mechanisms. Here the name is resolved and checked once (`secrets_app.egress_rules`), that address is connected to, and
the *name* is what the certificate is checked against. A password is refused once: another mechanism is tried only after
a reply that says nothing about the password (`says_nothing_of_password`). It is sent without TLS only where the
connection says `tls="none"`.
"""

from __future__ import annotations

import asyncio
import base64
import re
import socket
from datetime import UTC, datetime
from time import monotonic
from typing import TYPE_CHECKING, Any

import aiosmtplib
import idna
from django.utils.translation import gettext as _

from mailadmin.drivers.sanitizing import storable
from mailadmin.drivers.smtp import tls
from mailadmin.drivers.smtp.error_texts import as_delivery_error, no_mechanism, says_nothing_of_password
from mailadmin.drivers.smtp.protocol import Conversation
from mailadmin.drivers.smtp.redactor import Redactor
from mailadmin.drivers.smtp.session import Session
from mailadmin.drivers.smtp.smtp_transcripts import HandshakeTranscript
from mailadmin.errors import ConnectFailed, DeliveryError, Phase, TLSFailed
from secrets_app import egress_rules

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mailadmin.drivers.smtp.smtp_server import SmtpServer
    from secrets_app.egress_rules import Target

DEADLINE_FACTOR = 4  # connecting, with everything up to the sign-in, may take this many timeouts in all
MECHANISMS = ("plain", "login", "cram-md5")  # in the order in which those offered are tried, each at most once

_EHLO_NAME = re.compile(r"[!-~]{1,255}")


class _Client(aiosmtplib.SMTP):
    """aiosmtplib's client, which on any failure aborts instead of closing: closing would flush what was given up.

    Commands and replies, other than the greeting and STARTTLS, are recorded in `transcript`. aiosmtplib keeps octets
    that are not UTF-8 as lone surrogates; what comes from here has none.
    """

    transcript: HandshakeTranscript

    async def execute_command(self, *args: bytes, **waiting: Any) -> aiosmtplib.SMTPResponse:
        """Record the command and its reply."""
        self.transcript.record_command(args)
        response = _storable(await super().execute_command(*args, **waiting))
        self.transcript.record_reply(response.code, response.message)
        return response

    def close(self) -> None:
        """Abort the transport, then let the library clean up."""
        if isinstance(self.transport, asyncio.WriteTransport):
            self.transport.abort()
        super().close()


def _storable(response: aiosmtplib.SMTPResponse) -> aiosmtplib.SMTPResponse:
    return response._replace(message=storable(response.message))


async def connect(server: SmtpServer) -> Session:
    """Connect to `server`, encrypt and sign in as it says, and return the session.

    Each step has `server.timeout` seconds, all together four times that. Raises ConnectFailed (name, connection,
    greeting, EHLO; also for any exception that nobody expected), TLSFailed, SignInRefused or ConversationBroken,
    `permanent` if only a change will help. The password is in none of them.
    """
    handshake = _Handshake(server)
    try:
        try:
            return await handshake.run()
        except DeliveryError:
            raise
        except Exception as error:  # noqa: BLE001  (whatever the libraries raise at what another machine says)
            caught: Exception = error
        transcript, phase = handshake.transcript, handshake.transcript.phase
        if isinstance(caught, aiosmtplib.SMTPResponseException):
            caught.message = storable(str(caught.message))
            if phase in (Phase.GREETING, Phase.TLS):
                transcript.record_reply(caught.code, caught.message)
        transcript.finish()
        failure = await as_delivery_error(caught, phase, server, handshake.target, handshake.redact)
        # Raised outside the handler and without the library's exception, whose frames and words may hold our sign-in.
        del caught
        raise failure
    except DeliveryError as error:
        error.transcript = handshake.transcript.failed("" if error.code else error.message)
        handshake.abort()
        raise
    except BaseException:
        handshake.abort()
        raise


class _Handshake:
    """One attempt to connect. `target`: the address that was tried last."""

    def __init__(self, server: SmtpServer) -> None:
        self._server = server
        self._begun_at, self._begun = datetime.now(UTC), monotonic()
        self._deadline = self._begun + DEADLINE_FACTOR * server.timeout
        self._socket: socket.socket | None = None
        self._client: _Client | None = None
        self.redact = Redactor(server.username, server.password)
        self.transcript = HandshakeTranscript(self.redact)
        self.target: Target | None = None

    async def run(self) -> Session:
        """Take every step and return the session."""
        server = self._server
        name = _ascii_name(server.host)
        resolving = asyncio.to_thread(egress_rules.resolve, name, server.port, private_hosts=server.private_hosts)
        try:
            found = await asyncio.wait_for(resolving, self._seconds())
        except egress_rules.TargetRefused as refusal:
            raise ConnectFailed(str(refusal), permanent=True, phase=Phase.RESOLVE, fault="host-forbidden") from None
        context = tls.client_context(server.ca_pem, verify=server.verify)

        self.transcript.enter(Phase.CONNECT)
        self._socket = connected = await self._dial(found)
        client = _Client(
            hostname=name.strip("[]").partition("%")[0].rstrip("."),  # for SNI and the certificate
            local_hostname=_ehlo_name(server.ehlo_name, connected),
            sock=connected,
            use_tls=server.tls == "ssl",
            start_tls=False,  # the library's default would be "if offered"
            tls_context=context,
        )
        client.transcript = self.transcript
        self._client = client
        self.transcript.enter(Phase.TLS if server.tls == "ssl" else Phase.GREETING)
        greeting = _storable(await client.connect(timeout=self._seconds()))
        self.transcript.record_reply(greeting.code, greeting.message)

        await self._ehlo(client)
        if server.tls == "starttls":
            self.transcript.enter(Phase.TLS)
            if not client.supports_extension("starttls"):
                message = _("%s does not offer STARTTLS; nothing is sent without it.") % server.endpoint
                raise TLSFailed(message, permanent=True, phase=Phase.TLS, fault="starttls-missing")
            self.transcript.record_command([b"STARTTLS"])
            reply = _storable(await client.starttls(timeout=self._seconds()))
            self.transcript.record_reply(reply.code, reply.message)
            await self._ehlo(client)  # the reply before TLS does not count (RFC 3207 4.2)
        if server.username:
            await self._sign_in(client)
        self.transcript.finish()
        return self._session(client)

    def abort(self) -> None:
        """Abort whatever is open."""
        if self._client:
            self._client.close()
        elif self._socket:
            self._socket.close()

    # ------------------------------------------------------------ the steps

    async def _dial(self, found: Sequence[Target]) -> socket.socket:
        """Return a socket connected to the first address that answers; each gets an equal share of the time."""
        loop = asyncio.get_running_loop()
        failure: OSError = OSError()
        for number, self.target in enumerate(found):
            # With the protocol left at 0, asyncio would not set TCP_NODELAY, and each command might wait 40 ms.
            opened = socket.socket(self.target.family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
            opened.setblocking(False)
            try:
                share = self._seconds() / (len(found) - number)
                await asyncio.wait_for(loop.sock_connect(opened, self.target.sockaddr), share)
            except OSError as error:  # with it TimeoutError
                opened.close()
                failure = error
            except BaseException:
                opened.close()
                raise
            else:
                return opened
        raise failure

    async def _ehlo(self, client: _Client) -> None:
        """Say EHLO; a server that refuses it gets HELO only if neither TLS nor a password depends on the answer."""
        self.transcript.enter(Phase.EHLO)
        try:
            await client.ehlo(timeout=self._seconds())
        except aiosmtplib.SMTPHeloError as refusal:
            if refusal.code < 500 or self._server.username or self._server.tls != "none" or not client.is_connected:
                raise
            await client.helo(timeout=self._seconds())

    async def _sign_in(self, client: _Client) -> None:
        self.transcript.enter(Phase.AUTH)
        chosen = self._server.mechanism
        offered = [chosen] if chosen else [known for known in MECHANISMS if known in client.server_auth_methods]
        if not offered:
            raise no_mechanism(self._server, client.server_auth_methods, self.redact)
        for mechanism in offered:
            try:
                await self._sign_in_by(mechanism, client)
            except aiosmtplib.SMTPAuthenticationError as refusal:
                if mechanism == offered[-1] or not says_nothing_of_password(refusal.code):
                    raise
            else:
                return

    async def _sign_in_by(self, mechanism: str, client: _Client) -> None:
        username, password = self._server.username, self._server.password
        if mechanism == "plain":
            await client.auth_plain(username, password, timeout=self._seconds())
        elif mechanism == "login":
            await self._login(client, username, password)
        else:
            await client.auth_crammd5(username, password, timeout=self._seconds())

    async def _login(self, client: _Client, username: str, password: str) -> None:
        """Sign in by LOGIN, waiting for both prompts.

        A server that ignores a user name sent along with the command would take the password for it.
        """
        for line, wanted in (
            ((b"AUTH", b"LOGIN"), 334),
            ((base64.b64encode(username.encode()),), 334),
            ((base64.b64encode(password.encode()),), 235),
        ):
            reply = await client.execute_command(*line, timeout=self._seconds())
            if reply.code != wanted:
                raise aiosmtplib.SMTPAuthenticationError(reply.code, reply.message)

    def _session(self, client: _Client) -> Session:
        """Take over the transport from the library."""
        transport = client.transport
        if not isinstance(transport, asyncio.Transport) or not client.is_connected:
            message = "lost after sign-in"
            raise aiosmtplib.SMTPServerDisconnected(message)
        conversation = Conversation(transport, self.redact)
        transport.set_protocol(conversation)
        server = self._server
        return Session(
            conversation=conversation,
            extensions=dict(client.esmtp_extensions),
            timeout=server.timeout,
            host=server.endpoint,
            tls=tls.tls_description(transport),
            dialed_at=self._begun_at,
            dialed=self._begun,
            handshake=self.transcript,
            pipelines="pipelining" in client.esmtp_extensions,
        )

    def _seconds(self) -> float:
        """Return how long the next step may take. Raises TimeoutError if all the time is used up."""
        left = self._deadline - monotonic()
        if left <= 0:
            raise TimeoutError
        return min(self._server.timeout, left)


def _ascii_name(host: str) -> str:
    """Return the host as it is looked up: in IDNA 2008, because the resolver's own encoding is that of 2003."""
    if host.isascii():
        return host
    try:
        return idna.encode(host.rstrip("."), uts46=True).decode()
    except idna.IDNAError:
        raise ConnectFailed(_("%r is not a host name.") % host[:80], permanent=True, phase=Phase.RESOLVE) from None


def _ehlo_name(configured: str, connected: socket.socket) -> str:
    """Return the name for EHLO: as configured, else this machine's full name, else its address (RFC 5321 4.1.3)."""
    name = configured or socket.gethostname()
    if not configured and "." not in name:
        address = str(connected.getsockname()[0]).partition("%")[0]
        return f"[IPv6:{address}]" if ":" in address else f"[{address}]"
    try:
        name = name if name.isascii() else idna.encode(name, uts46=True).decode()
    except idna.IDNAError:
        name = ""
    if not _EHLO_NAME.fullmatch(name):
        message = _("The EHLO name %r cannot be sent; use a host name.") % (configured[:80])
        raise ConnectFailed(message, permanent=True, phase=Phase.EHLO)
    return name
