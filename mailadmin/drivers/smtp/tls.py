"""Encryption: how a server's certificate is checked, and in plain words what was wrong with it.

The same fault arrives as three families of exceptions (after STARTTLS an ssl error, with implicit TLS a
connection error around it, from an old server a closed connection); here each gets one name and says what to do.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from functools import lru_cache
from typing import TYPE_CHECKING

from django.utils.translation import gettext as _

from mailadmin.drivers.sanitizing import decoded, sanitize
from mailadmin.errors import Phase, TLSFailed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mailadmin.drivers.smtp.smtp_server import SmtpServer
    from secrets_app.egress_rules import Target

PROBE_SECONDS = 3.0  # the longest that a second connection may take to find out what a server speaks

# OpenSSL's X509_V_ERR_* (x509_vfy.h)
_NOT_YET_VALID, _EXPIRED = 9, 10
_SELF_SIGNED = 18
_UNKNOWN_AUTHORITY = frozenset({2, 19, 20, 21})
_WRONG_NAME = frozenset({62, 64})
# Reasons of ssl.SSLError
_NOT_TLS = frozenset({"WRONG_VERSION_NUMBER", "UNKNOWN_PROTOCOL", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG"})
_NO_COMMON_VERSION = frozenset(
    {
        "UNSUPPORTED_PROTOCOL",
        "TLSV1_ALERT_PROTOCOL_VERSION",
        "NO_PROTOCOLS_AVAILABLE",
        "WRONG_SSL_VERSION",
        "VERSION_TOO_LOW",
    }
)
_NO_COMMON_CIPHER = frozenset(
    {"SSLV3_ALERT_HANDSHAKE_FAILURE", "NO_SHARED_CIPHER", "DH_KEY_TOO_SMALL", "EE_KEY_TOO_SMALL"}
)


@lru_cache(maxsize=64)
def client_context(ca_pem: str, *, verify: bool) -> ssl.SSLContext:
    """Return the context for a connection: TLS 1.2 or later, the name checked, `ca_pem` instead of the system's CAs.

    Cached, because reading the system's certificates takes 10-20 ms. Raises TLSFailed if `ca_pem` is not PEM.
    """
    try:
        context = ssl.create_default_context(cadata=ca_pem or None)
    except (ssl.SSLError, ValueError) as error:
        message = _("The connection's own CA certificate cannot be read; it must be PEM text.")
        raise TLSFailed(message, permanent=True, phase=Phase.TLS, fault="authority-unreadable") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def tls_description(transport: asyncio.BaseTransport) -> str:
    """Return the transport's protocol version and cipher for the log, nothing if it is not encrypted."""
    tls = transport.get_extra_info("ssl_object")
    if tls is None:
        return ""
    cipher = tls.cipher()
    return f"{tls.version()}, {cipher[0]}" if cipher else str(tls.version())


async def handshake_error(error: BaseException, server: SmtpServer, target: Target) -> TLSFailed:
    """Return `error`, met during the TLS handshake, as one that says what is wrong and what to do.

    If the server does not seem to speak TLS, it is connected to once more without it, for its greeting. A fault that
    lasts until the configuration changes is `permanent`.
    """
    host, from_start = server.host, server.tls == "ssl"
    causes = list(_causes(error))
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            fault, text = _certificate_fault(cause, host)
            return TLSFailed(text, permanent=True, phase=Phase.TLS, fault=fault)
    for cause in causes:
        if isinstance(cause, ssl.SSLError):
            reason = cause.reason or ""
            if reason in _NOT_TLS:
                text = (
                    await _not_tls(server, target) if from_start else _("The server did not begin TLS after STARTTLS.")
                )
                return TLSFailed(text, permanent=True, phase=Phase.TLS, fault="tls-not-spoken")
            if reason in _NO_COMMON_VERSION:
                text = _("%s supports no secure version of TLS: 1.2 or later is needed.") % host
                return TLSFailed(text, permanent=True, phase=Phase.TLS, fault="tls-outdated")
            if reason in _NO_COMMON_CIPHER:
                text = _("%(host)s offers no secure encryption (%(reason)s).") % {"host": host, "reason": reason}
                return TLSFailed(text, permanent=True, phase=Phase.TLS, fault="tls-outdated")
            text = _("TLS with %(host)s failed: %(why)s.") % {"host": host, "why": reason or sanitize(str(cause))}
            return TLSFailed(text, permanent=False, phase=Phase.TLS)
    if any(isinstance(cause, TimeoutError) or "handshake" in str(cause) for cause in causes):
        return TLSFailed(_("%s did not finish the TLS handshake in time.") % host, permanent=False, phase=Phase.TLS)
    if from_start and (greeting := await _plain_greeting(target, server.timeout)):
        return TLSFailed(_speaks_plain(server, greeting), permanent=True, phase=Phase.TLS, fault="tls-not-spoken")
    text = _("%s closed the connection during the TLS handshake; it may support only versions before TLS 1.2.") % host
    return TLSFailed(text, permanent=False, phase=Phase.TLS, fault="tls-aborted")


