"""Exceptions met while connecting, as one DeliveryError with a plain text."""

from __future__ import annotations

import logging
import socket
import traceback
from typing import TYPE_CHECKING

import aiosmtplib
from django.utils.translation import gettext as _

from mailadmin.drivers.sanitizing import sanitize
from mailadmin.drivers.smtp import tls
from mailadmin.drivers.smtp.redactor import Redactor
from mailadmin.drivers.smtp.replies import Reply, account_error, reply_from
from mailadmin.errors import ConnectFailed, ConversationBroken, DeliveryError, Phase, SignInRefused, TLSFailed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mailadmin.drivers.smtp.smtp_server import SmtpServer
    from secrets_app.egress_rules import Target

logger = logging.getLogger(__name__)

_MALFORMED = -1  # aiosmtplib's code for what is not SMTP
_LIBRARY_PREFIX = "Malformed SMTP response line: "


async def as_delivery_error(
    error: Exception, phase: Phase, server: SmtpServer, target: Target | None, redact: Redactor
) -> DeliveryError:
    """Return `error`, met in `phase`, as the DeliveryError to raise.

    Where the server seems to speak TLS in the wrong place, it is connected to once more to make sure, for at most three
    seconds.
    """
    if phase == Phase.TLS and server.tls == "ssl" and _had_tls(error):
        phase = Phase.GREETING
    if isinstance(error, ValueError) and not isinstance(error, OSError):
        return _not_encodable(phase, server)
    if not isinstance(error, (aiosmtplib.SMTPException, OSError, EOFError)):
        return _unexpected(error, phase, server, redact)
    if isinstance(error, aiosmtplib.SMTPResponseException):
        if error.code == _MALFORMED or not 200 <= error.code < 600:
            text = sanitize(redact(str(error.message).removeprefix(_LIBRARY_PREFIX)), limit=200)
            return _malformed(text, phase, server)
        return _refused(reply_from(error.code, str(error.message), redact), phase, server)
    if phase == Phase.TLS and target is not None:
        return await tls.handshake_error(error, server, target)
    if phase in (Phase.RESOLVE, Phase.CONNECT):
        return _unreachable(error, phase, server)
    return await _no_reply(error, phase, server, target)


def says_nothing_of_password(code: int) -> bool:
    """Return whether the refusal of an AUTH command with this code is about the mechanism, not the credentials.

    504 says that the mechanism is not supported (RFC 4954 section 4), 500 and 502 that the command is not (RFC 5321
    section 4.2.4). 534 is not among them: Gmail asks for an app password by it.
    """
    return code in (500, 502, 504)


def no_mechanism(server: SmtpServer, offered: Sequence[str], redact: Redactor) -> SignInRefused:
    """Return the error for a server that offers no mechanism which is supported here."""
    shown = sanitize(redact(" ".join(offered).upper()), limit=100)
    fault = "sign-in-unsupported"
    if not offered:
        fault = "sign-in-missing"
        message = _("%(host)s offers no sign-in; leave user and password empty, or choose another encryption.")
    elif {"xoauth2", "oauthbearer"} & set(offered):
        fault = "passwords-refused"
        message = _("%(host)s accepts no passwords: it offers only sign-in by token (%(offered)s).")
    else:
        message = _("%(host)s offers no sign-in method that is supported here (it offers: %(offered)s).")
    text = message % {"host": server.endpoint, "offered": shown}
    return SignInRefused(text, permanent=True, phase=Phase.AUTH, fault=fault)


def _unexpected(error: Exception, phase: Phase, server: SmtpServer, redact: Redactor) -> DeliveryError:
    """Return the error for an exception that nobody expected, a fault of ours or of a library's.

    Its text goes to the log file only, and without its traceback: the frames hold our sign-in.
    """
    kind, where = type(error).__name__, traceback.extract_tb(error.__traceback__)
    place = f"{where[-1].filename}:{where[-1].lineno}" if where else "?"
    text = sanitize(redact(str(error)), limit=200)
    logger.error("Connecting to %s failed (%s): %s: %s (%s)", server.endpoint, phase.value, kind, text, place)
    message = _("Connecting to %(host)s failed unexpectedly (%(kind)s); the log file says more.")
    return ConnectFailed(message % {"host": server.endpoint, "kind": kind}, permanent=False, phase=phase)