async def _plain_greeting(target: Target, seconds: float) -> str:
    """Connect once more without TLS and return the first line that the server sends, "" if it sends none."""
    try:
        async with asyncio.timeout(min(seconds, PROBE_SECONDS)):
            reader, writer = await asyncio.open_connection(sock=await _open(target))
            try:
                line = await reader.readuntil(b"\n")
            finally:
                writer.transport.abort()
    except (OSError, EOFError, asyncio.LimitOverrunError):  # EOFError: asyncio.IncompleteReadError
        return ""
    text = decoded(line)
    return sanitize(text, limit=200) if text[:3].isdigit() else ""


async def speaks_tls(target: Target, seconds: float) -> bool:
    """Connect once more and return whether the server begins TLS at once, within `seconds`, three at most."""
    context = client_context("", verify=False)
    try:
        async with asyncio.timeout(min(seconds, PROBE_SECONDS)):
            _reader, writer = await asyncio.open_connection(sock=await _open(target), ssl=context, server_hostname="")
            writer.transport.abort()
    except OSError:  # with it ssl.SSLError and TimeoutError
        return False
    return True


async def _open(target: Target) -> socket.socket:
    opened = socket.socket(target.family, socket.SOCK_STREAM)
    try:
        opened.setblocking(False)
        await asyncio.get_running_loop().sock_connect(opened, target.sockaddr)
    except BaseException:
        opened.close()
        raise
    return opened


def _certificate_fault(error: ssl.SSLCertVerificationError, host: str) -> tuple[str, str]:
    """Return the key of what is wrong with the certificate, and the sentence."""
    code = error.verify_code
    if code == _EXPIRED:
        return "certificate-expired", _("The certificate of %s has expired.") % host
    if code == _NOT_YET_VALID:
        text = _("The certificate of %s is not yet valid; check the clocks of both machines.")
        return "certificate-not-yet-valid", text % host
    if code == _SELF_SIGNED:
        text = _("The certificate of %s is self-signed; if you trust it, add it to the connection.")
        return "certificate-self-signed", text % host
    if code in _WRONG_NAME:
        return "certificate-name", _("The certificate is for a name other than %s.") % host
    if code in _UNKNOWN_AUTHORITY:
        text = _("The certificate of %s is from an unknown authority; if you trust it, add its CA.")
        return "certificate-authority", text % host
    text = _("The certificate of %(host)s cannot be trusted: %(why)s.")
    return "certificate-other", text % {"host": host, "why": sanitize(error.verify_message)}


async def _not_tls(server: SmtpServer, target: Target) -> str:
    greeting = await _plain_greeting(target, server.timeout)
    return _speaks_plain(server, greeting) if greeting else _("%s does not speak TLS.") % server.endpoint


def _speaks_plain(server: SmtpServer, greeting: str) -> str:
    return _("%(host)s does not speak TLS on port %(port)d (it greeted with “%(greeting)s”); try STARTTLS.") % {
        "host": server.host,
        "port": server.port,
        "greeting": greeting,
    }


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