def _had_tls(error: Exception) -> bool:
    """Whether TLS was established: with implicit TLS the library reads the greeting in the same step."""
    return isinstance(error, aiosmtplib.SMTPResponseException) or isinstance(
        error.__cause__, (aiosmtplib.SMTPServerDisconnected, aiosmtplib.SMTPReadTimeoutError)
    )


def _not_encodable(phase: Phase, server: SmtpServer) -> DeliveryError:
    """Return the error for a value that cannot be encoded; the value is not repeated."""
    if phase == Phase.AUTH:
        message = _("The user name or the password for %s holds a character that cannot be sent.")
        return SignInRefused(message % server.endpoint, permanent=True, phase=phase, fault="credentials-unsendable")
    return ConnectFailed(_("%s is not a host name.") % repr(server.host[:80]), permanent=True, phase=phase)


def _unreachable(error: Exception, phase: Phase, server: SmtpServer) -> ConnectFailed:
    """Return the error for a host that cannot be found or reached; the fault is named where it is clear."""
    values = {"name": server.host, "host": server.endpoint, "seconds": f"{server.timeout:.3g}"}
    fault = ""
    if phase == Phase.RESOLVE:
        if isinstance(error, TimeoutError):
            message = _("The name %(name)s could not be looked up within %(seconds)s seconds.")
        elif isinstance(error, socket.gaierror) and error.errno == socket.EAI_AGAIN:
            message = _("The name %(name)s could not be looked up: the name server does not answer.")
        else:
            fault, message = "host-unknown", _("There is no host named %(name)s.")
    elif isinstance(error, TimeoutError):
        fault = "connection-timeout"
        message = _("%(host)s did not answer within %(seconds)s seconds; a firewall may be in the way.")
    elif isinstance(error, ConnectionRefusedError):
        fault, message = "connection-refused", _("Nothing listens on %(host)s (connection refused).")
    else:
        message = _("No connection to %(host)s: %(why)s.")
        why = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
        values["why"] = sanitize(why)
    return ConnectFailed(message % values, permanent=False, phase=phase, fault=fault)


def _refused(reply: Reply, phase: Phase, server: SmtpServer) -> DeliveryError:
    """Return the error for a negative reply; it is permanent from 500 on."""
    if limited := account_error(reply, phase, server.endpoint):
        return limited
    kind: type[DeliveryError] = ConnectFailed
    message = _("%(host)s accepts no connection now: %(reply)s")
    if reply.code != 421 and phase == Phase.TLS:
        kind, message = TLSFailed, _("%(host)s refuses STARTTLS: %(reply)s")
    elif reply.code != 421 and phase == Phase.AUTH:
        kind, message = SignInRefused, _("%(host)s refuses the sign-in: %(reply)s")
    elif phase == Phase.EHLO:
        message = _("%(host)s refuses EHLO: %(reply)s")
    return kind(
        message % {"host": server.endpoint, "reply": reply},
        permanent=reply.code >= 500,
        phase=phase,
        code=reply.code,
        enhanced_code=reply.enhanced_code,
        reply=reply.text,
    )


def _malformed(text: str, phase: Phase, server: SmtpServer) -> DeliveryError:
    kind: type[DeliveryError] = ConversationBroken
    message = _("%(host)s sent something that is not SMTP: “%(text)s”.")
    if phase == Phase.GREETING:
        kind, message = ConnectFailed, _("%(host)s is not a mail server: it greeted with “%(text)s”.")
    elif phase == Phase.TLS:
        kind = TLSFailed
    return kind(message % {"host": server.endpoint, "text": text}, permanent=False, phase=phase, reply=text)


async def _no_reply(error: Exception, phase: Phase, server: SmtpServer, target: Target | None) -> DeliveryError:
    """Return the error for a server that hangs or hangs up."""
    is_timeout = isinstance(error, TimeoutError)
    if (
        phase == Phase.GREETING
        and server.tls != "ssl"
        and target is not None
        and await tls.speaks_tls(target, server.timeout)
    ):
        message = _("%s expects implicit TLS; choose it in the connection.") % server.endpoint
        return TLSFailed(message, permanent=True, phase=phase, fault="tls-expected")
    if is_timeout:
        message = _("%(host)s did not answer within %(seconds)s seconds (%(phase)s).")
    else:
        message = _("%(host)s closed the connection (%(phase)s).")
    kind = ConnectFailed if phase == Phase.GREETING else ConversationBroken
    values = {"host": server.endpoint, "seconds": f"{server.timeout:.3g}", "phase": phase.value}
    return kind(message % values, permanent=False, phase=phase)
